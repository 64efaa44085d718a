// SPDX-License-Identifier: Apache-2.0
//
// SHA-384 with a state that can be kept: the known answer, EVP's answer, and any cut into two lives.
#include "pcr/sha384.h"

#include "base/hex.h"
#include "pcr/pcr.h"
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <string.h>

static struct err err;
static uint8_t data[1000];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 3);
}

START_TEST(test_sha384_known_answer)
{
	struct sha384 *s = sha384_new();
	uint8_t out[SHA384_DIGEST];
	char hex[2 * SHA384_DIGEST + 1];

	sha384_add(s, "abc", 3); // FIPS 180-4 example
	sha384_end(s, out);
	ck_assert_str_eq(hex_encode(out, sizeof(out), hex),
			 "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
			 "8086072ba1e7cc2358baeca134c825a7");
	sha384_free(s);
}
END_TEST

START_TEST(test_sha384_saved_state_goes_on_anywhere)
{
	struct sha384 *a = sha384_new(), *b = sha384_new();
	uint8_t want[EVP_MAX_MD_SIZE], out[SHA384_DIGEST], state[SHA384_STATE], again[SHA384_STATE];

	fill();
	ck_assert_int_eq(EVP_Digest(data, sizeof(data), want, NULL, EVP_sha384(), NULL), 1);
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		sha384_start(a);
		sha384_add(a, data, cut);
		sha384_save(a, state);
		sha384_start(b);
		sha384_add(b, "something else", 14);
		ck_assert(sha384_load(b, state));
		sha384_save(b, again);
		ck_assert_mem_eq(state, again, SHA384_STATE);
		sha384_add(b, data + cut, sizeof(data) - cut);
		sha384_end(b, out);
		ck_assert_mem_eq(out, want, SHA384_DIGEST);
	}
	sha384_free(a);
	sha384_free(b);
}
END_TEST

START_TEST(test_sha384_load_refuses_what_is_no_state)
{
	struct sha384 *a = sha384_new();
	uint8_t state[SHA384_STATE];

	sha384_add(a, "abc", 3);
	sha384_save(a, state);
	state[83] = 128; // as many bytes waiting as a whole block
	ck_assert(!sha384_load(a, state));
	state[83] = 4; // not what the length says
	ck_assert(!sha384_load(a, state));
	sha384_free(a);
}
END_TEST

START_TEST(test_pcr_measure_saved_in_any_section_gives_the_same_registers)
{
	struct pcr_values want, got;

	fill();
	for (int cut = 0; cut < 4; cut++) {
		struct pcr_measure *a = pcr_measure_new(&err), *b = pcr_measure_new(&err);
		uint8_t state[PCR_MEASURE_STATE];

		for (int i = 0; i < 4; i++) {
			assert_ok(pcr_measure_section(a, i == 0 ? PCR_KERNEL_CMDLINE : PCR_RAMDISK, &err));
			if (i >= cut && i > 0 && i != cut)
				assert_ok(pcr_measure_section(b, PCR_RAMDISK, &err));
			assert_ok(pcr_measure_update(a, data, 300 + (size_t)i, &err));
			if (i == cut) {
				pcr_measure_save(a, state);
				assert_ok(pcr_measure_load(b, state, &err));
				assert_ok(pcr_measure_update(a, data, 77, &err));
				assert_ok(pcr_measure_update(b, data, 77, &err));
			} else if (i > cut) {
				assert_ok(pcr_measure_update(b, data, 300 + (size_t)i, &err));
			}
		}
		assert_ok(pcr_measure_final(a, &want, &err));
		assert_ok(pcr_measure_final(b, &got, &err));
		ck_assert_mem_eq(want.pcr0, got.pcr0, PCR_SIZE);
		ck_assert_mem_eq(want.pcr1, got.pcr1, PCR_SIZE);
		ck_assert_mem_eq(want.pcr2, got.pcr2, PCR_SIZE);
		pcr_measure_free(a);
		pcr_measure_free(b);
	}
}
END_TEST

UNIT_MAIN("pcr/sha384", ADD(test_sha384_known_answer) ADD(test_sha384_saved_state_goes_on_anywhere)
	  ADD(test_sha384_load_refuses_what_is_no_state)
	  ADD(test_pcr_measure_saved_in_any_section_gives_the_same_registers))
