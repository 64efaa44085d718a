// SPDX-License-Identifier: Apache-2.0
//
// What the data plane is told, and the only place it is told it: the measured CBOR file (runtime/common has
// the form). Key, type, default and meaning of each are in the table of runtime/README.md; the .c file is the truth.
#ifndef RUNTIME_DATA_PLANE_CONFIG_H
#define RUNTIME_DATA_PLANE_CONFIG_H

#include "runtime/common/config.h"

enum plane_protocol {
	PLANE_HTTP, // bytes that are not HTTP are refused
	PLANE_TCP,  // bytes are never looked at
	PLANE_AUTO, // a connection whose first line is no HTTP request line is passed through raw
};

struct plane_config {
	struct { // "ingress"
		struct addr listen;
		bool tls, proxy, forward_proxy;
		char *protocol_word; // "http", "tcp", "auto"
		enum plane_protocol protocol;
		char *certificate, *key; // PEM files: the chain, leaf first; the private key
		uint64_t max_connections, max_handshakes;
		uint64_t proxy_ms, handshake_ms, header_ms, body_ms, idle_ms, linger_ms;
		uint64_t body_max; // bytes of a request body; 0: no limit
	} ingress;
	struct { // "service"
		struct addr address;
		uint64_t connect_ms, response_ms, idle_ms, max_idle;
		uint64_t max_connections; // in use and idle; upgraded and raw ones are not counted
		char *health_path;          // NULL: not probed
		struct addr health_address; // where it is asked; ADDR_NONE: at `address`
		uint64_t health_interval_ms, health_timeout_ms;
	} service;
	struct {                // "auth"
		char *api_keys; // file of SHA-512 digests; NULL: no key is asked for
	} auth;
	struct {                    // "health"
		struct addr listen; // ADDR_NONE: none
	} health;
	struct {                     // "report": lines to the control plane
		struct addr metrics; // ADDR_NONE: none
		uint64_t interval_ms;
		bool transactions;
		struct addr transactions_to;
		struct config_list trusted_headers;
	} report;
	struct { // "control": what the host is asked for
		struct addr host;
		uint64_t interval_ms; // 0: never
	} control;
	struct { // "egress"; all absent in the program without egress, where its keys are unknown keys
		bool enabled;
		char *allow;              // the allowlist's text (runtime/common/allowlist.h)
		struct config_list ports; // served directly, as decimal text
		struct addr host;         // where the control plane takes egress connections
		struct addr dns;          // where the responder listens, UDP and TCP
		uint64_t redirect_port;   // where a redirect rule sends all other ports; 0: none
		bool set_up_net;          // addresses, route and redirect rule in the kernel
		uint64_t max_connections;
		uint64_t idle_ms;
	} egress;
};

// Fills *c with defaults and then the file. `with_egress` says whether the egress keys are known. 0, or -1 with
// ERR_INPUT naming the key. *c must be released in either case.
int plane_config_load(struct plane_config *c, const char *path, bool with_egress, struct err *err);
int plane_config_decode(struct plane_config *c, const void *cbor, size_t n, bool with_egress, struct err *err);
void plane_config_release(struct plane_config *c);

#endif
