// SPDX-License-Identifier: Apache-2.0
//
// design/layout.md, a test a rule: what a ramdisk of the canonical layout holds, in order, and what is refused.
#include "tests/unit/eifgen/layout_tools.h"

#define PATH_LINE "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"

// ---- ramdisk 1 -----------------------------------------------------------------------------------------------------

static const char *bootstrap(const struct layout_bootstrap *b, struct buf *out)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);

	assert_ok(layout_write_bootstrap(&opt, b, sink_buf(out), &err));
	return listing(out);
}

START_TEST(test_bootstrap_of_init_and_nsm_holds_three_entries)
{
	struct layout_bootstrap b = {.init = {"INIT", 4, NULL}, .nsm = {"NSM", 3, NULL}};
	struct buf out = BUF_INIT(0);

	ck_assert_str_eq(bootstrap(&b, &out), "1 40755 0:0 2 1000 0 dev\n"
					      "2 100755 0:0 1 1000 4 init = INIT\n"
					      "3 100644 0:0 1 1000 3 nsm.ko = NSM\n");
	ck_assert_uint_eq(out.len % 512, 0);
	buf_free(&out);
}
END_TEST

START_TEST(test_bootstrap_with_modules_lists_them_in_load_order_and_sorts_the_files)
{
	struct layout_file mods[] = {{"V", 1, "vsock.ko"}, {"A", 1, "a.ko"}};
	struct layout_bootstrap b = {.init = {"I", 1, NULL}, .modules = mods, .module_count = 2};
	struct buf out = BUF_INIT(0);

	ck_assert_str_eq(bootstrap(&b, &out), "1 40755 0:0 2 1000 0 dev\n"
					      "2 100755 0:0 1 1000 1 init = I\n"
					      "3 100644 0:0 1 1000 14 modules = vsock.ko\na.ko\n\n"
					      "4 40755 0:0 2 1000 0 modules.d\n"
					      "5 100644 0:0 1 1000 1 modules.d/a.ko = A\n"
					      "6 100644 0:0 1 1000 1 modules.d/vsock.ko = V\n");
	buf_free(&out);
}
END_TEST

START_TEST(test_bootstrap_with_two_modules_alike_fails)
{
	struct layout_file mods[] = {{"V", 1, "a.ko"}, {"A", 1, "a.ko"}};
	struct layout_bootstrap b = {.init = {"I", 1, NULL}, .modules = mods, .module_count = 2};
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct buf out = BUF_INIT(0);

	ck_assert_int_eq(layout_write_bootstrap(&opt, &b, sink_buf(&out), &err), -1);
	assert_holds(err.msg, "a.ko");
	buf_free(&out);
}
END_TEST

START_TEST(test_bootstrap_without_init_fails)
{
	struct layout_bootstrap b = {0};
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct buf out = BUF_INIT(0);

	ck_assert_int_eq(layout_write_bootstrap(&opt, &b, sink_buf(&out), &err), -1);
	buf_free(&out);
}
END_TEST

// ---- ramdisk 2 -----------------------------------------------------------------------------------------------------

START_TEST(test_app_of_an_empty_image_holds_the_skeleton)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	ck_assert_str_eq(write_app(&f, &opt), "1 100644 0:0 1 1000 8 cmd = /bin/sh\n\n"
					      "2 100644 0:0 1 1000 73 env = " PATH_LINE "HOME=/\n\n"
					      "3 40755 0:0 2 1000 0 rootfs\n"
					      "4 40755 0:0 2 1000 0 rootfs/dev\n"
					      "5 40755 0:0 2 1000 0 rootfs/proc\n"
					      "6 40755 0:0 2 1000 0 rootfs/run\n"
					      "7 40755 0:0 2 1000 0 rootfs/sys\n"
					      "8 41777 0:0 2 1000 0 rootfs/tmp\n");
	ck_assert_str_eq(warned, "");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_skeleton_that_the_image_brings_stays_as_it_is)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	const char *text;
	struct node *tmp;

	fixture_init(&f);
	tmp = dir_at(f.tree, NULL, "tmp", 0700);
	file_at(f.tree, tmp, "kept", "k");
	dir_at(f.tree, NULL, "run", 0711);
	dir_at(f.tree, NULL, "var", 0755);
	dir_at(f.tree, tree_child(f.tree, tree_root(f.tree), "var", 3), "proc", 0755);
	symlink_at(f.tree, NULL, "proc", "/var/proc");
	text = write_app(&f, &opt);
	assert_holds(text, " 40700 0:0 2 1000 0 rootfs/tmp\n");
	assert_holds(text, " rootfs/tmp/kept = k\n");
	assert_holds(text, " 40711 0:0 2 1000 0 rootfs/run\n");
	assert_holds(text, " rootfs/proc -> /var/proc\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_skeleton_that_is_no_directory_is_refused)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "sys", "");
	refuses(&f, &opt, "\"sys\"");
	fixture_init(&f);
	symlink_at(f.tree, NULL, "run", "nowhere");
	refuses(&f, &opt, "\"run\"");
	fixture_init(&f);
	file_at(f.tree, NULL, "file", "");
	symlink_at(f.tree, NULL, "proc", "file");
	refuses(&f, &opt, "\"proc\"");
	fixture_init(&f);
	symlink_at(f.tree, NULL, "tmp", "tmp");
	refuses(&f, &opt, "\"tmp\"");
	fixture_init(&f);
	file_at(f.tree, NULL, "dev", "")->inode->mode = S_IFCHR | 0600;
	refuses(&f, &opt, "\"dev\"");
}
END_TEST

