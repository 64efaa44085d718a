// SPDX-License-Identifier: Apache-2.0
//
// The registers against values that AWS's eif_build printed (testdata/eif/expected.tsv) and against their definition.
#include "pcr/pcr.h"

#include "base/hex.h"
#include "tests/unit/unit.h"

#include <string.h>

static const char *const empty_pcr = "21b9efbc184807662e966d34f390821309eeac6802309798826296bf3e8bec7c"
				     "10edb30948c90ba67310f7b964fc500a";

static const char *hex(const uint8_t pcr[PCR_SIZE])
{
	static char text[2 * PCR_SIZE + 1];

	return hex_encode(pcr, PCR_SIZE, text);
}

// kinds: one letter a section, k for kernel or cmdline, r for a ramdisk; its data is its own letter and index.
static void measure(const char *kinds, struct pcr_values *v)
{
	struct err err = ERR_INIT;
	struct pcr_measure *m = pcr_measure_new(&err);

	for (size_t i = 0; kinds[i]; i++) {
		char data[2] = {kinds[i], (char)('0' + i)};

		assert_ok(pcr_measure_section(m, kinds[i] == 'r' ? PCR_RAMDISK : PCR_KERNEL_CMDLINE, &err));
		assert_ok(pcr_measure_update(m, data, 1, &err));
		assert_ok(pcr_measure_update(m, data + 1, 1, &err));
	}
	assert_ok(pcr_measure_final(m, v, &err));
	pcr_measure_free(m);
}

static void check(const uint8_t pcr[PCR_SIZE], const char *data)
{
	struct err err = ERR_INIT;
	uint8_t want[PCR_SIZE];

	assert_ok(pcr8_of_der(data, strlen(data), want, &err)); // the same rule: one hash, one extend
	ck_assert_mem_eq(pcr, want, PCR_SIZE);
}

START_TEST(test_pcr_measure_no_second_ramdisk_gives_the_constant_pcr2)
{
	struct pcr_values v;

	measure("kkr", &v);
	ck_assert_str_eq(hex(v.pcr2), empty_pcr);
	ck_assert_mem_eq(v.pcr0, v.pcr1, PCR_SIZE);
	measure("", &v);
	ck_assert_str_eq(hex(v.pcr0), empty_pcr);
	ck_assert_str_eq(hex(v.pcr1), empty_pcr);
}
END_TEST

START_TEST(test_pcr_measure_three_ramdisks_split_after_the_first)
{
	struct pcr_values v;

	measure("kkrrr", &v);
	check(v.pcr0, "k0k1r2r3r4");
	check(v.pcr1, "k0k1r2");
	check(v.pcr2, "r3r4");
}
END_TEST

START_TEST(test_pcr_measure_odd_order_keeps_file_order)
{
	struct pcr_values v;

	measure("rkrkr", &v);
	check(v.pcr0, "r0k1r2k3r4");
	check(v.pcr1, "r0k1k3");
	check(v.pcr2, "r2r4");
}
END_TEST

START_TEST(test_pcr_extend_may_write_over_its_input)
{
	struct err err = ERR_INIT;
	uint8_t a[PCR_SIZE] = {1}, b[PCR_SIZE] = {2}, out[PCR_SIZE];

	assert_ok(pcr_extend(a, b, out, &err));
	assert_ok(pcr_extend(a, b, a, &err));
	ck_assert_mem_eq(a, out, PCR_SIZE);
}
END_TEST

START_TEST(test_pcr_value_gives_what_is_there_and_nothing_else)
{
	struct pcr_values v = {.has_pcr8 = false};

	ck_assert_ptr_eq(pcr_value(&v, 0), v.pcr0);
	ck_assert_ptr_eq(pcr_value(&v, 1), v.pcr1);
	ck_assert_ptr_eq(pcr_value(&v, 2), v.pcr2);
	ck_assert_ptr_null(pcr_value(&v, 8)); // not signed
	v.has_pcr8 = true;
	ck_assert_ptr_eq(pcr_value(&v, 8), v.pcr8);
	ck_assert_ptr_null(pcr_value(&v, 3));
	ck_assert_ptr_null(pcr_value(&v, 32));
}
END_TEST

UNIT_MAIN("pcr/pcr", ADD(test_pcr_value_gives_what_is_there_and_nothing_else)
	ADD(test_pcr_measure_no_second_ramdisk_gives_the_constant_pcr2)
	ADD(test_pcr_measure_three_ramdisks_split_after_the_first) ADD(test_pcr_measure_odd_order_keeps_file_order)
	ADD(test_pcr_extend_may_write_over_its_input))
