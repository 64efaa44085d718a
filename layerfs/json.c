// SPDX-License-Identifier: Apache-2.0
//
// A scanner over the grammar of RFC 8259, without recursion: the open brackets are a bit each in one 64-bit word
// (1: object, 0: array), and the scanner is in one of five states between tokens. What passes goes to cJSON; its
// tree is then searched for keys that occur twice, by sorting each object's keys, so that a hostile object with a
// million keys costs n log n.
#include "layerfs/json.h"

#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	QUOTE_MAX = 160, // of a key or path in a message
	NUMBER_MAX = 60, // cJSON reads numbers through a buffer of 64 bytes and takes what is longer for two tokens
};
static const double exact_max = 9007199254740991.0; // 2^53 - 1: past it a double skips integers

// ---- scanner -------------------------------------------------------------------------------------------------------
struct scan {
	const uint8_t *start, *p, *end;
	uint64_t objects; // bit i: the i-th open bracket is an object
	unsigned depth;
};

enum expect { EXPECT_VALUE, EXPECT_VALUE_OR_END, EXPECT_KEY, EXPECT_KEY_OR_END, EXPECT_SEPARATOR };

static int bad(const struct scan *s, const char *what, struct err *err)
{
	return err_set(err, ERR_INPUT, "JSON, byte %zu: %s", (size_t)(s->p - s->start), what);
}

// Length of the well-formed UTF-8 sequence at p (Unicode 3.9, table 3-7), or 0.
static size_t utf8_length(const uint8_t *p, const uint8_t *end)
{
	uint8_t lo = 0x80, hi = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		lo = p[0] == 0xe0 ? 0xa0 : 0x80;
		hi = p[0] == 0xed ? 0x9f : 0xbf; // no surrogates
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		lo = p[0] == 0xf0 ? 0x90 : 0x80;
		hi = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if ((size_t)(end - p) < n || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

// The four digits of a \u escape at s->p, or -1.
static int scan_hex4(struct scan *s)
{
	uint8_t b[2];

	if (s->end - s->p < 4 || hex_decode((const char *)s->p, 4, b, 2))
		return -1;
	s->p += 4;
	return b[0] << 8 | b[1];
}

static int scan_escape(struct scan *s, struct err *err)
{
	int u;

	s->p++; // the backslash
	if (s->p == s->end)
		return bad(s, "the text ends in a string", err);
	if (*s->p != 'u') {
		if (!*s->p || !strchr("\"\\/bfnrt", *s->p))
			return bad(s, "unknown escape", err);
		s->p++;
		return 0;
	}
	s->p++;
	u = scan_hex4(s);
	if (u < 0)
		return bad(s, "\\u without four hex digits", err);
	if (u == 0)
		return bad(s, "\\u0000 in a string", err);
	if (u >= 0xdc00 && u <= 0xdfff)
		return bad(s, "lone surrogate", err);
	if (u >= 0xd800 && u <= 0xdbff) {
		if (s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
			return bad(s, "lone surrogate", err);
		s->p += 2;
		u = scan_hex4(s);
		if (u < 0xdc00 || u > 0xdfff)
			return bad(s, "lone surrogate", err);
	}
	return 0;
}

static int scan_string(struct scan *s, struct err *err)
{
	for (s->p++; s->p < s->end;) {
		size_t n;

		if (*s->p == '"') {
			s->p++;
			return 0;
		}
		if (*s->p == '\\') {
			if (scan_escape(s, err))
				return -1;
			continue;
		}
		if (*s->p < 0x20)
			return bad(s, "control character in a string", err);
		n = utf8_length(s->p, s->end);
		if (!n)
			return bad(s, "not UTF-8", err);
		s->p += n;
	}
	return bad(s, "the text ends in a string", err);
}

static size_t scan_digits(struct scan *s)
{
	const uint8_t *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return (size_t)(s->p - from);
}

static int scan_number(struct scan *s, struct err *err)
{
	const uint8_t *whole = s->p, *from;
	size_t n;

	if (*s->p == '-')
		s->p++;
	from = s->p;
	n = scan_digits(s);
	if (!n || (n > 1 && *from == '0'))
		return bad(s, "malformed number", err);
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!scan_digits(s))
			return bad(s, "malformed number", err);
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!scan_digits(s))
			return bad(s, "malformed number", err);
	}
	if (s->p - whole > NUMBER_MAX)
		return bad(s, "a number of more than 60 characters", err);
	return 0;
}

static int scan_word(struct scan *s, const char *word, struct err *err)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
		return bad(s, "unknown word", err);
	s->p += n;
	return 0;
}

static int scan_open(struct scan *s, bool object, struct err *err)
{
	if (s->depth == JSON_DEPTH_MAX)
		return bad(s, "nested too deeply", err);
	if (object)
		s->objects |= UINT64_C(1) << s->depth;
	else
		s->objects &= ~(UINT64_C(1) << s->depth);
	s->depth++;
	s->p++;
	return 0;
}

static bool in_object(const struct scan *s)
{
	return s->depth && s->objects >> (s->depth - 1) & 1;
}

