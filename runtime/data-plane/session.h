// SPDX-License-Identifier: Apache-2.0
//
// What all ingress connections share, and the stations that one passes. Each station is an object of its own that takes
// the stream from the one before; a connection is always owned by exactly one:
//
//   accept ─► arrival: PROXY header, TLS handshake ─┬─► h1   HTTP/1.1, keep-alive, pipelining ──101──┐
//                                                   ├─► h2   HTTP/2     (both end in a farewell)     ▼
//                                                   └─► raw  ◄──── not HTTP, where allowed ──── tunnel (relay)
//
// Every station begins with a session, by which it is found when the plane drains or stops.
#ifndef RUNTIME_DATA_PLANE_SESSION_H
#define RUNTIME_DATA_PLANE_SESSION_H

#include "runtime/common/conncap.h"
#include "runtime/common/loop.h"
#include "runtime/common/stream.h"
#include "runtime/data-plane/apikey.h"
#include "runtime/data-plane/config.h"
#include "runtime/data-plane/handshakes.h"
#include "runtime/data-plane/upstream.h"

struct ingress_counters {
	uint64_t proxy_bad, proxy_timeouts;
	uint64_t tls_ok, tls_resumed, tls_failed, tls_timeouts;
	uint64_t first_timeouts; // of protocol auto: neither HTTP nor raw when the time was up
	uint64_t requests, refused, unauthorized, tunnels, raw;
	uint64_t status[6]; // by first digit
	uint64_t bytes_in, bytes_out;
};

// What the host was asked and said, kept for the report. Its clock is shown beside ours and used for nothing.
struct host_view {
	uint64_t asked, failed;
	bool clock_known;
	int64_t clock_offset_ms;     // the host's clock less ours
	uint64_t transaction_sample; // one of so many requests is told; 0 and 1: each
};

struct session;
struct transaction;

struct shared {
	struct loop *loop;
	const struct plane_config *config;
	SSL_CTX *tls;         // NULL: in clear
	struct apikeys *keys; // NULL: none asked for
	struct upstream_pool *pool;
	struct conncap conns;
	struct handshakes *handshakes;
	struct ingress_counters count;
	struct host_view host;
	struct session *sessions;
	bool draining;
	struct http1_head head; // of the request being read: one for all, it lives no longer than a callback
	void (*on_transaction)(void *ctx, const struct transaction *t); // NULL: none is told
	void *transaction_ctx;
};

// Who the other side is, said once and carried along.
struct client {
	struct addr addr, local; // ADDR_NONE when not known
};

struct session {
	struct shared *shared;
	struct session *prev, *next;
	void (*drain)(struct session *s); // finish what runs, take nothing new
	void (*kill)(struct session *s);  // end now, frees
};

// Enters / leaves the list; leaving also gives the connection's unit of the cap back when `end` is true (false: the
// next station takes it over).
void session_enter(struct session *s, struct shared *shared, void (*drain)(struct session *),
		   void (*kill)(struct session *));
void session_leave(struct session *s, bool end);

// The stations. Each takes the stream (also on failure, when the connection just ends) and n bytes that were read from
// it already, which are copied.
struct handshakes *arrival_handshakes(struct loop *l, uint32_t max, struct err *err); // for shared; the caller's
void arrival_open(struct shared *shared, int fd, const struct addr *peer);
void h1_open(struct shared *shared, struct stream *s, const struct client *who, const void *first, size_t n);
void h2_open(struct shared *shared, struct stream *s, const struct client *who);
// Dials the service and relays.
void raw_open(struct shared *shared, struct stream *s, const struct client *who, const void *first, size_t n);
// Relays between a client and a service that have agreed on an upgrade.
void tunnel_open(struct shared *shared, struct stream *client, struct stream *service, const void *from_client,
		 size_t n_client, const void *from_service, size_t n_service);

// A request that has ended, for the transaction log; redacted already. Spans are borrowed for the call.
struct transaction {
	const struct client *who;
	const char *method, *path; // without the query
	int status;                // 0: none was sent
	uint64_t bytes_in, bytes_out, elapsed_us;
	const char *version; // "1.0", "1.1", "2"
	// name NUL value NUL, again and again: printable ASCII, values masked unless listed
	const struct buf *request_headers, *response_headers;
};
void session_count_status(struct shared *shared, int status);

#endif
