// SPDX-License-Identifier: Apache-2.0
//
// Expected registers: what an EIF or an attestation document must show. Fails closed: a register that is expected must
// be there, be 48 bytes long and not all zero (an enclave in debug mode shows zeros); an expectation of zeros is
// refused when it is made. Several values for one register mean any of them, so that an old and a new release both pass
// during a rollover.
#ifndef PCR_EXPECT_H
#define PCR_EXPECT_H

#include "base/err.h"
#include "pcr/pcr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PCR_COUNT = 32 }; // registers of a Nitro security module

struct pcr_expect_one {
	unsigned index;
	uint8_t value[PCR_SIZE];
};

struct pcr_expect {
	struct pcr_expect_one *items; // owned
	size_t count, cap;
};

#define PCR_EXPECT_INIT {NULL, 0, 0}

// Adds one value for register `index` (0..31). ERR_USAGE for another index, for zeros, for what is not 96 hex digits.
int pcr_expect_add(struct pcr_expect *e, unsigned index, const uint8_t value[PCR_SIZE], struct err *err);
int pcr_expect_add_hex(struct pcr_expect *e, unsigned index, const char *hex, struct err *err);
bool pcr_expect_has(const struct pcr_expect *e, unsigned index);
// The first value that was added for `index`, PCR_SIZE bytes inside *e; NULL if nothing is expected of it.
const uint8_t *pcr_expect_first(const struct pcr_expect *e, unsigned index);
// Holds `actual` (n bytes; NULL: the register is absent) against what is expected of `index`: 0 if nothing is or one of
// the values is equal; ERR_MISMATCH otherwise, with both values.
int pcr_expect_check(const struct pcr_expect *e, unsigned index, const uint8_t *actual, size_t n, struct err *err);
void pcr_expect_free(struct pcr_expect *e);
#define _cleanup_pcr_expect_ __attribute__((cleanup(pcr_expect_free)))

#endif
