// SPDX-License-Identifier: Apache-2.0
//
// The signing certificate as an EIF carries it: a PEM file, of which the first certificate counts (PCR8, public key,
// description). No passphrase is ever asked for, no trust is implied.
#ifndef PCR_CERT_H
#define PCR_CERT_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

CLEANUP_DEFINE(X509, cleanup_x509, X509_free)
#define _cleanup_x509_ _cleanup_(cleanup_x509p)
CLEANUP_DEFINE(EVP_PKEY, cleanup_pkey, EVP_PKEY_free)
#define _cleanup_pkey_ _cleanup_(cleanup_pkeyp)

// The first certificate block in n bytes of PEM. NULL with ERR_INPUT if there is none that parses (DER is refused).
X509 *cert_from_pem(const void *p, size_t n, struct err *err);
// True if a private key of any kind stands in the text: it would be published with the image.
bool cert_text_has_private_key(const void *p, size_t n);
// Appends the DER, re-encoded.
int cert_der(X509 *cert, struct buf *out, struct err *err);

// The certificate's lifetime, both ends inclusive, in seconds since 1970. ERR_INPUT if a date cannot be read.
int cert_lifetime(X509 *cert, int64_t *not_before, int64_t *not_after, struct err *err);
// ERR_MISMATCH unless not_before <= at <= not_after; the message says which.
int cert_check_dates(X509 *cert, int64_t at, struct err *err);

// SHA-384 of the DER: the certificate's fingerprint (which PCR8 is not; that is one extend of it).
int cert_sha384(X509 *cert, uint8_t out[48], struct err *err);
// 0 if a path leads from the certificate to one of the PEM roots in `ca`, every link valid at `at`, through the further
// certificates that stand in `file` (the PEM it came from) if need be, and the certificate's key usage and purposes (if
// it says any) allow it to sign code. ERR_MISMATCH with the reason otherwise; ERR_USAGE if `ca` holds no certificate.
int cert_check_chain(X509 *cert, const struct buf *file, const struct buf *ca, int64_t at, struct err *err);

// Text of it, as AWS's describe-eif prints it (facts/eif-format.md 8). Each appends to out.
int cert_date_text(const ASN1_TIME *t, struct buf *out, struct err *err);	// "Jan  1 00:00:00 2024 GMT"
const char *cert_algorithm_name(X509 *cert);					// of the certificate's own signature
int cert_signature_text(X509 *cert, struct buf *out, struct err *err);		// "30:64:0A…"
// Attribute i of the issuer's name (0..X509_NAME_entry_count-1): long name or dotted OID, and its value.
int cert_issuer_attribute(X509 *cert, int i, struct buf *name, struct buf *value, struct err *err);

#endif