static int scan_value(struct scan *s, enum expect *next, struct err *err)
{
	*next = EXPECT_SEPARATOR;
	switch (*s->p) {
	case '{':
		*next = EXPECT_KEY_OR_END;
		return scan_open(s, true, err);
	case '[':
		*next = EXPECT_VALUE_OR_END;
		return scan_open(s, false, err);
	case '"':
		return scan_string(s, err);
	case 't':
		return scan_word(s, "true", err);
	case 'f':
		return scan_word(s, "false", err);
	case 'n':
		return scan_word(s, "null", err);
	default:
		if (*s->p != '-' && (*s->p < '0' || *s->p > '9'))
			return bad(s, "a value was expected", err);
		return scan_number(s, err);
	}
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static int scan_key(struct scan *s, enum expect *next, struct err *err)
{
	if (*s->p != '"')
		return bad(s, "a key was expected", err);
	if (scan_string(s, err))
		return -1;
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return bad(s, "':' was expected", err);
	s->p++;
	*next = EXPECT_VALUE;
	return 0;
}

// One token at s->p, which is not the end.
static int scan_token(struct scan *s, enum expect *state, struct err *err)
{
	char close = in_object(s) ? '}' : ']';

	if (*state != EXPECT_VALUE && *state != EXPECT_KEY && *s->p == close) {
		s->depth--;
		s->p++;
		*state = EXPECT_SEPARATOR;
		return 0;
	}
	switch (*state) {
	case EXPECT_SEPARATOR:
		if (*s->p != ',')
			return bad(s, "',' or the end of the list was expected", err);
		s->p++;
		*state = in_object(s) ? EXPECT_KEY : EXPECT_VALUE;
		return 0;
	case EXPECT_KEY:
	case EXPECT_KEY_OR_END:
		return scan_key(s, state, err);
	default:
		return scan_value(s, state, err);
	}
}

static int scan_document(const void *p, size_t n, struct err *err)
{
	struct scan s = {p, p, (const uint8_t *)p + n, 0, 0};
	enum expect state = EXPECT_VALUE;

	for (skip_space(&s); s.p < s.end; skip_space(&s)) {
		if (state == EXPECT_SEPARATOR && !s.depth)
			return bad(&s, "text after the end of the document", err);
		if (scan_token(&s, &state, err))
			return -1;
	}
	if (state != EXPECT_SEPARATOR || s.depth)
		return bad(&s, "the text ends early", err);
	return 0;
}

// ---- duplicate keys ------------------------------------------------------------------------------------------------
static int key_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_object_keys(const cJSON *obj, struct err *err)
{
	_cleanup_free_ const char **keys = NULL;
	size_t n = 0, cap = 0;
	const cJSON *c;

	cJSON_ArrayForEach(c, obj) {
		if (mem_grow(&keys, &cap, n, sizeof(*keys), err))
			return -1;
		keys[n++] = c->string;
	}
	if (n)
		qsort(keys, n, sizeof(*keys), key_order);
	for (size_t i = 1; i < n; i++) {
		char q[QUOTE_MAX];

		if (!strcmp(keys[i - 1], keys[i]))
			return err_set(err, ERR_INPUT, "JSON: key %s twice in one object",
				       err_quote(keys[i], strlen(keys[i]), q, sizeof(q)));
	}
	return 0;
}

// Recursion is as deep as the document, which the scanner has held to JSON_DEPTH_MAX.
static int check_keys(const cJSON *v, struct err *err)
{
	const cJSON *c;

	if (cJSON_IsObject(v) && check_object_keys(v, err))
		return -1;
	cJSON_ArrayForEach(c, v)
		if ((cJSON_IsObject(c) || cJSON_IsArray(c)) && check_keys(c, err))
			return -1;
	return 0;
}

// ---- parsing -------------------------------------------------------------------------------------------------------
static void *hook_alloc(size_t n)
{
	return mem_alloc(n, NULL);
}

// cJSON's allocations pass through base too, so that fault injection reaches them. The hooks are process-wide and
// stay; memory remains free(3)'s, so who uses cJSON without us sees no change.
static void set_hooks(void)
{
	cJSON_Hooks hooks = {hook_alloc, free};

	cJSON_InitHooks(&hooks);
}

int json_parse(const void *p, size_t n, size_t max, cJSON **out, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	_cleanup_json_ cJSON *v = NULL;

	pthread_once(&once, set_hooks);
	if (n > max)
		return err_set(err, ERR_LIMIT, "JSON of %zu bytes; at most %zu are read", n, max);
	if (scan_document(p, n, err))
		return -1;
	v = cJSON_ParseWithLengthOpts(p, n, NULL, false);
	if (!v) // the scanner has passed it, so only memory is left as a cause
		return err_nomem(err);
	if (check_keys(v, err))
		return -1;
	*out = steal_ptr(&v);
	return 0;
}

int json_parse_file(const char *path, size_t max, cJSON **out, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	char q[QUOTE_MAX];

	if (io_slurp(path, max, &text, err))
		return -1;
	if (json_parse(text.data, text.len, max, out, err))
		return err_prefix(err, "%s: ", err_quote(path, strlen(path), q, sizeof(q)));
	return 0;
}

// ---- getters -------------------------------------------------------------------------------------------------------
// *out: the member, or NULL if it is absent or null (and that is allowed).
static int get_member(const cJSON *obj, const char *key, enum json_need need, const cJSON **out, struct err *err)
{
	const cJSON *c, *found = NULL;
	char q[QUOTE_MAX];

	if (!cJSON_IsObject(obj))
		return err_set(err, ERR_INPUT, "not a JSON object (key \"%s\" was sought)", key);
	cJSON_ArrayForEach(c, obj) {
		if (!strcmp(c->string, key))
			found = c;
		else if (!strcasecmp(c->string, key))
			return err_set(err, ERR_INPUT, "key %s differs from \"%s\" only in case",
				       err_quote(c->string, strlen(c->string), q, sizeof(q)), key);
	}
	if (cJSON_IsNull(found))
		found = NULL;
	if (!found && need == JSON_REQUIRED)
		return err_set(err, ERR_INPUT, "key \"%s\" is missing", key);
	*out = found;
	return 0;
}

static int wrong_type(const char *key, const char *want, struct err *err)
{
	return err_set(err, ERR_INPUT, "key \"%s\" is no %s", key, want);
}

int json_get_string(const cJSON *obj, const char *key, enum json_need need, const char **out, struct err *err)
{
	const cJSON *v;

	if (get_member(obj, key, need, &v, err))
		return -1;
	if (v && !cJSON_IsString(v))
		return wrong_type(key, "string", err);
	if (v)
		*out = v->valuestring;
	return 0;
}

int json_get_bool(const cJSON *obj, const char *key, enum json_need need, bool *out, struct err *err)
{
	const cJSON *v;

	if (get_member(obj, key, need, &v, err))
		return -1;
	if (v && !cJSON_IsBool(v))
		return wrong_type(key, "boolean", err);
	if (v)
		*out = cJSON_IsTrue(v);
	return 0;
}

int json_get_i64(const cJSON *obj, const char *key, enum json_need need, int64_t *out, struct err *err)
{
	const cJSON *v;

	if (get_member(obj, key, need, &v, err))
		return -1;
	if (!v)
		return 0;
	if (!cJSON_IsNumber(v) || v->valuedouble > exact_max || v->valuedouble < -exact_max ||
	    (double)(int64_t)v->valuedouble != v->valuedouble)
		return wrong_type(key, "whole number below 2^53", err);
	*out = (int64_t)v->valuedouble;
	return 0;
}

int json_get_u64(const cJSON *obj, const char *key, enum json_need need, uint64_t *out, struct err *err)
{
	int64_t v = -1;

	if (json_get_i64(obj, key, need, &v, err))
		return -1;
	if (v >= 0)
		*out = (uint64_t)v;
	else if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(obj, key)))
		return wrong_type(key, "number from 0 up", err);
	return 0;
}

