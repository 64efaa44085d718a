// SPDX-License-Identifier: Apache-2.0
//
// COSE_Sign1 (RFC 9052 4.2) with ECDSA (RFC 9053 2.1), as EIF signatures and attestation documents use it:
//
//   84  bstr: protected header, an encoded map {1: alg}   a0: unprotected header   bstr: payload   bstr: r || s
//
// What is signed is ECDSA over the digest of  84 "Signature1" bstr(protected) bstr() bstr(payload)  (RFC 9052 4.4), the
// digest given by the curve of the key: P-256 SHA-256 (-7), P-384 SHA-384 (-35), P-521 SHA-512 (-36).
#ifndef PCR_COSE_H
#define PCR_COSE_H

#include "base/buf.h"
#include "base/err.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COSE_ES256 = -7, COSE_ES384 = -35, COSE_ES512 = -36 };
enum { COSE_SIGNATURE_MAX = 132 }; // r || s of P-521

// A curve and what goes with it.
struct cose_alg {
	int64_t id;	   // COSE algorithm
	int nid;	   // OpenSSL's name of the curve
	const char *curve; // "P-384"
	size_t n;	   // bytes of r, of s
	size_t digest_len;
	const EVP_MD *(*md)(void);
};

// The row for a public or private key; NULL with ERR_UNSUPPORTED for RSA, other curves, anything else.
const struct cose_alg *cose_alg_of_key(EVP_PKEY *key, struct err *err);
const struct cose_alg *cose_alg_of_id(int64_t id); // or NULL

struct cose_sign1 {
	struct buf protected, payload, signature; // bytes as they stand in the message
	int64_t alg;
	bool tagged;		 // tag 18 stood before it
	bool extra_protected;	 // headers beside alg
	bool unprotected;	 // the unprotected map is not empty
};

#define COSE_SIGN1_INIT {BUF_INIT(0), BUF_INIT(0), BUF_INIT(0), 0, false, false, false}

// COSE_FORM_STRICT: minimal and definite CBOR, byte strings, no duplicate header. COSE_FORM_EIF: what AWS's EIF reader
// takes besides (facts/eif-format.md 4.1): indefinite and non-minimal lengths, members as arrays of integers.
// Tag 18, extra headers and a non-empty unprotected map are taken in both and told in *out.
enum cose_form { COSE_FORM_STRICT, COSE_FORM_EIF };

// Parses exactly n bytes. *out must be initialised; on failure it is empty. ERR_INPUT with the rule that is broken.
int cose_sign1_parse(struct cose_sign1 *out, const void *p, size_t n, enum cose_form form, struct err *err);
void cose_sign1_free(struct cose_sign1 *c);
#define _cleanup_cose_ __attribute__((cleanup(cose_sign1_free)))

// 0 if the signature is that of `key`, its alg is the one of the key's curve and its length is 2n; ERR_MISMATCH if it
// is not the key's signature, ERR_INPUT or ERR_UNSUPPORTED if it cannot be one.
int cose_sign1_verify(const struct cose_sign1 *c, EVP_PKEY *key, struct err *err);

// The bytes to be signed for alg and payload, and their digest (alg->digest_len bytes; may be NULL).
int cose_to_be_signed(const struct cose_alg *alg, const void *payload, size_t n, struct buf *tbs, uint8_t *digest,
		      struct err *err);
// The message: protected {1: alg}, empty unprotected map. signature: r || s, 2n bytes.
int cose_sign1_write(const struct cose_alg *alg, const void *payload, size_t n, const uint8_t *signature,
		     struct buf *out, struct err *err);

// r || s of 2n bytes from what a signer gave: r || s already, or a DER ECDSA-Sig-Value of this curve's size.
int cose_signature_from_any(const struct cose_alg *alg, const void *p, size_t len, uint8_t out[COSE_SIGNATURE_MAX],
			    struct err *err);

#endif
