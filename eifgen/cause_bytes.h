// SPDX-License-Identifier: Apache-2.0
//
// The part of cause.h that looks at bytes: two whole files in memory, which it may overwrite.
#ifndef EIFGEN_CAUSE_BYTES_H
#define EIFGEN_CAUSE_BYTES_H

#include "base/buf.h"
#include "eifgen/cause.h"

// 1 with *out filled if one respect explains the difference, 0 if none does, -1. The path says of a format without a
// magic of its own whether it may be that.
int cause_of_bytes(const char *path, struct buf *a, struct buf *b, struct cause *out, struct err *err);

// Of these, whether numbers alone differ: "embedded-date" or "number". Reads both once and keeps nothing.
bool cause_of_dates(const struct buf *a, const struct buf *b, struct cause *out);

#endif
