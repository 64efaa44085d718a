// SPDX-License-Identifier: Apache-2.0
//
// One request and its response on a connection to the service, and the pool of such connections. Front ends (HTTP/1 and
// HTTP/2) push request content in and get response content out; both ways stop when the other side has no room:
//
//   front ──upstream_body (≤ upstream_room)──► [out ≤ 64 KiB] ──► service
//   front ◄──on_body (≤ room())─────────────── [scratch] ◄─────── service
//
// A connection whose exchange ended cleanly and may be kept goes to the pool and is watched there: a service that
// closes it takes it out. One that was closed just as a request went out on it is replaced once by a fresh one, if the
// request is idempotent and without content.
#ifndef RUNTIME_DATA_PLANE_UPSTREAM_H
#define RUNTIME_DATA_PLANE_UPSTREAM_H

#include "base/buf.h"
#include "runtime/common/http1.h"
#include "runtime/common/loop.h"
#include "runtime/common/stream.h"

enum { UPSTREAM_BUFFER_MAX = 64 * 1024 };

struct upstream_options {
	struct addr service;
	unsigned connect_ms, response_ms, idle_ms;
	size_t max_idle; // connections kept; 0: none
	size_t max_open; // connections at once; 0: any number
};

struct upstream_counters {
	uint64_t exchanges, connects, reuses, retries, failures, shed;
	uint32_t open, idle;
};

// Called from the loop, never from within a call of the front's. After on_end, on_fail or upstream_cancel the upstream
// is gone. on_flush follows whatever was given, once a wake-up, unless on_end does.
struct upstream_events {
	void (*on_head)(void *ctx, const struct http1_head *head); // each head: interim (1xx) ones, then the final one
	size_t (*room)(void *ctx);                                 // content bytes that can be taken now
	void (*on_body)(void *ctx, const char *p, size_t n);       // n <= room()
	void (*on_drain)(void *ctx);                               // upstream_room has grown from 0
	void (*on_flush)(void *ctx);
	void (*on_end)(void *ctx);
	void (*on_fail)(void *ctx, int status); // 502, 503, 504; after the final head: the response is cut
};

struct upstream_pool;
struct upstream;

struct upstream_pool *upstream_pool_new(struct loop *l, const struct upstream_options *options, struct err *err);
void upstream_pool_free(struct upstream_pool *p); // no exchange may be running
const struct upstream_counters *upstream_pool_counters(const struct upstream_pool *p);

struct upstream_request {
	const char *head; // start line and fields with the final empty line; copied
	size_t head_len;
	bool is_head;         // the method is HEAD
	bool idempotent;      // and without content: may be sent again
	bool upgrade;         // 101 may answer
	enum http1_body body; // HTTP1_NONE, _LENGTH or _CHUNKED: how content is to be framed
	const char
	    *greeting; // bytes in front of the request on a connection that is not shared (a PROXY header), or NULL
	size_t greeting_len;
};

// Starts. NULL without memory, and when max_open connections are in use.
struct upstream *upstream_start(struct upstream_pool *p, const struct upstream_request *rq,
				const struct upstream_events *events, void *ctx, struct err *err);

size_t upstream_room(const struct upstream *u);
// n <= upstream_room(u). 0, or -1 without memory (then cancel).
int upstream_body(struct upstream *u, const char *p, size_t n);
int upstream_body_end(struct upstream *u); // the request's content is complete
void upstream_resume(struct upstream *u);  // room() has grown
void upstream_cancel(struct upstream *u);  // NULL is fine; no event follows

// From on_head with status 101: takes the connection and what was read past the head (into rest, which is appended to).
// The upstream is then gone.
int upstream_steal(struct upstream *u, struct stream *out, struct buf *rest);

#endif
