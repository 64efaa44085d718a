// SPDX-License-Identifier: Apache-2.0
//
// Log lines: valid JSON whatever the bytes, bounded, and what redaction lets through.
#include "runtime/common/log.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char *line(const struct log_field *f, size_t n)
{
	static char out[LOG_LINE_MAX + 1];

	out[log_format(out, LOG_LINE_MAX, 1767225600123, LOG_WARN, "x.y", f, n)] = '\0';
	return out;
}

START_TEST(test_log_format_all_types_exact_line)
{
	const struct log_field f[] = {LOG_STR("s", "a\"\\\n\x01z"), LOG_U64("u", 7),          LOG_I64("i", -7),
				      LOG_BOOL("b", true),          LOG_BYTES("p", "abc", 2), LOG_STR("n", NULL)};

	ck_assert_str_eq(line(f, 6),
			 "{\"ts\":\"2026-01-01T00:00:00.123Z\",\"level\":\"warn\",\"event\":\"x.y\","
			 "\"s\":\"a\\\"\\\\\\n\\u0001z\",\"u\":7,\"i\":-7,\"b\":true,\"p\":\"ab\",\"n\":\"\"}\n");
}
END_TEST

START_TEST(test_log_format_bad_utf8_is_replaced)
{
	const struct log_field f = LOG_STR("s", "\xc3\xa9\xff\xc3");

	ck_assert_ptr_nonnull(strstr(line(&f, 1), "\"\xc3\xa9\\ufffd\\ufffd\"}"));
}
END_TEST

START_TEST(test_log_format_too_much_drops_whole_fields)
{
	static char big[3 * LOG_VALUE_MAX];
	struct log_field f[20];
	const char *s;

	memset(big, '\x01', sizeof(big) - 1);
	for (size_t i = 0; i < 20; i++)
		f[i] = LOG_STR("k", big);
	s = line(f, 20);
	ck_assert_uint_le(strlen(s), LOG_LINE_MAX);
	ck_assert_str_eq(s + strlen(s) - 3, "\"}\n");
}
END_TEST

START_TEST(test_log_header_allowed_masks_secrets)
{
	const char *const trusted[] = {"x-trace-*", "x-tenant", "authorization", "*"};

	ck_assert(log_header_allowed("Content-Type", 12, NULL, 0));
	ck_assert(!log_header_allowed("X-Trace-Id", 10, NULL, 0));
	ck_assert(log_header_allowed("X-Trace-Id", 10, trusted, 2));
	ck_assert(!log_header_allowed("X-Tenants", 9, trusted, 2));
	ck_assert(!log_header_allowed("Authorization", 13, trusted, 4));
	ck_assert(!log_header_allowed("API-Key", 7, trusted, 4));
	ck_assert(!log_header_allowed("Cookie", 6, trusted, 4));
}
END_TEST

START_TEST(test_log_target_len_stops_at_query)
{
	ck_assert_uint_eq(log_target_len("/a?token=1", 10), 2);
	ck_assert_uint_eq(log_target_len("/a#b", 4), 2);
	ck_assert_uint_eq(log_target_len("/ab", 3), 3);
}
END_TEST

UNIT_MAIN("runtime/log", ADD(test_log_format_all_types_exact_line) ADD(test_log_format_bad_utf8_is_replaced)
			     ADD(test_log_format_too_much_drops_whole_fields) ADD(test_log_header_allowed_masks_secrets)
				 ADD(test_log_target_len_stops_at_query))
