// SPDX-License-Identifier: Apache-2.0
//
// The cache's directory, as it is judged before anything in it is believed: made where it is missing, refused where
// another could write to it. What is kept in it and what goes is in test_layer_cache.c, with the layers stored there.
#include "layerfs/cache_files.h"

#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

static struct err err;
static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/eifgen-cache-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void refused(const char *path, const char *why)
{
	struct cache_usage u;

	ck_assert_int_eq(cache_files_make(path, &err), -1);
	ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_int_eq(cache_files_usage(path, &u, &err), -1);
	ck_assert_int_eq(cache_files_clean(path, &u, &err), -1);
}

START_TEST(test_cache_files_make_only_the_users_own_directory_will_do)
{
	char path[100], link[100];
	struct cache_usage u = {1, 1, 1};

	snprintf(path, sizeof(path), "%s/deep/cache", dir);
	assert_ok(cache_files_usage(path, &u, &err)); // not there: nothing
	ck_assert_uint_eq(u.files + u.bytes + u.foreign, 0);
	assert_ok(cache_files_make(path, &err));
	assert_ok(cache_files_make(path, &err));
	ck_assert_int_eq(chmod(path, 0755), 0);
	assert_ok(cache_files_make(path, &err));
	ck_assert_int_eq(chmod(path, 0770), 0);
	refused(path, "written by others");
	ck_assert_int_eq(chmod(path, 0702), 0);
	refused(path, "written by others");
	ck_assert_int_eq(chmod(path, 0700), 0);
	snprintf(link, sizeof(link), "%s/link", dir);
	ck_assert_int_eq(symlink("deep/cache", link), 0);
	refused(link, "symlink");
	if (!geteuid()) {
		ck_assert_int_eq(chown(path, 12345, 0), 0);
		refused(path, "another user");
	}
}
END_TEST

UNIT_MAIN("layerfs/cache_files", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_cache_files_make_only_the_users_own_directory_will_do))
