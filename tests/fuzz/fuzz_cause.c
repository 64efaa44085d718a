// SPDX-License-Identifier: Apache-2.0
//
// Two versions of a file and a path, judged: path, NUL, the length of the first version (one byte), both versions.
#include "eifgen/cause.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
	const uint8_t *p;
	size_t n;
};

static ssize_t read_bytes(void *ctx, uint64_t off, void *p, size_t n, struct err *err)
{
	struct bytes *b = ctx;

	(void)err;
	if (off >= b->n)
		return 0;
	if (n > b->n - off)
		n = b->n - off;
	memcpy(p, b->p + off, n);
	return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const uint8_t *end = data + n, *one = memchr(data, 0, n);
	size_t split = one && one + 1 < end ? one[1] : 0;
	struct bytes a, b;
	struct cause cause;

	if (!one || end - one < 2)
		return 0;
	a.p = one + 2;
	a.n = split < (size_t)(end - a.p) ? split : (size_t)(end - a.p);
	b.p = a.p + a.n;
	b.n = (size_t)(end - b.p);
	struct entropy_file fa = {read_bytes, &a, a.n}, fb = {read_bytes, &b, b.n};
	cause_judge((const char *)data, DIFF_CONTENT, &fa, &fb, &cause, NULL);
	return 0;
}
