// SPDX-License-Identifier: Apache-2.0
//
// Lower-case hex, the only hex that we print; both cases are read.
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stddef.h>

// Writes 2 * n digits and a NUL into out (which holds 2 * n + 1 bytes). Returns out.
char *hex_encode(const void *data, size_t n, char *out);

// Decodes exactly 2 * n digits from text (text_len of them) into out (n bytes). 0, or -1 if the length or a digit is
// off.
int hex_decode(const char *text, size_t text_len, void *out, size_t n);

#endif
