// SPDX-License-Identifier: Apache-2.0
//
// Log lines: valid JSON whatever the bytes, bounded, and what redaction lets through.
#include "runtime/common/log.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

START_TEST(test_log_bucket_take_burst_then_rate)
{
	struct log_bucket b = {.per_s = 2, .burst = 3};
	uint64_t now = 1 << 20;

	for (int i = 0; i < 3; i++)
		ck_assert(log_bucket_take(&b, now));
	ck_assert(!log_bucket_take(&b, now));
	ck_assert(!log_bucket_take(&b, now + 499));
	ck_assert(log_bucket_take(&b, now + 500));
	ck_assert(!log_bucket_take(&b, now + 501));
	for (int i = 0; i < 3; i++) // never more than the burst
		ck_assert(log_bucket_take(&b, now + (1 << 30)));
	ck_assert(!log_bucket_take(&b, now + (1 << 30)));
}
END_TEST

// A flood is written up to the limit; lines of our own are not held back by it, and tell how many were lost.
START_TEST(test_log_peer_event_flood_is_limited)
{
	int fd = memfd_create("log", 0);
	size_t lines = 0, lost = 0, flood = 5 * LOG_PEER_BURST;
	char *text, *at;

	log_open(fd, LOG_INFO, "test");
	for (size_t i = 0; i < flood; i++) {
		log_peer_event(LOG_INFO, "flood", LOG_U64("i", i));
		log_peer_event(LOG_DEBUG, "below");
	}
	sleep(1); // log.lost is told once a second
	log_event(LOG_INFO, "own");
	log_open(STDERR_FILENO, LOG_INFO, "");
	text = mem_zalloc(1, (size_t)lseek(fd, 0, SEEK_CUR) + 1, NULL);
	ck_assert_int_gt(pread(fd, text, (size_t)lseek(fd, 0, SEEK_CUR), 0), 0);
	for (at = text; (at = strstr(at, "\"flood\"")); at++)
		lines++;
	for (at = text; (at = strstr(at, "\"log.lost\",\"lines\":")); at++)
		lost += strtoul(at + strlen("\"log.lost\",\"lines\":"), NULL, 10);
	ck_assert_uint_ge(lines, LOG_PEER_BURST);
	ck_assert_uint_lt(lines, 3 * LOG_PEER_BURST); // so slow a machine that 10 s went by would be something else
	ck_assert_uint_eq(lines + lost, flood);
	ck_assert_ptr_nonnull(strstr(text, "\"own\""));
	ck_assert_ptr_null(strstr(text, "below"));
	free(text);
	close(fd);
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
			     ADD(test_log_format_too_much_drops_whole_fields) ADD(test_log_bucket_take_burst_then_rate)
				 ADD(test_log_peer_event_flood_is_limited) ADD(test_log_header_allowed_masks_secrets)
				 ADD(test_log_target_len_stops_at_query))
