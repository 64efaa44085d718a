// SPDX-License-Identifier: Apache-2.0
//
// What is foreseen of the application ramdisk is what comes, in both layouts, and the ramdisk that is written
// afterwards is the one that would have been written without; nothing is said twice.
#include "eifgen/foresee.h"

#include "base/fault.h"
#include "layerfs/crc.h"
#include "tests/unit/eifgen/layout_tools.h"

// Files of several lengths, hard links, a symlink, a node, names that both layouts treat their own way.
static void fill(struct fixture *f)
{
	static char big[300000];
	struct node *etc = dir_at(f->tree, NULL, "etc", 0755), *file;

	for (size_t i = 0; i < sizeof(big) - 1; i++)
		big[i] = (char)('a' + i % 23);
	file_at(f->tree, NULL, "big", big);
	file_at(f->tree, NULL, "empty", "");
	file = file_at(f->tree, NULL, "first", "of two names");
	link_at(f->tree, etc, "second", file);
	file_at(f->tree, etc, "hosts", "here");
	file_at(f->tree, etc, "passwd", "app:x:7:8::/srv:\n")->inode->mtime_nsec = 5;
	file_at(f->tree, etc, "mtab", "a file");
	file_at(f->tree, etc, "through", "a symlink")->inode->through_symlink = true;
	symlink_at(f->tree, NULL, "link", "etc/hosts");
	f->config.user = (char *)"app";
	f->config.working_dir = (char *)"/srv/app";
}

static void make(struct fixture *f)
{
	fixture_init(f);
	fill(f);
}

START_TEST(test_foresee_app_says_what_comes)
{
	for (int id = LAYOUT_CANONICAL; id <= LAYOUT_NITRO_CLI; id++) {
		struct layout_options opt = options((enum layout_id)id);
		struct foresight seen;
		struct fixture f, plain;
		char told[sizeof(warned)];

		make(&plain);
		write_app(&plain, &opt);
		strcpy(told, warned);
		ck_assert_str_ne(told, "");
		ck_assert_int_eq(unsure[0] != 0, id == LAYOUT_NITRO_CLI);
		warned[0] = unsure[0] = 0;
		make(&f);
		assert_ok(foresee_app(&opt, &f.app, &seen, &err));
		ck_assert_str_eq(warned, "");
		ck_assert_str_eq(unsure, "");
		write_app(&f, &opt);
		ck_assert_str_eq(warned, told);
		ck_assert(seen.known);
		ck_assert_uint_eq(seen.size, f.out.len);
		ck_assert_uint_eq(seen.crc, crc_add(0, f.out.data, f.out.len));
		ck_assert_uint_eq(f.out.len, plain.out.len);
		ck_assert_mem_eq(f.out.data, plain.out.data, f.out.len);
		fixture_free(&f);
		fixture_free(&plain);
	}
}
END_TEST

// A content whose sum is wrong gives a wrong foresight, and the same ramdisk: nothing of it is read here.
START_TEST(test_foresee_app_believes_the_contents_sums)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct foresight seen;
	struct fixture f;

	make(&f);
	tree_child(f.tree, tree_root(f.tree), "big", 3)->inode->crc ^= 1;
	assert_ok(foresee_app(&opt, &f.app, &seen, &err));
	write_app(&f, &opt);
	ck_assert(seen.known && seen.size == f.out.len && seen.crc != crc_add(0, f.out.data, f.out.len));
	fixture_free(&f);
}
END_TEST

START_TEST(test_foresee_app_of_an_image_that_is_refused_is_unknown)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct foresight seen;
	struct fixture f;

	opt.strict = true;
	make(&f);
	assert_ok(foresee_app(&opt, &f.app, &seen, &err));
	ck_assert(!seen.known);
	refuses(&f, &opt, "passwd");
}
END_TEST

static int fail_at;
static bool hook(enum fault_point p)
{
	return p == FAULT_ALLOC && --fail_at == 0;
}

START_TEST(test_foresee_app_every_failed_allocation_is_an_error)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct foresight seen;
	int rc;

	for (int n = 1;; n++) {
		struct fixture f;

		make(&f);
		fail_at = n;
		base_fault_hook = hook;
		rc = foresee_app(&opt, &f.app, &seen, &err);
		base_fault_hook = NULL;
		fixture_free(&f);
		ck_assert(rc ? err.class == ERR_MEMORY && !seen.known : seen.known);
		if (!rc)
			break;
	}
}
END_TEST

UNIT_MAIN("eifgen/foresee", ADD(test_foresee_app_says_what_comes) ADD(test_foresee_app_believes_the_contents_sums)
	  ADD(test_foresee_app_of_an_image_that_is_refused_is_unknown)
	  ADD(test_foresee_app_every_failed_allocation_is_an_error))
