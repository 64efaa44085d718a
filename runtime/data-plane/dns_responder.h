// SPDX-License-Identifier: Apache-2.0
//
// The enclave's only resolver: it answers every query at once, out of the allowlist and the name table, and asks
// nobody. So there is no queue that a flood could fill and no upstream whose silence a program would have to sit out.
//
//   question                                      answer
//   a name of the allowlist, A or ANY             its loopback address (names.h), TTL 5
//   a name of the allowlist, AAAA HTTPS MX …      NOERROR, no records
//   the same, table full                          SERVFAIL
//   localhost and below (RFC 6761 6.3)            127.0.0.1 without any list; AAAA …: no records
//   any other name                                NXDOMAIN
//   another class than IN                         REFUSED
//   not one question, malformed / other opcode    FORMERR / NOTIMP
//
// NXDOMAIN comes without an SOA record, so no cache keeps it or concludes from it that nothing is below the name.
#ifndef RUNTIME_DATA_PLANE_DNS_RESPONDER_H
#define RUNTIME_DATA_PLANE_DNS_RESPONDER_H

#include "runtime/common/allowlist.h"
#include "runtime/common/dns_wire.h"
#include "runtime/common/loop.h"
#include "runtime/data-plane/names.h"

enum {
	DNS_TTL = 5, // seconds; the address never changes, but programs should not outlive a restart with it
	DNS_TCP_CONNS_MAX = 32,
	DNS_TCP_IDLE_MS = 5000,
	DNS_TCP_QUERY_MAX = 1024, // a query of one name with EDNS options; a longer message ends the connection
};

struct dns_stats {
	uint64_t queries, answered, not_allowed, failed, malformed, ignored;
};

// The rules above. Returns the length of the reply in out (DNS_REPLY_MAX bytes), 0 if none may be sent.
size_t dns_respond(const struct allowlist *allow, struct names *names, struct dns_stats *stats, const void *query,
		   size_t n, uint8_t *out);

struct dns_responder;

// Serves UDP and TCP at `at` (an ADDR_TCP address: its host and port). allow and names are borrowed and must outlive
// it. NULL with the address in the message when it cannot listen.
struct dns_responder *dns_responder_new(struct loop *l, const struct addr *at, const struct allowlist *allow,
					struct names *names, struct err *err);
void dns_responder_free(struct dns_responder *r); // free(NULL) is fine
const struct dns_stats *dns_responder_stats(const struct dns_responder *r);

#endif
