// SPDX-License-Identifier: Apache-2.0
//
// A table over libc's own mathematics, which every machine has, and the ways in which a library is refused.
#include "base/dynlib.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

struct math_api {
	__typeof__(floor) *floor;
	__typeof__(ldexp) *ldexp;
} __attribute__((aligned(DYNLIB_PAGE)));

static struct math_api table;
static const char *const symbols[] = {"floor", "ldexp"};

static int accept_it(struct err *err)
{
	(void)err;
	return table.floor(2.5) == 2.0 ? 0 : -1; // full, and still writable
}

static int reject_it(struct err *err)
{
	return err_set(err, ERR_UNSUPPORTED, "too old");
}

START_TEST(test_dynlib_load_fills_the_table)
{
	static const struct dynlib lib = {"libm.so.6", symbols, 2, sizeof(table), accept_it};
	struct err err = ERR_INIT;

	assert_ok(dynlib_load(&lib, &table, &err));
	ck_assert(table.floor(-0.5) == -1.0);
	ck_assert(table.ldexp(3.0, 2) == 12.0);
}
END_TEST

// read() is told by the kernel what a store would end with.
START_TEST(test_dynlib_load_makes_the_table_read_only)
{
	static const struct dynlib lib = {"libm.so.6", symbols, 2, sizeof(table), NULL};
	int zero = open("/dev/zero", O_RDONLY);
	struct err err = ERR_INIT;

	ck_assert_int_eq(read(zero, &table, 1), 1);
	assert_ok(dynlib_load(&lib, &table, &err));
	ck_assert_int_eq(read(zero, &table, 1), -1);
	ck_assert_int_eq(errno, EFAULT);
	ck_assert_int_eq(read(zero, (char *)&table + sizeof(table) - 1, 1), -1);
	close(zero);
}
END_TEST

START_TEST(test_dynlib_load_names_the_library_that_is_missing)
{
	static const struct dynlib lib = {"libnowhere.so.7", symbols, 2, sizeof(table), NULL};
	struct err err = ERR_INIT;

	ck_assert_int_eq(dynlib_load(&lib, &table, &err), -1);
	ck_assert_int_eq(err.class, ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "library libnowhere.so.7"));
	ck_assert_ptr_nonnull(strstr(err.msg, "No such file"));
}
END_TEST

START_TEST(test_dynlib_load_names_the_symbol_that_is_missing)
{
	static const char *const strange[] = {"floor", "no_such_function"};
	static const struct dynlib lib = {"libm.so.6", strange, 2, sizeof(table), accept_it};
	struct err err = ERR_INIT;

	ck_assert_int_eq(dynlib_load(&lib, &table, &err), -1);
	ck_assert_int_eq(err.class, ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "no_such_function"));
}
END_TEST

START_TEST(test_dynlib_load_hands_up_what_start_says)
{
	static const struct dynlib lib = {"libm.so.6", symbols, 2, sizeof(table), reject_it};
	struct err err = ERR_INIT;

	ck_assert_int_eq(dynlib_load(&lib, &table, &err), -1);
	ck_assert_str_eq(err.msg, "too old");
}
END_TEST

static int starts;

static int count_and_reject(struct err *err)
{
	starts++;
	return err_set(err, ERR_UNSUPPORTED, "too old");
}

START_TEST(test_dynlib_need_tries_once_and_keeps_the_answer)
{
	static const struct dynlib bad = {"libm.so.6", symbols, 2, sizeof(table), count_and_reject};
	static const struct dynlib good = {"libm.so.6", symbols, 2, sizeof(table), accept_it};
	static struct dynlib_state of_bad = DYNLIB_STATE_INIT, of_good = DYNLIB_STATE_INIT;

	for (int i = 0; i < 2; i++) {
		struct err err = ERR_INIT;

		ck_assert_int_eq(dynlib_need(&bad, &of_bad, &table, &err), -1);
		ck_assert_str_eq(err.msg, "too old");
		ck_assert_int_eq(starts, 1);
	}
	for (int i = 0; i < 2; i++) { // a second filling would meet a table that is read-only
		struct err err = ERR_INIT;

		assert_ok(dynlib_need(&good, &of_good, &table, &err));
		ck_assert(table.floor(2.5) == 2.0);
	}
}
END_TEST

UNIT_MAIN("base/dynlib", ADD(test_dynlib_load_fills_the_table)
	  ADD(test_dynlib_load_makes_the_table_read_only)
	  ADD(test_dynlib_load_names_the_library_that_is_missing)
	  ADD(test_dynlib_load_names_the_symbol_that_is_missing)
	  ADD(test_dynlib_load_hands_up_what_start_says)
	  ADD(test_dynlib_need_tries_once_and_keeps_the_answer))