int json_get_array(const cJSON *obj, const char *key, enum json_need need, const cJSON **out, struct err *err)
{
	const cJSON *v;

	if (get_member(obj, key, need, &v, err))
		return -1;
	if (v && !cJSON_IsArray(v))
		return wrong_type(key, "list", err);
	if (v)
		*out = v;
	return 0;
}

int json_get_object(const cJSON *obj, const char *key, enum json_need need, const cJSON **out, struct err *err)
{
	const cJSON *v;

	if (get_member(obj, key, need, &v, err))
		return -1;
	if (v && !cJSON_IsObject(v))
		return wrong_type(key, "object", err);
	if (v)
		*out = v;
	return 0;
}

int json_get_strings(const cJSON *obj, const char *key, char ***items, size_t *count, bool *present, struct err *err)
{
	const cJSON *list = NULL, *c;
	size_t n = 0, cap = 0;
	char **got = NULL;

	if (json_get_array(obj, key, JSON_OPTIONAL, &list, err))
		return -1;
	cJSON_ArrayForEach(c, list) {
		if (!cJSON_IsString(c)) {
			err_set(err, ERR_INPUT, "key \"%s\": element %zu is no string", key, n);
			goto fail;
		}
		if (mem_grow(&got, &cap, n, sizeof(*got), err))
			goto fail;
		got[n] = mem_strdup(c->valuestring, err);
		if (!got[n])
			goto fail;
		n++;
	}
	*items = got;
	*count = n;
	if (present)
		*present = list != NULL;
	return 0;
fail:
	json_strings_free(got, n);
	return -1;
}

void json_strings_free(char **items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(items[i]);
	free(items);
}

// ---- writing -------------------------------------------------------------------------------------------------------
int json_add_quoted(struct buf *out, const char *s, struct err *err)
{
	if (buf_add_byte(out, '"', err))
		return -1;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		int rc;

		if (c < 0x20)
			rc = buf_printf(out, err, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			rc = buf_printf(out, err, "\\%c", c);
		else
			rc = buf_add_byte(out, c, err);
		if (rc)
			return -1;
	}
	return buf_add_byte(out, '"', err);
}
