// SPDX-License-Identifier: Apache-2.0
//
// Hex both ways, and the small header-only parts beside it: byte order and checked arithmetic.
#include "base/be.h"
#include "base/checked.h"
#include "base/hex.h"

#include "tests/unit/unit.h"

#include <stdint.h>
#include <string.h>

START_TEST(test_hex_encode_every_byte_reads_back)
{
	unsigned char in[256], back[256];
	char text[513];

	for (int i = 0; i < 256; i++)
		in[i] = (unsigned char)i;
	ck_assert_ptr_eq(hex_encode(in, 256, text), text);
	ck_assert_uint_eq(strlen(text), 512);
	ck_assert(!strncmp(text, "000102", 6) && !strcmp(text + 506, "fdfeff"));
	ck_assert_int_eq(hex_decode(text, 512, back, 256), 0);
	ck_assert(!memcmp(in, back, 256));
}
END_TEST

START_TEST(test_hex_decode_upper_case_is_read)
{
	unsigned char out[3];

	ck_assert_int_eq(hex_decode("aBCdEf", 6, out, 3), 0);
	ck_assert(!memcmp(out, "\xab\xcd\xef", 3));
	ck_assert_int_eq(hex_decode("", 0, out, 0), 0);
	ck_assert_str_eq(hex_encode("", 0, (char[1]){'x'}), "");
}
END_TEST

START_TEST(test_hex_decode_bad_text_is_refused)
{
	static const char *const rows[] = {"0g", "g0", "@0", "G0", "`0", "/0", ":0", " 0", "0x", "\xff\xff"};
	unsigned char out[2];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_int_eq(hex_decode(rows[i], 2, out, 1), -1);
	ck_assert_int_eq(hex_decode("abc", 3, out, 1), -1);  // an odd length
	ck_assert_int_eq(hex_decode("abcd", 4, out, 1), -1); // too long, too short
	ck_assert_int_eq(hex_decode("ab", 2, out, 2), -1);
}
END_TEST

START_TEST(test_be_values_are_big_endian_at_any_address)
{
	unsigned char b[9] = {0};

	put_be64(b + 1, 0x0123456789abcdefULL);
	ck_assert(!memcmp(b + 1, "\x01\x23\x45\x67\x89\xab\xcd\xef", 8));
	ck_assert(get_be64(b + 1) == 0x0123456789abcdefULL);
	ck_assert_uint_eq(get_be32(b + 5), 0x89abcdefU);
	ck_assert_uint_eq(get_be16(b + 7), 0xcdef);
	put_be32(b + 1, 0xfffefdfcU);
	ck_assert_uint_eq(get_be32(b + 1), 0xfffefdfcU);
	put_be16(b + 1, 0x8001);
	ck_assert_uint_eq(get_be16(b + 1), 0x8001);
	ck_assert_uint_eq(get_le16(b + 1), 0x0180);
	ck_assert_uint_eq(get_le32("\x01\x02\x03\xff"), 0xff030201U);
}
END_TEST

START_TEST(test_ckd_results_that_do_not_fit_are_told)
{
	size_t n;
	uint32_t w;

	ck_assert(!ckd_add(&n, SIZE_MAX, (size_t)0));
	ck_assert_uint_eq(n, SIZE_MAX);
	ck_assert(ckd_add(&n, SIZE_MAX, (size_t)1));
	ck_assert(ckd_sub(&n, (size_t)0, (size_t)1));
	ck_assert(!ckd_mul(&n, SIZE_MAX, (size_t)1));
	ck_assert(ckd_mul(&n, SIZE_MAX / 2 + 1, (size_t)2));
	ck_assert(ckd_add(&w, UINT32_MAX, 1U));
	ck_assert(ckd_add(&w, -1, 0)); // the true result counts, whatever the types
}
END_TEST

UNIT_MAIN("base/hex", ADD(test_hex_encode_every_byte_reads_back) ADD(test_hex_decode_upper_case_is_read)
			  ADD(test_hex_decode_bad_text_is_refused) ADD(test_be_values_are_big_endian_at_any_address)
			      ADD(test_ckd_results_that_do_not_fit_are_told))
