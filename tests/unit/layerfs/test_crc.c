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

UNIT_MAIN("layerfs/crc", ADD(test_crc_add_equals_zlib))
