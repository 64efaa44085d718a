// SPDX-License-Identifier: Apache-2.0
//
// libcage-attest: is the peer of this TLS connection an enclave that runs what I expect?
//
// A client says which PCRs it expects, sends a nonce, and hands over the peer's certificate from inside the handshake.
// The answer is CAGE_ATTEST_YES only if everything holds: an attestation document signed by a path from Amazon's root,
// young enough, not of debug mode, with the nonce, bound to the key of that very certificate, and with every expected
// register. Whatever is forgotten is a no: an object without an expected register or without a nonce (unless it is
// waived by name) never says yes.
//
// Nothing here prints, keeps global state, opens files or connections, or reads clock and environment. One object may
// be used by one thread at a time. C99 and C++ callers are welcome.
#ifndef CAGE_ATTEST_H
#define CAGE_ATTEST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAGE_ATTEST_YES 1 // every other value of the verifying functions is a no

typedef struct cage_attest cage_attest;

// NULL: out of memory.
cage_attest *cage_attest_new(void);
void cage_attest_free(cage_attest *c); // NULL is fine

// Expects register `index` (0 to 31) to be `hex` (96 digits, not all zero). Several values for one register mean any of
// them. 0, or -1 with the reason in cage_attest_error; the object then says no to everything.
int cage_attest_expect_pcr(cage_attest *c, unsigned index, const char *hex);

// The nonce that was sent with this connection (1 to 256 bytes, copied); set a fresh one for every connection. A cage
// takes it in the TLS server name: hex, in labels of at most 62 digits, in front of `.attest.<host>`. 0 or -1 as above.
int cage_attest_set_nonce(cage_attest *c, const void *nonce, size_t n);
// Draws a fresh nonce of 20 bytes, sets it, and writes the server name that carries it: its hex, `.attest.`, `host`, of
// `size` bytes at most with the NUL. Connect to `host`, show this name (SNI). 0, or -1 as above, `name` then being
// empty.
int cage_attest_fresh_nonce(cage_attest *c, const char *host, char *name, size_t size);
// Without a nonce a document of up to max_age seconds ago passes.
int cage_attest_waive_nonce(cage_attest *c);
// How old a document may be; default and most: three hours. 0 or -1 as above.
int cage_attest_set_max_age(cage_attest *c, long seconds);

// For tests: trusts this root (DER) in place of Amazon's. 0 or -1 as above.
int cage_attest_set_root(cage_attest *c, const void *der, size_t n);

// Judges the certificate that the peer showed (DER) with the document inside it, at `now` (seconds since 1970).
// CAGE_ATTEST_YES, or a no with the reason in cage_attest_error.
int cage_attest_verify_cert(cage_attest *c, const void *cert, size_t n, long long now);
// The same with a document from elsewhere (/.well-known/attestation, decoded from its base64).
int cage_attest_verify_document(cage_attest *c, const void *document, size_t document_len, const void *cert,
				size_t cert_len, long long now);

// Why the last call failed or said no; never NULL. Valid until the next call with this object.
const char *cage_attest_error(const cage_attest *c);

#ifdef __cplusplus
}
#endif
#endif
