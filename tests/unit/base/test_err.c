// SPDX-License-Identifier: Apache-2.0
//
// The error object: filling, prefixing, cutting, quoting.
#include "base/err.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

START_TEST(test_err_prefix_long_text_is_cut_not_overrun)
{
	struct err err = ERR_INIT;
	char big[2 * ERR_MSG_MAX];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ck_assert_int_eq(err_set(&err, ERR_INPUT, "%s", big), -1);
	err_prefix(&err, "head: ");
	ck_assert_uint_eq(strlen(err.msg), ERR_MSG_MAX - 1);
	ck_assert(!strncmp(err.msg, "head: xxx", 9));
	err_prefix(&err, "%s", big);
	ck_assert_uint_eq(strlen(err.msg), ERR_MSG_MAX - 1);
}
END_TEST

START_TEST(test_err_sys_appends_text_and_keeps_errno)
{
	struct err err = ERR_INIT;

	errno = 0;
	err_sys(&err, ENOENT, "open \"x\"");
	ck_assert_str_eq(err.msg, "open \"x\": No such file or directory");
	ck_assert_int_eq(err.errnum, ENOENT);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(err.class, ERR_IO);
}
END_TEST

START_TEST(test_err_quote_bytes_are_escaped_and_cut)
{
	char out[24];

	ck_assert_str_eq(err_quote("a\"\\\n\xff", 5, out, sizeof(out)), "\"a\\\"\\\\\\x0a\\xff\"");
	ck_assert_str_eq(err_quote("abcdefghijklmnopqrstuvwxyz", 26, out, 16), "\"abcdefg...\"");
	ck_assert_str_eq(err_quote("", 0, out, 8), "\"\"");
}
END_TEST

UNIT_MAIN("base/err", ADD(test_err_prefix_long_text_is_cut_not_overrun)
	  ADD(test_err_sys_appends_text_and_keeps_errno) ADD(test_err_quote_bytes_are_escaped_and_cut))
