// SPDX-License-Identifier: Apache-2.0
//
// The walk keeps the dotted path in one fixed buffer and descends through an explicit stack of CONFIG_DEPTH_MAX maps.
// A group that is opened twice would let a key stand twice, so keys are remembered per map: groups and values alike.
#include "runtime/common/config.h"

#include "base/cbor.h"
#include "base/io.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { PATH_TEXT_MAX = 128 };

struct seen_key {
	const char *p;
	size_t n;
};

struct level {
	struct cbor_seq seq;
	size_t path_len; // of the map's own path
	struct seen_key keys[CONFIG_KEYS_MAX];
	size_t n_keys;
};

struct walk {
	struct cbor_reader r;
	const struct config_field *fields;
	size_t count;
	void *out;
	uint64_t filled; // a bit a field
	struct level levels[CONFIG_DEPTH_MAX];
	size_t depth; // levels in use
	char path[PATH_TEXT_MAX];
};

static int bad_key(const char *key, size_t n, const char *why, struct err *err)
{
	char q[PATH_TEXT_MAX + 8];

	return err_set(err, ERR_INPUT, "key %s %s", err_quote(key, n, q, sizeof(q)), why);
}

static int decode_text(struct cbor_reader *r, uint64_t min, uint64_t max, char **out, struct err *err)
{
	const char *p;
	size_t n;
	char *copy;

	if (cbor_get_text(r, &p, &n, err))
		return -1;
	if (n < min || n > (max ? max : CONFIG_TEXT_MAX))
		return err_set(err, ERR_INPUT, "a text of %zu bytes, outside %llu to %llu", n, (unsigned long long)min,
			       (unsigned long long)(max ? max : CONFIG_TEXT_MAX));
	if (memchr(p, 0, n))
		return err_set(err, ERR_INPUT, "a text with a NUL in it");
	copy = mem_dup(p, n, err);
	if (!copy)
		return -1;
	free(*out);
	*out = copy;
	return 0;
}

static int decode_addr(struct cbor_reader *r, struct addr *out, struct err *err)
{
	char *text = NULL;
	int rc = decode_text(r, 1, ADDR_TEXT_MAX, &text, err);

	if (rc == 0 && addr_parse(text, out, err)) {
		if (err)
			err->class = ERR_INPUT;
		rc = -1;
	}
	free(text);
	return rc;
}

static void list_free(struct config_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	free(l->items);
	*l = (struct config_list){NULL, 0};
}

static int decode_list(struct cbor_reader *r, uint64_t max, struct config_list *out, struct err *err)
{
	struct cbor_seq seq;
	int more;

	if (cbor_get_array(r, &seq, err))
		return -1;
	if (seq.left > (max ? max : CONFIG_LIST_MAX))
		return err_set(err, ERR_INPUT, "a list of %llu elements", (unsigned long long)seq.left);
	list_free(out);
	out->items = mem_zalloc(seq.left, sizeof(*out->items), err);
	if (!out->items)
		return -1;
	while ((more = cbor_seq_next(r, &seq, err)) > 0) {
		if (decode_text(r, 1, 0, &out->items[out->n], err))
			return err_prefix(err, "element %zu: ", out->n);
		out->n++;
	}
	return more;
}

static int decode_value(struct cbor_reader *r, const struct config_field *f, void *member, struct err *err)
{
	switch (f->type) {
	case CONFIG_BOOL:
		return cbor_get_bool(r, member, err);
	case CONFIG_UINT:
		if (cbor_get_uint(r, f->max, member, err))
			return -1;
		if (*(uint64_t *)member < f->min)
			return err_set(err, ERR_INPUT, "less than %llu", (unsigned long long)f->min);
		return 0;
	case CONFIG_TEXT:
		return decode_text(r, f->min, f->max, member, err);
	case CONFIG_ADDR:
		return decode_addr(r, member, err);
	default:
		return decode_list(r, f->max, member, err);
	}
}

// Is `path` a group: the beginning, up to a dot, of some key?
static bool is_group(const struct walk *w, size_t n)
{
	for (size_t i = 0; i < w->count; i++)
		if (!strncmp(w->fields[i].key, w->path, n) && w->fields[i].key[n] == '.')
			return true;
	return false;
}

