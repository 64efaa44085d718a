// SPDX-License-Identifier: Apache-2.0
//
// The listener serves HEALTH_CONNS connections at once, each for at most HEALTH_MS. The probe is one exchange at a time
// through a pool of its own that keeps no connection, so that a probe sees what a new client would.
#include "runtime/data-plane/health.h"

#include "base/mem.h"
#include "runtime/data-plane/forward.h"

#include <stdio.h>
#include <string.h>

enum { HEALTH_CONNS = 32, HEALTH_MS = 2000, HEALTH_HEAD_MAX = 4096 };

enum service_status { SERVICE_UNKNOWN, SERVICE_OK, SERVICE_FAILED };

struct asker { // one connection that asks
	struct health *h;
	struct asker *prev, *next;
	struct stream s;
	struct event *ev;
	struct timer timer;
	char head[HEALTH_HEAD_MAX];
	size_t n, scanned;
};

struct health {
	struct shared *shared;
	struct acceptor *acceptor;
	struct conncap cap;
	struct asker *askers;
	enum plane_status status;
	bool host_drains;
	// the probe
	struct upstream_pool *pool;
	struct upstream *up;
	struct timer timer;
	enum service_status service;
	int code;
};

// ---- answering -----------------------------------------------------------------------------------------------------
static void asker_free(struct asker *a)
{
	if (a->prev)
		a->prev->next = a->next;
	else
		a->h->askers = a->next;
	if (a->next)
		a->next->prev = a->prev;
	if (a->ev)
		event_free(a->ev);
	timer_free(&a->timer);
	stream_close(&a->s);
	conncap_release(&a->h->cap);
	free(a);
}

static void asker_expired(void *ctx)
{
	asker_free(ctx);
}

// The whole answer into out; its length.
static size_t make_answer(const struct health *h, bool head_only, char *out, size_t cap)
{
	static const char *const words[] = {"starting", "ok", "draining", "unhealthy"};
	static const char *const service[] = {"unknown", "ok", "failed"};
	const struct plane_config *c = h->shared->config;
	bool probed = c->service.health_path != NULL;
	enum plane_status status = h->status == PLANE_OK && h->host_drains ? PLANE_DRAINING : h->status;
	bool well = status == PLANE_OK && (probed ? h->service == SERVICE_OK : true);
	char body[256];
	int n = snprintf(
	    body, sizeof(body),
	    "{\"status\":\"%s\",\"service\":{\"status\":\"%s\",\"code\":%d},\"connections\":%u,\"version\":\"%s\"}\n",
	    words[status], service[h->service], h->code, h->shared->conns.in_use, EIFGEN_VERSION);

	return (size_t)snprintf(out, cap,
				"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
				"Cache-Control: no-store\r\nConnection: close\r\n\r\n%s",
				well ? "200 OK" : "503 Service Unavailable", n, head_only ? "" : body);
}

static void on_asked(evutil_socket_t fd, short what, void *arg)
{
	struct asker *a = arg;
	struct http1_head *head = &a->h->shared->head;
	char out[640];
	size_t n;
	int rc;
	ssize_t r = stream_read(&a->s, a->head + a->n, sizeof(a->head) - a->n);

	(void)fd, (void)what;
	if (r == STREAM_AGAIN)
		return;
	if (r <= 0) {
		asker_free(a);
		return;
	}
	a->n += (size_t)r;
	rc = http1_parse_request(a->head, a->n, &a->scanned, head);
	if (rc == 0 && a->n < sizeof(a->head))
		return;
	if (rc > 0) {
		n = make_answer(a->h, http1_name_is(head->method, "HEAD"), out, sizeof(out));
		stream_write(&a->s, out, n); // a fresh socket takes this much at once
		stream_shutdown(&a->s);
	}
	asker_free(a);
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct health *h = ctx;
	struct asker *a = mem_zalloc(1, sizeof(*a), NULL);

	(void)peer;
	if (!a) {
		struct stream s = stream_plain(fd);

		stream_close(&s);
		conncap_release(&h->cap);
		return;
	}
	a->h = h;
	a->s = stream_plain(fd);
	a->next = h->askers;
	if (a->next)
		a->next->prev = a;
	h->askers = a;
	a->ev = event_new(loop_base(h->shared->loop), fd, EV_READ | EV_PERSIST, on_asked, a);
	if (!a->ev || timer_init(&a->timer, h->shared->loop, asker_expired, a, NULL) || event_add(a->ev, NULL)) {
		asker_free(a);
		return;
	}
	timer_set(&a->timer, HEALTH_MS);
}

