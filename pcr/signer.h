// SPDX-License-Identifier: Apache-2.0
//
// Who signs an EIF: a certificate and, unless the signature is made elsewhere, its private key, from a PEM file or a
// token. Opening one refuses what must not end in an image: another curve or RSA, a key that is not the certificate's,
// a certificate out of its dates, a certificate file with a private key in it, an encrypted key without its passphrase.
#ifndef PCR_SIGNER_H
#define PCR_SIGNER_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "pcr/cose.h"
#include "pcr/pcr.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct signer_options {
	const char *key;	     // path of a PEM file, or a pkcs11: URI; NULL: no key, only a detached signature
	const char *cert;	     // path of a PEM file
	const char *passphrase_file; // its first line opens an encrypted key, or is a token's PIN; NULL: none
	int64_t at;		     // the time at which the certificate must be valid
};

struct signer {
	struct buf cert_text; // the file, byte for byte: it enters the EIF
	X509 *cert;
	EVP_PKEY *key; // or NULL
	const struct cose_alg *alg;
	bool token; // the key is in a token, which chooses its own nonce: signatures differ from run to run
};

// *out is the caller's (signer_free). Messages begin with the file at fault.
int signer_open(const struct signer_options *opt, struct signer **out, struct err *err);
void signer_free(struct signer *s);
CLEANUP_DEFINE(struct signer, cleanup_signer, signer_free)
#define _cleanup_signer_ _cleanup_(cleanup_signerp)

int signer_pcr8(const struct signer *s, uint8_t out[PCR_SIZE], struct err *err);

// Appends the signature section for this PCR0. The signature is deterministic (RFC 6979) unless the key is in a token;
// it is verified with the certificate before anything is appended. ERR_LIMIT if the section would pass EIF_SIG_MAX.
int signer_section(const struct signer *s, const uint8_t pcr0[PCR_SIZE], struct buf *section, struct err *err);

// The same in two steps, for a key that is elsewhere: the bytes to be signed and their digest (s->alg->digest_len
// bytes); the section from a signature over them, r || s or DER, which must verify with the certificate.
int signer_detached(const struct signer *s, const uint8_t pcr0[PCR_SIZE], struct buf *tbs, uint8_t *digest,
		    struct err *err);
int signer_attach(const struct signer *s, const uint8_t pcr0[PCR_SIZE], const void *signature, size_t len,
		  struct buf *section, struct err *err);

#endif
