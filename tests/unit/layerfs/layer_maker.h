// SPDX-License-Identifier: Apache-2.0
//
// Layers held in memory, merged through the same door as an image's.
#ifndef TESTS_LAYER_MAKER_H
#define TESTS_LAYER_MAKER_H

#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/layers.h"
#include "tests/unit/layerfs/tar_maker.h"

#include <sys/stat.h>

enum { MADE_MAX = 600 };

struct made {
	struct image_layer what[MADE_MAX];
	struct buf *stored[MADE_MAX];
	size_t count;
	size_t piece; // bytes a read gives at most; 0: all that fit
};

struct made_stream {
	struct made *m;
	struct buf *b;
	size_t at;
};

static inline const struct image_layer *made_what(void *ctx, size_t i)
{
	return &((struct made *)ctx)->what[i];
}

static inline ssize_t made_read(void *ctx, void *p, size_t n, struct err *err)
{
	struct made_stream *s = ctx;

	(void)err;
	if (s->m->piece && n > s->m->piece)
		n = s->m->piece;
	if (n > s->b->len - s->at)
		n = s->b->len - s->at;
	if (n)
		memcpy(p, s->b->data + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static inline int made_open(void *ctx, size_t i, struct byte_source *out, struct err *err)
{
	struct made_stream *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return -1;
	*s = (struct made_stream){ctx, ((struct made *)ctx)->stored[i], 0};
	*out = (struct byte_source){made_read, s};
	return 0;
}

static inline void made_close(void *ctx, struct byte_source *s)
{
	(void)ctx;
	free(s->ctx);
}

// Adds a layer: `stored` bytes (borrowed) that inflate to `tar`.
static inline void made_add(struct made *m, struct buf *stored, const struct buf *tar, enum image_compression c)
{
	struct image_layer *w = &m->what[m->count];

	ck_assert_int_eq(digest_of(stored->data, stored->len, w->digest, NULL), 0);
	ck_assert_int_eq(digest_of(tar->data, tar->len, w->diff_id, NULL), 0);
	w->size = stored->len;
	w->compression = c;
	m->stored[m->count++] = stored;
}

static inline void made_plain(struct made *m, struct buf *tar)
{
	made_add(m, tar, tar, IMAGE_PLAIN);
}

static inline int made_merge(struct made *m, const struct layer_options *opt, struct tree **out, struct err *err)
{
	struct layer_set set = {m->count, m, made_what, made_open, made_close};

	return layer_set_merge(&set, opt, out, err);
}

// The tree as text, a line an entry: path, type and mode in octal, uid:gid, size or target, then
// i(mplied) a(bove) t(hrough symlink) x(attr) c(apability) l(inked across), and #n for n names.
static inline void tree_text(const struct tree *t, struct buf *out)
{
	out->len = 0;
	for (const struct node *n = tree_next(tree_root(t), tree_root(t)); n; n = tree_next(tree_root(t), n)) {
		const struct inode *i = n->inode;
		char path[20000];

		ck_assert_int_ge(tree_path(n, path, sizeof(path), NULL), 0);
		buf_printf(out, NULL, "%s %o %u:%u", path, i->mode, i->uid, i->gid);
		if (S_ISLNK(i->mode))
			buf_printf(out, NULL, " ->%s", i->target);
		else if (S_ISREG(i->mode))
			buf_printf(out, NULL, " %llu", (unsigned long long)i->size);
		else if (i->rdev_major || i->rdev_minor)
			buf_printf(out, NULL, " %u,%u", i->rdev_major, i->rdev_minor);
		buf_printf(out, NULL, "%s%s%s%s%s%s", i->implied ? " i" : "", i->implied_above ? " a" : "",
			   i->through_symlink ? " t" : "", i->has_xattr ? " x" : "", i->has_capability ? " c" : "",
			   i->linked_across ? " l" : "");
		if (i->names > 1)
			buf_printf(out, NULL, " #%u", i->names);
		buf_printf(out, NULL, "\n");
	}
	buf_cstr(out, NULL);
}

#endif
