// SPDX-License-Identifier: Apache-2.0
//
// Clients' TCP connections into the enclave: one connection to the data plane for each, in front of it a PROXY v2
// header that says who the client is, then bytes both ways untouched. TLS is never ended here: the host sees
// ciphertext.
#ifndef RUNTIME_CONTROL_PLANE_INGRESS_H
#define RUNTIME_CONTROL_PLANE_INGRESS_H

#include "runtime/common/loop.h"

struct ingress_options {
	struct addr listen, enclave;
	bool send_proxy;   // write the PROXY header
	bool expect_proxy; // a load balancer in front writes one: read it, and pass its client on
	uint32_t conns_max;
	unsigned proxy_ms, dial_ms, idle_ms, linger_ms;
};

struct ingress_stats {
	uint64_t accepted, shed, relayed, enclave_failed, proxy_failed;
	uint64_t bytes_in, bytes_out; // towards the enclave, from it
	uint64_t open;
};

struct ingress_relay;

struct ingress_relay *ingress_relay_new(struct loop *l, const struct ingress_options *o, struct err *err);
void ingress_relay_free(struct ingress_relay *in); // ends what is open; free(NULL) is fine
void ingress_relay_stop_listening(struct ingress_relay *in);
const struct ingress_stats *ingress_relay_stats(struct ingress_relay *in);

#endif