static const struct config_field *find(const struct walk *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (!strcmp(w->fields[i].key, w->path))
			return &w->fields[i];
	return NULL;
}

// Appends a key to the path of the innermost map, refusing one that stands there already.
static int enter_key(struct walk *w, const char *key, size_t n, struct err *err)
{
	struct level *l = &w->levels[w->depth - 1];
	size_t at = l->path_len;

	for (size_t i = 0; i < l->n_keys; i++)
		if (l->keys[i].n == n && !memcmp(l->keys[i].p, key, n))
			return bad_key(key, n, "stands twice", err);
	if (l->n_keys == CONFIG_KEYS_MAX)
		return err_set(err, ERR_INPUT, "more than %d keys in a map", CONFIG_KEYS_MAX);
	l->keys[l->n_keys++] = (struct seen_key){key, n};
	if (n == 0 || memchr(key, '.', n) || memchr(key, 0, n) || at + 1 + n >= sizeof(w->path))
		return bad_key(key, n, "is not known", err);
	if (at)
		w->path[at++] = '.';
	memcpy(w->path + at, key, n);
	w->path[at + n] = '\0';
	return 0;
}

static int open_map(struct walk *w, size_t path_len, struct err *err)
{
	struct level *l = &w->levels[w->depth];

	if (w->depth == CONFIG_DEPTH_MAX)
		return err_set(err, ERR_INPUT, "maps more than %d deep", CONFIG_DEPTH_MAX);
	if (cbor_get_map(&w->r, &l->seq, err))
		return -1;
	l->path_len = path_len;
	l->n_keys = 0;
	w->depth++;
	return 0;
}

static int one_pair(struct walk *w, struct err *err)
{
	const struct config_field *f;
	const char *key;
	size_t n;

	if (cbor_get_text(&w->r, &key, &n, err))
		return err_prefix(err, "a key: ");
	if (enter_key(w, key, n, err))
		return -1;
	f = find(w);
	if (f) {
		w->filled |= UINT64_C(1) << (f - w->fields);
		if (decode_value(&w->r, f, (char *)w->out + f->offset, err))
			return err_prefix(err, "key \"%s\": ", w->path);
		return 0;
	}
	n = strlen(w->path);
	if (!is_group(w, n))
		return bad_key(w->path, n, "is not known", err);
	return open_map(w, n, err) ? err_prefix(err, "key \"%s\": ", w->path) : 0;
}

static int check_required(const struct walk *w, struct err *err)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->fields[i].required && !(w->filled & UINT64_C(1) << i))
			return bad_key(w->fields[i].key, strlen(w->fields[i].key), "is missing", err);
	return 0;
}

int config_decode(const void *cbor, size_t n, const struct config_field *fields, size_t count, void *out,
		  struct err *err)
{
	struct walk w = {.fields = fields, .count = count, .out = out};

	if (count > CONFIG_KEYS_MAX)
		return err_set(err, ERR_USAGE, "a table of %zu keys", count);
	cbor_reader_init(&w.r, cbor, n, CBOR_STRICT);
	if (open_map(&w, 0, err))
		return -1;
	while (w.depth) {
		struct level *l = &w.levels[w.depth - 1];
		int more = cbor_seq_next(&w.r, &l->seq, err);

		if (more < 0)
			return -1;
		if (more == 0)
			w.depth--;
		else if (one_pair(&w, err))
			return -1;
	}
	if (cbor_end(&w.r, err))
		return -1;
	return check_required(&w, err);
}

int config_load(const char *path, const struct config_field *fields, size_t count, void *out, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT(CONFIG_FILE_MAX);
	char q[256];

	if (io_slurp(path, CONFIG_FILE_MAX, &b, err))
		return -1;
	if (config_decode(b.data, b.len, fields, count, out, err))
		return err_prefix(err, "configuration %s: ", err_quote(path, strlen(path), q, sizeof(q)));
	return 0;
}

void config_release(const struct config_field *fields, size_t count, void *out)
{
	for (size_t i = 0; i < count; i++) {
		void *member = (char *)out + fields[i].offset;

		if (fields[i].type == CONFIG_TEXT) {
			free(*(char **)member);
			*(char **)member = NULL;
		} else if (fields[i].type == CONFIG_LIST) {
			list_free(member);
		}
	}
}
