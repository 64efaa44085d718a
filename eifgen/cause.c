// SPDX-License-Identifier: Apache-2.0
//
// The order of judgement: presence, then the path's own rule where it speaks of the whole file, then the bytes, then
// attributes alone. A rule that speaks of a stamp inside the file is believed if the bytes bear it out: a stamp that is
// a number in a text, if nothing but numbers differs; one that is a field of a format, if the format's mask says so.
// Bytes that nobody looked at bear out nothing.
#include "eifgen/cause.h"

#include "base/buf.h"
#include "eifgen/cause_bytes.h"

#include <string.h>

static const struct cause causes[] = {
    {"timestamp", "only the modification time differs",
     "build with --mtime set (the default), or give both the same epoch"},
    {"mode-or-owner", "permission bits or owner differ",
     "fix modes in the Dockerfile (COPY --chmod, --chown): a builder's umask or a checkout's modes got in"},
    {"order", "the order of entries differs", "build both with the same layout and version"},
    {"inode-numbers", "only the inode number differs; it follows from entries added or removed before it",
     "none needed"},
    {"links", "hard links differ: which names share one file", "builders keep or break hard links: use the same one"},
    {"type", "the kind of entry differs", "compare the layers named here"},
    {"symlink-target", "the symlink points elsewhere", "compare the layers named here"},
    {"added", "only the second has it", "compare the layers named here"},
    {"removed", "only the first has it", "compare the layers named here"},
    {"content", "the content differs", "compare the two versions: nothing in them tells why"},
    {NULL, NULL, NULL},
};

static const struct cause too_large = {"content", "the content differs, and is too large to be judged",
				       "compare the two versions: past 16 MiB they are not looked into"};

static int named(const char *id, struct cause *out)
{
	for (const struct cause *c = causes; c->id; c++)
		if (!strcmp(c->id, id))
			*out = *c;
	return 0;
}

// The path's rule on either side. 1 if there is one.
static int find_rule(const char *path, const struct entropy_file *a, const struct entropy_file *b,
		     const struct entropy_rule **rule, struct err *err)
{
	const struct entropy_file *sides[] = {a, b};

	for (int i = 0; i < 2; i++) {
		int r = sides[i] ? entropy_match(path, sides[i], rule, err) : 0;

		if (r)
			return r;
	}
	return 0;
}

static void by_rule(const struct entropy_rule *r, struct cause *out)
{
	*out = (struct cause){r->id, r->cause, r->remedy};
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

// rule: one that speaks of a stamp, or NULL. Where its stamp is a number, it is the word for what differs if numbers
// alone do; formats have their own.
static int by_bytes(const char *path, const struct entropy_rule *rule, const struct entropy_file *a,
		    const struct entropy_file *b, struct cause *out, struct err *err)
{
	_cleanup_buf_ struct buf x = BUF_INIT(0), y = BUF_INIT(0);
	int r;

	if (a->size > CAUSE_READ_MAX || b->size > CAUSE_READ_MAX) {
		*out = too_large;
		return 0;
	}
	if (slurp(a, &x, err) || slurp(b, &y, err))
		return -1;
	r = cause_of_bytes(path, &x, &y, out, err);
	if (r > 0 && rule && entropy_rule_is_of_a_number(rule) &&
	    (!strcmp(out->id, "number") || !strcmp(out->id, "embedded-date")))
		by_rule(rule, out);
	return r < 0 ? -1 : 0;
}

// A file that both sides have, or (DIFF_ADDED, DIFF_REMOVED) one of them: its rule's word for it, else what can be
// seen.
static int judge_file(const char *path, unsigned what, const struct entropy_file *a, const struct entropy_file *b,
		      struct cause *out, struct err *err)
{
	const struct entropy_rule *rule = NULL;
	int r = find_rule(path, a, b, &rule, err);

	if (r < 0)
		return -1;
	if (r && !entropy_rule_is_of_a_stamp(rule)) {
		by_rule(rule, out);
		return 0;
	}
	if (what & (DIFF_ADDED | DIFF_REMOVED))
		return named(what & DIFF_ADDED ? "added" : "removed", out);
	return by_bytes(path, r ? rule : NULL, a, b, out, err);
}

int cause_judge(const char *path, unsigned what, const struct entropy_file *a, const struct entropy_file *b,
		struct cause *out, struct err *err)
{
	named("content", out);
	if (what == DIFF_INO)
		return named("inode-numbers", out);
	if (what & DIFF_TYPE)
		return named("type", out);
	if (what & (DIFF_ADDED | DIFF_REMOVED))
		return judge_file(path, what, a, b, out, err);
	if (what & (DIFF_CONTENT | DIFF_SIZE)) // whatever else differs beside it
		return a && b ? judge_file(path, what, a, b, out, err) : 0;
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
