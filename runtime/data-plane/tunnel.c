// SPDX-License-Identifier: Apache-2.0
//
// The stations that look at nothing: a raw connection dials the service first, a tunnel has it already. Both then are a
// relay. With ingress.forward_proxy the service gets a PROXY v2 header in front.
#include "runtime/data-plane/session.h"

#include "base/mem.h"
#include "runtime/common/proxy.h"
#include "runtime/common/relay.h"

#include <string.h>

struct tunnel {
	struct session session;
	struct dial *dial;
	struct relay *relay;
	struct stream client; // until the relay has it
	uint8_t *first;       // for the service, until the relay has it
	size_t n;
};

static void tunnel_free(struct tunnel *t)
{
	dial_cancel(t->dial);
	stream_close(&t->client);
	free(t->first);
	session_leave(&t->session, true);
	free(t);
}

static void tunnel_kill(struct session *s)
{
	struct tunnel *t = (struct tunnel *)s;

	if (t->relay)
		relay_cancel(t->relay); // frees through on_end
	else
		tunnel_free(t);
}

static void tunnel_drain(struct session *s)
{
	(void)s; // a tunnel's bytes have no boundary at which to stop
}

static void on_end(void *ctx, const struct relay_result *result)
{
	(void)result;
	tunnel_free(ctx);
}

static struct tunnel *tunnel_new(struct shared *shared)
{
	struct tunnel *t = mem_zalloc(1, sizeof(*t), NULL);

	if (!t) {
		conncap_release(&shared->conns);
		return NULL;
	}
	session_enter(&t->session, shared, tunnel_drain, tunnel_kill);
	t->client.fd = -1;
	return t;
}

static struct relay_options options(struct shared *shared)
{
	return (struct relay_options){.idle_ms = (unsigned)shared->config->ingress.idle_ms,
				      .linger_ms = (unsigned)shared->config->ingress.linger_ms,
				      .total_a_to_b = &shared->count.bytes_in,
				      .total_b_to_a = &shared->count.bytes_out};
}

static void begin(struct tunnel *t, struct stream *service, const void *from_client, size_t n_client,
		  const void *from_service, size_t n_service)
{
	struct relay_options opt = options(t->session.shared);

	t->relay = relay_start_both(t->session.shared->loop, &t->client, service, from_client, n_client, from_service,
				    n_service, &opt, on_end, t, NULL);
	if (!t->relay)
		tunnel_free(t);
}

void tunnel_open(struct shared *shared, struct stream *client, struct stream *service, const void *from_client,
		 size_t n_client, const void *from_service, size_t n_service)
{
	struct tunnel *t = tunnel_new(shared);

	if (!t) {
		stream_close(client);
		stream_close(service);
		return;
	}
	shared->count.tunnels++;
	t->client = *client;
	*client = (struct stream)STREAM_INIT;
	begin(t, service, from_client, n_client, from_service, n_service);
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct tunnel *t = ctx;
	struct stream service;
	uint8_t *first = t->first;

	(void)errnum;
	t->dial = NULL;
	if (fd < 0) {
		stream_abort(&t->client); // a refusal must not read as an empty answer
		tunnel_free(t);
		return;
	}
	service = stream_plain(fd);
	t->first = NULL;
	begin(t, &service, first, t->n, NULL, 0);
	free(first);
}

void raw_open(struct shared *shared, struct stream *s, const struct client *who, const void *first, size_t n)
{
	struct tunnel *t = tunnel_new(shared);
	size_t head = 0;

	if (!t) {
		stream_close(s);
		return;
	}
	shared->count.raw++;
	t->client = *s;
	*s = (struct stream)STREAM_INIT;
	t->first = mem_alloc(PROXY_OUT_MAX + n, NULL);
	if (t->first) {
		if (shared->config->ingress.forward_proxy)
			head = proxy_format(&who->addr, &who->local, t->first);
		if (n)
			memcpy(t->first + head, first, n);
		t->n = head + n;
		t->dial = dial_start(shared->loop, &shared->config->service.address,
				     (unsigned)shared->config->service.connect_ms, on_dialled, t, NULL);
	}
	if (!t->dial)
		tunnel_free(t);
}
