// SPDX-License-Identifier: Apache-2.0
//
// The enclave's way out: unmodified programs resolve a name with our DNS responder, connect to the address that they
// got, and land here; we find out what they meant, ask the allowlist, and carry the bytes to the host in a connection
// of its own (egress_frame.h). Nothing but TCP leaves.
//
//   program ──connect 127.201.7.9:443──► listener 0.0.0.0:443   its own address is the name's: names.h
//   program ──connect 127.201.7.9:5432─► redirect rule ─► 127.0.0.1:4444   SO_ORIGINAL_DST is 127.201.7.9:5432
//   program ──connect 93.184.216.34:443─► either of them        an address that was never asked for: CIDR entries
//
// Life of a connection:
//   accept ─► find destination ─► allowlist ─► first bytes (≤ peek_ms; a TLS hello's name must agree)
//          ─► dial host ─► request ─► reply ─► [gate: the client has not spoken yet] ─► relay
// Whatever fails on the way resets the program's connection: a refusal must not read as an empty answer.
#ifndef RUNTIME_DATA_PLANE_EGRESS_H
#define RUNTIME_DATA_PLANE_EGRESS_H

#include "runtime/common/allowlist.h"
#include "runtime/common/loop.h"
#include "runtime/data-plane/dns_responder.h"

enum { EGRESS_PORTS_MAX = 64 };

struct egress_options {
	const char *allow;                // the allowlist's text (allowlist.h); "" allows nothing
	struct addr host;                 // the host's egress listener
	struct addr dns;                  // where to answer DNS: 127.0.0.1:53 in an enclave
	struct in_addr listen;            // where the ports are served: 0.0.0.0, or 127.x for tests without a namespace
	uint16_t ports[EGRESS_PORTS_MAX]; // served directly, so they work on kernels without NAT
	size_t port_count;
	uint16_t redirect_port; // 0: no listener for redirected connections
	bool set_up_net;        // addresses, route and redirect rule (net_setup.h); needs CAP_NET_ADMIN
	size_t names_max;       // 0: NAMES_MAX
	uint32_t conns_max;     // 0: 1024
	unsigned peek_ms; // 0: 10. How long to wait for a program's first bytes before the host is dialled without them
	unsigned hello_ms; // 0: 5000
	unsigned dial_ms;  // 0: 5000. To reach the host
	unsigned reply_ms; // 0: 20000. For the host to resolve and connect
	unsigned idle_ms;  // 0: one hour
};

struct egress_stats {
	uint64_t accepted, shed, not_allowed, unknown_addr, sni_refused, host_failed, host_refused, relayed;
	uint64_t bytes_out, bytes_in;
	uint32_t open;
};

struct egress;

// Sets up the net if asked (what cannot be had is logged and done without, as egress.h's picture allows), opens all
// listeners and the DNS responder. A listener that cannot be opened is an error: a program that gets no answer would
// hang where it should fail.
struct egress *egress_new(struct loop *l, const struct egress_options *options, struct err *err);
void egress_free(struct egress *e); // resets what is open; free(NULL) is fine

struct egress_stats egress_stats(const struct egress *e);
const struct dns_stats *egress_dns_stats(const struct egress *e);

#endif
