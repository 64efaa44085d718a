// SPDX-License-Identifier: Apache-2.0
//
// The listener serves HEALTH_CONNS connections at once, each for at most HEALTH_MS. The probe is one exchange at a time
// through a pool of its own that keeps no connection, so that a probe sees what a new client would.
#include "runtime/data-plane/health.h"

#include "base/mem.h"
#include "runtime/common/page_server.h"
#include "runtime/common/proxy.h"

#include <stdio.h>
#include <string.h>

enum { HEALTH_CONNS = 32, HEALTH_MS = 2000 };

enum service_status { SERVICE_UNKNOWN, SERVICE_OK, SERVICE_FAILED };

struct health {
	struct shared *shared;
	struct page_server *pages; // NULL: none
	enum plane_status status;
	bool host_drains;
	// the probe
	struct upstream_pool *pool;
	struct upstream *up;
	struct timer timer;
	enum service_status service;
	int code;
	// A service that wants a PROXY header wants it of the probe too (LOCAL: there is no client); an address for
	// health alone is asked without.
	uint8_t greeting[PROXY_OUT_MAX];
	size_t greeting_len;
};

// ---- answering -----------------------------------------------------------------------------------------------------
static int make_page(void *ctx, struct http1_span path, struct page *page)
{
	static const char *const words[] = {"starting", "ok", "draining"};
	static const char *const service[] = {"unknown", "ok", "failed"};
	const struct health *h = ctx;
	bool probed = h->shared->config->service.health_path != NULL;
	enum plane_status status = h->status == PLANE_OK && h->host_drains ? PLANE_DRAINING : h->status;

	(void)path;
	page->status = status == PLANE_OK && (!probed || h->service == SERVICE_OK) ? 200 : 503;
	page->type = "application/json";
	return buf_printf(
	    &page->body, NULL,
	    "{\"status\":\"%s\",\"service\":{\"status\":\"%s\",\"code\":%d},\"connections\":%u,\"version\":\"%s\"}\n",
	    words[status], service[h->service], h->code, h->shared->conns.in_use, EIFGEN_VERSION);
}

static int start_pages(struct health *h, struct err *err)
{
	const struct page_server_options o = {.listen = h->shared->config->health.listen,
					      .conns_max = HEALTH_CONNS,
					      .limit_ms = HEALTH_MS,
					      .page = make_page,
					      .ctx = h};

	if (o.listen.kind == ADDR_NONE)
		return 0;
	h->pages = page_server_new(h->shared->loop, &o, err);
	return h->pages ? 0 : -1;
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
	struct upstream_request rq = {.head = head,
				      .head_len = (size_t)n,
				      .body = HTTP1_NONE,
				      .greeting = h->greeting_len ? (const char *)h->greeting : NULL,
				      .greeting_len = h->greeting_len};

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
	static const struct addr nobody = {.kind = ADDR_NONE};

	if (!path)
		return 0;
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p == 0x7f || path[0] != '/')
			return err_set(err, ERR_INPUT, "key \"service.health_path\": wants a path that begins with /");
	if (c->ingress.forward_proxy && !apart)
		h->greeting_len = proxy_format(&nobody, &nobody, h->greeting);
	h->pool = upstream_pool_new(h->shared->loop, &options, err);
	if (!h->pool || timer_init(&h->timer, h->shared->loop, probe, h, err))
		return -1;
	timer_set(&h->timer, 1);
	return 0;
}

struct health *health_new(struct shared *shared, struct err *err)
{
	struct health *h = mem_zalloc(1, sizeof(*h), err);

	if (!h)
		return NULL;
	h->shared = shared;
	if (start_probe(h, err) || start_pages(h, err)) {
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
	page_server_free(h->pages);
	upstream_cancel(h->up);
	timer_free(&h->timer);
	upstream_pool_free(h->pool);
	free(h);
}
