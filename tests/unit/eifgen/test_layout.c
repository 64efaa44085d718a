// SPDX-License-Identifier: Apache-2.0
//
// What both layouts share (design/layout.md, "Refused, with the path named" and "Warned"): what would not fit newc or
// what the kernel would drop is refused with its path, what is lost is warned of.
#include "eifgen/layout_out.h"
#include "tests/unit/eifgen/layout_tools.h"

// ---- refused -------------------------------------------------------------------------------------------------------

START_TEST(test_app_entries_that_the_kernel_would_drop_are_refused_with_their_path)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	char name[300], target[4200];
	struct node *n;

	memset(name, 'n', 256);
	name[256] = 0;
	fixture_init(&f);
	file_at(f.tree, NULL, name, "");
	refuses(&f, &opt, "a component of 256 bytes");

	fixture_init(&f);
	name[255] = 0;
	n = NULL;
	for (int i = 0; i < 16; i++)
		n = dir_at(f.tree, n, name, 0755); // 16 * 256 - 1 + 7 bytes
	refuses(&f, &opt, "a name of 4102 bytes");

	memset(target, 't', 4096);
	target[4096] = 0;
	fixture_init(&f);
	symlink_at(f.tree, NULL, "long", target);
	refuses(&f, &opt, "\"long\": a symlink target of 4096");
}
END_TEST

START_TEST(test_app_names_and_targets_at_the_limit_are_written)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	char name[256], target[4096];
	struct node *n = NULL;

	memset(name, 'n', 255);
	name[255] = 0;
	memset(target, 't', 4095);
	target[4095] = 0;
	fixture_init(&f);
	symlink_at(f.tree, NULL, "long", target);
	for (int i = 0; i < 15; i++)
		n = dir_at(f.tree, n, name, 0755);
	name[248] = 0; // 7 + 15 * 256 + 248 = 4095
	file_at(f.tree, n, name, "leaf");
	assert_holds(write_app(&f, &opt), "nnn = leaf\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_name_one_past_the_limit_is_refused)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	char name[256];
	struct node *n = NULL;

	memset(name, 'n', 255);
	name[255] = 0;
	fixture_init(&f);
	for (int i = 0; i < 15; i++)
		n = dir_at(f.tree, n, name, 0755);
	name[249] = 0;
	file_at(f.tree, n, name, "");
	refuses(&f, &opt, "a name of 4096 bytes");
}
END_TEST

START_TEST(test_app_large_file_large_owner_and_unknown_type_are_refused)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "big", "")->inode->size = 4294967296;
	refuses(&f, &opt, "\"big\": size 4294967296");
	fixture_init(&f);
	file_at(f.tree, NULL, "own", "")->inode->uid = UINT32_MAX;
	refuses(&f, &opt, "\"own\": owner");
	fixture_init(&f);
	file_at(f.tree, NULL, "grp", "")->inode->gid = UINT32_MAX;
	refuses(&f, &opt, "\"grp\": owner");
	fixture_init(&f);
	f.tree->root_listed = true;
	tree_root(f.tree)->inode->gid = UINT32_MAX;
	refuses(&f, &opt, "\"/\": owner");
	fixture_init(&f);
	file_at(f.tree, NULL, "odd", "")->inode->mode = 0150644;
	refuses(&f, &opt, "\"odd\": entry type");
}
END_TEST

START_TEST(test_next_ino_stops_where_newc_cannot_count_further)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	_cleanup_buf_ struct buf none = BUF_INIT(0);
	struct layout_out *o = NULL;
	uint32_t ino = 0;

	assert_ok(layout_out_new(&opt, sink_buf(&none), UINT32_MAX - 1, &o, &err));
	assert_ok(layout_next_ino(o, &ino, &err));
	ck_assert_uint_eq(ino, UINT32_MAX - 1);
	ck_assert_int_eq(layout_next_ino(o, &ino, &err), -1);
	assert_holds(err.msg, "2^32 - 2");
	layout_out_free(o);
}
END_TEST

// ---- 4 GiB ---------------------------------------------------------------------------------------------------------

// In the place of content: nothing is read, as with a warm cache; the offset counts all the same.
static int no_content(void *ctx, const struct tree *tree, const struct inode *inode, struct err *e)
{
	(void)tree;
	(void)e;
	*(uint64_t *)ctx += inode->size;
	return 0;
}

