// SPDX-License-Identifier: Apache-2.0
//
//   [PROXY in] ──► DIAL ──connected──► header out + RELAY ──► end
//
// A dead enclave closes the client's connection at once and is counted; the next client tries anew, so an enclave that
// comes back is used without anyone telling us.
#include "runtime/control-plane/ingress.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/common/chain.h"
#include "runtime/common/log.h"
#include "runtime/common/proxy.h"
#include "runtime/common/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
	struct chain chain; // in the list of its owner
	struct ingress_relay *in;
	int client; // owned; -1 when with the relay
	struct addr src, dst;
	struct event *event; // PROXY in
	uint8_t *header;     // its bytes; NULL before and after
	size_t have, want;
	struct timer timer;
	struct dial *dial;
	struct relay *relay;
};

struct ingress_relay {
	struct loop *loop;
	struct ingress_options o;
	struct acceptor *acceptor;
	struct conncap cap;
	struct ingress_stats stats;
	struct chain *conns;
};

static void conn_free(struct conn *c)
{
	chain_leave(&c->chain);
	dial_cancel(c->dial);
	if (c->event)
		event_free(c->event);
	timer_free(&c->timer);
	free(c->header);
	if (c->client >= 0)
		close(c->client);
	conncap_release(&c->in->cap);
	free(c);
}

static void on_relay_end(void *ctx, const struct relay_result *result)
{
	struct conn *c = ctx;
	char peer[ADDR_TEXT_MAX];

	c->relay = NULL;
	log_peer_event(LOG_DEBUG, "ingress.closed", LOG_STR("peer", addr_format(&c->src, peer)),
		       LOG_U64("bytes_in", result->a_to_b), LOG_U64("bytes_out", result->b_to_a));
	conn_free(c);
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct conn *c = ctx;
	struct ingress_relay *in = c->in;
	const struct relay_options options = {.idle_ms = in->o.idle_ms,
					      .linger_ms = in->o.linger_ms,
					      .total_a_to_b = &in->stats.bytes_in,
					      .total_b_to_a = &in->stats.bytes_out};
	uint8_t header[PROXY_OUT_MAX];
	size_t n = 0;
	struct err err = ERR_INIT;

	c->dial = NULL;
	if (fd < 0) {
		in->stats.enclave_failed++;
		log_peer_event(LOG_WARN, "ingress.enclave_failed", LOG_STR("why", strerrordesc_np(errnum)));
		conn_free(c);
		return;
	}
	if (in->o.send_proxy)
		n = proxy_format(&c->src, &c->dst, header);
	// The data plane's HTTP and TLS close when they are done, not when the client is: no `whole_ends` there.
	struct stream client = stream_plain(steal_fd(&c->client)), enclave = stream_plain(fd);

	in->stats.relayed++;
	c->relay = relay_start_with(in->loop, &client, &enclave, header, n, &options, on_relay_end, c, &err);
	if (!c->relay)
		conn_free(c);
}

static void start_dial(struct conn *c)
{
	struct err err = ERR_INIT;

	c->dial = dial_start(c->in->loop, &c->in->o.enclave, c->in->o.dial_ms, on_dialled, c, &err);
	if (!c->dial)
		conn_free(c);
}

// ---- PROXY in ------------------------------------------------------------------------------------------------------

static void proxy_failed(struct conn *c, const char *why)
{
	char peer[ADDR_TEXT_MAX];

	c->in->stats.proxy_failed++;
	log_peer_event(LOG_WARN, "ingress.proxy_failed", LOG_STR("peer", addr_format(&c->src, peer)), LOG_STR("why", why));
	conn_free(c);
}

static void on_time(void *ctx)
{
	proxy_failed(ctx, "no PROXY header in time");
}

// Reads no byte past the header. Nothing is left in the socket meanwhile: bytes that were only looked at would keep it
// readable, and a client that ends in the middle of a header would keep us busy until the timer.
static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;
	struct proxy_info info;
	struct err err = ERR_INIT;
	ssize_t n = recv(fd, c->header + c->have, c->want - c->have, 0);
	(void)what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		proxy_failed(c, "closed before its PROXY header");
		return;
	}
	c->have += (size_t)n;
	int header = proxy_parse(c->header, c->have, &c->want, &info, &err);

	if (header < 0)
		proxy_failed(c, err.msg);
	if (header <= 0)
		return;
	if (!info.local && info.src.kind == ADDR_TCP) {
		c->src = info.src;
		c->dst = info.dst;
	}
	event_free(steal_ptr(&c->event));
	free(steal_ptr(&c->header));
	timer_set(&c->timer, 0);
	start_dial(c);
}

static int expect_proxy(struct conn *c, struct err *err)
{
	c->header = mem_alloc(PROXY_MAX, err);
	if (!c->header)
		return -1;
	proxy_parse(NULL, 0, &c->want, &(struct proxy_info){.local = false}, NULL);
	c->event = event_new(loop_base(c->in->loop), c->client, EV_READ | EV_PERSIST, on_readable, c);
	if (!c->event || event_add(c->event, NULL) < 0)
		return err_nomem(err);
	if (timer_init(&c->timer, c->in->loop, on_time, c, err) < 0)
		return -1;
	timer_set(&c->timer, c->in->o.proxy_ms);
	return 0;
}

// ---- accepting -----------------------------------------------------------------------------------------------------

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct ingress_relay *in = ctx;
	struct err err = ERR_INIT;
	struct conn *c = mem_zalloc(1, sizeof(*c), &err);
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	if (!c) {
		close(fd);
		conncap_release(&in->cap);
		return;
	}
	c->in = in;
	c->client = fd;
	c->src = *peer;
	if (getsockname(fd, (struct sockaddr *)&own, &len) == 0)
		addr_from_sockaddr(&c->dst, (struct sockaddr *)&own, len);
	chain_enter(&in->conns, &c->chain);
	if (!in->o.expect_proxy)
		start_dial(c);
	else if (expect_proxy(c, &err) < 0)
		conn_free(c);
}

struct ingress_relay *ingress_relay_new(struct loop *l, const struct ingress_options *o, struct err *err)
{
	struct ingress_relay *in = mem_zalloc(1, sizeof(*in), err);

	if (!in)
		return NULL;
	in->loop = l;
	in->o = *o;
	in->cap.max = o->conns_max;
	in->acceptor = acceptor_listen(l, &o->listen, &in->cap, on_accept, in, err);
	if (!in->acceptor) {
		err_prefix(err, "ingress: ");
		free(in);
		return NULL;
	}
	return in;
}

void ingress_relay_stop_listening(struct ingress_relay *in)
{
	acceptor_free(steal_ptr(&in->acceptor));
}

void ingress_relay_free(struct ingress_relay *in)
{
	if (!in)
		return;
	while (in->conns) {
		struct conn *c = (struct conn *)in->conns;

		if (c->relay)
			relay_cancel(c->relay); // frees the connection through on_relay_end
		else
			conn_free(c);
	}
	acceptor_free(in->acceptor);
	free(in);
}

const struct ingress_stats *ingress_relay_stats(struct ingress_relay *in)
{
	in->stats.accepted = in->cap.admitted;
	in->stats.shed = in->cap.shed;
	in->stats.open = in->cap.in_use;
	return &in->stats;
}
