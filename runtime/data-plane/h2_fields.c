// SPDX-License-Identifier: Apache-2.0
//
// :authority and Host must agree when both are there; te and connection fields end here; cookies are joined.
#include "runtime/data-plane/h2_fields.h"

#include <string.h>

void h2_fields_init(struct h2_fields *f)
{
	f->text = (struct buf)BUF_INIT(HTTP1_HEAD_MAX);
	f->n = 0;
	f->too_large = false;
}

void h2_fields_free(struct h2_fields *f)
{
	buf_free(&f->text);
	f->n = 0;
}

void h2_fields_add(struct h2_fields *f, const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n)
{
	size_t at = f->text.len;

	if (f->n == sizeof(f->fields) / sizeof(*f->fields) || buf_add(&f->text, name, name_n, NULL) ||
	    buf_add(&f->text, value, value_n, NULL))
		f->too_large = true;
	else
		f->fields[f->n++] = (struct h2_place){at, name_n, value_n};
}

static struct http1_span span(const struct h2_fields *f, const struct h2_place *p, bool value)
{
	const char *text = (const char *)f->text.data + p->at;

	return value ? (struct http1_span){text + p->name, p->value} : (struct http1_span){text, p->name};
}

// Cookie crumbs become one field again (RFC 9113 8.2.3).
static int join_cookies(const struct h2_fields *f, struct buf *out, size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < f->n; i++) {
		struct http1_span v = span(f, &f->fields[i], true);

		if (!http1_name_is(span(f, &f->fields[i], false), "cookie"))
			continue;
		if (((*count)++ && buf_add(out, "; ", 2, NULL)) || buf_add(out, v.p, v.n, NULL))
			return -1;
	}
	return 0;
}

static bool is_path(const struct http1_head *rq)
{
	for (size_t i = 0; i < rq->path.n; i++)
		if ((unsigned char)rq->path.p[i] <= 0x20 || rq->path.p[i] == 0x7f || rq->path.p[i] == '#')
			return false;
	return rq->path.n && (rq->path.p[0] == '/' ||
			      (rq->path.n == 1 && rq->path.p[0] == '*' && http1_name_is(rq->method, "OPTIONS")));
}

static void add_field(struct http1_head *rq, struct http1_span name, struct http1_span value)
{
	rq->fields[rq->n_fields++] = (struct http1_field){.name = name, .value = value, .hop = false};
}

// One field of the request into the head. 0, or the status to refuse it with.
static int take_field(struct http1_head *rq, struct http1_span name, struct http1_span value)
{
	if (name.p[0] == ':') {
		if (http1_name_is(name, ":method"))
			rq->method = value;
		else if (http1_name_is(name, ":path"))
			rq->path = value;
		else if (http1_name_is(name, ":authority"))
			rq->host = value;
		return 0;
	}
	if (!http1_is_token(name.p, name.n) || !http1_is_value(value.p, value.n))
		return 400;
	if (http1_name_is(name, "host")) {
		if (rq->host.n && (rq->host.n != value.n || memcmp(rq->host.p, value.p, value.n)))
			return 400;
		rq->host = value;
		return 0;
	}
	if (http1_name_is(name, "te") || http1_name_is(name, "cookie"))
		return 0;
	if (rq->n_fields == HTTP1_FIELDS_MAX - 1)
		return 431;
	add_field(rq, name, value);
	return 0;
}

int h2_fields_head(const struct h2_fields *f, struct http1_head *rq, struct buf *cookie, bool ended)
{
	const struct http1_field *length;
	size_t crumbs;
	int status = 0;

	rq->n_fields = 0;
	rq->method = rq->path = rq->host = (struct http1_span){NULL, 0};
	rq->length = 0;
	rq->expect_continue = rq->upgrade = rq->te_trailers = false;
	for (size_t i = 0; i < f->n && !status; i++)
		status = take_field(rq, span(f, &f->fields[i], false), span(f, &f->fields[i], true));
	if (status || f->too_large)
		return status ? status : 431;
	if (join_cookies(f, cookie, &crumbs))
		return 503;
	if (crumbs)
		add_field(rq, (struct http1_span){"cookie", 6},
			  (struct http1_span){(const char *)cookie->data, cookie->len});
	length = http1_find(rq, "content-length", NULL);
	// A length of 0 is passed on: a service may ask for one.
	rq->body = length ? HTTP1_LENGTH : ended ? HTTP1_NONE : HTTP1_CHUNKED;
	for (size_t i = 0; length && i < length->value.n; i++)
		rq->length = rq->length * 10 + (uint64_t)(length->value.p[i] - '0');
	if (rq->method.n == 7 && !memcmp(rq->method.p, "CONNECT", 7))
		return 501; // which has no path
	if (rq->path.n > HTTP1_TARGET_MAX)
		return 414;
	return !http1_is_token(rq->method.p, rq->method.n) || rq->method.n > HTTP1_METHOD_MAX || !is_path(rq) ||
		       !http1_is_host(rq->host) ||
		       (length && (length->value.n > 18 || length->value.n == 0 || (ended && rq->length)))
		   ? 400
		   : 0;
}

// ---- responses -----------------------------------------------------------------------------------------------------
nghttp2_nv h2_nv(const char *name, size_t name_n, const char *value, size_t value_n)
{
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
			    .namelen = name_n,
			    .value = (uint8_t *)(uintptr_t)value,
			    .valuelen = value_n,
			    .flags = NGHTTP2_NV_FLAG_NONE};
}

void h2_put_status(char out[3], int status)
{
	for (int i = 2; i >= 0; i--, status /= 10)
		out[i] = (char)('0' + status % 10);
}

static void lower(char *out, struct http1_span s)
{
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
}

size_t h2_fields_response(const struct http1_head *rs, char status[3], nghttp2_nv nv[H2_SENT_FIELDS_MAX],
			  struct buf *names)
{
	size_t n = 0, total = 0;

	h2_put_status(status, rs->status);
	nv[n++] = h2_nv(":status", 7, status, 3);
	for (size_t i = 0; i < rs->n_fields; i++)
		total += rs->fields[i].name.n;
	if (buf_reserve(names, total + 1, NULL))
		return 0;
	for (size_t i = 0; i < rs->n_fields; i++) {
		const struct http1_field *f = &rs->fields[i];
		char *name = (char *)names->data + names->len;

		if (f->hop)
			continue;
		lower(name, f->name);
		names->len += f->name.n;
		nv[n++] = h2_nv(name, f->name.n, f->value.p, f->value.n);
	}
	return n;
}
