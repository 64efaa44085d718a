// SPDX-License-Identifier: Apache-2.0
//
// A test PKI shaped as AWS's is, made afresh in memory: root (30 years), regional (20 days), zonal (6 days), instance
// (24 h), leaf (3 h and 3 s), all P-384 and ECDSA-SHA384, and attestation documents by the leaf, with one chosen fault
// each. Tests only: nothing here is linked into a program that is installed.
#ifndef TESTS_TOOLS_ATTEST_PKI_H
#define TESTS_TOOLS_ATTEST_PKI_H

#include "base/buf.h"
#include "base/err.h"

#include <openssl/x509.h>
#include <stdint.h>

enum { PKI_LEVELS = 5 };

enum pki_fault {
	PKI_SOUND,
	// the certificates
	PKI_OTHER_ROOT,	  // another root of the same name signs the chain and stands first in the bundle
	PKI_FORGED_CHAIN, // the pinned root stands first, but another one signed the chain
	PKI_BUNDLE_ORDER,
	PKI_BUNDLE_SHORT, // the instance certificate is left out
	PKI_EXPIRED_LINK,
	PKI_FUTURE_LINK,
	PKI_PATH_LENGTH,
	PKI_NOT_CA,
	PKI_NO_CERT_SIGN,
	PKI_CRITICAL_EXTENSION,
	PKI_NAME_CONSTRAINTS,	    // critical, known to OpenSSL, and allowing no name of those below
	PKI_NAME_CONSTRAINTS_MILD,  // the same, not critical
	PKI_POLICY_CONSTRAINTS,	    // critical
	PKI_DOUBLE_EXTENSION,	    // two key usages
	PKI_SPELLED_CURVE,	    // P-384 by its parameters, not by its name
	PKI_SHA256_LINK,
	PKI_OTHER_NAME,
	PKI_LINK_P256,
	PKI_LEAF_P256,
	PKI_LEAF_IS_CA,
	PKI_LEAF_NO_SIGNING,
	PKI_LEAF_PURPOSE, // a critical extended key usage: for TLS servers
	PKI_CERT_TRAILING,
	// the message
	PKI_SIGNATURE_SHORT,
	PKI_SIGNATURE_OTHER_KEY,
	PKI_PAYLOAD_CHANGED,
	PKI_TRAILING,
	PKI_PAYLOAD_TRAILING,
	PKI_DUPLICATE_FIELD,
	PKI_DUPLICATE_PCR,
	PKI_INDEFINITE,
	PKI_NOT_MINIMAL,
	PKI_UNPROTECTED,
	PKI_ES256,
	PKI_MISSING_FIELD,
	PKI_EMPTY_BUNDLE,
	PKI_DIGEST_NAME,
	// what it says
	PKI_PCR_ABSENT, // PCR0
	PKI_PCR_ZERO,
	PKI_PCR_SHORT,
	PKI_PCR_OTHER,
	PKI_NONCE_OTHER,
	PKI_NONCE_ABSENT,
	PKI_BINDING_OTHER,
	PKI_TOO_OLD,
	PKI_TOO_NEW,
	PKI_FAULTS,
};

const char *pki_fault_name(enum pki_fault f); // "other-root"
enum pki_fault pki_fault_by_name(const char *name); // PKI_FAULTS if unknown

struct pki {
	X509 *root; // what a client would pin; the rest is made per document
	EVP_PKEY *root_key;
	int64_t now;
	uint8_t pcrs[16][48]; // of every document
};

// Registers begin as 48 times the byte 0x10 + i for 0 to 4 and 8, the others zero; a test may set others.
int pki_make(struct pki *p, int64_t now, struct err *err);
void pki_free(struct pki *p);
// Appends a document. nonce and user_data may be NULL.
int pki_document(const struct pki *p, enum pki_fault fault, const void *nonce, size_t nonce_len, const void *user_data,
		 size_t user_data_len, struct buf *out, struct err *err);
// Appends the root in DER.
int pki_root_der(const struct pki *p, struct buf *out, struct err *err);

#endif
