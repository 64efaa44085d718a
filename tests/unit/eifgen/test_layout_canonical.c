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
	dir_at(f.tree, NULL, "nobody", 0755)->inode->implied = true;
	opt.mtime = MTIME_CLAMP;
	text = write_app(&f, &opt);
	assert_holds(text, " 1 500 0 rootfs/early\n");
	assert_holds(text, " 1 1000 0 rootfs/late\n");
	assert_holds(text, " 1 0 0 rootfs/negative\n");
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

// ---- refused and warned --------------------------------------------------------------------------------------------

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
	file_at(f.tree, NULL, "odd", "")->inode->mode = 0150644;
	refuses(&f, &opt, "\"odd\": entry type");
}
END_TEST

START_TEST(test_app_past_4_gib_needs_allow_large)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "a", "")->inode->size = 4294967295; // its size alone, with the headers, is too much
	refuses(&f, &opt, "--allow-large");
}
END_TEST

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
	  ADD(test_app_order_is_bytewise_by_component)
	  ADD(test_app_hard_links_share_the_inode_and_the_first_name_has_the_data)
	  ADD(test_app_hard_linked_symlink_and_node_are_written_in_full)
	  ADD(test_app_mode_and_owner_keep_the_low_twelve_bits_and_large_ids)
	  ADD(test_app_root_that_a_layer_lists_keeps_mode_and_owner)
	  ADD(test_app_clamp_takes_the_earlier_time_and_the_epoch_for_what_no_layer_brings)
	  ADD(test_app_time_past_2106_is_refused_under_clamp_alone)
	  ADD(test_app_cmd_is_entrypoint_then_command_unless_overridden)
	  ADD(test_app_without_any_command_or_with_a_line_feed_in_it_is_refused)
	  ADD(test_app_env_keeps_order_and_adds_only_what_is_missing)
	  ADD(test_app_entries_that_the_kernel_would_drop_are_refused_with_their_path)
	  ADD(test_app_names_and_targets_at_the_limit_are_written)
	  ADD(test_app_large_file_large_owner_and_unknown_type_are_refused)
	  ADD(test_app_past_4_gib_needs_allow_large)
	  ADD(test_app_losses_are_warned_of_once_an_inode_with_the_path)
	  ADD(test_app_losses_are_errors_under_strict))
