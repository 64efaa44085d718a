// SPDX-License-Identifier: Apache-2.0
//
// Allocation: overflow and refusal are reported, nothing is lost on failure.
#include "base/mem.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>

static int countdown;

static bool fail_nth_alloc(enum fault_point point)
{
	return point == FAULT_ALLOC && --countdown == 0;
}

START_TEST(test_mem_alloc_zero_is_a_pointer)
{
	struct err err = ERR_INIT;
	void *a = mem_alloc(0, &err), *b = mem_zalloc(0, 8, &err), *c = mem_resize(NULL, 0, 8, &err);

	ck_assert(a && b && c && a != b);
	free(a);
	free(b);
	free(c);
}
END_TEST

START_TEST(test_mem_zalloc_overflow_is_no_memory)
{
	struct err err = ERR_INIT;

	ck_assert_ptr_null(mem_zalloc(SIZE_MAX / 2, 3, &err));
	ck_assert_int_eq(err.class, ERR_MEMORY);
	err = (struct err)ERR_INIT;
	ck_assert_ptr_null(mem_resize(NULL, SIZE_MAX / 2, 3, &err));
	ck_assert_int_eq(err.class, ERR_MEMORY);
	err = (struct err)ERR_INIT;
	ck_assert_ptr_null(mem_dup("x", SIZE_MAX, &err));
	ck_assert_int_eq(err.class, ERR_MEMORY);
}
END_TEST

START_TEST(test_mem_zalloc_memory_is_zero)
{
	struct err err = ERR_INIT;
	unsigned char *p = mem_zalloc(100, 3, &err);

	for (int i = 0; i < 300; i++)
		ck_assert_uint_eq(p[i], 0);
	free(p);
}
END_TEST

START_TEST(test_mem_resize_failure_keeps_the_old_block)
{
	struct err err = ERR_INIT;
	char *p = mem_strdup("kept", &err);

	ck_assert_ptr_null(mem_resize(p, SIZE_MAX, 2, &err));
	countdown = 1;
	base_fault_hook = fail_nth_alloc;
	ck_assert_ptr_null(mem_resize(p, 100, 1, &err));
	base_fault_hook = NULL;
	ck_assert_str_eq(p, "kept");
	free(p);
}
END_TEST

START_TEST(test_mem_dup_copies_bytes_and_terminates)
{
	struct err err = ERR_INIT;
	char *p = mem_dup("a\0b", 3, &err), *q = mem_dup(NULL, 0, &err);

	ck_assert(!memcmp(p, "a\0b", 4));
	ck_assert_str_eq(q, "");
	free(p);
	free(q);
}
END_TEST

START_TEST(test_mem_printf_text_of_any_length_fits)
{
	struct err err = ERR_INIT;
	char *p = mem_printf(&err, "%5000d|%s", 1, "end");

	ck_assert_uint_eq(strlen(p), 5004);
	ck_assert_str_eq(p + 5000, "|end");
	free(p);
}
END_TEST

START_TEST(test_mem_grow_array_doubles_and_failure_keeps_it)
{
	struct err err = ERR_INIT;
	int *items = NULL;
	size_t cap = 0, used = 0;

	for (; used < 1000; used++) {
		assert_ok(mem_grow(&items, &cap, used, sizeof(*items), &err));
		items[used] = (int)used;
	}
	ck_assert_uint_ge(cap, 1000);
	ck_assert_int_eq(items[999], 999);
	countdown = 1;
	base_fault_hook = fail_nth_alloc;
	ck_assert_int_eq(mem_grow(&items, &cap, cap, sizeof(*items), &err), -1);
	base_fault_hook = NULL;
	ck_assert_int_eq(err.class, ERR_MEMORY);
	ck_assert_int_eq(items[999], 999);

	size_t huge = SIZE_MAX;
	ck_assert_int_eq(mem_grow(&items, &huge, huge, sizeof(*items), &err), -1);
	free(items);
}
END_TEST

START_TEST(test_mem_each_call_asks_the_fault_hook)
{
	struct err err = ERR_INIT;

	base_fault_hook = fail_nth_alloc;
	countdown = 1;
	ck_assert_ptr_null(mem_alloc(1, &err));
	countdown = 1;
	ck_assert_ptr_null(mem_zalloc(1, 1, &err));
	countdown = 1;
	ck_assert_ptr_null(mem_dup("x", 1, &err));
	countdown = 1;
	ck_assert_ptr_null(mem_strdup("x", &err));
	countdown = 1;
	ck_assert_ptr_null(mem_printf(&err, "x"));
	base_fault_hook = NULL;
	ck_assert_int_eq(err.class, ERR_MEMORY);
	ck_assert_str_eq(err.msg, "out of memory");
}
END_TEST

START_TEST(test_cleanup_handed_over_resources_survive)
{
	struct err err = ERR_INIT;
	char *kept;
	int fd;

	{
		_cleanup_free_ char *p = mem_strdup("x", &err);
		_cleanup_close_ int f = open("/dev/null", O_RDONLY);

		kept = steal_ptr(&p);
		fd = steal_fd(&f);
		ck_assert_ptr_null(p);
		ck_assert_int_eq(f, -1);
	}
	ck_assert_str_eq(kept, "x");
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	{
		_cleanup_close_ int f = fd;

		errno = EBADMSG;
		(void)f;
	}
	ck_assert_int_eq(errno, EBADMSG); // a cleanup keeps errno
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	free(kept);
}
END_TEST

UNIT_MAIN("base/mem",
	  ADD(test_mem_alloc_zero_is_a_pointer) ADD(test_mem_zalloc_overflow_is_no_memory)
	      ADD(test_mem_zalloc_memory_is_zero) ADD(test_mem_resize_failure_keeps_the_old_block)
		  ADD(test_mem_dup_copies_bytes_and_terminates) ADD(test_mem_printf_text_of_any_length_fits)
		      ADD(test_mem_grow_array_doubles_and_failure_keeps_it) ADD(test_mem_each_call_asks_the_fault_hook)
			  ADD(test_cleanup_handed_over_resources_survive))
