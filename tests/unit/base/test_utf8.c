// SPDX-License-Identifier: Apache-2.0
//
// UTF-8: every scalar value makes the round trip; the classic ill-formed sequences do not pass.
#include "base/utf8.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(test_utf8_encode_every_scalar_round_trips)
{
	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char out[4];
		uint32_t back;

		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		size_t n = utf8_encode(c, out);
		if (utf8_next(out, n, &back) != n || back != c || (n > 1 && utf8_next(out, n - 1, NULL)))
			ck_abort_msg("U+%04X", (unsigned)c); // ck_assert a million times takes seconds
	}
}
END_TEST

START_TEST(test_utf8_valid_ill_formed_is_refused)
{
	static const char *const bad[] = {"\x80",	      "\xbf",	      "\xc0\x80",     "\xc1\xbf",	  "\xc2",
					  "\xe0\x9f\xbf",     "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
					  "\xf5\x80\x80\x80", "\xff",	      "a\xe2\x82",    "\xe2\x28\xa1"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!utf8_valid(bad[i], strlen(bad[i])), "row %zu", i);
	ck_assert(utf8_valid("", 0));
	ck_assert(utf8_valid("a\0\xc3\xa9", 4));
}
END_TEST

UNIT_MAIN("base/utf8", ADD(test_utf8_encode_every_scalar_round_trips) ADD(test_utf8_valid_ill_formed_is_refused))
