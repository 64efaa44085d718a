// SPDX-License-Identifier: Apache-2.0
//
// The nitro-cli layout: linuxkit's and Docker's habits one by one on small trees, and the bootstrap ramdisk against the
// bytes of the real pipeline. Whole images are compared in tests/cmd/golden-nitro.sh.
#include "tests/unit/eifgen/layout_tools.h"

#define STAMP "1492533000"

static void slurp(const char *name, struct buf *b)
{
	assert_ok(io_slurp(testdata_path(name), 1 << 20, b, &err));
}

START_TEST(test_bootstrap_equals_what_linuxkit_wrote)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct buf init = BUF_INIT(0), nsm = BUF_INIT(0), want = BUF_INIT(0), out = BUF_INIT(0);
	struct layout_bootstrap b = {0};

	slurp("ramdisk/bootstrap/init", &init);
	slurp("ramdisk/bootstrap/nsm.ko", &nsm);
	slurp("ramdisk/bootstrap/expected.cpio", &want);
	b.init = (struct layout_file){init.data, init.len, NULL};
	b.nsm = (struct layout_file){nsm.data, nsm.len, NULL};
	assert_ok(layout_write_bootstrap(&opt, &b, sink_buf(&out), &err));
	ck_assert_uint_eq(out.len, want.len);
	ck_assert_mem_eq(out.data, want.data, want.len);
	buf_free(&init);
	buf_free(&nsm);
	buf_free(&want);
	buf_free(&out);
}
END_TEST

START_TEST(test_bootstrap_with_modules_is_refused)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct layout_file m = {"m", 1, "m.ko"};
	struct layout_bootstrap b = {.init = {"I", 1, NULL}, .modules = &m, .module_count = 1};
	struct buf out = BUF_INIT(0);

	ck_assert_int_eq(layout_write_bootstrap(&opt, &b, sink_buf(&out), &err), -1);
	buf_free(&out);
}
END_TEST

