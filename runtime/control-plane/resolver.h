// SPDX-License-Identifier: Apache-2.0
//
// Names to addresses on the host, without blocking the loop and without libc's resolver: the servers are those that the
// caller names, else the ones of /etc/resolv.conf; /etc/hosts counts; search domains do not (a name from the enclave is
// always complete). By c-ares: UDP with EDNS, TCP where an answer is cut, the next server when one is silent or fails;
// ids and ports are random, and a reply counts only with its question from the server that was asked.
#ifndef RUNTIME_CONTROL_PLANE_RESOLVER_H
#define RUNTIME_CONTROL_PLANE_RESOLVER_H

#include "runtime/common/addrclass.h"
#include "runtime/common/loop.h"

enum {
	RESOLVER_ADDRS_MAX = 16,  // of one name; more are of no use to one connection
	RESOLVER_TRY_MS = 2000,	  // a server, in the first round; twice that in the second
	RESOLVER_TRIES = 2,	  // rounds
	RESOLVER_DATAGRAM = 1232, // bytes that we say we take: what no path fragments
	RESOLVER_INFLIGHT_MAX = 1024,
};

enum resolver_outcome { RESOLVER_FOUND, RESOLVER_NO_NAME, RESOLVER_FAILED };

// addrs holds n (> 0 when found) addresses: IPv4 and IPv6 in turns (RFC 8305 4), beginning with IPv4, which every host
// has, each in the resolver's order; borrowed for the call.
typedef void resolver_fn(void *ctx, enum resolver_outcome outcome, const struct ip_addr *addrs, size_t n);

struct resolver;
struct resolver_query;

// servers: a comma list of addresses, each with `:port` if it is not 53 (`[v6]:port`); NULL: /etc/resolv.conf.
// NULL with ERR_USAGE naming a server that is no address.
struct resolver *resolver_new(struct loop *l, const char *servers, struct err *err);
void resolver_free(struct resolver *r); // no query may be under way; free(NULL) is fine

// fn is called once, possibly from within. 0 with *query set (NULL if fn was called already), or -1 on no memory or
// past RESOLVER_INFLIGHT_MAX, without a call.
int resolver_ask(struct resolver *r, const char *name, resolver_fn *fn, void *ctx, struct resolver_query **query,
		 struct err *err);
void resolver_cancel(struct resolver_query *q); // without a call; cancel(NULL) is fine

#endif
