// SPDX-License-Identifier: Apache-2.0
//
// Names as archives spell them, made into paths below the root.
#ifndef LAYERFS_PATH_CLEAN_H
#define LAYERFS_PATH_CLEAN_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

// Writes `name` into out (which it empties first) without leading, doubled or trailing slashes and ".", each ".." with
// the component before it taken away, and a NUL behind. "" is the root. A ".." past the root is ERR_INPUT.
int path_clean(const char *name, size_t n, struct buf *out, struct err *err);

#endif
