// SPDX-License-Identifier: Apache-2.0
//
// The encoder of RFC 3492 section 6.3 with the parameters of section 5. Labels are at most 63 characters (a longer one
// is no label, RFC 1035 2.3.4), so the deltas stay below 2^21 * 64 and fit 32 bits with room to spare.
#include "runtime/common/punycode.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { BASE = 36, TMIN = 1, TMAX = 26, SKEW = 38, DAMP = 700, INITIAL_BIAS = 72, INITIAL_N = 128, LABEL_MAX = 63 };

struct out {
	char *p;
	size_t len, cap;
};

static int put(struct out *o, char c)
{
	if (o->len + 1 >= o->cap)
		return -1;
	o->p[o->len++] = c;
	return 0;
}

static int put_text(struct out *o, const char *s)
{
	for (; *s; s++)
		if (put(o, *s) < 0)
			return -1;
	return 0;
}

static uint32_t adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta /= first ? DAMP : 2;
	delta += delta / points;
	for (; delta > ((BASE - TMIN) * TMAX) / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static int put_varint(struct out *o, uint32_t q, uint32_t bias)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias ? TMIN : k >= bias + TMAX ? TMAX : k - bias;

		if (q < t)
			return put(o, digits[q]);
		if (put(o, digits[t + (q - t) % (BASE - t)]) < 0)
			return -1;
		q = (q - t) / (BASE - t);
	}
}

static int encode_label(const uint32_t *cp, uint32_t count, struct out *o)
{
	uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS, basic = 0, done;

	if (put_text(o, "xn--") < 0)
		return -1;
	for (uint32_t i = 0; i < count; i++)
		if (cp[i] < 0x80) {
			if (put(o, (char)cp[i]) < 0)
				return -1;
			basic++;
		}
	if (basic && put(o, '-') < 0)
		return -1;
	for (done = basic; done < count; delta++, n++) {
		uint32_t m = UINT32_MAX;

		for (uint32_t i = 0; i < count; i++)
			if (cp[i] >= n && cp[i] < m)
				m = cp[i];
		delta += (m - n) * (done + 1);
		n = m;
		for (uint32_t i = 0; i < count; i++) {
			if (cp[i] < n)
				delta++;
			if (cp[i] != n)
				continue;
			if (put_varint(o, delta, bias) < 0)
				return -1;
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return 0;
}

// Decodes one character; returns its bytes, 0 if they are no UTF-8 (overlong forms and surrogates are none).
static size_t utf8_next(const uint8_t *p, size_t n, uint32_t *cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (len == 0 || len > n)
		return 0;
	*cp = len == 1 ? p[0] : p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*cp = *cp << 6 | (p[i] & 0x3f);
	}
	return *cp < least[len] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000) ? 0 : len;
}

static int put_label(const uint32_t *cp, uint32_t count, bool ascii, struct out *o)
{
	if (!ascii)
		return encode_label(cp, count, o);
	for (uint32_t i = 0; i < count; i++)
		if (put(o, (char)cp[i]) < 0)
			return -1;
	return 0;
}

int punycode_name(const char *name, size_t n, char *out, size_t cap)
{
	struct out o = {out, 0, cap};
	uint32_t cp[LABEL_MAX], count = 0, c;
	bool ascii = true;

	if (cap == 0)
		return -1;
	for (size_t i = 0, step; i < n; i += step) {
		step = utf8_next((const uint8_t *)name + i, n - i, &c);
		if (step == 0)
			return -1;
		if (c == '.') {
			if (put_label(cp, count, ascii, &o) < 0 || put(&o, '.') < 0)
				return -1;
			count = 0;
			ascii = true;
			continue;
		}
		if (count == LABEL_MAX)
			return -1;
		ascii = ascii && c < 0x80;
		cp[count++] = c >= 'A' && c <= 'Z' ? c + 32 : c;
	}
	if (put_label(cp, count, ascii, &o) < 0)
		return -1;
	out[o.len] = '\0';
	return 0;
}
