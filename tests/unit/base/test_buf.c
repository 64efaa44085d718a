// SPDX-License-Identifier: Apache-2.0
//
// The growing buffer: what goes in comes out, its ceiling holds, failure leaves it as it was.
#include "base/buf.h"

#include "base/fault.h"
#include "tests/unit/unit.h"

#include <string.h>

static bool fail_alloc(enum fault_point point)
{
	return point == FAULT_ALLOC;
}

START_TEST(test_buf_add_many_pieces_are_joined)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	for (int i = 0; i < 1000; i++) {
		assert_ok(buf_add(&b, "abc", 3, &err));
		assert_ok(buf_add_byte(&b, (uint8_t)i, &err));
	}
	ck_assert_uint_eq(b.len, 4000);
	for (int i = 0; i < 1000; i++) {
		ck_assert(!memcmp(b.data + 4 * i, "abc", 3));
		ck_assert_uint_eq(b.data[4 * i + 3], i & 255);
	}
}
END_TEST

START_TEST(test_buf_add_nothing_is_fine)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4);
	struct err err = ERR_INIT;

	assert_ok(buf_add(&b, NULL, 0, &err));
	ck_assert_uint_eq(b.len, 0);
	assert_ok(buf_add_str(&b, "", &err));
	buf_consume(&b, 0);
	ck_assert_str_eq(buf_cstr(&b, &err), "");
}
END_TEST

START_TEST(test_buf_add_past_ceiling_is_limit_and_keeps_content)
{
	_cleanup_buf_ struct buf b = BUF_INIT(4);
	struct err err = ERR_INIT;

	assert_ok(buf_add(&b, "abcd", 4, &err));
	ck_assert_int_eq(buf_add_byte(&b, 'e', &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_uint_eq(b.len, 4);
	ck_assert(!memcmp(b.data, "abcd", 4));
}
END_TEST

START_TEST(test_buf_reserve_overflowing_size_is_no_memory)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(buf_add_byte(&b, 'x', &err));
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX, &err), -1);
	ck_assert_int_eq(err.class, ERR_MEMORY);
	ck_assert_uint_eq(b.len, 1);
}
END_TEST

START_TEST(test_buf_add_without_memory_keeps_content)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	char big[4096] = {0};

	assert_ok(buf_add_str(&b, "kept", &err));
	base_fault_hook = fail_alloc;
	ck_assert_int_eq(buf_add(&b, big, sizeof(big), &err), -1);
	base_fault_hook = NULL;
	ck_assert_int_eq(err.class, ERR_MEMORY);
	ck_assert_str_eq(buf_cstr(&b, &err), "kept");
}
END_TEST

START_TEST(test_buf_printf_formats_behind_content)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(buf_printf(&b, &err, "%d-", 7));
	assert_ok(buf_printf(&b, &err, "%s%c%300d", "x", 'y', 1));
	ck_assert_uint_eq(b.len, 2 + 2 + 300);
	ck_assert(!strncmp(buf_cstr(&b, &err), "7-xy   ", 7));
}
END_TEST

START_TEST(test_buf_cstr_terminates_without_counting)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(buf_add(&b, "abc", 3, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "abc");
	ck_assert_uint_eq(b.len, 3);
	assert_ok(buf_add_byte(&b, 'd', &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "abcd");
}
END_TEST

START_TEST(test_buf_consume_drops_the_front)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(buf_add_str(&b, "abcdef", &err));
	buf_consume(&b, 2);
	ck_assert_str_eq(buf_cstr(&b, &err), "cdef");
	buf_consume(&b, 4);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(test_buf_free_twice_leaves_it_usable)
{
	struct buf b = BUF_INIT(9);
	struct err err = ERR_INIT;

	assert_ok(buf_add_str(&b, "abc", &err));
	buf_free(&b);
	buf_free(&b);
	ck_assert_uint_eq(b.max, 9);
	assert_ok(buf_add_str(&b, "def", &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "def");
	buf_free(&b);
}
END_TEST

UNIT_MAIN("base/buf",
	  ADD(test_buf_add_many_pieces_are_joined) ADD(test_buf_add_nothing_is_fine)
	      ADD(test_buf_add_past_ceiling_is_limit_and_keeps_content)
		  ADD(test_buf_reserve_overflowing_size_is_no_memory) ADD(test_buf_add_without_memory_keeps_content)
		      ADD(test_buf_printf_formats_behind_content) ADD(test_buf_cstr_terminates_without_counting)
			  ADD(test_buf_consume_drops_the_front) ADD(test_buf_free_twice_leaves_it_usable))
