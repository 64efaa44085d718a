// SPDX-License-Identifier: Apache-2.0
//
// A request head parsed whole and byte by byte must have one verdict; a body decoded in two ways of cutting must give
// the same content and end at the same byte. The first input byte chooses the way of cutting.
#include "runtime/common/http1.h"

#include <stdlib.h>
#include <string.h>

static struct http1_head whole, stepped;

// FNV-1a over the content, so that nothing need be held.
static uint64_t decode(const struct http1_head *h, const char *p, size_t n, size_t step, long *end)
{
	uint64_t sum = UINT64_C(14695981039346656037);
	struct http1_decoder d;
	size_t at = 0;

	http1_decoder_init(&d, h);
	while (at < n && !http1_done(&d)) {
		struct http1_span c;
		long took = http1_decode(&d, p + at, n - at < step ? n - at : step, &c);

		if (took < 0) {
			*end = -1;
			return 0;
		}
		if (took == 0)
			abort();
		for (size_t i = 0; i < c.n; i++)
			sum = (sum ^ (unsigned char)c.p[i]) * UINT64_C(1099511628211);
		at += (size_t)took;
	}
	*end = (long)at;
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	size_t scanned = 0, n = size - 1, step;
	int rc, by_byte = 0;

	if (size < 1 || size > 4096)
		return 0;
	step = 1 + data[0] % 16;
	http1_sniff(p, n);
	rc = http1_parse_request(p, n, &scanned, &whole);
	scanned = 0;
	for (size_t i = 0; i <= n && by_byte == 0; i++)
		by_byte = http1_parse_request(p, i, &scanned, &stepped);
	if (rc != by_byte || (rc > 0 && (whole.body != stepped.body || whole.length != stepped.length)))
		abort();
	scanned = 0;
	if (rc <= 0)
		rc = http1_parse_response(p, n, &scanned, data[0] & 1, &whole);
	if (rc > 0) {
		long a, b;
		uint64_t x = decode(&whole, p + rc, n - (size_t)rc, n, &a);
		uint64_t y = decode(&whole, p + rc, n - (size_t)rc, step, &b);

		if (a != b || x != y)
			abort();
	}
	return 0;
}
