// SPDX-License-Identifier: Apache-2.0
//
// RFC 3629 table 3-7 of Unicode in code: the first byte gives the length and the range of the second; every further
// byte is 80..bf.
//
//   00..7f | c2..df 80.. | e0 a0..bf .. | e1..ec,ee,ef 80..bf .. | ed 80..9f ..
//          | f0 90..bf .. .. | f1..f3 .. | f4 80..8f ..
#include "base/utf8.h"

size_t utf8_next(const void *data, size_t n, uint32_t *c)
{
	const uint8_t *p = data;
	uint8_t low = 0x80, high = 0xbf;
	size_t len;
	uint32_t v;

	if (!n)
		return 0;
	if (p[0] < 0x80) {
		if (c)
			*c = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; // shorter forms exist
	else if (p[0] == 0xed)
		high = 0x9f; // surrogates
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f; // past U+10FFFF
	if (p[1] < low || p[1] > high)
		return 0;
	v = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3fu);
	}
	if (c)
		*c = v;
	return len;
}

bool utf8_valid(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n) {
		size_t len = utf8_next(b, n, NULL);

		if (!len)
			return false;
		b += len;
		n -= len;
	}
	return true;
}

size_t utf8_encode(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}
