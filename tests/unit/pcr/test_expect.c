// SPDX-License-Identifier: Apache-2.0
//
// Expected registers fail closed: absent, short, zero and other values are a no; empty and zero expectations are
// errors.
#include "pcr/expect.h"

#include "tests/unit/unit.h"

#include <string.h>

START_TEST(test_pcr_expect_check_only_an_equal_value_passes)
{
	struct err err = ERR_INIT;
	_cleanup_pcr_expect_ struct pcr_expect e = PCR_EXPECT_INIT;
	uint8_t a[PCR_SIZE], b[PCR_SIZE], zero[PCR_SIZE] = {0};

	memset(a, 1, sizeof(a));
	memset(b, 2, sizeof(b));
	assert_ok(pcr_expect_add(&e, 0, a, &err));
	assert_ok(pcr_expect_check(&e, 0, a, sizeof(a), &err));
	assert_ok(pcr_expect_check(&e, 1, NULL, 0, &err)); // nothing is expected of PCR1
	ck_assert_int_eq(pcr_expect_check(&e, 0, b, sizeof(b), &err), -1);
	ck_assert_int_eq(err.class, ERR_MISMATCH);
	ck_assert_int_eq(pcr_expect_check(&e, 0, NULL, 0, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "absent"));
	ck_assert_int_eq(pcr_expect_check(&e, 0, a, 32, &err), -1);
	ck_assert_int_eq(pcr_expect_check(&e, 0, a, 0, &err), -1);
	ck_assert_int_eq(pcr_expect_check(&e, 0, zero, sizeof(zero), &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "all zero"));
	assert_ok(pcr_expect_add(&e, 0, b, &err)); // a rollover: either
	assert_ok(pcr_expect_check(&e, 0, a, sizeof(a), &err));
	assert_ok(pcr_expect_check(&e, 0, b, sizeof(b), &err));
	ck_assert(pcr_expect_has(&e, 0) && !pcr_expect_has(&e, 1));
	ck_assert_mem_eq(pcr_expect_first(&e, 0), a, sizeof(a));
	ck_assert_ptr_null(pcr_expect_first(&e, 1));
}
END_TEST

START_TEST(test_pcr_expect_add_what_cannot_be_expected_is_refused)
{
	struct err err = ERR_INIT;
	_cleanup_pcr_expect_ struct pcr_expect e = PCR_EXPECT_INIT;
	char hex[2 * PCR_SIZE + 2];

	memset(hex, '0', sizeof(hex));
	hex[2 * PCR_SIZE] = '\0';
	ck_assert_int_eq(pcr_expect_add_hex(&e, 0, hex, &err), -1); // zeros
	hex[5] = 'a';
	assert_ok(pcr_expect_add_hex(&e, 31, hex, &err));
	ck_assert_int_eq(pcr_expect_add_hex(&e, 32, hex, &err), -1);
	hex[5] = 'g';
	ck_assert_int_eq(pcr_expect_add_hex(&e, 0, hex, &err), -1);
	ck_assert_int_eq(pcr_expect_add_hex(&e, 0, hex + 1, &err), -1);
	ck_assert_int_eq(pcr_expect_add_hex(&e, 0, "", &err), -1);
	ck_assert_uint_eq(e.count, 1);
}
END_TEST

UNIT_MAIN("pcr/expect", ADD(test_pcr_expect_check_only_an_equal_value_passes)
	ADD(test_pcr_expect_add_what_cannot_be_expected_is_refused))
