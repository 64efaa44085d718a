// SPDX-License-Identifier: Apache-2.0
//
// The directory that layer_cache.h keeps its files in: who may own it, which of its files are the cache's, and how they
// stay within a bound.
//
//   <64 hex digits>.layer, <64 hex digits>.marks     the cache's
//   either of them + .tmp-??????                     one in the making, or what a killed run left
//   all else                                         foreign: neither counted as the cache's nor ever removed
//
// What lies here is believed (layer_cache.h says how far), so the directory must be the user's own: a real directory,
// not reached through a symlink of its name, owned by the effective user, writable by nobody else.
#ifndef LAYERFS_CACHE_FILES_H
#define LAYERFS_CACHE_FILES_H

#include "base/err.h"

#include <stdint.h>

struct cache_usage {
	uint64_t files, bytes; // the cache's; bytes of the disk, so that holes do not count
	uint64_t foreign;      // other names in the directory
};

// Makes `dir` and its parent (0700) where they are missing, and refuses (ERR_INPUT) one that others could write.
int cache_files_make(const char *dir, struct err *err);

// All zero for a directory that is not there. clean removes the cache's files; *out is what was there before.
// A directory that cache_files_make would refuse is refused here too.
int cache_files_usage(const char *dir, struct cache_usage *out, struct err *err);
int cache_files_clean(const char *dir, struct cache_usage *out, struct err *err);

// Removes what was used longest ago until the cache's files take at most `bytes`, and temporary files that nobody has
// written to for a day. Whatever fails is passed over.
void cache_files_trim(const char *dir, uint64_t bytes);

#endif
