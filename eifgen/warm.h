// SPDX-License-Identifier: Apache-2.0
//
// Warm prediction: the application ramdisk is measured without being read as far as an earlier run has measured it.
//
// The layout's output is seen as a row of pieces: bytes that the layout makes (headers, padding, its own files), and
// stretches of file content named by origin (the layer's diff_id, offset among its contents, length) or, where the
// layer is the topmost and not large, by the content's own SHA-256: that layer is the one that every build makes anew,
// mostly of the same files, and its diff_id would make strangers of them all. A running SHA-256 over that row, its
// recipe, stands for the bytes themselves. Every 4 MiB (past 4 GiB, every 1024th part of what came before), and at the
// end, the recipe so far is a mark: an earlier run kept it with the registers' state at that place. While marks are
// found nothing is hashed into the registers, and nothing of lower layers is read; at the first unknown one the last
// known state is loaded, what came since is hashed, and so is all that follows.
//
// Why the result cannot differ from a cold run's: the recipe begins with the registers' state where the section begins,
// and with what contents were cut by (layer_cache_code: the cache's form, a digest of the sources, libarchive's
// version); its pieces are encoded without ambiguity; an origin names one string of bytes, since a diff_id is a digest
// of the layer and contents are cut from it by the same code. So one recipe means one string of bytes after one state,
// and that leads to one state. Only SHA-256 would have to fail.
#ifndef EIFGEN_WARM_H
#define EIFGEN_WARM_H

#include "base/io.h"
#include "eifgen/eif.h"
#include "layerfs/image.h"
#include "layerfs/layer_cache.h"
#include "layerfs/tree.h"

#include <stdatomic.h>

struct warm; // opaque

// For a section of `w` that was just begun; measuring only. All borrowed.
int warm_new(struct layer_cache *cache, const struct image *image, struct eif_writer *w, struct warm **out,
	     struct err *err);
void warm_free(struct warm *x); // NULL fine
// From here on counts, for who watches: the bytes that are hashed, and those that an earlier run has hashed. Borrowed.
void warm_watch(struct warm *x, atomic_uint_fast64_t *hashed, atomic_uint_fast64_t *known);
struct sink warm_sink(struct warm *x);
// layout_options.content, with x as its context.
int warm_content(void *x, const struct tree *tree, const struct inode *inode, struct err *err);
// The section is complete: hashes what is left and keeps the new marks.
int warm_finish(struct warm *x, struct err *err);
uint64_t warm_skipped(const struct warm *x); // bytes that were neither read nor hashed

#endif
