// SPDX-License-Identifier: Apache-2.0
//
// cmd, env, user and workdir as init finds them in a ramdisk that something went wrong with: each fault is told with
// the file's name, and nothing is started half-prepared.
#include "runtime/init/launch.h"

#include "tests/unit/unit.h"

#include <sanitizer/lsan_interface.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NONE = -1 };

static char dir[] = "/tmp/eifgen-launch-XXXXXX";
static const char *const names[] = {"env", "cmd", "user", "workdir"};

static void put(const char *name, const char *text, int len)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fwrite(text, 1, (size_t)len, f);
	fclose(f);
}

static void setup(void)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	__lsan_disable(); // init frees nothing: it becomes the program, or the machine ends
}

static void teardown(void)
{
	char path[128];

	__lsan_enable();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

// What stands in the four files (NONE: no such file), and what is said of it.
static const struct {
	const char *text[4];
	int len[4];
	const char *says;
} faults[] = {
	{{"", "/x\n", "", ""}, {NONE, 3, NONE, NONE}, "/env: No such file or directory"},
	{{"A=1\n", "", "", ""}, {4, NONE, NONE, NONE}, "/cmd: No such file or directory"},
	{{"", "", "", ""}, {0, 0, NONE, NONE}, "/cmd: it names no program"},
	{{"", "\nx\n", "", ""}, {0, 3, NONE, NONE}, "/cmd: it names no program"},
	{{"", "/x\0y\n", "", ""}, {0, 5, NONE, NONE}, "/cmd: "},
	{{"A=\0\n", "/x\n", "", ""}, {4, 3, NONE, NONE}, "/env: "},
	{{"", "/x\n", "root\n", ""}, {0, 3, 5, NONE}, "/user: it is not UID:GID:GROUPS"},
	{{"", "/x\n", "", ""}, {0, 3, 0, NONE}, "/user: it is not UID:GID:GROUPS"},
	{{"", "/x\n", "", "\n"}, {0, 3, NONE, 1}, "/workdir: it is no path"},
	{{"", "/x\n", "", "/a\0b\n"}, {0, 3, NONE, 5}, "/workdir: it is no path"},
};

START_TEST(test_init_launch_read_each_fault_is_told_with_its_file)
{
	struct init_launch l;
	char why[256] = "";

	for (size_t i = 0; i < 4; i++)
		if (faults[_i].len[i] != NONE)
			put(names[i], faults[_i].text[i], faults[_i].len[i]);
	ck_assert_int_eq(init_launch_read(dir, false, &l, why, sizeof(why)), -1);
	ck_assert_msg(strstr(why, faults[_i].says) != NULL, "\"%s\" does not say \"%s\"", why, faults[_i].says);
	ck_assert_msg(!strncmp(why, dir, strlen(dir)), "%s", why);
}
END_TEST

START_TEST(test_init_launch_read_without_user_and_workdir_leaves_them_alone)
{
	struct init_launch l;
	char why[256];

	put("env", "", 0);
	put("cmd", "/x", 2); // no line feed at the end
	ck_assert_int_eq(init_launch_read(dir, true, &l, why, sizeof(why)), 0);
	ck_assert(!l.has_user && !l.workdir && !l.env.count);
	ck_assert_str_eq(l.cmd.line[0], "/x");
	ck_assert_int_eq(access(dir, F_OK), 0);
}
END_TEST

START_TEST(test_init_launch_exec_what_cannot_run_has_a_shells_status)
{
	static char *nowhere[] = {(char *)"no-such-program", NULL}, *absent[] = {(char *)"/no/such", NULL},
		    *refused[] = {(char *)"/etc", NULL}; // a directory
	struct init_launch l = {.cmd = {nowhere, 1}};

	ck_assert_int_eq(init_launch_exec(&l), 127);
	l.cmd.line = absent;
	ck_assert_int_eq(init_launch_exec(&l), 127);
	l.cmd.line = refused;
	ck_assert_int_eq(init_launch_exec(&l), 126);
	l.workdir = (char *)"/no/such/directory";
	ck_assert_int_eq(init_launch_exec(&l), 126);
}
END_TEST

UNIT_MAIN("init/launch", tcase_add_checked_fixture(tc_, setup, teardown);
	  tcase_add_loop_test(tc_, test_init_launch_read_each_fault_is_told_with_its_file, 0,
			      sizeof(faults) / sizeof(*faults));
	  ADD(test_init_launch_read_without_user_and_workdir_leaves_them_alone)
	  ADD(test_init_launch_exec_what_cannot_run_has_a_shells_status))