// ---- probing -------------------------------------------------------------------------------------------------------
static void probe_done(struct health *h, int code)
{
	h->up = NULL;
	h->code = code;
	h->service = code >= 200 && code < 400 ? SERVICE_OK : SERVICE_FAILED;
	timer_set(&h->timer, (unsigned)h->shared->config->service.health_interval_ms);
}

static void probe_head(void *ctx, const struct http1_head *head)
{
	struct health *h = ctx;

	if (head->status / 100 == 1)
		return;
	upstream_cancel(h->up); // the content is of no interest
	probe_done(h, head->status);
}

static size_t probe_room(void *ctx)
{
	(void)ctx;
	return 4096;
}

static void probe_body(void *ctx, const char *p, size_t n)
{
	(void)ctx, (void)p, (void)n;
}

static void probe_nothing(void *ctx)
{
	(void)ctx;
}

static void probe_fail(void *ctx, int status)
{
	(void)status;
	probe_done(ctx, 0);
}

static const struct upstream_events probe_events = {probe_head,    probe_room,    probe_body, probe_nothing,
						    probe_nothing, probe_nothing, probe_fail};

static void probe(void *ctx)
{
	struct health *h = ctx;
	char head[1200];
	int n =
	    snprintf(head, sizeof(head),
		     "GET %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: cage-data-plane\r\nConnection: close\r\n\r\n",
		     h->shared->config->service.health_path);
	struct upstream_request rq = {.head = head, .head_len = (size_t)n, .body = HTTP1_NONE};

	h->up = upstream_start(h->pool, &rq, &probe_events, h, NULL);
	if (!h->up)
		probe_done(h, 0);
}

static int start_probe(struct health *h, struct err *err)
{
	const struct plane_config *c = h->shared->config;
	bool apart = c->service.health_address.kind != ADDR_NONE;
	const struct upstream_options options = {.service = apart ? c->service.health_address : c->service.address,
						 .connect_ms = (unsigned)c->service.health_timeout_ms,
						 .response_ms = (unsigned)c->service.health_timeout_ms};
	const char *path = c->service.health_path;

	if (!path)
		return 0;
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p == 0x7f || path[0] != '/')
			return err_set(err, ERR_INPUT, "key \"service.health_path\": wants a path that begins with /");
	h->pool = upstream_pool_new(h->shared->loop, &options, err);
	if (!h->pool || timer_init(&h->timer, h->shared->loop, probe, h, err))
		return -1;
	timer_set(&h->timer, 1);
	return 0;
}

struct health *health_new(struct shared *shared, struct err *err)
{
	struct health *h = mem_zalloc(1, sizeof(*h), err);
	const struct addr *at = &shared->config->health.listen;

	if (!h)
		return NULL;
	h->shared = shared;
	h->cap.max = HEALTH_CONNS;
	if (start_probe(h, err) ||
	    (at->kind != ADDR_NONE && !(h->acceptor = acceptor_listen(shared->loop, at, &h->cap, on_accept, h, err)))) {
		health_free(h);
		return NULL;
	}
	return h;
}

void health_set(struct health *h, enum plane_status status)
{
	h->status = status;
}

void health_set_host_drains(struct health *h, bool drains)
{
	h->host_drains = drains;
}

void health_free(struct health *h)
{
	if (!h)
		return;
	while (h->askers)
		asker_free(h->askers);
	acceptor_free(h->acceptor);
	upstream_cancel(h->up);
	timer_free(&h->timer);
	upstream_pool_free(h->pool);
	free(h);
}
