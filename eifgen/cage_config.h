// SPDX-License-Identifier: Apache-2.0
//
// cage.json: the one file that a project keeps in git to turn its Dockerfile into a cage (man/cage.json.5, its schema
// in man/cage.schema.json). Read strictly: an unknown key, a value of another type or out of range, an allowlist that
// says more than it seems to, are errors that begin with the key's path (`egress.destinations[2]: …`). What a key
// leaves out has the default that is written beside it here.
#ifndef EIFGEN_CAGE_CONFIG_H
#define EIFGEN_CAGE_CONFIG_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "pcr/pcr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAGE_FILE_MAX = 1 << 20, CAGE_LIST_MAX = 4096 };

// Where, in the enclave, the data plane finds what is not in its configuration, unless cage.json names other places.
#define CAGE_CERT_FILE	   "/run/cage/tls/cert.pem"
#define CAGE_KEY_FILE	   "/run/cage/tls/key.pem"
#define CAGE_API_KEYS_FILE "/run/cage/api-keys"

struct cage_config {
	char *name;	  // required: the service's name, a DNS label
	char *dockerfile; // relative to cage.json's directory; "Dockerfile"
	uint32_t service_port; // 0: the image's one TCP port of EXPOSE
	struct {
		bool enabled; // false
		char **destinations; // the runtime's allowlist grammar; never empty when enabled
		size_t count;
	} egress;
	bool tls_termination, api_key_auth, trx_logging; // true, false, false
	struct {
		char *cert_file, *key_file; // in the enclave; NULL: CAGE_CERT_FILE, CAGE_KEY_FILE
	} tls;
	char *api_keys_file; // in the enclave; NULL: CAGE_API_KEYS_FILE
	bool forward_proxy_protocol;			  // false
	char **trusted_headers;
	size_t trusted_header_count;
	struct {
		char *path; // NULL: none
		uint32_t port; // 0: the service's
	} healthcheck;
	struct {
		char *cert, *key; // relative to cage.json's directory; both or neither
	} signing;
	uint32_t desired_replicas; // scaling.desired_replicas; 0: not said
	struct {
		// 0: the data plane's default
		uint32_t max_connections, max_handshakes, max_service_connections, handshake_ms;
	} acceptor;
	char *runtime_bundle; // runtime.bundle: "sha256:…" of the bundle's bundle.json, or NULL: any
	struct {
		bool present;
		char *pcr[4]; // PCR0, PCR1, PCR2, PCR8 in lower-case hex; PCR8 may be NULL
	} attestation; // written by the tool
};

// Parses exactly n bytes. *out is the caller's. ERR_INPUT with the key's path in front.
int cage_config_parse(const void *text, size_t n, struct cage_config **out, struct err *err);
void cage_config_free(struct cage_config *c);
CLEANUP_DEFINE(struct cage_config, cage_config_free, cage_config_free)

// The only TCP port among `exposed` ("8080/tcp", "8080"), as an image's config or EXPOSE lists them; 0 if there is
// none, or more than one.
uint32_t cage_port_of(char *const *exposed, size_t count);
// The service's port: cage.json's own, else that of the list. ERR_INPUT with the key's path if neither says one.
int cage_config_port(const struct cage_config *c, char *const *exposed, size_t count, uint32_t *port, struct err *err);

// The data plane's measured configuration (CBOR, runtime/data-plane/config.h), for a service on `port`. Equal configs
// give equal bytes. Keys that would say what the data plane assumes anyway are left out.
int cage_config_compile(const struct cage_config *c, uint32_t port, struct buf *out, struct err *err);

// text (n bytes of a valid cage.json) with `attestation` holding these registers (pcr8 NULL: none), appended to `out`;
// every byte outside that member's value stays as it is. A member that was not there is added at the end.
int cage_config_set_pcrs(const void *text, size_t n, const struct pcr_values *pcrs, struct buf *out, struct err *err);

#endif
