// SPDX-License-Identifier: Apache-2.0
//
// Layers that were read before: their entry lists and file contents in a directory, one file a layer, named by what it
// was made from (blob digest, diff_id and the version of this form). A layer found here is neither opened nor inflated.
//
//   contents | spool_piece_sum of each SPOOL_PIECE of them | entries, packed | removals, packed |
//   footer: magic, four lengths, two counts, expanded size | SHA-256 of all behind the contents
//
// What stands behind the contents is checked when the file is opened, the contents piece by piece as they are read, under
// sums that the digest covers; their seed is the SHA-256 that names the file. A file that is wrong in any way is removed
// and the layer read again. Files appear by rename, so runs beside each other are safe; the oldest by use go when the
// directory outgrows its bound.
#ifndef LAYERFS_LAYER_CACHE_H
#define LAYERFS_LAYER_CACHE_H

#include "base/err.h"
#include "layerfs/layer_read.h"

struct layer_cache; // opaque

// `dir` is made if it is missing (its parent too), and refused as cache_files_make says. max_bytes bounds what it holds (0: no bound).
int layer_cache_open(const char *dir, uint64_t max_bytes, struct layer_cache **out, struct err *err);
void layer_cache_free(struct layer_cache *c); // NULL fine

// Whether there is something of that name: a guess, good enough to plan by.
bool layer_cache_holds(const struct layer_cache *c, const struct image_layer *what);
// 1: *out is filled as layer_read would; 0: not there (or damaged, and removed); -1: out of memory.
int layer_cache_load(struct layer_cache *c, const struct image_layer *what, struct spool *spool,
		     struct layer_budget *budget, struct layer_content *out, struct err *err);
// Keeps what layer_read gave. A failure (a full disk) only means that it is not kept.
void layer_cache_store(struct layer_cache *c, const struct image_layer *what, const struct spool *spool,
		       const struct layer_content *content);

// True once contents read through this cache turned out damaged: the files that gave them are gone, a second run will
// read the layers themselves. The flag is cleared.
bool layer_cache_was_damaged(struct layer_cache *c);
uint64_t layer_cache_hits(const struct layer_cache *c);

// Removes what was used longest ago until the bound is kept.
void layer_cache_trim(struct layer_cache *c);

// A small file of the same directory, kept whole with its digest: 0 with its bytes in `out`, or 1 if it is not there or
// damaged (then it is removed).
int layer_cache_get(struct layer_cache *c, const char *name, size_t max, struct buf *out, struct err *err);
void layer_cache_put(struct layer_cache *c, const char *name, const void *p, size_t n);

#endif
