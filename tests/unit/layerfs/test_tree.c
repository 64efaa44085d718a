// SPDX-License-Identifier: Apache-2.0
//
// The tree: additions, lookup, removal, order, walking, resolving, content of files held in memory.
#include "layerfs/tree.h"

#include "base/cleanup.h"
#include "layerfs/crc.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

CLEANUP_DEFINE(struct tree, tree_free, tree_free)

static struct err err;

static struct tree *fresh(void)
{
	struct tree *t = tree_new(TREE_WRITE_THROUGH, &err);

	ck_assert_msg(t != NULL, "%s", err.msg);
	return t;
}

static struct node *resolve(struct tree *t, const char *path)
{
	return tree_resolve(t, path, strlen(path), true, &err);
}

// The walk as one string: "a a/b c".
static char *listing(struct tree *t)
{
	static char out[4096];
	char path[1024];
	size_t at = 0;

	for (struct node *n = tree_next(tree_root(t), tree_root(t)); n; n = tree_next(tree_root(t), n)) {
		ck_assert_int_ge(tree_path(n, path, sizeof(path), &err), 0);
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%s", at ? " " : "", path);
	}
	out[at] = '\0';
	return out;
}

START_TEST(test_tree_new_root_is_an_implied_directory)
{
	_cleanup_(tree_freep) struct tree *t = fresh();

	ck_assert_uint_eq(tree_root(t)->inode->mode, S_IFDIR | 0755);
	ck_assert(tree_root(t)->inode->implied && !tree_root_listed(t));
	ck_assert_str_eq(tree_root(t)->name, "");
	ck_assert_uint_eq(tree_node_count(t), 1);
	ck_assert_ptr_eq(resolve(t, "/../.."), tree_root(t));
}
END_TEST

START_TEST(test_tree_sort_orders_bytes_by_component)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	static const char *const names[] = {"b", "a.b", "\xff", "a", "abcdefgh1", "abcdefgh", "A", "a-b"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_ptr_nonnull(tree_add_dir(t, tree_root(t), names[i], 0700, &err));
	ck_assert_ptr_nonnull(tree_add_dir(t, resolve(t, "a"), "z", 0700, &err));
	assert_ok(tree_sort(t, &err));
	ck_assert_str_eq(listing(t), "A a a/z a-b a.b abcdefgh abcdefgh1 b \xff");
	ck_assert_ptr_nonnull(tree_add_dir(t, tree_root(t), "aa", 0700, &err));
	assert_ok(tree_sort(t, &err));
	ck_assert_str_eq(listing(t), "A a a/z a-b a.b aa abcdefgh abcdefgh1 b \xff");
}
END_TEST

// Names that come in order, in the opposite one, or in order but for the last.
START_TEST(test_tree_sort_of_names_in_order_either_way_sorts_them)
{
	static const char *const rows[] = {"abcd", "dcba", "bcda", "a"};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		_cleanup_(tree_freep) struct tree *t = fresh();

		for (const char *p = rows[r]; *p; p++)
			ck_assert_ptr_nonnull(tree_add_dir(t, tree_root(t), (char[]){*p, '\0'}, 0700, &err));
		for (int again = 0; again < 2; again++) {
			assert_ok(tree_sort(t, &err));
			ck_assert_str_eq(listing(t), strlen(rows[r]) > 1 ? "a b c d" : "a");
		}
	}
}
END_TEST

START_TEST(test_tree_add_same_name_replaces_file_keeps_directory)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	struct node *d = tree_add_dir(t, tree_root(t), "d", 0700, &err), *f;
	char buf[8] = "";

	ck_assert_ptr_nonnull(tree_add_file(t, d, "f", 0644, "one", 3, &err));
	f = tree_add_file(t, d, "f", 0600, "four", 4, &err);
	ck_assert_ptr_eq(tree_child(t, d, "f", 1), f);
	ck_assert_int_eq(tree_content_read(t, f->inode, 1, buf, 8, &err), 3);
	ck_assert_mem_eq(buf, "our", 3);
	ck_assert_int_eq(tree_content_read(t, f->inode, 4, buf, 8, &err), 0);
	ck_assert_uint_eq(f->inode->crc, crc_add(0, "four", 4));
	ck_assert_ptr_eq(tree_add_dir(t, tree_root(t), "d", 0755, &err), d);
	ck_assert_uint_eq(d->inode->mode, S_IFDIR | 0755);
	ck_assert_uint_eq(tree_node_count(t), 3);
	ck_assert_ptr_nonnull(tree_add_symlink(t, tree_root(t), "d", "x", &err)); // a directory's children go with it
	assert_ok(tree_sort(t, &err));
	ck_assert_str_eq(listing(t), "d");
	ck_assert_uint_eq(tree_node_count(t), 2);
}
END_TEST

START_TEST(test_tree_add_bad_name_or_parent_is_refused)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	struct node *f = tree_add_file(t, tree_root(t), "f", 0644, "", 0, &err);

	ck_assert_ptr_null(tree_add_dir(t, f, "x", 0755, &err));
	ck_assert_ptr_null(tree_add_dir(t, tree_root(t), "a/b", 0755, &err));
	ck_assert_ptr_null(tree_add_dir(t, tree_root(t), "..", 0755, &err));
	ck_assert_ptr_null(tree_add_dir(t, tree_root(t), "", 0755, &err));
	ck_assert_int_eq(tree_remove(t, tree_root(t), &err), -1);
}
END_TEST

