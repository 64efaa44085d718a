// SPDX-License-Identifier: Apache-2.0
//
// RFC 3492, the encoding half: what error messages need to show the A-label of a name written in another script. The
// allowlist itself holds A-labels only, so nothing here decides what may leave.
#ifndef RUNTIME_COMMON_PUNYCODE_H
#define RUNTIME_COMMON_PUNYCODE_H

#include <stddef.h>

// Writes the A-label form of `name` (n bytes of UTF-8, labels separated by dots) into out, NUL-terminated: every label
// with a byte past 0x7f becomes `xn--` and its Punycode, the others are copied; ASCII is folded to lower case, other
// characters are taken as they stand (no IDNA mapping). 0, or -1 if `name` is no UTF-8, a label is too long to encode,
// or out is too small.
int punycode_name(const char *name, size_t n, char *out, size_t cap);

#endif
