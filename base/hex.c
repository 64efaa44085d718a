// SPDX-License-Identifier: Apache-2.0
//
// Hex by table and by range test: no locale's isxdigit, no scanf.
#include "base/hex.h"

char *hex_encode(const void *data, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * n] = '\0';
	return out;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int hex_decode(const char *text, size_t text_len, void *out, size_t n)
{
	unsigned char *o = out;

	if (text_len % 2 || text_len / 2 != n)
		return -1;
	for (size_t i = 0; i < n; i++) {
		int hi = digit_value(text[2 * i]), lo = digit_value(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return -1;
		o[i] = (unsigned char)(hi << 4 | lo);
	}
	return 0;
}