START_TEST(test_tree_remove_takes_the_subtree)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	struct node *d = tree_add_dir(t, tree_root(t), "d", 0755, &err), *e = tree_add_dir(t, d, "e", 0755, &err);

	ck_assert_ptr_nonnull(tree_add_file(t, e, "f", 0644, "x", 1, &err));
	ck_assert_ptr_nonnull(tree_add_file(t, d, "g", 0644, "x", 1, &err));
	ck_assert_ptr_nonnull(tree_add_file(t, tree_root(t), "h", 0644, "x", 1, &err));
	assert_ok(tree_remove(t, d, &err));
	ck_assert_ptr_null(resolve(t, "d/e/f"));
	ck_assert_int_eq(err.errnum, ENOENT);
	ck_assert_uint_eq(tree_node_count(t), 2);
	assert_ok(tree_sort(t, &err));
	ck_assert_str_eq(listing(t), "h");
}
END_TEST

// Enough names that the table grows many times, then removal of every other one: what is left is found, in order.
START_TEST(test_tree_child_many_names_are_found_after_removals)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	char name[32], prev[32] = "";
	enum { N = 20000 };
	unsigned left = 0;

	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "file-%07d", (i * 7919) % N);
		ck_assert_ptr_nonnull(tree_add_file(t, tree_root(t), name, 0644, "", 0, &err));
	}
	for (int i = N - 1; i >= 0; i -= 2) {
		snprintf(name, sizeof(name), "file-%07d", (i * 7919) % N);
		assert_ok(tree_remove(t, resolve(t, name), &err));
	}
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "file-%07d", (i * 7919) % N);
		ck_assert_int_eq(tree_child(t, tree_root(t), name, strlen(name)) != NULL, i % 2 == 0);
	}
	assert_ok(tree_sort(t, &err));
	for (struct node *n = tree_root(t)->child; n; n = n->next, left++) {
		ck_assert_int_lt(strcmp(prev, n->name), 0);
		snprintf(prev, sizeof(prev), "%s", n->name);
	}
	ck_assert_uint_eq(left, N / 2);
}
END_TEST

START_TEST(test_tree_resolve_symlinks_stay_inside)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	struct node *usr = tree_add_dir(t, tree_root(t), "usr", 0755, &err);
	struct node *lib = tree_add_dir(t, usr, "lib", 0755, &err);
	struct node *so = tree_add_file(t, lib, "x.so", 0644, "", 0, &err);
	struct node *l = tree_add_symlink(t, tree_root(t), "lib", "usr/lib", &err);

	ck_assert_ptr_nonnull(tree_add_symlink(t, lib, "up", "../../../../usr", &err));
	ck_assert_ptr_nonnull(tree_add_symlink(t, lib, "abs", "/lib/x.so", &err));
	ck_assert_ptr_nonnull(tree_add_symlink(t, lib, "loop", "loop", &err));
	ck_assert_ptr_eq(resolve(t, "//lib/./up/lib//x.so"), so);
	ck_assert_ptr_eq(resolve(t, "usr/lib/abs"), so);
	ck_assert_ptr_eq(tree_resolve(t, "lib/", 4, false, &err), l);
	ck_assert_ptr_eq(tree_resolve(t, "lib/", 4, true, &err), lib);
	ck_assert_ptr_eq(resolve(t, "lib/.."), usr); // `..` after the link was followed
	ck_assert_ptr_null(resolve(t, "lib/loop"));
	ck_assert_int_eq(err.errnum, ELOOP);
	ck_assert_ptr_null(resolve(t, "usr/lib/x.so/.."));
	ck_assert_int_eq(err.errnum, ENOTDIR);
}
END_TEST

START_TEST(test_tree_path_too_long_is_a_limit)
{
	_cleanup_(tree_freep) struct tree *t = fresh();
	struct node *n = tree_add_dir(t, tree_add_dir(t, tree_root(t), "abc", 0755, &err), "de", 0755, &err);
	char out[7];

	ck_assert_int_eq(tree_path(n, out, 7, &err), 6);
	ck_assert_str_eq(out, "abc/de");
	ck_assert_int_eq(tree_path(n, out, 6, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_int_eq(tree_path(tree_root(t), out, 7, &err), 0);
}
END_TEST

UNIT_MAIN("layerfs/tree", ADD(test_tree_new_root_is_an_implied_directory) ADD(test_tree_sort_orders_bytes_by_component)
	  ADD(test_tree_sort_of_names_in_order_either_way_sorts_them)
	  ADD(test_tree_add_same_name_replaces_file_keeps_directory) ADD(test_tree_add_bad_name_or_parent_is_refused)
	  ADD(test_tree_remove_takes_the_subtree) ADD(test_tree_child_many_names_are_found_after_removals)
	  ADD(test_tree_resolve_symlinks_stay_inside) ADD(test_tree_path_too_long_is_a_limit))
