// SPDX-License-Identifier: Apache-2.0
//
// One head at a time. Everything above (typed reads, skipping, walking a container) is built on cbor_next, which is the
// only place that looks at bytes, and which proves each of these before it returns: the head is whole; in strict mode
// minimal and definite; a string lies inside the input; a container's items could fit in what is left (each needs a
// byte).
#include "base/cbor.h"

#include "base/be.h"
#include "base/utf8.h"

#include <string.h>

enum {
	MAJOR_UINT,
	MAJOR_NINT,
	MAJOR_BYTES,
	MAJOR_TEXT,
	MAJOR_ARRAY,
	MAJOR_MAP,
	MAJOR_TAG,
	MAJOR_OTHER,
	INFO_INDEFINITE = 31,
	SIMPLE_FALSE = 20,
	SIMPLE_TRUE = 21,
	SIMPLE_NULL = 22,
};

static const char *const type_names[] = {
	[CBOR_UINT] = "an unsigned integer", [CBOR_NINT] = "a negative integer", [CBOR_BYTES] = "a byte string",
	[CBOR_TEXT] = "a text string",	     [CBOR_ARRAY] = "an array",		 [CBOR_MAP] = "a map",
	[CBOR_TAG] = "a tag",		     [CBOR_SIMPLE] = "a simple value",	 [CBOR_FLOAT] = "a float",
	[CBOR_BREAK] = "a break",
};

void cbor_reader_init(struct cbor_reader *r, const void *data, size_t n, unsigned flags)
{
	static const uint8_t nothing[1];

	r->start = r->p = data ? data : nothing;
	r->end = r->start + n;
	r->flags = flags;
}

static int bad(const struct cbor_reader *r, struct err *err, const char *what)
{
	return err_set(err, ERR_INPUT, "CBOR at byte %zu: %s", (size_t)(r->p - r->start), what);
}

static size_t left(const struct cbor_reader *r)
{
	return (size_t)(r->end - r->p);
}

// The head's value: r->p stands on the initial byte; *size gets the head's length.
static int head_value(const struct cbor_reader *r, unsigned info, uint64_t *v, size_t *size, struct err *err)
{
	static const uint64_t smallest[] = {24, 0x100, 0x10000, 0x100000000};
	unsigned wide = info - 24;

	if (info < 24) {
		*v = info;
		*size = 1;
		return 0;
	}
	if (info > 27)
		return bad(r, err, "reserved length");
	*size = 1 + ((size_t)1 << wide);
	if (left(r) < *size)
		return bad(r, err, "ends inside an item's head");
	switch (wide) {
	case 0:
		*v = r->p[1];
		break;
	case 1:
		*v = get_be16(r->p + 1);
		break;
	case 2:
		*v = get_be32(r->p + 1);
		break;
	default:
		*v = get_be64(r->p + 1);
	}
	if (!(r->flags & CBOR_LENIENT) && r->p[0] >> 5 != MAJOR_OTHER && *v < smallest[wide])
		return bad(r, err, "length or value not in its shortest form");
	return 0;
}

static int next_indefinite(struct cbor_reader *r, unsigned major, struct cbor_item *item, struct err *err)
{
	static const enum cbor_type types[] = {[MAJOR_BYTES] = CBOR_BYTES, [MAJOR_TEXT] = CBOR_TEXT,
					       [MAJOR_ARRAY] = CBOR_ARRAY, [MAJOR_MAP] = CBOR_MAP,
					       [MAJOR_OTHER] = CBOR_BREAK};

	if (!(r->flags & CBOR_LENIENT))
		return bad(r, err, "indefinite length");
	if (major == MAJOR_UINT || major == MAJOR_NINT || major == MAJOR_TAG)
		return bad(r, err, "reserved length");
	r->p++;
	item->type = types[major];
	item->indefinite = major != MAJOR_OTHER;
	return 0;
}

static int next_other(struct cbor_reader *r, unsigned info, struct cbor_item *item, size_t size, struct err *err)
{
	if (info >= 25) {
		item->type = CBOR_FLOAT;
	} else {
		if (info == 24 && item->value < 32)
			return bad(r, err, "simple value in a form that does not exist");
		item->type = CBOR_SIMPLE;
	}
	r->p += size;
	return 0;
}

