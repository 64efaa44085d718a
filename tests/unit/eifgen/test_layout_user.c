// SPDX-License-Identifier: Apache-2.0
//
// USER, HOME and WORKDIR of the canonical layout (design/layout.md: `user`, `env`, `workdir`), through the ramdisk.
#include "tests/unit/eifgen/layout_tools.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "broken line\n"
			     "short:x:5\n"
			     "brief:x:6:16\n"
			     "big:x:4294967295:0::/big:/bin/sh\n"
			     "app:x:1000:1000:App:/home/app:/usr/sbin/nologin\n"
			     "twin:x:1000:7::/twin:/bin/sh\n"
			     "nohome:x:8:8:::/bin/sh\n"
			     "77:x:1001:1002::/digits:/bin/sh"; // no line feed at its end
static const char group[] = "root:x:0:\n"
			    "wheel:x:10:root,app\n"
			    "app:x:1000:app\n"
			    "audio:x:3:app,xapp,\n"
			    "bad:x:zz:app\n"
			    "again:x:10:app\n"
			    "fields:x:12:app:more\n"
			    "alone:x:14\n"
			    "near:x:13:appx,ap\n";

static void add_files(struct fixture *f)
{
	struct node *etc = dir_at(f->tree, NULL, "etc", 0755);

	file_at(f->tree, etc, "passwd", passwd);
	file_at(f->tree, etc, "group", group);
}

static const struct {
	const char *user, *text, *home;
} good[] = {
	{"app", "1000:1000:3,10,12\n", "/home/app"},
	{"1000", "1000:1000:3,10,12\n", "/home/app"}, // the first line with that number, and its name's groups
	{"twin", "1000:7:\n", "/twin"},
	{"app:wheel", "1000:10:\n", "/home/app"}, // a group was given: no others
	{"app:55", "1000:55:\n", "/home/app"},
	{"12345", "12345:0:\n", "/"},
	{"12345:app", "12345:1000:\n", "/"},
	{"77", "1001:1002:\n", "/digits"}, // by name
	{"nohome", "8:8:\n", "/"},
	{"root", "0:0:10\n", "/root"},
	{"brief", "6:16:\n", "/"},		// the later fields are missing
	{"app:", "1000:1000:3,10,12\n", "/home/app"}, // an empty group is none
	{"0:alone", "0:14:\n", "/root"},
	{"4294967294:4294967294", "4294967294:4294967294:\n", "/"},
	{"", NULL, "/root"},
};

START_TEST(test_user_of_each_form_is_resolved)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	char line[200];
	const char *text;

	fixture_init(&f);
	add_files(&f);
	f.config.user = (char *)good[_i].user;
	text = write_app(&f, &opt);
	if (good[_i].text) {
		snprintf(line, sizeof(line), " user = %s\n", good[_i].text);
		assert_holds(text, line);
	} else {
		assert_lacks(text, " user");
	}
	snprintf(line, sizeof(line), "\nHOME=%s\n", good[_i].home);
	assert_holds(text, line);
	fixture_free(&f);
}
END_TEST

static const struct {
	const char *user, *says;
} bad[] = {
	{"nobody", "user \"nobody\" has no entry"},  {"app:nogroup", "group \"nogroup\" has no entry"},
	{"4294967295", "past 2^32"},		     {"0:4294967295", "past 2^32"},
	{":wheel", "user \"\" has no entry"},	     {"brief:x", "group \"x\" has no entry"},
	{"+5", "user \"+5\" has no entry"},	     {"short", "user \"short\" has no entry"},
	{"big", "user \"big\" has no entry"},	     {"app:bad", "group \"bad\" has no entry"},
};

START_TEST(test_user_that_cannot_be_resolved_is_refused)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	add_files(&f);
	f.config.user = (char *)bad[_i].user;
	refuses(&f, &opt, bad[_i].says);
}
END_TEST

START_TEST(test_user_home_with_a_nul_is_refused_where_it_counts)
{
	static const char passwd_nul[] = "app:x:5:6::/ho\0me:/bin/sh\n";
	static char *env[] = {(char *)"HOME=/x"};
	struct layout_options opt = options(LAYOUT_CANONICAL);

	for (int given = 0; given < 2; given++) {
		struct fixture f;

		fixture_init(&f);
		ck_assert(tree_add_file(f.tree, dir_at(f.tree, NULL, "etc", 0755), "passwd", 0644, passwd_nul,
					sizeof(passwd_nul) - 1, &err) != NULL);
		f.config.user = (char *)"app";
		f.config.env = env;
		f.config.env_count = (size_t)given;
		if (!given) {
			refuses(&f, &opt, "home directory in /etc/passwd holds a NUL");
		} else {
			assert_holds(write_app(&f, &opt), "HOME=/x\n");
			fixture_free(&f);
		}
	}
}
END_TEST

