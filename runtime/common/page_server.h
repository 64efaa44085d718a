// SPDX-License-Identifier: Apache-2.0
//
// Small pages over HTTP/1.1, for health and metrics: one request a connection, GET or HEAD, the whole answer at once.
// Who asks is not trusted: connections are capped and more are shed, each has one time limit for all that it does, and
// the head is read by the rules of http1.h.
//
//   accept ─► head in ─► page made ─► answer out ─► our side ended ─► the peer's end ─► gone
//
// The peer's end is waited for (within the limit), since closing over bytes unread would take the answer with it.
#ifndef RUNTIME_PAGE_SERVER_H
#define RUNTIME_PAGE_SERVER_H

#include "base/buf.h"
#include "runtime/common/http1.h"
#include "runtime/common/loop.h"

struct page {
	int status;
	const char *type; // Content-Type; static
	struct buf body;
};

// Makes the page for a path (without its query) into *page, which is 200 and empty. 0, or -1: answered with 500.
typedef int page_fn(void *ctx, struct http1_span path, struct page *page);

struct page_server_options {
	struct addr listen;
	uint32_t conns_max;
	unsigned limit_ms; // of a connection
	page_fn *page;
	void *ctx;
};

struct page_server;

struct page_server *page_server_new(struct loop *l, const struct page_server_options *o, struct err *err);
void page_server_free(struct page_server *s); // free(NULL) is fine

#endif