// Resolved inside the tree: `..` stops at the image's root, and the machine's own /usr is not meant.
START_TEST(test_app_skeleton_symlinks_are_resolved_inside_the_tree)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	dir_at(f.tree, NULL, "real", 0700);
	symlink_at(f.tree, NULL, "run", "../../real");
	assert_holds(write_app(&f, &opt), " rootfs/run -> ../../real\n");
	fixture_free(&f);
	fixture_init(&f);
	symlink_at(f.tree, NULL, "sys", "/usr");
	refuses(&f, &opt, "\"sys\"");
}
END_TEST

START_TEST(test_app_files_below_the_skeleton_stay)
{
	static const char *const dirs[] = {"dev", "proc", "run", "sys", "tmp"};
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	const char *text;
	char line[64];

	fixture_init(&f);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		file_at(f.tree, dir_at(f.tree, NULL, dirs[i], 0700), "kept", dirs[i]);
	text = write_app(&f, &opt);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(line, sizeof(line), " rootfs/%s/kept = %s\n", dirs[i], dirs[i]);
		assert_holds(text, line);
	}
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_order_is_bytewise_by_component)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	const char *text, *last;
	static const char *const want[] = {"rootfs/a\n", "rootfs/a/z", "rootfs/a-b", "rootfs/a.txt", "rootfs/b", "rootfs/\xc3\xa9"};

	fixture_init(&f);
	file_at(f.tree, NULL, "\xc3\xa9", "");
	file_at(f.tree, NULL, "b", "");
	file_at(f.tree, NULL, "a.txt", "");
	file_at(f.tree, NULL, "a-b", "");
	file_at(f.tree, dir_at(f.tree, NULL, "a", 0755), "z", "");
	last = text = write_app(&f, &opt);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		const char *at = strstr(text, want[i]);

		ck_assert_msg(at && at > last, "%s out of order in\n%s", want[i], text);
		last = at;
	}
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_hard_links_share_the_inode_and_the_first_name_has_the_data)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *n;
	const char *text;

	fixture_init(&f);
	n = file_at(f.tree, NULL, "b", "data");
	link_at(f.tree, NULL, "c", n);
	link_at(f.tree, dir_at(f.tree, NULL, "a", 0755), "x", n);
	text = write_app(&f, &opt);
	assert_holds(text, "4 40755 0:0 2 1000 0 rootfs/a\n"
			   "5 100644 0:0 3 1000 4 rootfs/a/x = data\n"
			   "5 100644 0:0 3 1000 0 rootfs/b\n"
			   "5 100644 0:0 3 1000 0 rootfs/c\n"
			   "6 40755");
	fixture_free(&f);
}
END_TEST

