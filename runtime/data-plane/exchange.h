// SPDX-License-Identifier: Apache-2.0
//
// What HTTP/1 and HTTP/2 clients have in common once a request's head is known: whether it may go on, how it goes to
// the service, and what is told of it in the end.
#ifndef RUNTIME_DATA_PLANE_EXCHANGE_H
#define RUNTIME_DATA_PLANE_EXCHANGE_H

#include "runtime/data-plane/session.h"

enum {
	TRX_HEADERS_MAX = 64, // of a request, and of its response; the rest is not told
	TRX_TEXT_MAX = 1536,  // bytes of their names and values: a batch of 64 entries stays within one control frame
	TRX_VALUE_MAX = 256,
};

// A request's entry in the transaction log while it runs.
struct trx {
	uint64_t started_us, bytes_in, bytes_out;
	int status;
	char *method, *path; // owned; NULL when no log is kept
	struct buf request_headers, response_headers; // as struct transaction has them
};

// Begins / ends the entry; trx_end tells it (once) and frees what it holds. trx_response notes the final response's
// fields. All may be called without a log.
void trx_begin(struct trx *t, struct shared *shared, const struct http1_head *rq);
void trx_response(struct trx *t, const struct shared *shared, const struct http1_head *rs);
void trx_end(struct trx *t, struct shared *shared, const struct client *who, const char *version);

// May this request go on? 0, or the status to refuse it with: 401 without a known API key, 413 for an announced length
// past the limit.
int exchange_admit(struct shared *shared, const struct http1_head *rq);

// Starts the exchange with the service. NULL without memory, and when service.max_connections are in use: 503.
struct upstream *exchange_start(struct shared *shared, const struct client *who, bool tls, const struct http1_head *rq,
				bool upgrade, const struct upstream_events *events, void *ctx);

// Is the method HEAD?
bool exchange_is_head(const struct http1_head *rq);

#endif
