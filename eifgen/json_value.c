// SPDX-License-Identifier: Apache-2.0
//
// A recursive-descent parser whose recursion is bounded by the depth that the caller grants (never more than 128), into
// one array of nodes linked by index, so that growing it moves nothing. Strings are decoded into one shared buffer.
//
// Doubles are written as the shortest digits that read back as the same double, then laid out by where the decimal
// point falls (position = digits before it): 1..16 plain with `.0` if whole, -4..0 as 0.000ddd, anything else
// d.ddde<exponent>.
#include "eifgen/json_value.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	DEPTH_MAX = 128,
	NUMBER_MAX = 4096, // characters of one number: nothing sane comes near, and strtod wants a NUL behind it
	FIXED_LOW = -4,	   // decimal point positions that are written without an exponent
	FIXED_HIGH = 16,
	SHORTEST_MAX = 17, // significant digits that tell any two doubles apart
};

struct parser {
	const uint8_t *start, *p, *end;
	struct jdoc *doc;
	unsigned depth; // containers still allowed
	enum jdoc_rounding rounding;
};

static int bad(const struct parser *s, struct err *err, const char *what)
{
	return err_set(err, ERR_INPUT, "JSON at byte %zu: %s", (size_t)(s->p - s->start), what);
}

static void skip_blanks(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool take(struct parser *s, char c)
{
	if (s->p == s->end || *s->p != (uint8_t)c)
		return false;
	s->p++;
	return true;
}

// A fresh node at the array's end; its index in *at.
static int new_node(struct parser *s, size_t *at, struct err *err)
{
	struct jdoc *d = s->doc;

	if (mem_grow(&d->nodes, &d->cap, d->count, sizeof(*d->nodes), err))
		return -1;
	*at = d->count++;
	memset(&d->nodes[*at], 0, sizeof(*d->nodes));
	return 0;
}

static int hex4(struct parser *s, uint32_t *v, struct err *err)
{
	*v = 0;
	if (s->end - s->p < 4)
		return bad(s, err, "ends inside an escape");
	for (int i = 0; i < 4; i++) {
		uint8_t c = *s->p++;

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*v = *v << 4 | (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return bad(s, err, "no hex digit in an escape");
	}
	return 0;
}

static int unicode_escape(struct parser *s, struct err *err)
{
	uint32_t c = 0, low = 0;
	char out[4];

	if (hex4(s, &c, err))
		return -1;
	if (c >= 0xd800 && c <= 0xdfff) {
		if (c >= 0xdc00 || s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u')
			return bad(s, err, "lone surrogate");
		s->p += 2;
		if (hex4(s, &low, err))
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return bad(s, err, "lone surrogate");
		c = 0x10000 + ((c - 0xd800) << 10 | (low - 0xdc00));
	}
	return buf_add(&s->doc->text, out, utf8_encode(c, out), err);
}

static int escape(struct parser *s, struct err *err)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (s->p == s->end)
		return bad(s, err, "ends inside a string");
	if (*s->p == 'u') {
		s->p++;
		return unicode_escape(s, err);
	}
	at = *s->p ? strchr(from, *s->p) : NULL;
	if (!at)
		return bad(s, err, "unknown escape");
	s->p++;
	return buf_add_byte(&s->doc->text, (uint8_t)to[at - from], err);
}

// The opening quote has been read. Gives the decoded bytes' place in the shared buffer.
static int string(struct parser *s, size_t *text, size_t *len, struct err *err)
{
	*text = s->doc->text.len;
	for (;;) {
		size_t n;

		if (s->p == s->end)
			return bad(s, err, "ends inside a string");
		if (take(s, '"'))
			break;
		if (*s->p < 0x20)
			return bad(s, err, "control character in a string");
		if (take(s, '\\')) {
			if (escape(s, err))
				return -1;
			continue;
		}
		n = utf8_next(s->p, (size_t)(s->end - s->p), NULL);
		if (!n)
			return bad(s, err, "bytes that are not UTF-8");
		if (buf_add(&s->doc->text, s->p, n, err))
			return -1;
		s->p += n;
	}
	*len = s->doc->text.len - *text;
	return 0;
}

static bool digits(struct parser *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

// True if `text` (digits only) fits 64 bits.
static bool whole(const uint8_t *text, size_t n, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < n; i++)
		if (__builtin_mul_overflow(*v, (uint64_t)10, v) ||
		    __builtin_add_overflow(*v, (uint64_t)(text[i] - '0'), v))
			return false;
	return true;
}

// 10^n, 0 <= n <= 308, correctly rounded.
static double power_of_ten(int n)
{
	char text[16];

	snprintf(text, sizeof(text), "1e%d", n);
	return strtod(text, NULL); // the locale is C: no program of ours sets another
}

// The reference's double: as many digits as fit 64 bits make an integer, which is then scaled by one rounded
// multiplication or division (two when the exponent is below what a double holds). `text` is a sound JSON number
// without its sign.
static double scale_as_reference(const char *text)
{
	uint64_t significand = 0, grown;
	long exponent = 0, written = 0;
	bool fraction = false, full = false;
	double d;

	for (; *text && *text != 'e' && *text != 'E'; text++) {
		if (*text == '.') {
			fraction = true;
			continue;
		}
		full = full || __builtin_mul_overflow(significand, (uint64_t)10, &grown) ||
		       __builtin_add_overflow(grown, (uint64_t)(*text - '0'), &grown);
		if (!full)
			significand = grown;
		exponent += full ? !fraction : -fraction;
	}
	if (*text)
		// LONG_MAX at most; a number's text is short, so the sum cannot wrap
		written = strtol(text + 1, NULL, 10);
	if (written > INT32_MAX || written < -INT32_MAX)
		return significand && written > 0 ? HUGE_VAL : 0.0;
	d = (double)significand;
	for (exponent += written; d != 0 && exponent < -308; exponent += 308)
		d /= power_of_ten(308);
	if (d == 0)
		return 0.0;
	if (exponent > 308)
		return HUGE_VAL;
	return exponent < 0 ? d / power_of_ten((int)-exponent) : d * power_of_ten((int)exponent);
}

// Sets v from the number's text; integer: it has neither fraction nor exponent.
static int set_number(const struct parser *s, const uint8_t *from, bool integer, struct jval *v, struct err *err)
{
	size_t n = (size_t)(s->p - from);
	bool negative = *from == '-';
	char text[NUMBER_MAX + 1];

	if (integer && whole(from + negative, n - negative, &v->magnitude) &&
	    !(negative && (v->magnitude == 0 || v->magnitude > (uint64_t)INT64_MAX + 1))) {
		v->type = negative ? JVAL_NEGATIVE : JVAL_UINT;
		return 0;
	}
	if (n > NUMBER_MAX)
		return bad(s, err, "number too long");
	memcpy(text, from, n);
	text[n] = '\0';
	v->type = JVAL_DOUBLE;
	v->number = s->rounding == JDOC_EXACT ? strtod(text + negative, NULL) : scale_as_reference(text + negative);
	if (!isfinite(v->number))
		return bad(s, err, "number out of range");
	if (negative)
		v->number = -v->number;
	return 0;
}

static int number(struct parser *s, struct jval *v, struct err *err)
{
	const uint8_t *from = s->p, *first;
	bool integer = true;

	take(s, '-');
	first = s->p;
	if (!digits(s))
		return bad(s, err, "no value where one should stand");
	if (*first == '0' && s->p - first > 1)
		return bad(s, err, "leading zero");
	if (take(s, '.')) {
		integer = false;
		if (!digits(s))
			return bad(s, err, "no digit behind the decimal point");
	}
	if (take(s, 'e') || take(s, 'E')) {
		integer = false;
		if (!take(s, '+'))
			take(s, '-');
		if (!digits(s))
			return bad(s, err, "no digit in the exponent");
	}
	return set_number(s, from, integer, v, err);
}

static int value(struct parser *s, size_t at, struct err *err);

// One element or member into the list whose last node is *last (0: none yet).
static int child(struct parser *s, size_t parent, size_t *last, bool with_key, struct err *err)
{
	size_t at = 0, key = 0, key_len = 0;

	if (with_key) {
		if (!take(s, '"'))
			return bad(s, err, "no key where one should stand");
		if (string(s, &key, &key_len, err))
			return -1;
		skip_blanks(s);
		if (!take(s, ':'))
			return bad(s, err, "no colon behind a key");
		skip_blanks(s);
	}
	if (new_node(s, &at, err))
		return -1;
	s->doc->nodes[at].key = key;
	s->doc->nodes[at].key_len = key_len;
	if (*last)
		s->doc->nodes[*last].next = at;
	else
		s->doc->nodes[parent].first = at;
	*last = at;
	return value(s, at, err);
}

static int container(struct parser *s, size_t at, char close, struct err *err)
{
	size_t last = 0;

	if (!s->depth)
		return bad(s, err, "nested too deeply");
	s->depth--;
	skip_blanks(s);
	if (!take(s, close)) {
		for (;;) {
			if (child(s, at, &last, close == '}', err))
				return -1;
			skip_blanks(s);
			if (take(s, close))
				break;
			if (!take(s, ','))
				return bad(s, err, "neither comma nor end");
			skip_blanks(s);
		}
	}
	s->depth++;
	return 0;
}

static bool word(struct parser *s, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0)
		return false;
	s->p += n;
	return true;
}

static int value(struct parser *s, size_t at, struct err *err)
{
	struct jval *v = &s->doc->nodes[at];

	if (take(s, '{')) {
		v->type = JVAL_OBJECT;
		return container(s, at, '}', err);
	}
	if (take(s, '[')) {
		v->type = JVAL_ARRAY;
		return container(s, at, ']', err);
	}
	if (take(s, '"')) {
		v->type = JVAL_STRING;
		return string(s, &v->text, &v->len, err);
	}
	if (word(s, "null"))
		return 0;
	v->truth = word(s, "true");
	if (v->truth || word(s, "false")) {
		v->type = JVAL_BOOL;
		return 0;
	}
	return number(s, v, err);
}

int jdoc_parse(struct jdoc *doc, const void *p, size_t n, unsigned depth, enum jdoc_rounding rounding,
	       struct err *err)
{
	struct parser s = {p, p, (const uint8_t *)p + n, doc, depth < DEPTH_MAX ? depth : DEPTH_MAX, rounding};
	size_t root = 0;
	int rc;

	*doc = (struct jdoc)JDOC_INIT;
	skip_blanks(&s);
	rc = new_node(&s, &root, err) || value(&s, root, err) ? -1 : 0;
	skip_blanks(&s);
	if (!rc && s.p != s.end)
		rc = bad(&s, err, "text after the end");
	if (rc)
		jdoc_free(doc);
	return rc;
}

void jdoc_free(struct jdoc *doc)
{
	free(doc->nodes);
	buf_free(&doc->text);
	*doc = (struct jdoc)JDOC_INIT;
}

bool jdoc_key_is(const struct jdoc *d, const struct jval *v, const char *s)
{
	return v->key_len == strlen(s) && (!v->key_len || !memcmp(d->text.data + v->key, s, v->key_len));
}

static void write_double(struct jout *o, double number)
{
	char sci[40], digit[SHORTEST_MAX + 2], out[64];
	int n = 0, exponent, position;
	char *e;

	for (int precision = 0; precision < SHORTEST_MAX; precision++) {
		snprintf(sci, sizeof(sci), "%.*e", precision, fabs(number));
		if (strtod(sci, NULL) == fabs(number))
			break;
	}
	e = strchr(sci, 'e');
	exponent = (int)strtol(e + 1, NULL, 10);
	for (char *c = sci; c < e; c++)
		if (*c != '.')
			digit[n++] = *c;
	while (n > 1 && digit[n - 1] == '0')
		n--;
	digit[n] = '\0';
	position = exponent + 1;
	if (number == 0)
		snprintf(out, sizeof(out), "0.0");
	else if (position > FIXED_HIGH || position < FIXED_LOW)
		snprintf(out, sizeof(out), "%c%s%se%d", digit[0], n > 1 ? "." : "", digit + 1, exponent);
	else if (position <= 0)
		snprintf(out, sizeof(out), "0.%.*s%s", -position, "0000", digit);
	else if (n <= position)
		snprintf(out, sizeof(out), "%s%.*s.0", digit, position - n, "0000000000000000");
	else
		snprintf(out, sizeof(out), "%.*s.%s", position, digit, digit + position);
	char signed_out[70];
	snprintf(signed_out, sizeof(signed_out), "%s%s", signbit(number) ? "-" : "", out);
	jout_token(o, NULL, signed_out);
}

struct member {
	const uint8_t *key;
	size_t key_len, order;
	const struct jval *v;
};

static int by_key(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
	int c = n ? memcmp(x->key, y->key, n) : 0;

	if (c)
		return c;
	if (x->key_len != y->key_len)
		return x->key_len < y->key_len ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool same_key(const struct member *a, const struct member *b)
{
	return a->key_len == b->key_len && (!a->key_len || !memcmp(a->key, b->key, a->key_len));
}

int jdoc_write_members(const struct jdoc *d, const struct jval *v, bool sorted, struct jout *o, struct err *err)
{
	_cleanup_free_ struct member *m = NULL;
	size_t n = 0, i = 0;

	for (const struct jval *c = jdoc_first(d, v); c; c = jdoc_next(d, c))
		n++;
	m = mem_zalloc(n, sizeof(*m), err);
	if (!m)
		return -1;
	for (const struct jval *c = jdoc_first(d, v); c; c = jdoc_next(d, c), i++)
		m[i] = (struct member){d->text.data ? d->text.data + c->key : NULL, c->key_len, i, c};
	if (sorted && n)
		qsort(m, n, sizeof(*m), by_key);
	for (i = 0; i < n; i++) {
		if (sorted && i + 1 < n && same_key(&m[i], &m[i + 1]))
			continue;
		jout_key(o, m[i].key, m[i].key_len);
		if (jdoc_write(d, m[i].v, sorted, o, err))
			return -1;
	}
	return 0;
}

static void write_scalar(const struct jdoc *d, const struct jval *v, struct jout *o)
{
	char text[32];

	switch (v->type) {
	case JVAL_BOOL:
		jout_bool(o, NULL, v->truth);
		break;
	case JVAL_UINT:
		jout_uint(o, NULL, v->magnitude);
		break;
	case JVAL_NEGATIVE:
		snprintf(text, sizeof(text), "-%llu", (unsigned long long)v->magnitude);
		jout_token(o, NULL, text);
		break;
	case JVAL_DOUBLE:
		write_double(o, v->number);
		break;
	case JVAL_STRING:
		jout_strn(o, NULL, jdoc_text(d, v), v->len);
		break;
	default:
		jout_null(o, NULL);
	}
}

int jdoc_write(const struct jdoc *d, const struct jval *v, bool sorted, struct jout *o, struct err *err)
{
	if (v->type == JVAL_OBJECT) {
		jout_open(o, NULL, '{');
		if (jdoc_write_members(d, v, sorted, o, err))
			return -1;
		jout_close(o, '}');
	} else if (v->type == JVAL_ARRAY) {
		jout_open(o, NULL, '[');
		for (const struct jval *c = jdoc_first(d, v); c; c = jdoc_next(d, c))
			if (jdoc_write(d, c, sorted, o, err))
				return -1;
		jout_close(o, ']');
	} else {
		write_scalar(d, v, o);
	}
	return 0;
}