// nlink counts the names in this ramdisk: one that a later layer removed is none of them.
START_TEST(test_app_nlink_counts_the_names_that_are_left)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *n;
	const char *text;

	fixture_init(&f);
	n = file_at(f.tree, NULL, "b", "data");
	link_at(f.tree, NULL, "c", n);
	link_at(f.tree, NULL, "d", n);
	assert_ok(tree_remove(f.tree, n, &err));
	text = write_app(&f, &opt);
	assert_holds(text, " 100644 0:0 2 1000 4 rootfs/c = data\n");
	assert_holds(text, " 100644 0:0 2 1000 0 rootfs/d\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_hard_linked_symlink_and_node_are_written_in_full)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *n;
	const char *text;

	fixture_init(&f);
	n = symlink_at(f.tree, NULL, "a", "target");
	link_at(f.tree, NULL, "b", n);
	n = file_at(f.tree, NULL, "c", "");
	n->inode->mode = S_IFCHR | 0620;
	n->inode->rdev_major = 259;
	n->inode->rdev_minor = 1048575;
	link_at(f.tree, NULL, "d", n);
	text = write_app(&f, &opt);
	assert_holds(text, "4 120777 0:0 2 1000 6 rootfs/a -> target\n"
			   "4 120777 0:0 2 1000 6 rootfs/b -> target\n"
			   "5 20620 0:0 2 1000 0 rootfs/c 259:1048575\n"
			   "5 20620 0:0 2 1000 0 rootfs/d 259:1048575\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_mode_and_owner_keep_the_low_twelve_bits_and_large_ids)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *n;

	fixture_init(&f);
	n = file_at(f.tree, NULL, "f", "");
	n->inode->mode = S_IFREG | 06711;
	n->inode->uid = 4294967294;
	n->inode->gid = 2097152;
	assert_holds(write_app(&f, &opt), " 106711 4294967294:2097152 1 1000 0 rootfs/f\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_root_that_a_layer_lists_keeps_mode_and_owner)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct inode *root;

	fixture_init(&f);
	f.tree->root_listed = true;
	root = tree_root(f.tree)->inode;
	root->mode = S_IFDIR | 0700;
	root->uid = 7;
	root->layer = 0;
	root->implied = false;
	root->mtime = 44;
	opt.mtime = MTIME_CLAMP;
	assert_holds(write_app(&f, &opt), "3 40700 7:0 2 44 0 rootfs\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_clamp_takes_the_earlier_time_and_the_epoch_for_what_no_layer_brings)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	const char *text;

	fixture_init(&f);
	file_at(f.tree, NULL, "early", "")->inode->mtime = 500;
	file_at(f.tree, NULL, "late", "")->inode->mtime = 5000;
	file_at(f.tree, NULL, "negative", "")->inode->mtime = -5;
	file_at(f.tree, NULL, "epoch", "")->inode->mtime = EPOCH;
	file_at(f.tree, NULL, "floor", "")->inode->mtime = 999;
	tree_child(f.tree, tree_root(f.tree), "floor", 5)->inode->mtime_nsec = 999999999;
	file_at(f.tree, NULL, "last", "")->inode->mtime = UINT32_MAX;
	dir_at(f.tree, NULL, "nobody", 0755)->inode->implied = true;
	opt.mtime = MTIME_CLAMP;
	text = write_app(&f, &opt);
	assert_holds(text, " 1 500 0 rootfs/early\n");
	assert_holds(text, " 1 1000 0 rootfs/late\n");
	assert_holds(text, " 1 0 0 rootfs/negative\n");
	assert_holds(text, " 1 1000 0 rootfs/epoch\n");
	assert_holds(text, " 1 999 0 rootfs/floor\n");
	assert_holds(text, " 1 1000 0 rootfs/last\n");
	assert_holds(text, " 2 1000 0 rootfs/nobody\n");
	assert_holds(text, " 2 1000 0 rootfs/dev\n");
	assert_holds(text, " 1 1000 8 cmd");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_time_past_2106_is_refused_under_clamp_alone)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "far", "")->inode->mtime = 4294967296;
	assert_holds(write_app(&f, &opt), " 1 1000 0 rootfs/far\n");
	fixture_free(&f);
	fixture_init(&f);
	file_at(f.tree, NULL, "far", "")->inode->mtime = 4294967296;
	opt.mtime = MTIME_CLAMP;
	refuses(&f, &opt, "\"far\"");
}
END_TEST

// ---- cmd and env ---------------------------------------------------------------------------------------------------

START_TEST(test_app_cmd_is_entrypoint_then_command_unless_overridden)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	char *entry[] = {(char *)"/entry", (char *)"-x"};
	struct fixture f;

	fixture_init(&f);
	f.config.entrypoint = entry;
	f.config.entrypoint_count = 2;
	f.config.has_entrypoint = true;
	assert_holds(write_app(&f, &opt), " cmd = /entry\n-x\n/bin/sh\n\n");
	fixture_free(&f);
	fixture_init(&f);
	f.config.entrypoint = entry;
	f.config.entrypoint_count = 2;
	f.app.cmd_override = true;
	assert_holds(write_app(&f, &opt), " cmd = /bin/sh\n\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_without_any_command_or_with_a_line_feed_in_it_is_refused)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	char *bad[] = {(char *)"a\nb"};
	struct fixture f;

	fixture_init(&f);
	f.config.cmd_count = 0;
	refuses(&f, &opt, "neither entrypoint nor command");
	fixture_init(&f);
	f.config.cmd = bad;
	refuses(&f, &opt, "line feed");
	fixture_init(&f);
	f.config.env = bad;
	f.config.env_count = 1;
	refuses(&f, &opt, "line feed");
}
END_TEST

START_TEST(test_app_env_keeps_order_and_adds_only_what_is_missing)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	char *both[] = {(char *)"Z=1", (char *)"HOME=/h", (char *)"PATH=/p", (char *)"A=2"}, *near[] = {(char *)"XPATH=1", (char *)"HOMER=2"};
	struct fixture f;

	fixture_init(&f);
	f.config.env = both;
	f.config.env_count = 4;
	assert_holds(write_app(&f, &opt), " env = Z=1\nHOME=/h\nPATH=/p\nA=2\n\n");
	fixture_free(&f);
	fixture_init(&f);
	f.config.env = near;
	f.config.env_count = 2;
	assert_holds(write_app(&f, &opt), " env = XPATH=1\nHOMER=2\n" PATH_LINE "HOME=/\n\n");
	fixture_free(&f);
}
END_TEST

