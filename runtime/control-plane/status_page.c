// SPDX-License-Identifier: Apache-2.0
//
// Two small pages over libevent's HTTP server, with its limits set: a slow or greedy peer is dropped after 5 seconds or
// 8 KiB of headers. GET and HEAD only.
#include "runtime/control-plane/status_page.h"

#include "base/mem.h"
#include "runtime/common/log.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <string.h>
#include <unistd.h>

struct status_page {
	struct status_page_options o;
	struct evhttp *http;
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

static void reply(struct evhttp_request *req, int status, const char *type, const struct buf *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);

	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evbuffer_add(evhttp_request_get_output_buffer(req), body->data, body->len);
	evhttp_send_reply(req, status, NULL, NULL);
}

static void on_metrics(struct evhttp_request *req, void *ctx)
{
	struct status_page *h = ctx;
	_cleanup_buf_ struct buf body = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	h->o.refresh(h->o.ctx);
	if (metrics_put_prometheus(h->o.metrics, &body, &err) < 0)
		evhttp_send_error(req, 500, NULL);
	else
		reply(req, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

static void on_health(struct evhttp_request *req, void *ctx)
{
	struct status_page *h = ctx;
	_cleanup_buf_ struct buf body = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	int status = status_page_report(&h->o, h->draining, &body, &err);

	if (status < 0)
		evhttp_send_error(req, 500, NULL);
	else
		reply(req, status, "application/json", &body);
}

struct status_page *status_page_new(struct loop *l, const struct status_page_options *o, struct err *err)
{
	struct status_page *h = mem_zalloc(1, sizeof(*h), err);
	int fd;

	if (!h)
		return NULL;
	h->o = *o;
	fd = addr_listen(&o->listen, 64, err);
	if (fd < 0) {
		err_prefix(err, "health: ");
		goto fail;
	}
	h->http = evhttp_new(loop_base(l));
	if (!h->http || evhttp_accept_socket(h->http, fd) < 0) {
		close(fd);
		err_nomem(err);
		goto fail;
	}
	evhttp_set_timeout(h->http, 5);
	evhttp_set_max_headers_size(h->http, 8192);
	evhttp_set_max_body_size(h->http, 0);
	evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_cb(h->http, "/metrics", on_metrics, h);
	evhttp_set_gencb(h->http, on_health, h);
	return h;
fail:
	status_page_free(h);
	return NULL;
}

void status_page_free(struct status_page *h)
{
	if (!h)
		return;
	if (h->http)
		evhttp_free(h->http);
	free(h);
}

void status_page_set_draining(struct status_page *h)
{
	h->draining = true;
}
