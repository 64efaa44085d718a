// SPDX-License-Identifier: Apache-2.0
//
// Layer tars, hostile: the first byte picks the symlink policy and the number of layers (1 or 2, cut in the middle at a
// block), the rest is tar. Goes through the tar check, libarchive and the merge; afterwards the tree is walked and its
// invariants are held: names are single components, order is bytewise, links are counted, content can be read.
#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/layers.h"
#include "tests/fuzz/tree_check.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct input {
	struct image_layer what[2];
	const uint8_t *data[2];
	size_t size[2], at[2], count;
};

static const struct image_layer *what(void *ctx, size_t i)
{
	return &((struct input *)ctx)->what[i];
}

struct stream {
	struct input *in;
	size_t layer, at;
};

static ssize_t stream_read(void *ctx, void *p, size_t n, struct err *err)
{
	struct stream *s = ctx;
	size_t left = s->in->size[s->layer] - s->at;

	(void)err;
	n = n < left ? n : left;
	if (n)
		memcpy(p, s->in->data[s->layer] + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static int stream_open(void *ctx, size_t i, struct byte_source *out, struct err *err)
{
	struct stream *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return -1;
	*s = (struct stream){ctx, i, 0};
	*out = (struct byte_source){stream_read, s};
	return 0;
}

static void stream_close(void *ctx, struct byte_source *s)
{
	(void)ctx;
	free(s->ctx);
}

static void add(struct input *in, const uint8_t *p, size_t n)
{
	struct image_layer *w = &in->what[in->count];

	in->data[in->count] = p;
	in->size[in->count++] = n;
	w->size = n;
	w->compression = IMAGE_PLAIN;
	if (digest_of(p, n, w->digest, NULL) || digest_of(p, n, w->diff_id, NULL))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.count = 0};
	struct limits limits = limits_default;
	struct layer_options opt = {.limits = &limits, .threads = 1};
	struct layer_set set = {0, &in, what, stream_open, stream_close};
	struct err err = ERR_INIT;
	struct tree *t = NULL;
	size_t half;

	if (size < 1)
		return 0;
	opt.policy = data[0] & 1 ? TREE_REPLACE_SYMLINK : TREE_WRITE_THROUGH;
	limits.expanded = 64 * 1024 * 1024; // a sparse file of a terabyte is no finding
	half = data[0] & 2 ? (size - 1) / 2 / 512 * 512 : 0;
	if (half)
		add(&in, data + 1, half);
	add(&in, data + 1 + half, size - 1 - half);
	set.count = in.count;
	if (!layer_set_merge(&set, &opt, &t, &err))
		tree_check(t);
	tree_free(t);
	return 0;
}
