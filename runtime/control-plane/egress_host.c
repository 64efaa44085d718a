// SPDX-License-Identifier: Apache-2.0
//
//   READ ──frame──► RESOLVE ──addresses──► CONNECT ──one answered──► REPLY+GATE ──► RELAY ──► end
//     │                │ none               │ all failed                 │ another name
//     └────────────────┴──── reply with the reason, then close ──────────┘ reset
//
// READ takes exactly the frame's bytes from the socket: the head says how many. What the enclave sends before our reply
// stays in the kernel and is the connection's data.
#include "runtime/control-plane/egress_host.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/common/chain.h"
#include "runtime/common/log.h"
#include "runtime/common/relay.h"
#include "runtime/common/sni_gate.h"
#include "runtime/control-plane/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Each address that is silent costs connect_ms: more of them would outlast the enclave's patience. Those that the
// kernel or the peer refuses at once cost nothing, and all that the resolver gives are tried.
enum { LENGTH_END = 8, SILENT_MAX = 3 };

struct conn {
	struct chain chain; // in the list of its owner
	struct egress_host *e;
	int enclave, upstream; // owned; -1 when closed or with the relay
	struct event *event;   // READ, on enclave
	struct timer timer;
	uint8_t *frame; // to the end of the gate
	size_t have, want;
	struct egress_request request;
	struct resolver_query *query;
	struct ip_addr addrs[RESOLVER_ADDRS_MAX];
	size_t addr_count, addr_next;
	unsigned silent; // addresses that did not answer in time
	int last_errno;
	struct dial *dial;
	struct sni_gate *gate;
	struct relay *relay;
};

struct egress_host {
	struct loop *loop;
	struct egress_host_options o;
	struct allowlist *allow;
	struct resolver *resolver;
	struct acceptor *acceptor;
	struct conncap cap;
	struct egress_host_stats stats;
	struct chain *conns;
};

static void conn_free(struct conn *c)
{
	chain_leave(&c->chain);
	resolver_cancel(c->query);
	dial_cancel(c->dial);
	sni_gate_cancel(c->gate);
	if (c->event)
		event_free(c->event);
	timer_free(&c->timer);
	if (c->enclave >= 0)
		close(c->enclave);
	if (c->upstream >= 0)
		close(c->upstream);
	free(c->frame);
	conncap_release(&c->e->cap);
	free(c);
}

static const char *destination(const struct conn *c, char text[IP_TEXT_MAX])
{
	return c->request.addr.len ? ip_format(&c->request.addr, text) : c->request.name;
}

// The reply is 8 bytes on a fresh connection: if the socket does not take them at once, the enclave has gone.
static bool send_reply(struct conn *c, enum egress_status status)
{
	uint8_t reply[EGRESS_REPLY_LEN];

	c->e->stats.by_status[status]++;
	egress_reply_write(status, reply);
	return send(c->enclave, reply, sizeof(reply), MSG_NOSIGNAL) == (ssize_t)sizeof(reply);
}

static void refuse(struct conn *c, enum egress_status status)
{
	char text[IP_TEXT_MAX];

	log_peer_event(LOG_WARN, "egress.refused", LOG_STR("to", destination(c, text)), LOG_U64("port", c->request.port),
		       LOG_STR("why", egress_status_name(status)));
	send_reply(c, status);
	conn_free(c);
}

// ---- RELAY ---------------------------------------------------------------------------------------------------------

static void on_relay_end(void *ctx, const struct relay_result *result)
{
	struct conn *c = ctx;
	char text[IP_TEXT_MAX];

	c->relay = NULL;
	log_peer_event(LOG_INFO, "egress.closed", LOG_STR("to", destination(c, text)), LOG_U64("port", c->request.port),
		       LOG_U64("bytes_out", result->a_to_b), LOG_U64("bytes_in", result->b_to_a));
	conn_free(c);
}

