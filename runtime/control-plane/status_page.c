// SPDX-License-Identifier: Apache-2.0
//
// Two small pages: /metrics, and health for every other path. The port is open to whoever reaches the host, so what it
// may hold is capped (page_server.h).
#include "runtime/control-plane/status_page.h"

#include "base/mem.h"
#include "runtime/common/page_server.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { ASKERS_MAX = 512, ASKER_MS = 5000 };

struct status_page {
	struct status_page_options o;
	struct page_server *pages;
	bool draining;
};

// Takes the data plane's report over if it is a JSON object; it comes from the enclave and may be anything.
static void add_report(cJSON *plane, const struct probe_result *r)
{
	cJSON *report = cJSON_ParseWithOpts(r->body, NULL, 1);

	if (cJSON_IsObject(report))
		cJSON_AddItemToObject(plane, "report", report);
	else
		cJSON_Delete(report);
}

// Returns whether it is well.
static bool add_data_plane(cJSON *root, const struct probe *probe)
{
	cJSON *plane = cJSON_AddObjectToObject(root, "dataPlane");

	if (!probe) {
		cJSON_AddStringToObject(plane, "status", "ignored");
		return true;
	}
	struct probe_result r = probe_result(probe);

	if (!r.known)
		cJSON_AddStringToObject(plane, "status", "unknown");
	else if (!r.http_status)
		cJSON_AddStringToObject(plane, "status", "unreachable");
	else
		cJSON_AddStringToObject(plane, "status", r.healthy ? "ok" : "unhealthy");
	if (r.why[0])
		cJSON_AddStringToObject(plane, "message", r.why);
	add_report(plane, &r);
	return r.healthy;
}

int status_page_report(const struct status_page_options *o, bool draining, struct buf *out, struct err *err)
{
	cJSON *root = cJSON_CreateObject();
	cJSON *status = cJSON_AddStringToObject(root, "status", "ok");
	cJSON *own = cJSON_AddObjectToObject(root, "controlPlane");

	cJSON_AddStringToObject(own, "status", draining ? "draining" : "ok");
	bool well = add_data_plane(root, o->probe) && !draining;

	cJSON_AddBoolToObject(root, "draining", draining);
	if (o->test_option)
		cJSON_AddBoolToObject(root, "TEST_OPTION_LOOPBACK_ALLOWED", true);
	if (!well)
		cJSON_SetValuestring(status, draining ? "draining" : "unhealthy");
	char *text = cJSON_PrintUnformatted(root);
	int rc = text ? buf_add_str(out, text, err) : err_nomem(err);

	cJSON_free(text);
	cJSON_Delete(root);
	return rc < 0 ? -1 : well ? 200 : 503;
}

static int put_metrics(struct status_page *h, struct page *page)
{
	h->o.refresh(h->o.ctx);
	page->type = "text/plain; version=0.0.4; charset=utf-8";
	return metrics_put_prometheus(h->o.metrics, &page->body, NULL);
}

static int make_page(void *ctx, struct http1_span path, struct page *page)
{
	struct status_page *h = ctx;

	if (path.n == strlen("/metrics") && !memcmp(path.p, "/metrics", path.n))
		return put_metrics(h, page);
	page->type = "application/json";
	page->status = status_page_report(&h->o, h->draining, &page->body, NULL);
	return page->status < 0 ? -1 : 0;
}

struct status_page *status_page_new(struct loop *l, const struct status_page_options *o, struct err *err)
{
	struct status_page *h = mem_zalloc(1, sizeof(*h), err);
	const struct page_server_options pages = {
	    .listen = o->listen, .conns_max = ASKERS_MAX, .limit_ms = ASKER_MS, .page = make_page, .ctx = h};

	if (!h)
		return NULL;
	h->o = *o;
	h->pages = page_server_new(l, &pages, err);
	if (!h->pages) {
		err_prefix(err, "health: ");
		free(h);
		return NULL;
	}
	return h;
}

void status_page_free(struct status_page *h)
{
	if (!h)
		return;
	page_server_free(h->pages);
	free(h);
}

void status_page_set_draining(struct status_page *h)
{
	h->draining = true;
}
