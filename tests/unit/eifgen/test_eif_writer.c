// SPDX-License-Identifier: Apache-2.0
//
// What a warm prediction asks of the writer: marks of the registers' state that nobody waits for, going on from one,
// and room to make data in. With threads and without them.
#include "eifgen/eif.h"
#include "tests/unit/unit.h"

#include <string.h>

enum { SIZE = 1500000, PLACES = 6 };
static const size_t places[PLACES] = {0, 1, 256 * 1024, 256 * 1024 + 1, 777777, SIZE}; // a block is 256 KiB

static struct err err;
static uint8_t data[SIZE];

// A writer that stands at the beginning of the second ramdisk.
static struct eif_writer *begun(bool threads)
{
	struct eif_writer *w = eif_writer_new(-1, EIF_X86_64, &err);

	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	ck_assert_ptr_nonnull(w);
	if (threads)
		assert_ok(eif_writer_use_threads(w, 0, &err));
	assert_ok(eif_writer_section(w, EIF_SECTION_KERNEL, &err));
	assert_ok(eif_writer_write(w, data, 300001, &err));
	assert_ok(eif_writer_section(w, EIF_SECTION_RAMDISK, &err));
	assert_ok(eif_writer_write(w, data, 4096, &err));
	assert_ok(eif_writer_section(w, EIF_SECTION_RAMDISK, &err));
	return w;
}

static void write_from_to(struct eif_writer *w, size_t from, size_t to)
{
	for (size_t n; from < to; from += n) {
		n = to - from < 10007 ? to - from : 10007;
		assert_ok(eif_writer_write(w, data + from, n, &err));
	}
}

static void finish(struct eif_writer *w, struct pcr_values *v)
{
	assert_ok(eif_writer_measure(w, v, &err));
	eif_writer_free(w);
}

START_TEST(test_eif_writer_mark_is_the_state_that_save_gives)
{
	static uint8_t marks[PLACES][PCR_MEASURE_STATE], saved[PCR_MEASURE_STATE];
	struct eif_writer *marking = begun(_i), *saving = begun(false);
	size_t at = 0;

	for (int i = 0; i < PLACES; at = places[i++]) {
		write_from_to(marking, at, places[i]);
		assert_ok(eif_writer_mark(marking, marks[i], &err));
	}
	assert_ok(eif_writer_settle(marking, &err));
	at = 0;
	for (int i = 0; i < PLACES; at = places[i++]) {
		write_from_to(saving, at, places[i]);
		assert_ok(eif_writer_save(saving, saved, &err));
		ck_assert_mem_eq(marks[i], saved, PCR_MEASURE_STATE);
	}
	eif_writer_free(marking);
	eif_writer_free(saving);
}
END_TEST

START_TEST(test_eif_writer_resume_of_a_mark_gives_the_same_registers)
{
	uint8_t mark[PCR_MEASURE_STATE];
	struct pcr_values whole, resumed;
	struct eif_writer *w = begun(_i);

	write_from_to(w, 0, places[4]);
	assert_ok(eif_writer_mark(w, mark, &err));
	write_from_to(w, places[4], SIZE);
	finish(w, &whole);
	w = begun(_i);
	assert_ok(eif_writer_resume(w, mark, places[4], &err));
	write_from_to(w, places[4], SIZE);
	finish(w, &resumed);
	ck_assert_mem_eq(whole.pcr0, resumed.pcr0, PCR_SIZE);
	ck_assert_mem_eq(whole.pcr1, resumed.pcr1, PCR_SIZE);
	ck_assert_mem_eq(whole.pcr2, resumed.pcr2, PCR_SIZE);
}
END_TEST

START_TEST(test_eif_writer_room_is_filled_like_a_write)
{
	struct eif_writer *a = begun(_i), *b = begun(false);
	struct pcr_values written, filled;
	uint64_t size;
	size_t at = 0;

	write_from_to(b, 0, SIZE);
	while (at < SIZE) {
		size_t n;
		void *to = eif_writer_room(a, &n, &err);

		ck_assert(to && n);
		n = n < SIZE - at ? n / 3 + 1 : SIZE - at;
		memcpy(to, data + at, n);
		assert_ok(eif_writer_filled(a, n, &err));
		at += n;
	}
	size = eif_writer_size(b);
	ck_assert_uint_eq(eif_writer_size(a), size);
	finish(a, &filled);
	finish(b, &written);
	ck_assert_mem_eq(filled.pcr0, written.pcr0, PCR_SIZE);
	ck_assert_mem_eq(filled.pcr2, written.pcr2, PCR_SIZE);
}
END_TEST

START_TEST(test_eif_writer_room_outside_a_section_is_refused)
{
	struct eif_writer *w = eif_writer_new(-1, EIF_X86_64, &err);
	size_t n;

	ck_assert_ptr_null(eif_writer_room(w, &n, &err));
	ck_assert_int_eq(err.class, ERR_USAGE);
	eif_writer_free(w);
}
END_TEST

#define ADD_BOTH(test) tcase_add_loop_test(tc_, test, 0, 2);

UNIT_MAIN("eifgen/eif_writer", ADD_BOTH(test_eif_writer_mark_is_the_state_that_save_gives)
	  ADD_BOTH(test_eif_writer_resume_of_a_mark_gives_the_same_registers)
	  ADD_BOTH(test_eif_writer_room_is_filled_like_a_write) ADD(test_eif_writer_room_outside_a_section_is_refused))