// The connection ends at the gate: for what its client said, or because neither side ever said anything.
static void gate_closed(struct conn *c, enum sni_verdict verdict)
{
	static const struct linger hard = {1, 0};
	char text[IP_TEXT_MAX];

	if (verdict == SNI_REFUSED) {
		c->e->stats.by_status[EGRESS_SNI_MISMATCH]++;
		log_peer_event(LOG_WARN, "egress.refused", LOG_STR("to", destination(c, text)),
			       LOG_U64("port", c->request.port),
			       LOG_STR("why", egress_status_name(EGRESS_SNI_MISMATCH)));
	} else {
		log_peer_event(LOG_INFO, "egress.idle", LOG_STR("to", destination(c, text)), LOG_U64("port", c->request.port));
	}
	setsockopt(c->enclave, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	conn_free(c);
}

static void on_gate(void *ctx, enum sni_verdict verdict, const uint8_t *data, size_t n)
{
	struct conn *c = ctx;
	const struct relay_options options = {.idle_ms = c->e->o.idle_ms, .linger_ms = c->e->o.linger_ms,
					      .total_a_to_b = &c->e->stats.bytes_out,
					      .total_b_to_a = &c->e->stats.bytes_in};
	struct err err = ERR_INIT;

	c->gate = NULL;
	if (verdict != SNI_PASS) {
		gate_closed(c, verdict);
		return;
	}
	struct stream enclave = stream_plain(steal_fd(&c->enclave)), upstream = stream_plain(steal_fd(&c->upstream));

	enclave.whole_ends = true;
	c->relay = relay_start_with(c->e->loop, &enclave, &upstream, data, n, &options, on_relay_end, c, &err);
	free(steal_ptr(&c->frame));
	if (!c->relay)
		conn_free(c);
}

static void connected(struct conn *c)
{
	const struct sni_gate_options gate = {.client = c->enclave, .server = c->upstream, .name = c->request.name,
					      .first = c->request.data, .first_len = c->request.data_len,
					      .wait_ms = c->e->o.idle_ms, .hello_ms = c->e->o.hello_ms};
	struct err err = ERR_INIT;

	if (!send_reply(c, EGRESS_CONNECTED) ||
	    sni_gate_start(c->e->loop, &gate, on_gate, c, &c->gate, &err) < 0)
		conn_free(c);
}

// ---- CONNECT -------------------------------------------------------------------------------------------------------

static void connect_next(struct conn *c);

static enum egress_status status_of(int errnum)
{
	switch (errnum) {
	case ECONNREFUSED:
	case ECONNRESET:
		return EGRESS_REFUSED;
	case ETIMEDOUT:
		return EGRESS_TIMEOUT;
	default:
		return EGRESS_UNREACHABLE;
	}
}

// Of two failures the one that says more: an address without a route to it hides no other's answer.
static int worse(int before, int errnum)
{
	return before && status_of(errnum) == EGRESS_UNREACHABLE ? before : errnum;
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct conn *c = ctx;

	c->dial = NULL;
	if (fd < 0) {
		c->silent += errnum == ETIMEDOUT;
		c->last_errno = worse(c->last_errno, errnum);
		connect_next(c);
		return;
	}
	c->upstream = fd;
	connected(c);
}

static void connect_next(struct conn *c)
{
	struct addr to = {.kind = ADDR_TCP};
	struct sockaddr_storage ss;
	struct err err = ERR_INIT;

	if (c->addr_next == c->addr_count || c->silent == SILENT_MAX) {
		refuse(c, status_of(c->last_errno));
		return;
	}
	to.len = ip_to_sockaddr(&c->addrs[c->addr_next++], c->request.port, &ss);
	memcpy(&to.u, &ss, to.len);
	c->dial = dial_start(c->e->loop, &to, c->e->o.connect_ms, on_dialled, c, &err);
	if (!c->dial)
		refuse(c, EGRESS_BUSY);
}

// Keeps the addresses that may be dialled, of n (at most RESOLVER_ADDRS_MAX).
static void keep_global(struct conn *c, const struct ip_addr *addrs, size_t n)
{
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		enum ip_class class = ip_classify(&addrs[i]);

		if (class == IP_GLOBAL || (class == IP_LOOPBACK && c->e->o.test_allow_loopback))
			c->addrs[c->addr_count++] = addrs[i];
		else
			log_peer_event(LOG_WARN, "egress.address_refused", LOG_STR("name", c->request.name),
				       LOG_STR("address", ip_format(&addrs[i], text)),
				       LOG_STR("class", ip_class_name(class)));
	}
	if (c->addr_count)
		connect_next(c);
	else
		refuse(c, EGRESS_ADDR_REFUSED);
}

// ---- RESOLVE -------------------------------------------------------------------------------------------------------

static void on_resolved(void *ctx, enum resolver_outcome outcome, const struct ip_addr *addrs, size_t n)
{
	struct conn *c = ctx;

	c->query = NULL;
	if (outcome == RESOLVER_FOUND)
		keep_global(c, addrs, n);
	else
		refuse(c, outcome == RESOLVER_NO_NAME ? EGRESS_NAME_UNKNOWN : EGRESS_RESOLVE_FAILED);
}

static void judge(struct conn *c)
{
	const struct egress_request *r = &c->request;
	struct err err = ERR_INIT;

	if (r->addr.len) {
		if (allowlist_allows_addr(c->e->allow, &r->addr, r->port))
			keep_global(c, &r->addr, 1);
		else
			refuse(c, EGRESS_NOT_ALLOWED);
		return;
	}
	if (!allowlist_allows_name(c->e->allow, r->name, strlen(r->name), r->port))
		refuse(c, EGRESS_NOT_ALLOWED);
	else if (sni_judge(r->data, r->data_len, r->name) == SNI_REFUSED)
		refuse(c, EGRESS_SNI_MISMATCH);
	else if (resolver_ask(c->e->resolver, r->name, on_resolved, c, &c->query, &err) < 0)
		refuse(c, EGRESS_BUSY);
}