static int next_string(struct cbor_reader *r, unsigned major, struct cbor_item *item, size_t size, struct err *err)
{
	if (item->value > left(r) - size)
		return bad(r, err, "string longer than the input");
	item->bytes = r->p + size;
	item->type = major == MAJOR_BYTES ? CBOR_BYTES : CBOR_TEXT;
	if (major == MAJOR_TEXT && !utf8_valid(item->bytes, (size_t)item->value))
		return bad(r, err, "text that is not UTF-8");
	r->p += size + (size_t)item->value;
	return 0;
}

int cbor_next(struct cbor_reader *r, struct cbor_item *item, struct err *err)
{
	static const enum cbor_type types[] = {[MAJOR_UINT] = CBOR_UINT,   [MAJOR_NINT] = CBOR_NINT,
					       [MAJOR_ARRAY] = CBOR_ARRAY, [MAJOR_MAP] = CBOR_MAP,
					       [MAJOR_TAG] = CBOR_TAG};
	unsigned major, info;
	size_t size = 0;

	*item = (struct cbor_item){.type = CBOR_BREAK};
	if (!left(r))
		return bad(r, err, "ends where an item should begin");
	major = r->p[0] >> 5;
	info = r->p[0] & 31;
	if (info == INFO_INDEFINITE)
		return next_indefinite(r, major, item, err);
	if (head_value(r, info, &item->value, &size, err))
		return -1;
	if (major == MAJOR_BYTES || major == MAJOR_TEXT)
		return next_string(r, major, item, size, err);
	if (major == MAJOR_OTHER)
		return next_other(r, info, item, size, err);
	if (major == MAJOR_ARRAY && item->value > left(r) - size)
		return bad(r, err, "array longer than the input");
	if (major == MAJOR_MAP && item->value > (left(r) - size) / 2)
		return bad(r, err, "map longer than the input");
	item->type = types[major];
	r->p += size;
	return 0;
}

int cbor_peek(const struct cbor_reader *r, struct cbor_item *item, struct err *err)
{
	struct cbor_reader copy = *r;

	return cbor_next(&copy, item, err);
}

bool cbor_at_end(const struct cbor_reader *r)
{
	return r->p == r->end;
}

int cbor_end(const struct cbor_reader *r, struct err *err)
{
	return cbor_at_end(r) ? 0 : bad(r, err, "bytes after the end");
}

// Opens a level of cbor_skip's stack: how many items it still wants, UINT64_MAX while it waits for its break.
static int skip_push(const struct cbor_reader *r, uint64_t *want, unsigned *depth, const struct cbor_item *item,
		     struct err *err)
{
	if (*depth == CBOR_MAX_DEPTH)
		return bad(r, err, "nested too deeply");
	want[(*depth)++] = item->indefinite ? UINT64_MAX : item->type == CBOR_MAP ? 2 * item->value : item->value;
	return 0;
}

int cbor_skip(struct cbor_reader *r, struct err *err)
{
	uint64_t want[CBOR_MAX_DEPTH];
	enum cbor_type kind[CBOR_MAX_DEPTH]; // of each open item; a map's or a string's break is checked by it
	bool odd[CBOR_MAX_DEPTH];	     // an indefinite map waits for a value
	unsigned depth = 0;

	do {
		struct cbor_item item;

		if (cbor_next(r, &item, err))
			return -1;
		if (item.type == CBOR_BREAK) {
			if (!depth || want[depth - 1] != UINT64_MAX || odd[depth - 1])
				return bad(r, err, "break where an item should stand");
			depth--;
		} else {
			if (depth && want[depth - 1] != UINT64_MAX)
				want[depth - 1]--;
			else if (depth && kind[depth - 1] == CBOR_MAP)
				odd[depth - 1] = !odd[depth - 1];
			else if (depth && kind[depth - 1] != CBOR_ARRAY &&
				 (item.type != kind[depth - 1] || item.indefinite))
				return bad(r, err, "chunk of another kind inside a string");
			if (item.type == CBOR_TAG)
				item.value = 1; // a tag is a container of one
			if (item.type == CBOR_ARRAY || item.type == CBOR_MAP || item.type == CBOR_TAG ||
			    item.indefinite) {
				if (skip_push(r, want, &depth, &item, err))
					return -1;
				kind[depth - 1] = item.type;
				odd[depth - 1] = false;
			}
		}
		while (depth && want[depth - 1] == 0)
			depth--;
	} while (depth);
	return 0;
}

