// SPDX-License-Identifier: Apache-2.0
//
// An image's layers as a set for layers.c.
#include "layerfs/layer.h"

#include "layerfs/layers.h"

static const struct image_layer *what(void *ctx, size_t i)
{
	return image_layer(ctx, i);
}

static ssize_t stream_read(void *ctx, void *p, size_t n, struct err *err)
{
	return blob_stream_read(ctx, p, n, err);
}

static int stream_open(void *ctx, size_t i, struct byte_source *out, struct err *err)
{
	struct blob_stream *s;

	if (image_layer_open(ctx, i, &s, err))
		return -1;
	*out = (struct byte_source){stream_read, s};
	return 0;
}

static void stream_close(void *ctx, struct byte_source *s)
{
	(void)ctx;
	blob_stream_free(s->ctx);
}

int layers_merge(struct image *img, const struct layer_options *opt, struct tree **out, struct err *err)
{
	const struct layer_set set = {image_layer_count(img), img, what, stream_open, stream_close};

	return layer_set_merge(&set, opt, out, err);
}