START_TEST(test_user_files_are_found_through_symlinks_inside_the_tree)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	struct node *etc;

	fixture_init(&f);
	etc = dir_at(f.tree, NULL, "etc", 0755);
	symlink_at(f.tree, etc, "passwd", "/../usr/passwd");
	file_at(f.tree, dir_at(f.tree, NULL, "usr", 0755), "passwd", passwd);
	f.config.user = (char *)"app";
	assert_holds(write_app(&f, &opt), " user = 1000:1000:\n");
	fixture_free(&f);
}
END_TEST

START_TEST(test_user_file_that_is_a_directory_has_no_lines)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	dir_at(f.tree, dir_at(f.tree, NULL, "etc", 0755), "passwd", 0755);
	f.config.user = (char *)"5";
	assert_holds(write_app(&f, &opt), " user = 5:0:\n");
	fixture_free(&f);
}
END_TEST

// ---- workdir -------------------------------------------------------------------------------------------------------

static const struct {
	const char *dir, *made, *not_made;
} dirs[] = {
	{"/", NULL, NULL},
	{"/a/b", "rootfs/a/b\n", NULL},
	{"rel/x", "rootfs/rel/x\n", NULL},
	{"/a/./b//c/", "rootfs/a/b/c\n", NULL},
	{"/a/../b", "rootfs/b\n", "rootfs/a\n"},
	{"/../../up", "rootfs/up\n", NULL},
	{"/link/x", "rootfs/real/x\n", "rootfs/link/x\n"},
	{"/dangling/x", "rootfs/real/later/x\n", NULL},
	{"/rel-link/y", "rootfs/real/y\n", NULL},
	{"/tmp/w", "rootfs/tmp/w\n", NULL},
};

START_TEST(test_workdir_of_each_form_is_made_and_kept_in_its_own_bytes)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;
	char line[200];
	const char *text;

	fixture_init(&f);
	dir_at(f.tree, NULL, "real", 0700);
	symlink_at(f.tree, NULL, "link", "/real");
	symlink_at(f.tree, NULL, "rel-link", "link/../real/.");
	symlink_at(f.tree, NULL, "dangling", "real/later");
	f.config.working_dir = (char *)dirs[_i].dir;
	text = write_app(&f, &opt);
	snprintf(line, sizeof(line), " workdir = %s\n\n", dirs[_i].dir);
	assert_holds(text, line);
	assert_holds(text, " 41777 0:0 2 1000 0 rootfs/tmp\n"); // made by the skeleton, not by the workdir
	assert_holds(text, " 40700 0:0 2 1000 0 rootfs/real\n");
	if (dirs[_i].made) {
		snprintf(line, sizeof(line), " 40755 0:0 2 1000 0 %s", dirs[_i].made);
		assert_holds(text, line);
	}
	if (dirs[_i].not_made)
		assert_lacks(text, dirs[_i].not_made);
	fixture_free(&f);
}
END_TEST

START_TEST(test_workdir_through_a_file_a_loop_or_with_a_line_feed_is_refused)
{
	struct layout_options opt = options(LAYOUT_CANONICAL);
	struct fixture f;

	fixture_init(&f);
	file_at(f.tree, NULL, "file", "");
	f.config.working_dir = (char *)"/file/x";
	refuses(&f, &opt, "\"file\" is no directory");
	fixture_init(&f);
	symlink_at(f.tree, NULL, "loop", "loop");
	f.config.working_dir = (char *)"/loop";
	refuses(&f, &opt, "symlinks");
	fixture_init(&f);
	f.config.working_dir = (char *)"/a\nb";
	refuses(&f, &opt, "line feed");
}
END_TEST

UNIT_MAIN("eifgen/layout_user",
	  tcase_add_loop_test(tc_, test_user_of_each_form_is_resolved, 0, sizeof(good) / sizeof(good[0]));
	  tcase_add_loop_test(tc_, test_user_that_cannot_be_resolved_is_refused, 0, sizeof(bad) / sizeof(bad[0]));
	  ADD(test_user_home_with_a_nul_is_refused_where_it_counts)
	  ADD(test_user_files_are_found_through_symlinks_inside_the_tree)
	  ADD(test_user_file_that_is_a_directory_has_no_lines)
	  tcase_add_loop_test(tc_, test_workdir_of_each_form_is_made_and_kept_in_its_own_bytes, 0,
			      sizeof(dirs) / sizeof(dirs[0]));
	  ADD(test_workdir_through_a_file_a_loop_or_with_a_line_feed_is_refused))