// ---- READ ----------------------------------------------------------------------------------------------------------

static void malformed(struct conn *c, const char *why)
{
	c->e->stats.malformed++;
	log_peer_event(LOG_WARN, "egress.malformed", LOG_STR("why", why));
	send_reply(c, EGRESS_BAD_REQUEST);
	conn_free(c);
}

static void on_time(void *ctx)
{
	malformed(ctx, "no whole request in time");
}

// The head is there: makes room for the rest that it announces.
static int grow_frame(struct conn *c, struct err *err)
{
	size_t total = LENGTH_END + (size_t)get_be32(c->frame + 4);
	uint8_t *bigger;

	if (memcmp(c->frame, "EGR1", 4) != 0 || total > EGRESS_REQUEST_MAX || total < EGRESS_REQUEST_HEAD)
		return err_set(err, ERR_INPUT, "wrong magic, version or length");
	bigger = mem_resize(c->frame, total, 1, err);
	if (!bigger)
		return -1;
	c->frame = bigger;
	c->want = total;
	return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;
	struct err err = ERR_INIT;
	ssize_t n = recv(fd, c->frame + c->have, c->want - c->have, 0);
	(void)what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		malformed(c, "closed before its request");
		return;
	}
	c->have += (size_t)n;
	if (c->have == LENGTH_END && c->want == LENGTH_END && grow_frame(c, &err) < 0) {
		malformed(c, err.msg);
		return;
	}
	if (c->have < c->want)
		return;
	event_free(steal_ptr(&c->event));
	timer_set(&c->timer, 0);
	long whole = egress_request_read(c->frame, c->have, &c->request, &err);

	if (whole == (long)c->have)
		judge(c);
	else // 0: it wants more bytes than its length said
		malformed(c, whole < 0 ? err.msg : "egress request: the length is not the sum of its fields");
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct egress_host *e = ctx;
	struct err err = ERR_INIT;
	struct conn *c = mem_zalloc(1, sizeof(*c), &err);
	(void)peer;

	if (!c) {
		close(fd);
		conncap_release(&e->cap);
		return;
	}
	c->e = e;
	c->enclave = fd;
	c->upstream = -1;
	chain_enter(&e->conns, &c->chain);
	c->want = LENGTH_END;
	c->frame = mem_alloc(c->want, &err);
	c->event = event_new(loop_base(e->loop), fd, EV_READ | EV_PERSIST, on_readable, c);
	if (!c->frame || !c->event || timer_init(&c->timer, e->loop, on_time, c, &err) < 0 ||
	    event_add(c->event, NULL) < 0) {
		conn_free(c);
		return;
	}
	timer_set(&c->timer, e->o.request_ms);
}

// ---- life ----------------------------------------------------------------------------------------------------------

struct egress_host *egress_host_new(struct loop *l, const struct egress_host_options *o, struct err *err)
{
	struct egress_host *e = mem_zalloc(1, sizeof(*e), err);

	if (!e)
		return NULL;
	e->loop = l;
	e->o = *o;
	e->o.allow = NULL;
	e->o.dns_servers = NULL;
	e->cap.max = o->conns_max;
	e->allow = allowlist_new(err);
	if (!e->allow || allowlist_parse(e->allow, o->allow, strlen(o->allow), err) < 0)
		goto fail;
	e->resolver = resolver_new(l, o->dns_servers, err);
	if (!e->resolver)
		goto fail;
	e->acceptor = acceptor_listen(l, &o->listen, &e->cap, on_accept, e, err);
	if (!e->acceptor)
		goto fail;
	if (o->test_allow_loopback)
		log_event(LOG_WARN, "egress.TEST_OPTION_LOOPBACK_ALLOWED",
			  LOG_STR("meaning", "enclaves may reach services on this host's loopback: for tests only"));
	return e;
fail:
	err_prefix(err, "egress: ");
	egress_host_free(e);
	return NULL;
}

void egress_host_stop_listening(struct egress_host *e)
{
	acceptor_free(steal_ptr(&e->acceptor));
}

void egress_host_free(struct egress_host *e)
{
	if (!e)
		return;
	while (e->conns) {
		struct conn *c = (struct conn *)e->conns;

		if (c->relay)
			relay_cancel(c->relay); // frees the connection through on_relay_end
		else
			conn_free(c);
	}
	acceptor_free(e->acceptor);
	resolver_free(e->resolver);
	allowlist_free(e->allow);
	free(e);
}

const struct egress_host_stats *egress_host_stats(struct egress_host *e)
{
	e->stats.shed = e->cap.shed;
	e->stats.open = e->cap.in_use;
	return &e->stats;
}
