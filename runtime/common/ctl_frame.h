// SPDX-License-Identifier: Apache-2.0
//
// What the enclave and the host say to each other beside the traffic: one connection to the host's control port, one
// request and one reply at a time, each a frame around one CBOR map.
//
//   0        4          8
//  +--------+----------+------------------------------+
//  | "CTL1" | length L | CBOR map, L bytes            |     the last byte of the magic is the version
//  +--------+----------+------------------------------+
//
//   request {"op": "config"}                              reply {"ok": true, "config": {…}}
//           {"op": "time"}                                      {"ok": true, "seconds": u, "nanoseconds": u}
//           {"op": "transactions", "entries": [entry…]}         {"ok": true}
//           anything else                                       {"ok": false, "error": text}
//
// Nothing of it is trusted by either side: what the host says is not measured, and an enclave may be any image. The
// host's time and configuration are hints; the entries are text for a log.
#ifndef RUNTIME_COMMON_CTL_FRAME_H
#define RUNTIME_COMMON_CTL_FRAME_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum {
	CTL_HEAD = 8,
	CTL_BODY_MAX = 256 * 1024, // a batch of transactions, or a runtime configuration
};

// Appends a head to b, to be completed by ctl_end once the body is appended. Returns 0 with *start for ctl_end, or -1.
int ctl_begin(struct buf *b, size_t *start, struct err *err);
void ctl_end(struct buf *b, size_t start);

// Reads the head (CTL_HEAD bytes). The body's length, or -1 with ERR_INPUT (another magic, longer than CTL_BODY_MAX).
long ctl_head_read(const uint8_t head[CTL_HEAD], struct err *err);

// Appends a whole request that has no other member than its op.
int ctl_put_request(struct buf *b, const char *op, struct err *err);

// ---- transactions (facts/runtime.md 2.13, anew) ---------------------------------------------------------------------
// One request that the data plane served. Texts are borrowed; NULL ones are not written and not there.
struct ctl_header {
	const char *name, *value;
};

struct ctl_transaction {
	const char *id;	    // 32 hex digits
	uint64_t time_ms;   // since 1970, when the request began
	const char *kind;   // "http", "websocket", "tcp"
	const char *method; // of HTTP
	const char *target; // path only: no query, no fragment
	const char *remote; // the client's address
	uint64_t status;    // 0: none was sent
	uint64_t elapsed_us;
	uint64_t bytes_in, bytes_out;
	uint64_t decrypted; // fields
	const struct ctl_header *request_headers, *response_headers; // values already masked
	size_t request_header_count, response_header_count;
};

// Appends {"op": "transactions", "entries": […]} in a frame.
int ctl_put_transactions(struct buf *b, const struct ctl_transaction *entries, size_t count, struct err *err);

#endif
