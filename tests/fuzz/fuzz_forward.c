// SPDX-License-Identifier: Apache-2.0
//
// Heads on their way through. What we write for the service, or for the client, must be one head that our own strict
// parser reads, whole and to the last byte, as the message that came in: else somebody could write a second message
// into it. The first byte chooses: a request of HTTP/1, a response, or fields of HTTP/2 (name LF value LF …).
#include "runtime/data-plane/forward.h"
#include "runtime/data-plane/h2_fields.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS_ENOUGH = HTTP1_FIELDS_MAX - 8 }; // ours come on top, and the parser that reads it again counts them too

static struct http1_head came, left;

static bool alike(struct http1_span a, struct http1_span b)
{
	return a.n == b.n && (a.n == 0 || !memcmp(a.p, b.p, a.n));
}

// Is it the framing's name to a service for which `_` and `-` are one?
static bool is_framing_for_cgi(struct http1_span name)
{
	static const char want[] = "transfer-encoding";
	size_t i = 0;

	while (i < name.n && i < sizeof(want) - 1 && (name.p[i] == '_' ? '-' : name.p[i] | 0x20) == want[i])
		i++;
	return i == name.n && i == sizeof(want) - 1;
}

static bool has(const struct http1_head *h, const char *name)
{
	return http1_find(h, name, NULL) != NULL;
}

static void check_request(bool upgrade)
{
	struct buf out = BUF_INIT(0);
	struct addr client = {.kind = ADDR_NONE};
	size_t scanned = 0;
	int framings = 0;

	if (came.n_fields > FIELDS_ENOUGH)
		return;
	if (forward_request(&out, &came, came.body, &client, true, upgrade, NULL))
		abort();
	if (came.host.n && http1_parse_request((const char *)out.data, out.len, &scanned, &left) != (int)out.len)
		abort();
	if (came.host.n && (!alike(came.method, left.method) || !alike(came.path, left.path) || !alike(came.host, left.host) ||
			    came.body != left.body || came.length != left.length || left.upgrade != upgrade))
		abort();
	for (size_t i = 0; came.host.n && i < left.n_fields; i++)
		framings += is_framing_for_cgi(left.fields[i].name);
	if (framings != (came.host.n && came.body == HTTP1_CHUNKED))
		abort();
	for (size_t i = 0; came.host.n && i < left.n_fields; i++)
		if (http1_name_is(left.fields[i].name, "x-forwarded-for") || http1_name_is(left.fields[i].name, "api-key") ||
		    http1_name_is(left.fields[i].name, "x_forwarded_for"))
			abort();
	buf_free(&out);
}

static void check_response(int minor, bool head_only)
{
	struct buf out = BUF_INIT(0);
	enum http1_body framing;
	size_t scanned = 0;

	if (came.n_fields > FIELDS_ENOUGH)
		return;
	if (forward_response(&out, &came, minor, head_only, false, &framing, NULL))
		abort();
	if (http1_parse_response((const char *)out.data, out.len, &scanned, head_only, &left) != (int)out.len)
		abort();
	if (came.status != left.status || framing != left.body || (framing == HTTP1_LENGTH && came.length != left.length))
		abort();
	if ((left.status == 204 || left.status / 100 == 1) && has(&left, "content-length"))
		abort();
	buf_free(&out);
}

static void fields(const char *p, size_t n, bool ended)
{
	struct h2_fields f;
	struct buf cookie = BUF_INIT(HTTP1_HEAD_MAX);
	const char *end = p + n;

	h2_fields_init(&f);
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p)), *lf2;

		if (!lf || lf == p || !(lf2 = memchr(lf + 1, '\n', (size_t)(end - lf - 1))))
			break;
		h2_fields_add(&f, (const uint8_t *)p, (size_t)(lf - p), (const uint8_t *)lf + 1, (size_t)(lf2 - lf - 1));
		p = lf2 + 1;
	}
	// nghttp2 lets a length of digits pass, once, and no field of the connection.
	if (h2_fields_head(&f, &came, &cookie, ended) == 0) {
		size_t lengths;
		const struct http1_field *length = http1_find(&came, "content-length", &lengths);
		bool sound = lengths < 2 && !has(&came, "connection") && !has(&came, "transfer-encoding") &&
			     !has(&came, "upgrade") && !has(&came, "expect");

		for (size_t i = 0; length && i < length->value.n; i++)
			sound = sound && length->value.p[i] >= '0' && length->value.p[i] <= '9';
		if (sound)
			check_request(false);
	}
	h2_fields_free(&f);
	buf_free(&cookie);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	size_t scanned = 0, n = size - 1;

	if (size < 1 || size > 8192)
		return 0;
	switch (data[0] % 3) {
	case 0:
		if (http1_parse_request(p, n, &scanned, &came) > 0)
			check_request(forward_may_upgrade(&came));
		break;
	case 1:
		if (http1_parse_response(p, n, &scanned, data[0] & 0x40, &came) > 0)
			check_response(data[0] >> 7, data[0] & 0x40);
		break;
	default:
		fields(p, n, data[0] & 0x40);
	}
	return 0;
}
