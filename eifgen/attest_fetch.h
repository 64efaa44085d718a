// SPDX-License-Identifier: Apache-2.0
//
// Getting an attestation document from a running cage over TLS, and with it the key that this very connection was made
// with, which the document must be bound to. The TLS certificate is not judged in any other way: attestation is the
// trust, so whoever calls this must verify before a byte of anything else is sent.
//
//   in the certificate   SNI <nonce in hex>[.<more hex>].attest.<host>; the document stands in the SAN
//   well-known           GET /.well-known/attestation?nonce=<hex> on the same connection: {"attestation_doc": base64}
#ifndef EIFGEN_ATTEST_FETCH_H
#define EIFGEN_ATTEST_FETCH_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attest_target {
	const char *host; // to connect to: name, IPv4 or IPv6 address
	const char *port; // decimal
	const char *name; // the cage's host name, for SNI and Host; NULL: host (without SNI if that is an address)
	const void *nonce; // NULL: none is sent, and what comes may be a cached document
	size_t nonce_len;  // at most 256
	// seconds, for connecting to each address and for every wait; three times that for all the talk
	unsigned timeout;
};

struct attest_answer {
	struct buf doc;	 // the document's bytes, not parsed
	struct buf spki; // DER SubjectPublicKeyInfo of the peer's certificate
	bool from_cert;	 // it stood in the certificate
};

#define ATTEST_ANSWER_INIT {BUF_INIT(0), BUF_INIT(0), false}

// *out must be initialised; free its buffers. ERR_IO if the host cannot be reached or takes too long, ERR_INPUT if it
// shows no document, ERR_USAGE for a port that is none.
int attest_fetch(const struct attest_target *target, struct attest_answer *out, struct err *err);

#endif
