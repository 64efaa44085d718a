// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 by RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF.
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Length (1..4) of the well-formed sequence at p (n bytes are there), or 0 if there is none; its scalar in *c (may be
// NULL).
size_t utf8_next(const void *p, size_t n, uint32_t *c);
// True if all n bytes are well-formed. n == 0 is.
bool utf8_valid(const void *p, size_t n);
// Writes a scalar value (at most 0x10ffff, no surrogate) into out (4 bytes of room); returns its length.
size_t utf8_encode(uint32_t c, char out[4]);

#endif
