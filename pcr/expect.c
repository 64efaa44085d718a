// SPDX-License-Identifier: Apache-2.0
//
// A flat list is enough: there are 32 registers and a handful of values. The message of a mismatch carries the first
// value that was wanted and the one that is there, in full, because that is what people paste into a ticket.
#include "pcr/expect.h"

#include "base/hex.h"
#include "base/mem.h"

#include <string.h>

static bool all_zero(const uint8_t *p, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return !any;
}

int pcr_expect_add(struct pcr_expect *e, unsigned index, const uint8_t value[PCR_SIZE], struct err *err)
{
	if (index >= PCR_COUNT)
		return err_set(err, ERR_USAGE, "there is no PCR%u", index);
	if (all_zero(value, PCR_SIZE))
		return err_set(err, ERR_USAGE, "PCR%u: zeros are what debug mode shows, and cannot be expected", index);
	if (mem_grow(&e->items, &e->cap, e->count, sizeof(*e->items), err))
		return -1;
	e->items[e->count].index = index;
	memcpy(e->items[e->count++].value, value, PCR_SIZE);
	return 0;
}

int pcr_expect_add_hex(struct pcr_expect *e, unsigned index, const char *hex, struct err *err)
{
	uint8_t value[PCR_SIZE];

	if (hex_decode(hex, strlen(hex), value, PCR_SIZE))
		return err_set(err, ERR_USAGE, "PCR%u: not %d hex digits", index, 2 * PCR_SIZE);
	return pcr_expect_add(e, index, value, err);
}

const uint8_t *pcr_expect_first(const struct pcr_expect *e, unsigned index)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->items[i].index == index)
			return e->items[i].value;
	return NULL;
}

bool pcr_expect_has(const struct pcr_expect *e, unsigned index)
{
	return pcr_expect_first(e, index) != NULL;
}

int pcr_expect_check(const struct pcr_expect *e, unsigned index, const uint8_t *actual, size_t n, struct err *err)
{
	const uint8_t *first = pcr_expect_first(e, index);
	char want[2 * PCR_SIZE + 1], have[2 * PCR_SIZE + 1];

	if (!first)
		return 0;
	for (size_t i = 0; i < e->count; i++)
		if (e->items[i].index == index && actual && n == PCR_SIZE && !all_zero(actual, n) &&
		    !memcmp(actual, e->items[i].value, PCR_SIZE))
			return 0;
	if (!actual)
		return err_set(err, ERR_MISMATCH, "PCR%u is absent", index);
	if (n != PCR_SIZE)
		return err_set(err, ERR_MISMATCH, "PCR%u has %zu bytes, not %d", index, n, PCR_SIZE);
	if (all_zero(actual, n))
		return err_set(err, ERR_MISMATCH, "PCR%u is all zero: an enclave in debug mode", index);
	return err_set(err, ERR_MISMATCH, "PCR%u is %s, not %s", index, hex_encode(actual, PCR_SIZE, have),
		       hex_encode(first, PCR_SIZE, want));
}

void pcr_expect_free(struct pcr_expect *e)
{
	free(e->items);
	*e = (struct pcr_expect)PCR_EXPECT_INIT;
}
