// SPDX-License-Identifier: Apache-2.0
//
// The formats of cmd, env, user, modules (canonical layout), of the kernel's command line and /proc/cgroups, as init
// reads them; and the order in which a program is looked for.
#include "runtime/init/words.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char *why;

// Splits a literal (its bytes, NULs included) that lives until the next call.
static int split(const char *text, size_t len, struct init_lines *out)
{
	static char copy[256];

	memcpy(copy, text, len);
	return init_lines_split(copy, len, out, &why);
}

START_TEST(test_init_lines_split_three_lines_gives_an_argv)
{
	struct init_lines l;

	ck_assert_int_eq(split("/bin/a\n\nlast one\n", 17, &l), 0);
	ck_assert_uint_eq(l.count, 3);
	ck_assert_str_eq(l.line[0], "/bin/a");
	ck_assert_str_eq(l.line[1], "");
	ck_assert_str_eq(l.line[2], "last one");
	ck_assert_ptr_null(l.line[3]);
	init_lines_free(&l);
}
END_TEST

START_TEST(test_init_lines_split_without_last_newline_keeps_the_line)
{
	struct init_lines l;

	ck_assert_int_eq(split("a\nb", 3, &l), 0);
	ck_assert_uint_eq(l.count, 2);
	ck_assert_str_eq(l.line[1], "b");
	init_lines_free(&l);
}
END_TEST

START_TEST(test_init_lines_split_empty_gives_none)
{
	struct init_lines l;

	ck_assert_int_eq(split("", 0, &l), 0);
	ck_assert_uint_eq(l.count, 0);
	ck_assert_ptr_null(l.line[0]);
	init_lines_free(&l);
}
END_TEST

START_TEST(test_init_lines_split_nul_is_refused)
{
	struct init_lines l;

	ck_assert_int_eq(split("a\0b\n", 4, &l), -1);
	ck_assert_str_eq(why, "it holds a NUL byte");
}
END_TEST

START_TEST(test_init_lines_split_past_the_cap_is_refused)
{
	size_t n = INIT_LINES_MAX + 1;
	char *text = malloc(n + 1);
	struct init_lines l;

	memset(text, '\n', n);
	ck_assert_int_eq(init_lines_split(text, n, &l, &why), -1);
	memset(text, '\n', n);
	ck_assert_int_eq(init_lines_split(text, n - 1, &l, &why), 0);
	init_lines_free(&l);
	free(text);
}
END_TEST

START_TEST(test_init_env_get_whole_name_only)
{
	char *env[] = {(char *)"PATHS=no", (char *)"PATH=/bin", (char *)"PATH=/second", (char *)"EMPTY=", NULL};

	ck_assert_str_eq(init_env_get(env, "PATH"), "/bin");
	ck_assert_str_eq(init_env_get(env, "EMPTY"), "");
	ck_assert_ptr_null(init_env_get(env, "PAT"));
	ck_assert_ptr_null(init_env_get(env, "HOME"));
}
END_TEST

START_TEST(test_init_user_parse_ids_and_groups)
{
	static const char text[] = "1000:50:4,24,4294967294\n";
	struct init_user u;

	ck_assert_int_eq(init_user_parse(text, strlen(text), &u, &why), 0);
	ck_assert_uint_eq(u.uid, 1000);
	ck_assert_uint_eq(u.gid, 50);
	ck_assert_uint_eq(u.group_count, 3);
	ck_assert_uint_eq(u.groups[0], 4);
	ck_assert_uint_eq(u.groups[2], 4294967294);
	init_user_free(&u);
}
END_TEST

START_TEST(test_init_user_parse_no_groups)
{
	struct init_user u;

	ck_assert_int_eq(init_user_parse("0:0:", 4, &u, &why), 0);
	ck_assert_uint_eq(u.group_count, 0);
	init_user_free(&u);
}
END_TEST

static const char *const bad_users[] = {
	"",	 "\n",	     "1",	"1:2",	      "1:2\n",	 ":2:",	 "1::",		   "a:2:",   "-1:2:",
	"1:2:3,", "1:2:,3",  "1:2:3 4", "1:2:3\n\n", "1:2:3:4", " 1:2:", "4294967295:0:", "1:2:99999999999",
};

START_TEST(test_init_user_parse_malformed_is_refused)
{
	struct init_user u;
	const char *text = bad_users[_i];

	ck_assert_msg(init_user_parse(text, strlen(text), &u, &why) == -1, "taken: %s", text);
}
END_TEST

START_TEST(test_init_cmdline_has_whole_words_only)
{
	static const char line[] = "reboot=k  cage.heartbeat=optional quiet\n";

	ck_assert(init_cmdline_has(line, "cage.heartbeat=optional"));
	ck_assert(init_cmdline_has(line, "quiet"));
	ck_assert(init_cmdline_has(line, "reboot=k"));
	ck_assert(!init_cmdline_has(line, "cage.heartbeat"));
	ck_assert(!init_cmdline_has(line, "heartbeat=optional"));
	ck_assert(!init_cmdline_has("cage.heartbeat=optionally", "cage.heartbeat=optional"));
	ck_assert(!init_cmdline_has("", "quiet"));
}
END_TEST

