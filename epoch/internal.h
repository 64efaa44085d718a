// SPDX-License-Identifier: Apache-2.0
//
// Between the files of this room.
#ifndef EPOCH_INTERNAL_H
#define EPOCH_INTERNAL_H

#include "base/err.h"

#include <stdint.h>

// 0 and *out, or ERR_INPUT with the reason if a newc header cannot hold the time.
int epoch_check_range(int64_t seconds, uint32_t *out, struct err *err);

// `path` (relative to the directory `prefix` of a work tree, or from the work tree's root with a leading `/`) as a
// path from the root: components joined by one `/`, `.` and `..` worked off in the text alone, "" for the root itself.
// Fresh memory, or NULL: ERR_USAGE if it leaves the tree.
char *epoch_tree_path(const char *prefix, const char *path, struct err *err);

#endif
