// SPDX-License-Identifier: Apache-2.0
//
// The fast CRC is zlib's, whatever the length, the alignment and the pieces.
#include "layerfs/crc.h"

#include "tests/unit/unit.h"

#include <zlib.h>

START_TEST(test_crc_add_equals_zlib)
{
	static uint8_t data[5000];
	uint32_t x = 1, pieces = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	ck_assert_uint_eq(crc_add(0, "123456789", 9), 0xcbf43926);
	for (size_t at = 0; at < 20; at++) {
		for (size_t n = 0; n + at < sizeof(data); n += 1 + n / 7)
			ck_assert_uint_eq(crc_add(7, data + at, n), crc32_z(7, data + at, n));
	}
	for (size_t at = 0; at < sizeof(data); at += 100)
		pieces = crc_add(pieces, data + at, 100);
	ck_assert_uint_eq(pieces, crc32_z(0, data, sizeof(data)));
}
END_TEST

// As if the bytes, or so many zeros, had been added one after the other: lengths around powers of two, and none.
START_TEST(test_crc_join_and_add_zeros_equal_the_bytes)
{
	static uint8_t data[70000], zeros[70000];
	uint32_t begun = crc_add(0, "begun", 5);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t n = 0; n < sizeof(data); n = n * 2 + n % 3 + 1) {
		ck_assert_uint_eq(crc_join(begun, crc_add(0, data, n), n), crc_add(begun, data, n));
		ck_assert_uint_eq(crc_join(0, crc_add(0, data, n), n), crc_add(0, data, n));
		ck_assert_uint_eq(crc_add_zeros(begun, n), crc_add(begun, zeros, n));
		ck_assert_uint_eq(crc_add_zeros(0, n), crc_add(0, zeros, n));
	}
}
END_TEST

// Past 32 bits of length: what a few gigabytes of zeros give, and lengths that no zlib would take.
START_TEST(test_crc_add_zeros_of_any_length_is_right)
{
	static const uint8_t zeros[1 << 20];
	uint32_t crc = 7;

	for (int i = 0; i < 4097; i++)
		crc = crc_add(crc, zeros, sizeof(zeros));
	ck_assert_uint_eq(crc_add_zeros(7, UINT64_C(4097) << 20), crc);
	crc = crc_add_zeros(crc_add_zeros(7, UINT64_MAX / 2), UINT64_MAX / 2);
	ck_assert_uint_eq(crc_add_zeros(7, UINT64_MAX - 1), crc);
}
END_TEST

UNIT_MAIN("layerfs/crc", ADD(test_crc_add_equals_zlib) ADD(test_crc_join_and_add_zeros_equal_the_bytes)
	  ADD(test_crc_add_zeros_of_any_length_is_right))