START_TEST(test_init_module_name_ok_stays_in_its_directory)
{
	ck_assert(init_module_name_ok("vsock.ko"));
	ck_assert(init_module_name_ok("..ko"));
	ck_assert(!init_module_name_ok(""));
	ck_assert(!init_module_name_ok("."));
	ck_assert(!init_module_name_ok(".."));
	ck_assert(!init_module_name_ok("../init"));
	ck_assert(!init_module_name_ok("a/b.ko"));
}
END_TEST

START_TEST(test_init_module_compressed_by_its_tail)
{
	ck_assert(init_module_compressed("vsock.ko.xz"));
	ck_assert(init_module_compressed("vsock.ko.zst"));
	ck_assert(!init_module_compressed("vsock.ko"));
	ck_assert(!init_module_compressed("xz.ko"));
}
END_TEST

START_TEST(test_init_path_candidate_walks_the_parts)
{
	char out[32];

	ck_assert_int_eq(init_path_candidate("/a:/bb::/c", "x", 0, out, sizeof(out)), 1);
	ck_assert_str_eq(out, "/a/x");
	ck_assert_int_eq(init_path_candidate("/a:/bb::/c", "x", 1, out, sizeof(out)), 1);
	ck_assert_str_eq(out, "/bb/x");
	ck_assert_int_eq(init_path_candidate("/a:/bb::/c", "x", 2, out, sizeof(out)), 1);
	ck_assert_str_eq(out, "x");
	ck_assert_int_eq(init_path_candidate("/a:/bb::/c", "x", 3, out, sizeof(out)), 1);
	ck_assert_str_eq(out, "/c/x");
	ck_assert_int_eq(init_path_candidate("/a:/bb::/c", "x", 4, out, sizeof(out)), 0);
}
END_TEST

START_TEST(test_init_path_candidate_with_slash_is_itself)
{
	char out[32];

	ck_assert_int_eq(init_path_candidate("/a:/b", "./x", 0, out, sizeof(out)), 1);
	ck_assert_str_eq(out, "./x");
	ck_assert_int_eq(init_path_candidate("/a:/b", "./x", 1, out, sizeof(out)), 0);
}
END_TEST

START_TEST(test_init_path_candidate_exact_room_fits_one_less_does_not)
{
	char out[5];

	ck_assert_int_eq(init_path_candidate("/a:/b", "x", 0, out, 5), 1);
	ck_assert_int_eq(init_path_candidate("/a:/b", "x", 0, out, 4), -1);
	ck_assert_int_eq(init_path_candidate("/a", "/long", 0, out, 5), -1);
}
END_TEST

START_TEST(test_init_cgroup_line_enabled_controllers_only)
{
	char name[16];

	ck_assert(init_cgroup_line("cpuset\t0\t12\t1", name, sizeof(name)));
	ck_assert_str_eq(name, "cpuset");
	ck_assert(!init_cgroup_line("memory\t0\t1\t0", name, sizeof(name)));
	ck_assert(!init_cgroup_line("#subsys_name\thierarchy\tnum_cgroups\tenabled", name, sizeof(name)));
	ck_assert(!init_cgroup_line("", name, sizeof(name)));
	ck_assert(!init_cgroup_line("cpu\t1", name, sizeof(name)));
	ck_assert(!init_cgroup_line("../x\t0\t1\t1", name, sizeof(name)));
	ck_assert(!init_cgroup_line("a_name_longer_than_room\t0\t1\t1", name, sizeof(name)));
}
END_TEST

UNIT_MAIN("init/words",
	  ADD(test_init_lines_split_three_lines_gives_an_argv)
	  ADD(test_init_lines_split_without_last_newline_keeps_the_line)
	  ADD(test_init_lines_split_empty_gives_none)
	  ADD(test_init_lines_split_nul_is_refused)
	  ADD(test_init_lines_split_past_the_cap_is_refused)
	  ADD(test_init_env_get_whole_name_only)
	  ADD(test_init_user_parse_ids_and_groups)
	  ADD(test_init_user_parse_no_groups)
	  tcase_add_loop_test(tc_, test_init_user_parse_malformed_is_refused, 0,
			      (int)(sizeof(bad_users) / sizeof(bad_users[0])));
	  ADD(test_init_cmdline_has_whole_words_only)
	  ADD(test_init_module_name_ok_stays_in_its_directory)
	  ADD(test_init_module_compressed_by_its_tail)
	  ADD(test_init_path_candidate_walks_the_parts)
	  ADD(test_init_path_candidate_with_slash_is_itself)
	  ADD(test_init_path_candidate_exact_room_fits_one_less_does_not)
	  ADD(test_init_cgroup_line_enabled_controllers_only))
