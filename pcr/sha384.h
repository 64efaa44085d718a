// SPDX-License-Identifier: Apache-2.0
//
// SHA-384 whose state can be kept and taken up again (FIPS 180-4, 6.5): what a warm prediction resumes. The work is
// OpenSSL's; its EVP interface hides the state, so the one file behind this uses the older one.
//
// Kept form, 212 bytes: H0..H7 | bits processed, 128 bits | bytes waiting, 32 bits | the waiting block, 128 bytes; all
// big-endian, bytes of the block past the waiting ones zero.
#ifndef PCR_SHA384_H
#define PCR_SHA384_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA384_DIGEST = 48, SHA384_STATE = 64 + 16 + 4 + 128 };

struct sha384; // opaque

struct sha384 *sha384_new(void); // NULL without memory
void sha384_free(struct sha384 *s);
void sha384_start(struct sha384 *s);
void sha384_copy(struct sha384 *to, const struct sha384 *from);
void sha384_add(struct sha384 *s, const void *p, size_t n);
void sha384_end(struct sha384 *s, uint8_t out[SHA384_DIGEST]); // then sha384_start before anything else

void sha384_save(const struct sha384 *s, uint8_t out[SHA384_STATE]);
bool sha384_load(struct sha384 *s, const uint8_t in[SHA384_STATE]); // false if that is no state

#endif
