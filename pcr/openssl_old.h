// SPDX-License-Identifier: Apache-2.0
//
// The two things that OpenSSL 3.0 has only in interfaces it calls deprecated: an ECDSA signature with a given nonce,
// and engines (keys in PKCS#11 tokens; Debian 12 packages no provider for them). Its implementation is the one file
// that lowers OPENSSL_API_COMPAT.
#ifndef PCR_OPENSSL_OLD_H
#define PCR_OPENSSL_OLD_H

#include "base/err.h"
#include "pcr/cose.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

// True if the private key's number is in this process's memory, not in a token.
bool key_is_local(EVP_PKEY *key);

// ECDSA over `digest` (alg->digest_len bytes) with the nonce of RFC 6979, so that equal input gives equal bytes. key
// must be local and of alg's curve. out: r || s, 2 * alg->n bytes.
int ecdsa_sign_rfc6979(EVP_PKEY *key, const struct cose_alg *alg, const uint8_t *digest, uint8_t *out, struct err *err);

// The private key that a pkcs11: URI (RFC 7512) names, through the engine `pkcs11`. The module is the URI's
// module-path, or what p11-kit is configured for; the PIN its pin-value, or `pin` if not NULL. NULL with ERR_INPUT and
// the token's reason. The caller frees it.
EVP_PKEY *key_from_pkcs11(const char *uri, const char *pin, struct err *err);

#endif
