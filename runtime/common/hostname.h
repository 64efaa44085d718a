// SPDX-License-Identifier: Apache-2.0
//
// Host names in the one form that this runtime compares: ASCII, lower case, no trailing dot, labels of letters,
// digits, hyphens and underscores (RFC 1035 2.3.1 with the underscore that service names bring), each 1 to 63 bytes
// and no hyphen at its ends, at most 253 bytes in all, and a last label that is not all digits (such a name would be
// read as an IPv4 address somewhere).
#ifndef RUNTIME_COMMON_HOSTNAME_H
#define RUNTIME_COMMON_HOSTNAME_H

#include "base/err.h"

#include <stddef.h>

enum { HOSTNAME_MAX = 253, HOSTNAME_LABEL_MAX = 63 }; // RFC 1035 2.3.4, in text form

// Writes the normal form of `name` (n bytes, any bytes) into out with a NUL. 0; or -1 with ERR_INPUT, the reason
// naming the fault (a name in another script: its A-label). err may be NULL. `name` and out may not overlap.
int hostname_normalise(const char *name, size_t n, char out[HOSTNAME_MAX + 1], struct err *err);

#endif
