// SPDX-License-Identifier: Apache-2.0
//
// The order of judgement: presence, then the path's own rule, then attributes alone, then the bytes.
#include "eifgen/cause.h"

#include "base/buf.h"
#include "eifgen/cause_bytes.h"

#include <string.h>

static const struct cause causes[] = {
	{"timestamp", "only the modification time differs", "build with --mtime set (the default), or give both the same epoch"},
	{"mode-or-owner", "permission bits or owner differ",
	 "fix modes in the Dockerfile (COPY --chmod, --chown): a builder's umask or a checkout's modes got in"},
	{"order", "the order of entries differs", "build both with the same layout and version"},
	{"inode-numbers", "only the inode number differs; it follows from entries added or removed before it", "none needed"},
	{"links", "hard links differ: which names share one file", "builders keep or break hard links: use the same one"},
	{"type", "the kind of entry differs", "compare the layers named here"},
	{"symlink-target", "the symlink points elsewhere", "compare the layers named here"},
	{"added", "only the second has it", "compare the layers named here"},
	{"removed", "only the first has it", "compare the layers named here"},
	{"content", "the content differs", "compare the two versions: nothing in them tells why"},
	{NULL, NULL, NULL},
};

static int named(const char *id, struct cause *out)
{
	for (const struct cause *c = causes; c->id; c++)
		if (!strcmp(c->id, id))
			*out = *c;
	return 0;
}

// The path's rule on either side. 1 if there is one.
static int by_rule(const char *path, const struct entropy_file *a, const struct entropy_file *b, struct cause *out,
		   struct err *err)
{
	const struct entropy_file *sides[] = {a, b};

	for (int i = 0; i < 2; i++) {
		const struct entropy_rule *rule;
		int r = sides[i] ? entropy_match(path, sides[i], &rule, err) : 0;

		if (r < 0)
			return -1;
		if (r) {
			*out = (struct cause){rule->id, rule->cause, rule->remedy};
			return 1;
		}
	}
	return 0;
}

static int slurp(const struct entropy_file *f, struct buf *out, struct err *err)
{
	if (buf_reserve(out, (size_t)f->size + 1, err))
		return -1;
	while (out->len < f->size) {
		ssize_t r = f->read(f->ctx, out->len, out->data + out->len, (size_t)f->size - out->len, err);

		if (r < 0)
			return -1;
		if (r == 0)
			break;
		out->len += (size_t)r;
	}
	return 0;
}

static int by_bytes(const struct entropy_file *a, const struct entropy_file *b, struct cause *out, struct err *err)
{
	_cleanup_buf_ struct buf x = BUF_INIT(0), y = BUF_INIT(0);
	int r;

	if (a->size > CAUSE_READ_MAX || b->size > CAUSE_READ_MAX)
		return named("content", out);
	if (slurp(a, &x, err) || slurp(b, &y, err))
		return -1;
	r = cause_of_bytes(&x, &y, out, err);
	return r < 0 ? -1 : r ? 0 : named("content", out);
}

int cause_judge(const char *path, unsigned what, const struct entropy_file *a, const struct entropy_file *b,
		struct cause *out, struct err *err)
{
	int r;

	named("content", out);
	if (what == DIFF_INO)
		return named("inode-numbers", out);
	if (what & DIFF_TYPE)
		return named("type", out);
	if (what & (DIFF_ADDED | DIFF_REMOVED)) {
		r = by_rule(path, a, b, out, err);
		return r < 0 ? -1 : r ? 0 : named(what & DIFF_ADDED ? "added" : "removed", out);
	}
	if (what & (DIFF_CONTENT | DIFF_SIZE) && a && b) {
		r = by_rule(path, a, b, out, err);
		return r < 0 ? -1 : r ? 0 : by_bytes(a, b, out, err);
	}
	if (what & DIFF_TARGET)
		return named("symlink-target", out);
	if (what & (DIFF_MODE | DIFF_OWNER | DIFF_RDEV))
		return named("mode-or-owner", out);
	if (what & DIFF_MTIME)
		return named("timestamp", out);
	if (what & DIFF_LINKS)
		return named("links", out);
	if (what & DIFF_ORDER)
		return named("order", out);
	return 0;
}
