// SPDX-License-Identifier: Apache-2.0
//
// The host's half of egress, and the only one that binds a hostile enclave: every check is made again here.
//
//   frame from the enclave ─► own allowlist ─► own resolver ─► drop every address that is not global ─► connect to one
//   of the very addresses that were tested ─► reply ─► gate: the first bytes, if a TLS hello, name the same host ─►
//   relay
//
// A name is resolved once a connection and the connection is made to the result, so a name that changes its mind
// between test and use (DNS rebinding) changes nothing.
#ifndef RUNTIME_CONTROL_PLANE_EGRESS_HOST_H
#define RUNTIME_CONTROL_PLANE_EGRESS_HOST_H

#include "runtime/common/allowlist.h"
#include "runtime/common/egress_frame.h"
#include "runtime/common/loop.h"

struct egress_host_options {
	struct addr listen;
	const char *allow;	 // the list's text; "" allows nothing; copied
	const char *dns_servers; // resolver.h; NULL: the system's
	uint32_t conns_max;
	unsigned request_ms;	 // for the whole frame
	unsigned connect_ms;	 // an address
	unsigned hello_ms, idle_ms;
	unsigned linger_ms;	 // without a byte, once one side has ended
	bool test_allow_loopback; // connect to 127/8 and ::1 too; for tests and the demo on one machine alone
};

struct egress_host_stats {
	uint64_t by_status[EGRESS_STATUS_COUNT]; // replies; EGRESS_CONNECTED counts the relays
	uint64_t malformed, shed;
	uint64_t bytes_out, bytes_in;
	uint64_t open;
};

struct egress_host;

struct egress_host *egress_host_new(struct loop *l, const struct egress_host_options *o, struct err *err);
void egress_host_free(struct egress_host *e); // ends what is open; free(NULL) is fine
void egress_host_stop_listening(struct egress_host *e);
const struct egress_host_stats *egress_host_stats(struct egress_host *e);

#endif
