// SPDX-License-Identifier: Apache-2.0
//
// From an image to its merged tree: every layer is inflated, digested, held against the strict tar header check and
// read by libarchive in one pass; its file content goes to a spool; when its digests have been found right, and only
// then, its entries are applied to the tree. Layers may be read in parallel; they are applied in order, so the result
// does not depend on who was first.
#ifndef LAYERFS_LAYER_H
#define LAYERFS_LAYER_H

#include "layerfs/image.h"
#include "layerfs/tree.h"

#include <stdatomic.h>

struct layer_cache;

struct layer_options {
	enum tree_symlink_policy policy;
	const struct limits *limits; // NULL: limits_default
	const char *tmpdir; // where the spool lives; NULL: the caller has no wish ($TMPDIR is the program's to read)
	unsigned threads;	     // 0: as many as processors
	struct layer_cache *cache;   // layers read before (layer_cache.h); NULL: none. Borrowed, longer than the tree
	atomic_uint_fast64_t *stored; // counts the stored bytes read so far, for who watches; NULL: nobody does
	atomic_uint_fast64_t *known;  // stored bytes of the layers that the cache has, from the start; NULL as above
	// one line, no newline; may be NULL; called from one thread, in layer order
	void (*warn)(void *ctx, const char *text);
	void *warn_ctx;
};

// Reads all layers of img and merges them. *out is the caller's (tree_free drops the spool too). Errors carry the
// layer's digest and the entry's quoted name.
int layers_merge(struct image *img, const struct layer_options *opt, struct tree **out, struct err *err);

#endif