START_TEST(test_app_of_an_empty_image_holds_dockers_layer_and_linuxkits_tail)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;

	fixture_init(&f);
	ck_assert_str_eq(write_app(&f, &opt),
			 "721 40755 0:0 2 " STAMP " 0 rootfs\n"
			 "722 40755 0:0 2 " STAMP " 0 rootfs/dev/\n"
			 "723 40755 0:0 2 " STAMP " 0 rootfs/dev/pts/\n"
			 "724 40755 0:0 2 " STAMP " 0 rootfs/dev/shm/\n"
			 "725 40755 0:0 2 " STAMP " 0 rootfs/etc/\n"
			 "726 100755 0:0 1 " STAMP " 160 rootfs/etc/hosts = 127.0.0.1       localhost\n"
			 "::1     localhost ip6-localhost ip6-loopback\nfe00::0 ip6-localnet\n"
			 "ff00::0 ip6-mcastprefix\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n\n"
			 "727 120777 0:0 1 " STAMP " 12 rootfs/etc/mtab -> /proc/mounts\n"
			 "728 120755 0:0 1 " STAMP " 27 rootfs/etc/resolv.conf -> /run/resolvconf/resolv.conf\n"
			 "729 40755 0:0 2 " STAMP " 0 rootfs/proc/\n"
			 "730 40755 0:0 2 " STAMP " 0 rootfs/sys/\n"
			 "731 40755 0:0 2 " STAMP " 0 rootfs\n"
			 "732 40755 0:0 2 " STAMP " 0 rootfs/dev\n"
			 "733 40755 0:0 2 " STAMP " 0 rootfs/run\n"
			 "734 40755 0:0 2 " STAMP " 0 rootfs/sys\n"
			 "735 40755 0:0 2 " STAMP " 0 rootfs/var\n"
			 "736 40755 0:0 2 " STAMP " 0 rootfs/proc\n"
			 "737 40755 0:0 2 " STAMP " 0 rootfs/tmp\n"
			 "738 100644 0:0 1 " STAMP " 8 cmd = /bin/sh\n\n"
			 "739 100644 0:0 1 " STAMP " 0 env\n");
	ck_assert_str_eq(unsure, "");
	ck_assert_str_eq(warned, "");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_special_names_are_dropped_replaced_and_stamped)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;
	struct node *etc, *dev;
	const char *text;

	fixture_init(&f);
	etc = dir_at(f.tree, NULL, "etc", 0700);
	etc->inode->uid = 7;
	file_at(f.tree, etc, "hosts", "mine");
	file_at(f.tree, etc, "hostname", "mine");
	file_at(f.tree, etc, "resolv.conf", "mine");
	file_at(f.tree, etc, "mtab", "mine");
	file_at(f.tree, etc, "other", "kept");
	file_at(f.tree, NULL, "Dockerfile", "gone");
	file_at(f.tree, etc, "Dockerfile", "stays");
	dev = dir_at(f.tree, NULL, "dev", 0711);
	file_at(f.tree, dev, "console", "gone");
	file_at(f.tree, dev, "null", "stays");
	symlink_at(f.tree, NULL, "proc", "elsewhere");
	text = write_app(&f, &opt);
	assert_holds(text, " 40700 7:0 2 " STAMP " 0 rootfs/etc/\n");
	assert_holds(text, " 120777 0:0 1 " STAMP " 12 rootfs/etc/mtab -> /proc/mounts\n");
	assert_holds(text, " 1 500 4 rootfs/etc/other = kept\n");
	assert_holds(text, "rootfs/etc/Dockerfile = stays\n");
	assert_holds(text, "rootfs/dev/null = stays\n");
	assert_holds(text, " 40711 0:0 2 " STAMP " 0 rootfs/dev/\n");
	assert_holds(text, " 40755 0:0 2 " STAMP " 0 rootfs/proc/\n");
	assert_lacks(text, "rootfs/Dockerfile");
	assert_lacks(text, "hostname");
	assert_lacks(text, "console");
	assert_lacks(text, "mine");
	assert_lacks(text, "elsewhere");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_special_names_that_are_directories_stay_and_the_files_are_appended)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;
	struct node *etc;
	const char *text;

	fixture_init(&f);
	etc = dir_at(f.tree, NULL, "etc", 0755);
	dir_at(f.tree, etc, "hosts", 0755);
	dir_at(f.tree, etc, "mtab", 0755);
	dir_at(f.tree, etc, "resolv.conf", 0755);
	dir_at(f.tree, NULL, "Dockerfile", 0755);
	text = write_app(&f, &opt);
	assert_holds(text, " 2 500 0 rootfs/Dockerfile/\n");
	assert_holds(text, " 2 500 0 rootfs/etc/hosts/\n");
	assert_holds(text, "rootfs/sys/\n732 100644 0:0 1 " STAMP " 160 rootfs/etc/hosts = 127");
	assert_holds(text, "733 120755 0:0 1 " STAMP " 12 rootfs/etc/mtab -> /proc/mounts\n"
			   "734 120644 0:0 1 " STAMP " 27 rootfs/etc/resolv.conf -> /run/resolvconf/resolv.conf\n"
			   "735 40755 0:0 2 " STAMP " 0 rootfs\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_hard_links_become_relative_symlinks_with_the_files_bits)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;
	struct node *n, *d, *sub;
	const char *text;

	fixture_init(&f);
	d = dir_at(f.tree, NULL, "d", 0755);
	n = file_at(f.tree, d, "b", "data");
	n->inode->mode = S_IFREG | 04750;
	n->inode->uid = 9;
	sub = dir_at(f.tree, d, "s", 0755);
	link_at(f.tree, d, "c", n);
	link_at(f.tree, sub, "x", n);
	link_at(f.tree, NULL, "zz", n);
	text = write_app(&f, &opt);
	assert_holds(text, " 104750 9:0 1 500 4 rootfs/d/b = data\n");
	assert_holds(text, " 124750 9:0 1 500 1 rootfs/d/c -> b\n");
	assert_holds(text, " 124750 9:0 1 500 4 rootfs/d/s/x -> ../b\n");
	assert_holds(text, " 124750 9:0 1 500 3 rootfs/zz -> d/b\n");
	fixture_free(&f);
}
END_TEST

// `count` directories of one name, each in the one before.
static struct node *deep(struct fixture *f, const char *name, int count)
{
	struct node *n = NULL;

	for (int i = 0; i < count; i++)
		n = dir_at(f->tree, n, name, 0755);
	return n;
}

// A directory whose path of 4 095 bytes would do for a file: with its slash it is one too long.
START_TEST(test_app_directory_one_past_the_limit_by_its_slash_is_refused_by_its_path)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	char name[256], last[256];

	memset(name, 'n', 255);
	name[255] = 0;
	for (int file = 1; file >= 0; file--) {
		struct fixture f;
		struct node *n;

		fixture_init(&f);
		n = deep(&f, name, 15);
		memset(last, 'm', 248); // 7 + 15 * 256 + 248 = 4095
		last[248] = 0;
		if (file) {
			file_at(f.tree, n, last, "x");
			assert_holds(write_app(&f, &opt), last);
			fixture_free(&f);
		} else {
			dir_at(f.tree, n, last, 0755);
			ck_assert_int_eq(layout_write_app(&opt, &f.app, sink_buf(&f.out), &err), -1);
			ck_assert_msg(!strncmp(err.msg, "entry \"nnn", 10), "%s", err.msg);
			ck_assert_ptr_nonnull(strstr(err.msg, "with the slash behind a directory's name"));
			fixture_free(&f);
		}
	}
}
END_TEST

