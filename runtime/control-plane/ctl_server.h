// SPDX-License-Identifier: Apache-2.0
//
// The host's end of the control frames (ctl_frame.h): runtime configuration and time out, transactions in. Transactions
// become one line of JSON each on the log's descriptor. What the enclave masked is masked again here, for an enclave is
// not trusted to spare the host's log: header values outside the list are `***`, a target loses its query.
#ifndef RUNTIME_CONTROL_PLANE_CTL_SERVER_H
#define RUNTIME_CONTROL_PLANE_CTL_SERVER_H

#include "base/buf.h"
#include "runtime/common/log.h"
#include "runtime/common/loop.h"

enum {
	CTL_CONNS_MAX = 64,
	CTL_IDLE_MS = 60 * 1000,
	CTL_ENTRIES_MAX = 256, // of one request
	CTL_LINE_MAX = LOG_LINE_MAX, // so that the log takes it whole or not at all, and never blocks
	CTL_LINE_ROOM = 32 * 1024,   // for a buffer: what has no room in the line stands there for a moment
};

struct ctl_server_options {
	struct addr listen;
	const char *config_json;	    // the runtime configuration as JSON text (an object), or NULL: {}
	const char *const *trusted_headers; // lower case, `*` at the end for a prefix; borrowed
	size_t trusted_count;
	const char *name; // of the cage, put into each line; NULL: none; borrowed
	int log_fd;
};

struct ctl_server_stats {
	uint64_t requests, malformed, transactions, dropped;
};

struct ctl_server;

// NULL with ERR_INPUT when config_json is no JSON object that CBOR of our kind can hold.
struct ctl_server *ctl_server_new(struct loop *l, const struct ctl_server_options *o, struct err *err);
void ctl_server_free(struct ctl_server *s); // free(NULL) is fine
const struct ctl_server_stats *ctl_server_stats(const struct ctl_server *s);

// Appends a JSON object's text as CBOR: integers, texts, booleans, null, arrays, objects; numbers with a fraction are
// refused. Keys keep their order.
int ctl_json_to_cbor(const char *json, struct buf *out, struct err *err);

// The log line of one entry: the body of a "transactions" request holds them. Appends "{…}\n" to out. The reader-side
// rules are all here: known keys only, each once, types, lengths, masks. Headers without room in CTL_LINE_MAX are left
// out, which `"cut":true` says.
struct cbor_reader;
int ctl_transaction_line(const struct ctl_server_options *o, struct cbor_reader *r, struct buf *out, struct err *err);

#endif
