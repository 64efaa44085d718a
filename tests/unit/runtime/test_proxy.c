// SPDX-License-Identifier: Apache-2.0
//
// PROXY headers of both versions: whole, a byte at a time, cut, broken, and our own writing read back.
#include "runtime/common/proxy.h"

#include "base/be.h"
#include "tests/unit/unit.h"

#include <string.h>

static const char v1[] = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nrest";

static int parse(const void *p, size_t n, struct proxy_info *info)
{
	struct err err = ERR_INIT;
	size_t want;

	return proxy_parse(p, n, &want, info, &err);
}

// Follows *want as the reader does; asserts that it never asks for a byte past the header. Returns the length.
static int parse_stepwise(const void *p, size_t n)
{
	struct proxy_info info;
	size_t want = 0, have = 0;
	int rc;

	while ((rc = proxy_parse(p, have, &want, &info, NULL)) == 0) {
		ck_assert_uint_gt(want, have);
		ck_assert_uint_le(want, n);
		have++; // the least that a read can give
	}
	ck_assert_uint_le(have, n);
	return rc;
}

START_TEST(test_proxy_parse_v1_gives_addresses)
{
	struct proxy_info info;
	char text[ADDR_TEXT_MAX];

	ck_assert_int_eq(parse(v1, sizeof(v1) - 1, &info), (int)sizeof(v1) - 5);
	ck_assert_str_eq(addr_format(&info.src, text), "tcp:192.0.2.1:56324");
	ck_assert_str_eq(addr_format(&info.dst, text), "tcp:198.51.100.2:443");
	ck_assert_int_eq(parse_stepwise(v1, sizeof(v1) - 5), (int)sizeof(v1) - 5);
	ck_assert_int_eq(parse("PROXY TCP6 ::1 2001:db8::1 1 2\r\n", 32, &info), 32);
	ck_assert_str_eq(addr_format(&info.src, text), "tcp:[::1]:1");
	ck_assert_int_eq(parse_stepwise("PROXY UNKNOWN\r\n", 15), 15);
	ck_assert_int_eq(parse("PROXY UNKNOWN ff x y\r\n", 22, &info), 22);
	ck_assert(info.local);
}
END_TEST

START_TEST(test_proxy_parse_broken_v1_is_refused)
{
	static const char *const lines[] = {"GET / HTTP/1.1\r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
					    "PROXY  TCP4 192.0.2.1 1.2.3.4 1 2\r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 056 443\r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 65536 1\r\n",
					    "PROXY TCP4 ::1 ::1 1 2\r\n",
					    "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n",
					    "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n",
					    "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"};
	char endless[200];
	struct proxy_info info;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_msg(parse(lines[i], strlen(lines[i]), &info) == -1, "taken: %s", lines[i]);
	memset(endless, 'x', sizeof(endless));
	memcpy(endless, "PROXY ", 6);
	ck_assert_int_eq(parse(endless, PROXY_V1_MAX, &info), -1);
}
END_TEST

START_TEST(test_proxy_format_read_back_is_the_same)
{
	uint8_t out[PROXY_OUT_MAX + 8];
	struct proxy_info info;
	struct err err = ERR_INIT;
	struct addr a, b;
	char x[ADDR_TEXT_MAX], y[ADDR_TEXT_MAX];
	size_t n;

	for (int v6 = 0; v6 < 2; v6++) {
		assert_ok(addr_parse(v6 ? "tcp:[2001:db8::7]:9" : "tcp:192.0.2.7:9", &a, &err));
		assert_ok(addr_parse(v6 ? "tcp:[2001:db8::8]:443" : "tcp:192.0.2.8:443", &b, &err));
		n = proxy_format(&a, &b, out);
		ck_assert_int_eq(parse_stepwise(out, n), (int)n);
		ck_assert_int_eq(parse(out, sizeof(out), &info), (int)n);
		ck_assert_str_eq(addr_format(&info.src, x), addr_format(&a, y));
		ck_assert_str_eq(addr_format(&info.dst, x), addr_format(&b, y));
	}
	memset(&a, 0, sizeof(a));
	n = proxy_format(&a, &b, out);
	ck_assert_int_eq(parse(out, n, &info), PROXY_V2_HEAD);
	ck_assert(info.local);
}
END_TEST

START_TEST(test_proxy_parse_v2_lengths_are_checked)
{
	uint8_t h[PROXY_MAX + 64] = {0};
	struct proxy_info info;
	struct addr a, b;

	addr_parse("tcp:192.0.2.7:9", &a, NULL);
	addr_parse("tcp:192.0.2.8:443", &b, NULL);
	ck_assert_uint_eq(proxy_format(&a, &b, h), 28);
	put_be16(h + 14, 11);
	ck_assert_int_eq(parse(h, 64, &info), -1); // shorter than its addresses
	put_be16(h + 14, 12 + 5);
	memcpy(h + 28, "\x04\x00\x02\xff\xff", 5);
	ck_assert_int_eq(parse(h, 64, &info), 33); // one TLV
	h[30] = 3;
	ck_assert_int_eq(parse(h, 64, &info), -1); // it reaches past the end
	put_be16(h + 14, PROXY_MAX);
	ck_assert_int_eq(parse(h, sizeof(h), &info), -1);
	put_be16(h + 14, 12);
	h[12] = 0x31;
	ck_assert_int_eq(parse(h, 64, &info), -1);
	h[12] = 0x22;
	ck_assert_int_eq(parse(h, 64, &info), -1);
	h[12] = 0x21;
	h[13] = 0x41;
	ck_assert_int_eq(parse(h, 64, &info), -1);
	h[12] = 0x20; // LOCAL: whatever follows is skipped
	ck_assert_int_eq(parse(h, 64, &info), 28);
	ck_assert(info.local);
}
END_TEST

UNIT_MAIN("runtime/proxy",
	  ADD(test_proxy_parse_v1_gives_addresses) ADD(test_proxy_parse_broken_v1_is_refused)
	      ADD(test_proxy_format_read_back_is_the_same) ADD(test_proxy_parse_v2_lengths_are_checked))