// Reads one item that must be of `type`.
static int want(struct cbor_reader *r, enum cbor_type type, struct cbor_item *item, struct err *err)
{
	struct cbor_reader before = *r;

	if (cbor_next(r, item, err))
		return -1;
	if (item->type == type)
		return 0;
	return err_set(err, ERR_INPUT, "CBOR at byte %zu: %s where %s should stand", (size_t)(before.p - before.start),
		       type_names[item->type], type_names[type]);
}

int cbor_get_uint(struct cbor_reader *r, uint64_t max, uint64_t *v, struct err *err)
{
	struct cbor_item item;

	if (want(r, CBOR_UINT, &item, err))
		return -1;
	if (item.value > max)
		return err_set(err, ERR_INPUT, "CBOR before byte %zu: %llu is more than %llu",
			       (size_t)(r->p - r->start), (unsigned long long)item.value, (unsigned long long)max);
	*v = item.value;
	return 0;
}

int cbor_get_int(struct cbor_reader *r, int64_t *v, struct err *err)
{
	struct cbor_item item;

	if (cbor_next(r, &item, err))
		return -1;
	if (item.type != CBOR_UINT && item.type != CBOR_NINT)
		return bad(r, err, "no integer where one should stand");
	if (item.value > INT64_MAX)
		return bad(r, err, "integer out of range");
	*v = item.type == CBOR_UINT ? (int64_t)item.value : -1 - (int64_t)item.value;
	return 0;
}

int cbor_get_bool(struct cbor_reader *r, bool *v, struct err *err)
{
	struct cbor_item item;

	if (want(r, CBOR_SIMPLE, &item, err))
		return -1;
	if (item.value != SIMPLE_FALSE && item.value != SIMPLE_TRUE)
		return bad(r, err, "neither false nor true");
	*v = item.value == SIMPLE_TRUE;
	return 0;
}

bool cbor_take_null(struct cbor_reader *r)
{
	if (!left(r) || r->p[0] != (MAJOR_OTHER << 5 | SIMPLE_NULL))
		return false;
	r->p++;
	return true;
}

static int get_string(struct cbor_reader *r, enum cbor_type type, const uint8_t **p, size_t *n, struct err *err)
{
	struct cbor_item item;

	if (want(r, type, &item, err))
		return -1;
	if (item.indefinite)
		return bad(r, err, "indefinite string");
	*p = item.bytes;
	*n = (size_t)item.value;
	return 0;
}

int cbor_get_bytes(struct cbor_reader *r, const uint8_t **p, size_t *n, struct err *err)
{
	return get_string(r, CBOR_BYTES, p, n, err);
}

int cbor_get_text(struct cbor_reader *r, const char **p, size_t *n, struct err *err)
{
	const uint8_t *b = NULL;

	if (get_string(r, CBOR_TEXT, &b, n, err))
		return -1;
	*p = (const char *)b;
	return 0;
}

int cbor_read_string(struct cbor_reader *r, enum cbor_type type, struct buf *out, struct err *err)
{
	struct cbor_item item;

	if (want(r, type, &item, err))
		return -1;
	if (!item.indefinite)
		return buf_add(out, item.bytes, (size_t)item.value, err);
	for (;;) {
		if (cbor_next(r, &item, err))
			return -1;
		if (item.type == CBOR_BREAK)
			return 0;
		if (item.type != type || item.indefinite)
			return bad(r, err, "chunk of another kind inside a string");
		if (buf_add(out, item.bytes, (size_t)item.value, err))
			return -1;
	}
}

