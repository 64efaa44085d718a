// SPDX-License-Identifier: Apache-2.0
//
// The epoch from text: what is a number, what is a time, what a newc header can hold.
#include "epoch/epoch.h"
#include "epoch/internal.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <time.h>

static int64_t created(const char *text)
{
	struct epoch e;
	struct err err = ERR_INIT;

	if (epoch_from_created(text, &e, &err)) {
		ck_assert_int_eq(err.class, ERR_INPUT);
		return -1;
	}
	ck_assert_int_eq(e.source, EPOCH_FROM_IMAGE);
	return e.seconds;
}

START_TEST(test_epoch_from_text_number_in_range_is_taken)
{
	static const struct {
		const char *text;
		uint32_t want;
	} rows[] = {{"0", 0}, {"1", 1}, {"315532801", EPOCH_DEFAULT}, {"4294967295", UINT32_MAX}, {"007", 7}};
	struct epoch e;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_ok(epoch_from_text(rows[i].text, EPOCH_FROM_ENV, &e, &err));
		ck_assert_uint_eq(e.seconds, rows[i].want);
		ck_assert_int_eq(e.source, EPOCH_FROM_ENV);
		ck_assert_str_eq(e.commit, "");
		ck_assert(!e.dirty && !e.dir && !e.path);
	}
}
END_TEST

START_TEST(test_epoch_from_text_no_number_is_refused)
{
	static const char *const rows[] = {"", " 1", "1 ", "+1", "-1", "1.0", "0x10", "1e9", "now", "12\n", "\xff"};
	struct epoch e;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ck_assert_int_eq(epoch_from_text(rows[i], EPOCH_FROM_NUMBER, &e, &err), -1);
		ck_assert_int_eq(err.class, ERR_USAGE);
	}
}
END_TEST

START_TEST(test_epoch_from_text_after_2106_is_refused_with_reason)
{
	static const char *const rows[] = {"4294967296", "18446744073709551616", "99999999999999999999999999999999999"};
	struct epoch e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err err = ERR_INIT;

		ck_assert_int_eq(epoch_from_text(rows[i], EPOCH_FROM_NUMBER, &e, &err), -1);
		ck_assert_int_eq(err.class, ERR_INPUT);
		ck_assert(strstr(err.msg, "after 2106"));
		ck_assert_msg(strstr(err.msg, rows[i]) != NULL, "not the whole value: %s", err.msg);
	}
}
END_TEST

START_TEST(test_epoch_from_created_valid_time_gives_seconds)
{
	ck_assert_int_eq(created("1970-01-01T00:00:00Z"), 0);
	ck_assert_int_eq(created("2024-06-11T12:00:00Z"), 1718107200);
	ck_assert_int_eq(created("2024-06-11t12:00:00.999999999z"), 1718107200);
	ck_assert_int_eq(created("2024-06-11T12:00:00+02:00"), 1718100000);
	ck_assert_int_eq(created("2024-06-11T12:00:00.5-00:30"), 1718109000);
	ck_assert_int_eq(created("2000-02-29T23:59:59Z"), 951868799);
	ck_assert_int_eq(created("2016-12-31T23:59:60Z"), 1483228800);
	ck_assert_int_eq(created("2106-02-07T06:28:15Z"), 4294967295);
	ck_assert_int_eq(created("1969-12-31T23:59:59-00:01"), 59);
}
END_TEST