// ---- the bytes -----------------------------------------------------------------------------------------------------

// The encoding, letter by letter: lower-case digits, dev and check 0, names with their NUL, padding to 4 counted from
// the ramdisk's start, the trailer, NULs to 512.
START_TEST(test_bootstrap_bytes_are_those_of_the_layout)
{
	struct layout_bootstrap b = {.init = {"12345", 5, NULL}};
	struct layout_options opt = options(LAYOUT_CANONICAL);
	static const char want[512] =
		"070701" "00000001" "000041ed" "00000000" "00000000" "00000002" "abcdef09" "00000000" "00000000" "00000000"
		"00000000" "00000000" "00000004" "00000000" "dev\0\0\0"
		"070701" "00000002" "000081ed" "00000000" "00000000" "00000001" "abcdef09" "00000005" "00000000" "00000000"
		"00000000" "00000000" "00000005" "00000000" "init\0\0" "12345\0\0\0"
		"070701" "00000000" "00000000" "00000000" "00000000" "00000001" "00000000" "00000000" "00000000" "00000000"
		"00000000" "00000000" "0000000b" "00000000" "TRAILER!!!";
	struct buf out = BUF_INIT(0);

	opt.epoch = 0xabcdef09;
	assert_ok(layout_write_bootstrap(&opt, &b, sink_buf(&out), &err));
	ck_assert_uint_eq(out.len, sizeof(want));
	ck_assert_mem_eq(out.data, want, sizeof(want));
	buf_free(&out);
}
END_TEST

START_TEST(test_app_rdev_and_size_stand_only_where_they_belong)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	const char *text;
	struct node *n;

	fixture_init(&f);
	for (int i = 0; i < 4; i++) {
		static const mode_t types[] = {S_IFREG, S_IFIFO, S_IFBLK, S_IFDIR};
		char name[2] = {(char)('a' + i), 0};

		n = i == 3 ? dir_at(f.tree, NULL, name, 0) : file_at(f.tree, NULL, name, "");
		n->inode->mode = types[i] | 0600;
		n->inode->rdev_major = 8;
		n->inode->rdev_minor = 1;
	}
	text = write_app(&f, &opt);
	assert_holds(text, "4 100600 0:0 1 1000 0 rootfs/a\n"
			   "5 10600 0:0 1 1000 0 rootfs/b\n"
			   "6 60600 0:0 1 1000 0 rootfs/c 8:1\n"
			   "7 40600 0:0 2 1000 0 rootfs/d\n");
	fixture_free(&f);
}
END_TEST

UNIT_MAIN("eifgen/layout_canonical",
	  ADD(test_bootstrap_of_init_and_nsm_holds_three_entries)
	  ADD(test_bootstrap_with_modules_lists_them_in_load_order_and_sorts_the_files)
	  ADD(test_bootstrap_with_two_modules_alike_fails)
	  ADD(test_bootstrap_without_init_fails)
	  ADD(test_app_of_an_empty_image_holds_the_skeleton)
	  ADD(test_app_skeleton_that_the_image_brings_stays_as_it_is)
	  ADD(test_app_skeleton_that_is_no_directory_is_refused)
	  ADD(test_app_skeleton_symlinks_are_resolved_inside_the_tree)
	  ADD(test_app_files_below_the_skeleton_stay)
	  ADD(test_app_order_is_bytewise_by_component)
	  ADD(test_app_hard_links_share_the_inode_and_the_first_name_has_the_data)
	  ADD(test_app_nlink_counts_the_names_that_are_left)
	  ADD(test_app_hard_linked_symlink_and_node_are_written_in_full)
	  ADD(test_app_mode_and_owner_keep_the_low_twelve_bits_and_large_ids)
	  ADD(test_app_root_that_a_layer_lists_keeps_mode_and_owner)
	  ADD(test_app_clamp_takes_the_earlier_time_and_the_epoch_for_what_no_layer_brings)
	  ADD(test_app_time_past_2106_is_refused_under_clamp_alone)
	  ADD(test_app_cmd_is_entrypoint_then_command_unless_overridden)
	  ADD(test_app_without_any_command_or_with_a_line_feed_in_it_is_refused)
	  ADD(test_app_env_keeps_order_and_adds_only_what_is_missing)
	  ADD(test_bootstrap_bytes_are_those_of_the_layout)
	  ADD(test_app_rdev_and_size_stand_only_where_they_belong))
