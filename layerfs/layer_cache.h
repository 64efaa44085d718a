// SPDX-License-Identifier: Apache-2.0
//
// Layers that were read before: their entry lists and file contents in a directory, one file a layer, named by what it
// was made from (blob digest, diff_id, and the code that read it). A layer found here is neither opened nor inflated.
//
//   contents | spool_piece_sum of each SPOOL_PIECE of them | entries, packed | removals, packed |
//   footer: magic, four lengths, two counts, what the reader met (layer_content) | SHA-256 of all behind the contents
//
// What stands behind the contents is checked when the file is opened, the contents piece by piece each time they are
// read from the file, under sums that the digest covers; their seed is the SHA-256 that names the file. A file that is
// wrong in any way is removed and the layer read again. Files appear by rename, so runs beside each other are safe; the
// oldest by use go when the directory outgrows its bound.
//
// The sums find damage. They are no defence against who can write the directory: he decides what layers hold, and so
// the registers. No file of it, however made, leads to memory that is not its own: every number is bounded where it is
// read.
#ifndef LAYERFS_LAYER_CACHE_H
#define LAYERFS_LAYER_CACHE_H

#include "base/err.h"
#include "layerfs/layer_read.h"

struct layer_cache; // opaque

// `dir` is made if it is missing (its parent too), and refused as cache_files_make says. max_bytes bounds what it holds
// (0: no bound).
int layer_cache_open(const char *dir, uint64_t max_bytes, struct layer_cache **out, struct err *err);
void layer_cache_free(struct layer_cache *c); // NULL fine

// What entries depend on beside the layer: the form, the digest of the sources that read and cut layers, and
// libarchive's version. A cache of other code holds nothing for this one. Valid as long as the cache.
const char *layer_cache_code(const struct layer_cache *c);

// Whether there is something of that name: a guess, good enough to plan by. It counts as used from now on.
bool layer_cache_holds(struct layer_cache *c, const struct image_layer *what);
// 1: *out is filled as layer_read would; 0: not there, or damaged (and removed), or the reader would refuse it under
// this budget's limits or for its descriptor's size; -1: out of memory.
int layer_cache_load(struct layer_cache *c, const struct image_layer *what, struct spool *spool,
		     struct layer_budget *budget, struct layer_content *out, struct err *err);
// Keeps what layer_read gave, if nothing of that name is there; `ahead` bytes are what the run may still write. A
// failure (a full disk, no room within the bound beside what this run uses) only means that it is not kept.
void layer_cache_store(struct layer_cache *c, const struct image_layer *what, const struct spool *spool,
		       const struct layer_content *content, uint64_t ahead);
// The disk of the file or directory fd (-1: not known) is full. If it is the cache's, too, what this run has stored is
// removed and no more is stored. Another disk's gains nothing by that, and the cache keeps what it has.
enum layer_cache_yielded {
	LAYER_CACHE_KEPT = 0, // nothing was to be removed
	LAYER_CACHE_GAVE_BEFORE, // by an earlier call: who writes at the same time may try again, too
	LAYER_CACHE_GAVE,
};
enum layer_cache_yielded layer_cache_yield(struct layer_cache *c, int fd);
// A loaded layer turned out to be wrong later on: its file goes, and layer_cache_was_damaged will say so.
void layer_cache_spoilt(struct layer_cache *c, const struct image_layer *what);

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