static int get_container(struct cbor_reader *r, enum cbor_type type, struct cbor_seq *seq, struct err *err)
{
	struct cbor_item item;

	if (want(r, type, &item, err))
		return -1;
	seq->left = item.value;
	seq->indefinite = item.indefinite;
	return 0;
}

int cbor_get_array(struct cbor_reader *r, struct cbor_seq *seq, struct err *err)
{
	return get_container(r, CBOR_ARRAY, seq, err);
}

int cbor_get_map(struct cbor_reader *r, struct cbor_seq *seq, struct err *err)
{
	return get_container(r, CBOR_MAP, seq, err);
}

int cbor_seq_next(struct cbor_reader *r, struct cbor_seq *seq, struct err *err)
{
	if (!seq->indefinite)
		return seq->left ? (seq->left--, 1) : 0;
	if (!left(r))
		return bad(r, err, "ends inside an array or map");
	if (*r->p != 0xff)
		return 1;
	r->p++;
	seq->indefinite = false;
	seq->left = 0;
	return 0;
}

int cbor_read_ints(struct cbor_reader *r, struct buf *out, struct err *err)
{
	struct cbor_seq seq = {0, false};
	uint64_t byte = 0;
	int more;

	if (cbor_get_array(r, &seq, err))
		return -1;
	while ((more = cbor_seq_next(r, &seq, err)) > 0)
		if (cbor_get_uint(r, UINT8_MAX, &byte, err) || buf_add_byte(out, (uint8_t)byte, err))
			return -1;
	return more;
}

bool cbor_text_is(const char *p, size_t n, const char *s)
{
	return n == strlen(s) && !memcmp(p, s, n);
}

static int put_head(struct buf *b, unsigned major, uint64_t v, struct err *err)
{
	uint8_t h[9];
	size_t n;

	if (v < 24) {
		h[0] = (uint8_t)v;
		n = 1;
	} else if (v <= UINT8_MAX) {
		h[0] = 24;
		h[1] = (uint8_t)v;
		n = 2;
	} else if (v <= UINT16_MAX) {
		h[0] = 25;
		put_be16(h + 1, (uint16_t)v);
		n = 3;
	} else if (v <= UINT32_MAX) {
		h[0] = 26;
		put_be32(h + 1, (uint32_t)v);
		n = 5;
	} else {
		h[0] = 27;
		put_be64(h + 1, v);
		n = 9;
	}
	h[0] = (uint8_t)(h[0] | major << 5);
	return buf_add(b, h, n, err);
}

int cbor_put_uint(struct buf *b, uint64_t v, struct err *err)
{
	return put_head(b, MAJOR_UINT, v, err);
}

int cbor_put_int(struct buf *b, int64_t v, struct err *err)
{
	return v < 0 ? put_head(b, MAJOR_NINT, (uint64_t)(-1 - v), err) : put_head(b, MAJOR_UINT, (uint64_t)v, err);
}

int cbor_put_bytes(struct buf *b, const void *p, size_t n, struct err *err)
{
	return put_head(b, MAJOR_BYTES, n, err) ? -1 : buf_add(b, p, n, err);
}

int cbor_put_textn(struct buf *b, const char *s, size_t n, struct err *err)
{
	return put_head(b, MAJOR_TEXT, n, err) ? -1 : buf_add(b, s, n, err);
}

int cbor_put_text(struct buf *b, const char *s, struct err *err)
{
	return cbor_put_textn(b, s, strlen(s), err);
}

int cbor_put_array(struct buf *b, uint64_t count, struct err *err)
{
	return put_head(b, MAJOR_ARRAY, count, err);
}

int cbor_put_map(struct buf *b, uint64_t pairs, struct err *err)
{
	return put_head(b, MAJOR_MAP, pairs, err);
}

int cbor_put_tag(struct buf *b, uint64_t tag, struct err *err)
{
	return put_head(b, MAJOR_TAG, tag, err);
}

int cbor_put_bool(struct buf *b, bool v, struct err *err)
{
	return put_head(b, MAJOR_OTHER, v ? SIMPLE_TRUE : SIMPLE_FALSE, err);
}

int cbor_put_null(struct buf *b, struct err *err)
{
	return put_head(b, MAJOR_OTHER, SIMPLE_NULL, err);
}
