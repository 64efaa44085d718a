// SPDX-License-Identifier: Apache-2.0
//
// Content-Length is written from what the parser decided, not from the field, so one value leaves whatever came in.
#include "runtime/data-plane/forward.h"

#include <stdio.h>
#include <string.h>

static int put(struct buf *out, const char *s, struct err *err)
{
	return buf_add(out, s, strlen(s), err);
}

static int put_span(struct buf *out, struct http1_span s, struct err *err)
{
	return buf_add(out, s.p, s.n, err);
}

static int put_field(struct buf *out, const struct http1_field *f, struct err *err)
{
	return put_span(out, f->name, err) || put(out, ": ", err) || put_span(out, f->value, err) ||
	       put(out, "\r\n", err);
}

static int put_framing(struct buf *out, enum http1_body framing, uint64_t length, struct err *err)
{
	if (framing == HTTP1_LENGTH)
		return buf_printf(out, err, "Content-Length: %llu\r\n", (unsigned long long)length);
	return framing == HTTP1_CHUNKED ? put(out, "Transfer-Encoding: chunked\r\n", err) : 0;
}

// ---- requests ------------------------------------------------------------------------------------------------------
// Does the name begin with `lower`, as a service behind CGI sees it? To that (RFC 3875 4.1.18, and WSGI and its kin
// after it) `-` and `_` are one, so a claim that is spelled with underscores would stand in for our own word.
static bool begins_for_cgi(struct http1_span name, const char *lower)
{
	size_t n = strlen(lower);

	for (size_t i = 0; i < n && i < name.n; i++) {
		char c = name.p[i] == '_' ? '-' : name.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		if (c != lower[i])
			return false;
	}
	return name.n >= n;
}

static bool is_dropped(struct http1_span name)
{
	// Proxy is no field of HTTP; as HTTP_PROXY it would tell a CGI program's own client where to send its requests.
	// Those of the connection are gone under their own names; a service that looks for the framing only after it
	// has made the names CGI's would take Transfer_Encoding for it. (The others of them hold no hyphen.)
	static const char *const names[] = {"host",       "content-length",    "forwarded",  "x-real-ip",
					    "proxy",      "transfer-encoding", "keep-alive", "proxy-connection",
					    FORWARD_API_KEY};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (name.n == strlen(names[i]) && begins_for_cgi(name, names[i]))
			return true;
	return begins_for_cgi(name, "x-forwarded-");
}

bool forward_may_upgrade(const struct http1_head *rq)
{
	for (size_t i = 0; i < rq->n_fields; i++) {
		const struct http1_field *f = &rq->fields[i];

		// All of them go on, so it is not the first alone that counts.
		if (http1_name_is(f->name, "upgrade") &&
		    (http1_has_token(f->value, "h2c") || http1_has_token(f->value, "h2")))
			return false;
	}
	return rq->upgrade && rq->body == HTTP1_NONE;
}

bool forward_is_idempotent(const struct http1_head *rq)
{
	static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (rq->method.n == strlen(methods[i]) && !memcmp(rq->method.p, methods[i], rq->method.n))
			return true;
	return false;
}

// RFC 7239: an IPv6 address is bracketed and quoted; one that is not known is `unknown`.
static int put_forwarded(struct buf *out, const struct addr *client, bool tls, struct err *err)
{
	const char *proto = tls ? "https" : "http";
	char host[INET6_ADDRSTRLEN];
	bool v6 = client->kind == ADDR_TCP && client->u.sa.sa_family == AF_INET6;

	if (client->kind != ADDR_TCP)
		return buf_printf(out, err, "X-Forwarded-Proto: %s\r\nForwarded: for=unknown;proto=%s\r\n", proto,
				  proto);
	addr_host(client, host);
	return buf_printf(out, err,
			  "X-Forwarded-For: %s\r\nX-Forwarded-Proto: %s\r\nForwarded: for=%s%s%s;proto=%s\r\n", host,
			  proto, v6 ? "\"[" : "", host, v6 ? "]\"" : "", proto);
}

int forward_request(struct buf *out, const struct http1_head *rq, enum http1_body framing, const struct addr *client,
		    bool tls, bool upgrade, struct err *err)
{
	if (put_span(out, rq->method, err) || put(out, " ", err) || put_span(out, rq->path, err) ||
	    put(out, " HTTP/1.1\r\nHost: ", err) || put_span(out, rq->host, err) || put(out, "\r\n", err))
		return -1;
	for (size_t i = 0; i < rq->n_fields; i++) {
		const struct http1_field *f = &rq->fields[i];
		bool carried = upgrade && http1_name_is(f->name, "upgrade");

		if ((f->hop && !carried) || is_dropped(f->name))
			continue;
		if (put_field(out, f, err))
			return -1;
	}
	if (upgrade && put(out, "Connection: Upgrade\r\n", err))
		return -1;
	if (rq->te_trailers && !upgrade && put(out, "TE: trailers\r\nConnection: TE\r\n", err))
		return -1;
	if (put_framing(out, framing, rq->length, err) || put_forwarded(out, client, tls, err))
		return -1;
	return put(out, "\r\n", err);
}

// ---- responses -----------------------------------------------------------------------------------------------------
// Chunks need HTTP/1.1; to an older client the end of the connection ends the content.
static enum http1_body client_framing(const struct http1_head *rs, int client_minor)
{
	if (rs->body == HTTP1_CHUNKED || rs->body == HTTP1_CLOSE)
		return client_minor >= 1 ? HTTP1_CHUNKED : HTTP1_CLOSE;
	return rs->body;
}

int forward_response(struct buf *out, const struct http1_head *rs, int client_minor, bool head_only, bool close,
		     enum http1_body *framing, struct err *err)
{
	*framing = client_framing(rs, client_minor);
	close |= *framing == HTTP1_CLOSE;
	if (buf_printf(out, err, "HTTP/1.1 %d ", rs->status) || put_span(out, rs->reason, err) || put(out, "\r\n", err))
		return -1;
	for (size_t i = 0; i < rs->n_fields; i++) {
		const struct http1_field *f = &rs->fields[i];
		bool carried = rs->status == 101 && http1_name_is(f->name, "upgrade");

		if (f->hop && !carried)
			continue;
		// Beside content its length is ours to say; without (HEAD, 304) it speaks of the content elsewhere.
		if (rs->body == HTTP1_LENGTH && http1_name_is(f->name, "content-length"))
			continue;
		if (put_field(out, f, err))
			return -1;
	}
	if (!head_only && put_framing(out, *framing, rs->length, err))
		return -1;
	if (rs->status == 101)
		return put(out, "Connection: Upgrade\r\n\r\n", err);
	if (rs->status / 100 != 1) {
		if (close && put(out, "Connection: close\r\n", err))
			return -1;
		if (!close && client_minor == 0 && put(out, "Connection: keep-alive\r\n", err))
			return -1;
	}
	return put(out, "\r\n", err);
}

size_t forward_error_body(char out[FORWARD_ERROR_BODY_MAX], int status)
{
	return (size_t)snprintf(out, FORWARD_ERROR_BODY_MAX, "{\"message\":\"%s\"}\n", http1_reason(status));
}

int forward_error(struct buf *out, int status, bool close, bool head_only, struct err *err)
{
	char body[FORWARD_ERROR_BODY_MAX];
	size_t n = forward_error_body(body, status);

	return buf_printf(out, err,
			  "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s%s\r\n%s",
			  status, http1_reason(status), n, status == 503 ? "Retry-After: 1\r\n" : "",
			  close ? "Connection: close\r\n" : "", head_only ? "" : body);
}
