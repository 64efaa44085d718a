// SPDX-License-Identifier: Apache-2.0
//
// Layers from anywhere to a tree: what layer.h offers for images, for whoever brings bytes in another way (tests do).
#ifndef LAYERFS_LAYERS_H
#define LAYERFS_LAYERS_H

#include "layerfs/image.h"
#include "layerfs/inflate.h"
#include "layerfs/layer.h"

struct layer_set {
	size_t count;
	void *ctx;
	const struct image_layer *(*what)(void *ctx, size_t i);
	// Opens layer i's stored bytes; closed by `close`. Both may be called from several threads at once.
	int (*open)(void *ctx, size_t i, struct byte_source *out, struct err *err);
	void (*close)(void *ctx, struct byte_source *s);
};

// As layers_merge.
int layer_set_merge(const struct layer_set *set, const struct layer_options *opt, struct tree **out, struct err *err);

#endif
