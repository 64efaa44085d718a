// SPDX-License-Identifier: Apache-2.0
//
// The gate reads into a buffer that exists only from the client's first byte to the verdict, so that the thousands of
// connections whose client waits cost none. A read never takes more than the buffer holds; the rest stays in the
// kernel.
#include "runtime/common/sni_gate.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct sni_gate {
	struct loop *loop;
	struct event *client, *server;
	struct timer timer;
	sni_gate_fn *fn;
	void *ctx;
	uint8_t *data; // TLS_HELLO_MAX bytes, or NULL
	size_t n;
	unsigned hello_ms;
	char name[HOSTNAME_MAX + 1];
};

enum sni_verdict sni_judge(const void *p, size_t n, const char *name)
{
	char asked[HOSTNAME_MAX + 1];

	switch (tls_hello_read(p, n, asked)) {
	case TLS_HELLO_MORE:
		return SNI_UNDECIDED;
	case TLS_HELLO_NAME:
		return !*name || !strcmp(asked, name) ? SNI_PASS : SNI_REFUSED;
	case TLS_HELLO_BAD:
		return SNI_REFUSED;
	case TLS_HELLO_NOT:
	case TLS_HELLO_NO_NAME:
		return SNI_PASS;
	}
	return SNI_REFUSED;
}

void sni_gate_cancel(struct sni_gate *g)
{
	if (!g)
		return;
	if (g->client)
		event_free(g->client);
	if (g->server)
		event_free(g->server);
	timer_free(&g->timer);
	free(g->data);
	free(g);
}

static void finish(struct sni_gate *g, enum sni_verdict verdict)
{
	sni_gate_fn *fn = g->fn;
	void *ctx = g->ctx;
	_cleanup_free_ uint8_t *data = steal_ptr(&g->data);
	size_t n = g->n;

	sni_gate_cancel(g);
	fn(ctx, verdict, data, n);
}

static void on_time(void *ctx)
{
	struct sni_gate *g = ctx;

	finish(g, g->n ? SNI_REFUSED : SNI_UNDECIDED);
}

static void on_server(evutil_socket_t fd, short what, void *ctx)
{
	struct sni_gate *g = ctx;
	(void)fd;
	(void)what;

	// With a part of a hello held back, a server that speaks (an alert: it timed out) changes nothing.
	if (g->n == 0)
		finish(g, SNI_PASS);
	else
		event_del(g->server);
}

static void on_client(evutil_socket_t fd, short what, void *ctx)
{
	struct sni_gate *g = ctx;
	bool was_empty = g->n == 0;
	(void)what;

	if (!g->data)
		g->data = mem_alloc(TLS_HELLO_MAX, NULL);
	if (!g->data) {
		finish(g, SNI_REFUSED);
		return;
	}
	ssize_t got = recv(fd, g->data + g->n, TLS_HELLO_MAX - g->n, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		finish(g, was_empty ? SNI_PASS : SNI_REFUSED);
		return;
	}
	g->n += (size_t)got;
	enum sni_verdict verdict = sni_judge(g->data, g->n, g->name);

	if (verdict != SNI_UNDECIDED)
		finish(g, verdict);
	else if (was_empty)
		timer_set(&g->timer, g->hello_ms);
}

static int watch(struct sni_gate *g, int fd, event_callback_fn fn, struct event **ev, struct err *err)
{
	*ev = event_new(loop_base(g->loop), fd, EV_READ | EV_PERSIST, fn, g);
	return *ev && event_add(*ev, NULL) == 0 ? 0 : err_nomem(err);
}

static int prepare(struct sni_gate *g, const struct sni_gate_options *o, struct err *err)
{
	if (timer_init(&g->timer, g->loop, on_time, g, err) < 0)
		return -1;
	if (o->first_len) {
		g->data = mem_alloc(TLS_HELLO_MAX, err);
		if (!g->data)
			return -1;
		memcpy(g->data, o->first, o->first_len);
		g->n = o->first_len;
	}
	if (watch(g, o->client, on_client, &g->client, err) < 0)
		return -1;
	if (o->server >= 0 && watch(g, o->server, on_server, &g->server, err) < 0)
		return -1;
	timer_set(&g->timer, g->n ? o->hello_ms : o->wait_ms);
	return 0;
}

int sni_gate_start(struct loop *l, const struct sni_gate_options *o, sni_gate_fn *fn, void *ctx,
		   struct sni_gate **gate, struct err *err)
{
	struct sni_gate *g;
	enum sni_verdict verdict = o->first_len ? sni_judge(o->first, o->first_len, o->name) : SNI_UNDECIDED;

	*gate = NULL;
	if (verdict != SNI_UNDECIDED) {
		fn(ctx, verdict, o->first, o->first_len);
		return 0;
	}
	g = mem_zalloc(1, sizeof(*g), err);
	if (!g)
		return -1;
	g->loop = l;
	g->fn = fn;
	g->ctx = ctx;
	g->hello_ms = o->hello_ms;
	memccpy(g->name, o->name, '\0', sizeof(g->name));
	if (prepare(g, o, err) < 0) {
		sni_gate_cancel(g);
		return -1;
	}
	*gate = g;
	return 0;
}
