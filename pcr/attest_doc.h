// SPDX-License-Identifier: Apache-2.0
//
// Attestation documents of the Nitro security module (facts/runtime.md 3.4, AWS's root-of-trust text): an untagged
// COSE_Sign1 (tag 18 is taken too) by ES384 whose payload is a CBOR map
//
//   module_id text  digest "SHA384"  timestamp uint (ms)  pcrs {uint: bstr}  certificate bstr
//   cabundle [bstr…] (root first)
//   public_key, user_data, nonce: bstr, null or absent
//
// Parsing checks the form alone. Trust comes from attest_verify, which runs every check below in order. None can be
// left out by forgetting something: what is to be expected must be given, and giving nothing is an error; the few
// things that a caller may do without must be waived by name.
#ifndef PCR_ATTEST_DOC_H
#define PCR_ATTEST_DOC_H

#include "base/err.h"
#include "pcr/cose.h"
#include "pcr/expect.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ATTEST_DOC_MAX = 32768,	   // bytes; real ones have about 4700, the NSM's answer holds at most 12288
	ATTEST_BUNDLE_MAX = 16,	   // certificates above the leaf; real ones have 4
	ATTEST_CERT_MAX = 1024,	   // bytes of one certificate (AWS's limit)
	ATTEST_FIELD_MAX = 1024,   // public_key, user_data, nonce
	ATTEST_MODULE_ID_MAX = 256,
	ATTEST_AGE_MAX = 3 * 3600, // seconds: a leaf certificate lives no longer, so neither does its document
	ATTEST_LEEWAY = 60,	   // seconds that our clock may be behind the enclave's
};

struct attest_bytes {
	const uint8_t *p; // into the document; NULL: absent or null
	size_t n;
};

struct attest_doc {
	struct cose_sign1 cose; // owns the bytes that all below point into
	struct attest_bytes module_id;
	uint64_t timestamp_ms;
	struct attest_bytes pcrs[PCR_COUNT];
	struct attest_bytes certificate, bundle[ATTEST_BUNDLE_MAX];
	size_t bundle_count;
	struct attest_bytes public_key, user_data, nonce;
};

#define ATTEST_DOC_INIT {.cose = COSE_SIGN1_INIT}

// Parses exactly n bytes, copied. *doc must be initialised; empty on failure. ERR_INPUT names the rule broken.
int attest_doc_parse(struct attest_doc *doc, const void *p, size_t n, struct err *err);
void attest_doc_free(struct attest_doc *doc);
#define _cleanup_attest_doc_ __attribute__((cleanup(attest_doc_free)))

// The root that AWS publishes (G1), in DER. Its SHA-256 is
// 641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b.
extern const uint8_t attest_aws_root[];
extern const size_t attest_aws_root_len;

// ---- the checks, one function each ----------------------------------------------------------------------------------
// 0, or -1 with ERR_MISMATCH (the answer is no) and the reason; an expectation that is empty is ERR_USAGE.

// A path from the pinned root (DER) through cabundle[1…] to `certificate`: every link P-384 and ECDSA-SHA384, names,
// signatures, dates at `at`, CA, path length and key usage. cabundle[0] must be the pinned root.
int attest_check_chain(const struct attest_doc *doc, const void *root, size_t root_len, int64_t at, struct err *err);
// The COSE signature by the leaf's key.
int attest_check_signature(const struct attest_doc *doc, struct err *err);
// The timestamp is not older than max_age seconds before `at` and not later than `at` + leeway.
int attest_check_time(const struct attest_doc *doc, int64_t at, int64_t max_age, int64_t leeway, struct err *err);
// PCR0-2 are there, 48 bytes long, not all zero.
int attest_check_not_debug(const struct attest_doc *doc, struct err *err);
// Every expected register is there and equal. No expectation at all: ERR_USAGE.
int attest_check_pcrs(const struct attest_doc *doc, const struct pcr_expect *expect, struct err *err);
int attest_check_nonce(const struct attest_doc *doc, const void *nonce, size_t n, struct err *err);
int attest_check_user_data(const struct attest_doc *doc, const void *data, size_t n, struct err *err);
int attest_check_public_key(const struct attest_doc *doc, const void *key, size_t n, struct err *err);
// The document was made for this TLS key: user_data (or public_key) is the DER SubjectPublicKeyInfo of the certificate
// that the peer of this very connection showed.
int attest_check_binding(const struct attest_doc *doc, const void *spki, size_t n, struct err *err);

// What a caller does without, said by name.
enum attest_waiver {
	ATTEST_WAIVE_PCRS = 1,	  // look at the document only; says nothing about what runs there
	ATTEST_WAIVE_NONCE = 2,	  // freshness rests on the timestamp alone
	ATTEST_WAIVE_BINDING = 4, // a document by itself, not of a connection
	ATTEST_WAIVE_AGE = 8,	  // archive: judged at its own time
};

struct attest_policy {
	const void *root; // DER; NULL: AWS's. Another one is for tests and private clouds.
	size_t root_len;
	int64_t at;	 // now, seconds since 1970; with ATTEST_WAIVE_AGE the document's own time is taken
	int64_t max_age; // seconds; 0: ATTEST_AGE_MAX
	struct pcr_expect pcrs;
	struct attest_bytes nonce, spki;
	struct attest_bytes user_data; // checked if p is not NULL, beside the binding
	unsigned waived;	       // enum attest_waiver, or-ed
};

// All checks, in the order above. ERR_USAGE if something is neither given nor waived, or both.
int attest_verify(const struct attest_doc *doc, const struct attest_policy *policy, struct err *err);

// The document that a cage's certificate carries: hex in front of the host name in a DNS name of the SAN
// (facts/runtime.md 2.9). Appends the decoded bytes. ERR_INPUT if there is none.
int attest_doc_from_cert(X509 *cert, struct buf *out, struct err *err);

#endif