// The symlink that a later name of a file becomes goes up to where the two ways part.
START_TEST(test_app_hard_link_whose_way_is_past_the_limit_is_refused_by_its_path)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);

	for (int depth = 1363; depth <= 1364; depth++) { // 1363 * 3 + 6 = 4095
		struct fixture f;
		struct node *first;

		fixture_init(&f);
		first = file_at(f.tree, NULL, "a-file", "x");
		link_at(f.tree, deep(&f, "b", depth), "z", first);
		if (depth == 1363) {
			assert_holds(write_app(&f, &opt), "/z -> ../");
			fixture_free(&f);
		} else {
			ck_assert_int_eq(layout_write_app(&opt, &f.app, sink_buf(&f.out), &err), -1);
			ck_assert_msg(!strncmp(err.msg, "entry \"b/b/b", 12), "%s", err.msg);
			ck_assert_ptr_nonnull(strstr(err.msg, "a target of 4098 bytes"));
			fixture_free(&f);
		}
	}
}
END_TEST

START_TEST(test_app_hard_link_to_a_dropped_name_points_at_nothing)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;
	struct node *n;
	const char *text;

	fixture_init(&f);
	n = file_at(f.tree, NULL, "Dockerfile", "data");
	link_at(f.tree, NULL, "copy", n);
	text = write_app(&f, &opt);
	assert_holds(text, " rootfs/copy -> Dockerfile\n");
	assert_lacks(text, "rootfs/Dockerfile");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_times_are_clamped_below_and_refused_above)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "old", "")->inode->mtime = -1;
	file_at(f.tree, NULL, "max", "")->inode->mtime = 4294967295;
	assert_holds(write_app(&f, &opt), " 1 4294967295 0 rootfs/max\n730");
	assert_holds(listing(&f.out), " 1 0 0 rootfs/old\n");
	fixture_free(&f);
	fixture_init(&f);
	file_at(f.tree, NULL, "far", "")->inode->mtime = 4294967296;
	refuses(&f, &opt, "\"far\"");
}
END_TEST

START_TEST(test_app_what_docker_leaves_open_is_named)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	struct fixture f;
	const char *text;
	struct node *n;

	fixture_init(&f);
	dir_at(f.tree, NULL, "implied", 0755)->inode->implied = true;
	n = dir_at(f.tree, NULL, "relisted", 0755);
	n->inode->implied_above = true;
	n->inode->mtime = 77;
	n = dir_at(f.tree, NULL, "through", 0755);
	n->inode->implied = n->inode->through_symlink = true;
	file_at(f.tree, n, "file", "");
	file_at(f.tree, NULL, "linked", "")->inode->linked_across = true;
	dir_at(f.tree, NULL, "etc", 0755)->inode->implied = true; // stamped: predictable
	text = write_app(&f, &opt);
	ck_assert_str_eq(unsure, "implied\nlinked\nrelisted\nthrough\n");
	assert_holds(warned, "entry \"relisted\": nitro-cli's own result cannot be predicted");
	assert_holds(text, " 2 1000 0 rootfs/relisted/\n");
	assert_holds(text, " 2 1000 0 rootfs/implied/\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_app_command_is_cmd_alone_else_entrypoint)
{
	struct layout_options opt = options(LAYOUT_NITRO_CLI);
	char *entry[] = {(char *)"/entry"};
	struct fixture f;

	fixture_init(&f);
	f.config.entrypoint = entry;
	f.config.entrypoint_count = 1;
	f.config.has_entrypoint = true;
	assert_holds(write_app(&f, &opt), " cmd = /bin/sh\n\n");
	fixture_free(&f);
	fixture_init(&f);
	f.config.entrypoint = entry;
	f.config.entrypoint_count = 1;
	f.config.has_entrypoint = true;
	f.config.has_cmd = false;
	f.config.cmd_count = 0;
	assert_holds(write_app(&f, &opt), " cmd = /entry\n\n");
	fixture_free(&f);
	fixture_init(&f);
	f.config.has_cmd = false;
	f.config.cmd_count = 0;
	refuses(&f, &opt, "neither entrypoint nor command");
}
END_TEST

UNIT_MAIN("eifgen/layout_nitro",
	  ADD(test_bootstrap_equals_what_linuxkit_wrote)
	  ADD(test_bootstrap_with_modules_is_refused)
	  ADD(test_app_of_an_empty_image_holds_dockers_layer_and_linuxkits_tail)
	  ADD(test_app_special_names_are_dropped_replaced_and_stamped)
	  ADD(test_app_special_names_that_are_directories_stay_and_the_files_are_appended)
	  ADD(test_app_hard_links_become_relative_symlinks_with_the_files_bits)
	  ADD(test_app_directory_one_past_the_limit_by_its_slash_is_refused_by_its_path)
	  ADD(test_app_hard_link_whose_way_is_past_the_limit_is_refused_by_its_path)
	  ADD(test_app_hard_link_to_a_dropped_name_points_at_nothing)
	  ADD(test_app_times_are_clamped_below_and_refused_above)
	  ADD(test_app_what_docker_leaves_open_is_named)
	  ADD(test_app_command_is_cmd_alone_else_entrypoint))
