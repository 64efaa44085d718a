// SPDX-License-Identifier: Apache-2.0
//
// What every test of the merge stands on: up to four layers to fill with entries, and what their merge has to be.
#ifndef TESTS_MERGE_FIXTURE_H
#define TESTS_MERGE_FIXTURE_H

#include "base/cleanup.h"
#include "tests/unit/layerfs/layer_maker.h"
#include "tests/unit/unit.h"

CLEANUP_DEFINE(struct tree, tree_free, tree_free)

static struct err err;
static struct buf l[4]; // layers, lowest first
static enum tree_symlink_policy policy;
static struct buf text;

static inline void setup(void)
{
	for (int i = 0; i < 4; i++)
		buf_free(&l[i]);
	policy = TREE_WRITE_THROUGH;
}

static inline void teardown(void)
{
	setup();
	buf_free(&text);
}

static struct made m;

// Merges what `m` holds; -1 leaves the reason in err.
static inline int merge_made(unsigned threads, struct tree **out)
{
	struct layer_options opt = {.policy = policy, .threads = threads};

	return made_merge(&m, &opt, out, &err);
}

static inline void make(void)
{
	m = (struct made){.count = 0};
	for (int i = 0; i < 4 && l[i].len; i++)
		made_plain(&m, tar_end(&l[i]));
}

// Merges the layers that hold anything.
static inline int merge(struct tree **out)
{
	make();
	return merge_made(2, out);
}

static inline void expect(const char *want)
{
	_cleanup_(tree_freep) struct tree *t = NULL;

	assert_ok(merge(&t));
	tree_text(t, &text);
	ck_assert_str_eq((char *)text.data, want);
}

static inline void refused(const char *why)
{
	struct tree *t = NULL;

	ck_assert_int_eq(merge(&t), -1);
	ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
}

#endif