START_TEST(test_epoch_from_created_bad_time_is_refused)
{
	static const char *const rows[] = {"",
					   "2024",
					   "2024-06-11",
					   "2024-06-11 12:00:00Z",
					   "2024-06-11T12:00:00",
					   "2024-13-01T00:00:00Z",
					   "2024-00-01T00:00:00Z",
					   "2024-06-31T00:00:00Z",
					   "2023-02-29T00:00:00Z",
					   "1900-02-29T00:00:00Z",
					   "2024-06-11T24:00:00Z",
					   "2024-06-11T12:60:00Z",
					   "2024-06-11T12:00:61Z",
					   "2024-06-11T12:00:00.Z",
					   "2024-06-11T12:00:00Zx",
					   "2024-06-11T12:00:00+2:00",
					   "2024-06-11T12:00:00+24:00",
					   "+024-06-11T12:00:00Z",
					   "2024-6-11T12:00:00Z",
					   "2024-06-11T12:00:00+02:0"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(created(rows[i]), -1);
	ck_assert_int_eq(created(NULL), -1);
}
END_TEST

START_TEST(test_epoch_from_created_outside_newc_is_refused_with_reason)
{
	struct epoch e;
	struct err err = ERR_INIT;

	ck_assert_int_eq(epoch_from_created("0001-01-01T00:00:00Z", &e, &err), -1); // Go's zero time: builders write it
	ck_assert(strstr(err.msg, "before 1970"));
	ck_assert_int_eq(epoch_from_created("2106-02-07T06:28:16Z", &e, &err), -1);
	ck_assert(strstr(err.msg, "after 2106"));
}
END_TEST

START_TEST(test_epoch_rfc3339_agrees_with_libc_and_reads_back)
{
	char ours[21], theirs[32];

	for (uint64_t t = 0; t <= UINT32_MAX; t += 86399 * 3 + 7) {
		time_t tt = (time_t)t;
		struct tm tm;

		strftime(theirs, sizeof(theirs), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&tt, &tm));
		ck_assert_str_eq(epoch_rfc3339((uint32_t)t, ours), theirs);
		ck_assert_int_eq(created(ours), (int64_t)t);
	}
	ck_assert_str_eq(epoch_rfc3339(UINT32_MAX, ours), "2106-02-07T06:28:15Z");
}
END_TEST

START_TEST(test_epoch_tree_path_components_are_worked_off)
{
	static const struct {
		const char *prefix, *path, *want;
	} rows[] = {{"", "a", "a"},     {"", "./a//b/", "a/b"},  {"x/y", "a", "x/y/a"},
		    {"x/y", "..", "x"}, {"x/y", "../../a", "a"}, {"x", "/a", "a"},
		    {"", ".", ""},      {"x", "..", ""},         {"", "a..b/...", "a..b/..."}};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *got = epoch_tree_path(rows[i].prefix, rows[i].path, &err);

		ck_assert_ptr_nonnull(got);
		ck_assert_str_eq(got, rows[i].want);
		free(got);
	}
	ck_assert_ptr_null(epoch_tree_path("x", "../..", &err));
	ck_assert_int_eq(err.class, ERR_USAGE);
	ck_assert_ptr_null(epoch_tree_path("", "a/../../b", &err));
}
END_TEST

START_TEST(test_epoch_source_name_each_source_has_one)
{
	ck_assert_str_eq(epoch_source_name(EPOCH_FROM_DEFAULT), "default");
	ck_assert_str_eq(epoch_source_name(EPOCH_FROM_NUMBER), "number");
	ck_assert_str_eq(epoch_source_name(EPOCH_FROM_ENV), "SOURCE_DATE_EPOCH");
	ck_assert_str_eq(epoch_source_name(EPOCH_FROM_GIT), "git");
	ck_assert_str_eq(epoch_source_name(EPOCH_FROM_IMAGE), "image");
}
END_TEST

UNIT_MAIN("epoch/epoch",
	  ADD(test_epoch_from_text_number_in_range_is_taken) ADD(test_epoch_from_text_no_number_is_refused)
	      ADD(test_epoch_from_text_after_2106_is_refused_with_reason)
		  ADD(test_epoch_from_created_valid_time_gives_seconds) ADD(test_epoch_from_created_bad_time_is_refused)
		      ADD(test_epoch_from_created_outside_newc_is_refused_with_reason)
			  ADD(test_epoch_rfc3339_agrees_with_libc_and_reads_back)
			      ADD(test_epoch_tree_path_components_are_worked_off)
				  ADD(test_epoch_source_name_each_source_has_one))