// A ramdisk of exactly `size` bytes: headers as they come, the rest one file.
static int write_of_size(uint64_t size, bool allow, uint64_t *content)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *n;
	uint64_t headers;
	int rc;

	fixture_init(&f);
	file_at(f.tree, NULL, "a", "")->inode->size = 0;
	ck_assert_ptr_nonnull(write_app(&f, &opt));
	headers = f.out.len; // a multiple of 512, with some padding
	fixture_free(&f);

	opt.allow_large = allow;
	opt.content = no_content;
	opt.content_ctx = content;
	*content = 0;
	fixture_init(&f);
	n = file_at(f.tree, NULL, "a", "");
	n->inode->size = size - headers;
	rc = layout_write_app(&opt, &f.app, sink_buf(&f.out), &err);
	if (!rc)
		ck_assert_uint_eq(f.out.len + *content, size);
	fixture_free(&f);
	return rc;
}

START_TEST(test_app_of_4_gib_is_written_and_past_it_needs_allow_large)
{
	const uint64_t four_gib = UINT64_C(1) << 32;
	uint64_t content;

	ck_assert_int_eq(write_of_size(four_gib, false, &content), 0);
	ck_assert_int_eq(write_of_size(four_gib + 512, false, &content), -1);
	assert_holds(err.msg, "--allow-large");
	ck_assert_int_eq(write_of_size(four_gib + 512, true, &content), 0);
}
END_TEST

START_TEST(test_app_past_4_gib_is_refused_before_its_content_is_read)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "a", "")->inode->size = 4294967295; // its size alone, with the headers, is too much
	refuses(&f, &opt, "--allow-large");
}
END_TEST

// ---- warned --------------------------------------------------------------------------------------------------------

START_TEST(test_app_losses_are_warned_of_once_an_inode_with_the_path)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *n;
	const char *text;

	fixture_init(&f);
	n = file_at(f.tree, NULL, "cap", "");
	n->inode->has_xattr = n->inode->has_capability = true;
	link_at(f.tree, NULL, "cap2", n);
	file_at(f.tree, NULL, "sock", "")->inode->mode = S_IFSOCK | 0755;
	file_at(f.tree, NULL, "sub", "")->inode->mtime_nsec = 1;
	file_at(f.tree, NULL, "xattr", "")->inode->has_xattr = true;
	text = write_app(&f, &opt);
	assert_lacks(text, "rootfs/sock");
	ck_assert_str_eq(warned, "entry \"cap\": its file capability is lost: newc has none\n"
				 "entry \"sock\": a socket is dropped: newc has none\n"
				 "entry \"sub\": its time's fraction of a second is lost\n"
				 "entry \"xattr\": its extended attributes are lost: newc has none\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_losses_are_errors_under_strict)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	opt.strict = true;
	fixture_init(&f);
	file_at(f.tree, NULL, "sub", "")->inode->mtime_nsec = 1;
	refuses(&f, &opt, "\"sub\"");
	fixture_init(&f);
	file_at(f.tree, NULL, "xattr", "")->inode->has_xattr = true;
	refuses(&f, &opt, "\"xattr\"");
	fixture_init(&f);
	file_at(f.tree, NULL, "cap", "")->inode->has_capability = true;
	refuses(&f, &opt, "\"cap\"");
	fixture_init(&f);
	file_at(f.tree, NULL, "sock", "")->inode->mode = S_IFSOCK | 0755;
	refuses(&f, &opt, "\"sock\"");
}
END_TEST

UNIT_MAIN("eifgen/layout",
	  ADD(test_app_entries_that_the_kernel_would_drop_are_refused_with_their_path)
	  ADD(test_app_names_and_targets_at_the_limit_are_written)
	  ADD(test_app_name_one_past_the_limit_is_refused)
	  ADD(test_app_large_file_large_owner_and_unknown_type_are_refused)
	  ADD(test_next_ino_stops_where_newc_cannot_count_further)
	  ADD(test_app_of_4_gib_is_written_and_past_it_needs_allow_large)
	  ADD(test_app_past_4_gib_is_refused_before_its_content_is_read)
	  ADD(test_app_losses_are_warned_of_once_an_inode_with_the_path)
	  ADD(test_app_losses_are_errors_under_strict))
