// SPDX-License-Identifier: Apache-2.0
//
// One layer, from its stored bytes to its entry lists, in one pass. Only layerfs calls this.
#ifndef LAYERFS_LAYER_READ_H
#define LAYERFS_LAYER_READ_H

#include "layerfs/entry_list.h"
#include "layerfs/image.h"
#include "layerfs/inflate.h"
#include "layerfs/limits.h"
#include "layerfs/spool.h"

#include <stdatomic.h>

// What all layers of an image use up together; shared by the threads that read them.
struct layer_budget {
	const struct limits *limits;
	atomic_uint_fast64_t expanded, entries;
	atomic_uint_fast64_t *stored; // layer_options.stored
	atomic_bool spent; // a cap was hit: the error is the image's, not a layer's
};

struct layer_content {
	struct entry_list *entries, *removals; // owned
	uint64_t stored, expanded;	       // bytes of the blob and of the tar
	uint64_t holes, listed, path;	       // sizes of sparse files, entries met, the longest name or target met
	uint64_t base, content;		       // where its file contents begin in the spool, and their length
};

void layer_content_clear(struct layer_content *c);

// Reads `from` to its end: size and digest are held against `what`, the inflated bytes against its diff_id and against
// the tar check; content goes to the spool's file `file` (flushed). *out is filled only when all of that was right.
// A wrong digest is ERR_MISMATCH and is reported before anything that the wrong bytes may have led to. `stop` (may be
// NULL): when it becomes true the reading ends early with ERR_IO. With `threads` the diff_id is computed on a thread of
// its own.
int layer_read(const struct image_layer *what, struct byte_source from, struct spool *spool, unsigned file,
	       struct layer_budget *budget, const atomic_bool *stop, bool threads, struct layer_content *out,
	       struct err *err);

#endif
