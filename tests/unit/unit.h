// SPDX-License-Identifier: Apache-2.0
//
// What every unit test file begins with: Check, and a main that runs one suite and reports in TAP for tests/run.
// A file defines its cases (START_TEST (test_<function>_<condition>_<result>)) and ends with
//   UNIT_MAIN("room/file", ADD(test_a) ADD(test_b))
// CK_FORK=no runs all in one process (for a debugger). testdata is found through testdata_path().
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include "base/err.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

// The path of testdata/<name>, relative to the tree's top (tests/run starts every test there). Static storage.
static inline const char *testdata_path(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "testdata/%s", name);
	return path;
}

#define assert_ok(expr)                                                                                                \
	do {                                                                                                           \
		if ((expr) != 0)                                                                                       \
			ck_abort_msg("%s failed: %s", #expr, err.msg);                                                 \
	} while (0)

#define ADD(name) tcase_add_test(tc_, name);
#define UNIT_MAIN(title, cases)                                                                                        \
	int main(void)                                                                                                 \
	{                                                                                                              \
		Suite *s_ = suite_create(title);                                                                       \
		TCase *tc_ = tcase_create(title);                                                                      \
		tcase_set_timeout(tc_, 300);                                                                           \
		cases suite_add_tcase(s_, tc_);                                                                        \
		SRunner *r_ = srunner_create(s_);                                                                      \
		srunner_set_tap(r_, getenv("UNIT_TAP") ? getenv("UNIT_TAP") : "/dev/stdout");                          \
		srunner_run_all(r_, CK_SILENT);                                                                        \
		int failed_ = srunner_ntests_failed(r_);                                                               \
		srunner_free(r_);                                                                                      \
		return failed_ ? 1 : 0;                                                                                \
	}

#endif
