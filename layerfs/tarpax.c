// SPDX-License-Identifier: Apache-2.0
//
// Only the keys that change what a reader sees are kept; the rest is checked for form and passed over. A key that
// libarchive obeys and Go does not (or the reverse) is refused by name, since each of them is a way to show two trees.
#include "layerfs/tarpax.h"

#include "base/checked.h"

#include <string.h>

enum { NANO_DIGITS = 9, KEY_SHOWN = 80 };

void pax_init(struct pax *p)
{
	*p = (struct pax){.path = BUF_INIT(0), .link = BUF_INIT(0), .sparse_name = BUF_INIT(0)};
}

void pax_clear(struct pax *p)
{
	buf_free(&p->path);
	buf_free(&p->link);
	buf_free(&p->sparse_name);
	pax_init(p);
}

// ---- numbers -------------------------------------------------------------------------------------------------------

int tar_decimal(const char *text, size_t n, uint64_t *out, struct err *err)
{
	uint64_t v = 0;

	if (!n)
		return err_set(err, ERR_INPUT, "an empty number");
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return err_set(err, ERR_INPUT, "a number that is not decimal");
		if (ckd_mul(&v, v, 10u) || ckd_add(&v, v, (unsigned)(text[i] - '0')) || v > INT64_MAX)
			return err_set(err, ERR_INPUT, "a number past 63 bits");
	}
	*out = v;
	return 0;
}

// "-1.5": whole seconds rounded down, nanoseconds up from there. Digits past the ninth are dropped, as Go does.
static int pax_time(struct pax *p, const char *text, size_t n, struct err *err)
{
	bool negative = n && *text == '-';
	const char *dot = memchr(text, '.', n);
	size_t whole = dot ? (size_t)(dot - text) : n, frac = dot ? n - whole - 1 : 0;
	uint64_t sec;
	uint32_t nsec = 0;

	if (tar_decimal(text + negative, whole - negative, &sec, err))
		return -1;
	for (size_t i = 0; i < (frac > NANO_DIGITS ? frac : NANO_DIGITS); i++) {
		char c = i < frac ? dot[1 + i] : '0';

		if (c < '0' || c > '9')
			return err_set(err, ERR_INPUT, "a time that is no number");
		if (i < NANO_DIGITS)
			nsec = nsec * 10 + (uint32_t)(c - '0');
	}
	p->mtime = negative ? -(int64_t)sec - (nsec ? 1 : 0) : (int64_t)sec;
	p->mtime_nsec = negative && nsec ? 1000000000 - nsec : nsec;
	return 0;
}

// ---- sparse --------------------------------------------------------------------------------------------------------

int pax_sparse_number(struct pax *p, uint64_t v, struct err *err)
{
	uint64_t end;

	if (p->sparse_numbers++ % 2 == 0) {
		if (v < p->sparse_end)
			return err_set(err, ERR_INPUT, "a sparse map out of order");
		p->sparse_last = v;
		return 0;
	}
	if (ckd_add(&end, p->sparse_last, v) || end > INT64_MAX)
		return err_set(err, ERR_INPUT, "a sparse map past 2^63");
	p->sparse_end = end;
	p->sparse_data += v; // no overflow: pieces do not overlap
	return 0;
}

static int sparse_map(struct pax *p, const char *text, size_t n, struct err *err)
{
	p->has_sparse_map = true;
	for (;;) {
		const char *comma = memchr(text, ',', n);
		size_t len = comma ? (size_t)(comma - text) : n;
		uint64_t v;

		if (tar_decimal(text, len, &v, err) || pax_sparse_number(p, v, err))
			return -1;
		if (!comma)
			return 0;
		text += len + 1;
		n -= len + 1;
	}
}

static int sparse_pair(struct pax *p, bool is_offset, const char *v, size_t n, struct err *err)
{
	uint64_t x;

	p->sparse_pairs = true;
	if (is_offset != (p->sparse_numbers % 2 == 0))
		return err_set(err, ERR_INPUT, "sparse offsets and lengths out of turn");
	return tar_decimal(v, n, &x, err) || pax_sparse_number(p, x, err) ? -1 : 0;
}

int pax_sparse_form(const struct pax *p, enum pax_sparse *form, struct err *err)
{
	bool numbered = p->sparse_major || p->sparse_minor, in_header = p->sparse_pairs || p->has_sparse_map;

	*form = PAX_SPARSE_NONE;
	if (!p->has_sparse)
		return 0;
	if (numbered && p->sparse_major == '1' && p->sparse_minor == '0' && !in_header && p->has_sparse_size)
		*form = PAX_SPARSE_1;
	else if ((!numbered || (p->sparse_major == '0' && (p->sparse_minor == '0' || p->sparse_minor == '1'))) &&
		 p->sparse_pairs != p->has_sparse_map && p->has_sparse_size && p->has_sparse_blocks &&
		 p->sparse_numbers % 2 == 0 && p->sparse_numbers / 2 == p->sparse_blocks)
		*form = PAX_SPARSE_0;
	else
		return err_set(err, ERR_INPUT, "pax sparse records that make no sparse file");
	return 0;
}

// ---- records -------------------------------------------------------------------------------------------------------

static int once(bool *seen, struct err *err)
{
	if (*seen)
		return err_set(err, ERR_INPUT, "it stands there twice");
	*seen = true;
	return 0;
}

static int keep_text(bool *seen, struct buf *to, const char *v, size_t n, struct err *err)
{
	if (memchr(v, '\0', n))
		return err_set(err, ERR_INPUT, "a NUL within");
	return once(seen, err) || buf_add(to, v, n, err) ? -1 : 0;
}

static int keep_number(bool *seen, uint64_t *to, const char *v, size_t n, struct err *err)
{
	return once(seen, err) || tar_decimal(v, n, to, err) ? -1 : 0;
}

static int sparse_version(char *to, const char *v, size_t n, struct err *err)
{
	if (*to || n != 1 || (*v != '0' && *v != '1'))
		return err_set(err, ERR_INPUT, "an unknown sparse version");
	*to = *v;
	return 0;
}

static bool key_is(const char *k, size_t n, const char *want)
{
	return n == strlen(want) && !memcmp(k, want, n);
}

static bool key_begins(const char *k, size_t n, const char *want)
{
	return n >= strlen(want) && !memcmp(k, want, strlen(want));
}

static int sparse_record(struct pax *p, const char *k, size_t kn, const char *v, size_t vn, struct err *err)
{
	p->has_sparse = true;
	if (key_is(k, kn, "major"))
		return sparse_version(&p->sparse_major, v, vn, err);
	if (key_is(k, kn, "minor"))
		return sparse_version(&p->sparse_minor, v, vn, err);
	if (key_is(k, kn, "name"))
		return keep_text(&p->has_sparse_name, &p->sparse_name, v, vn, err);
	if (key_is(k, kn, "size") || key_is(k, kn, "realsize"))
		return keep_number(&p->has_sparse_size, &p->sparse_size, v, vn, err);
	if (key_is(k, kn, "numblocks"))
		return keep_number(&p->has_sparse_blocks, &p->sparse_blocks, v, vn, err);
	if (key_is(k, kn, "map"))
		return p->has_sparse_map ? once(&p->has_sparse_map, err) : sparse_map(p, v, vn, err);
	if (key_is(k, kn, "offset") || key_is(k, kn, "numbytes"))
		return sparse_pair(p, k[0] == 'o', v, vn, err);
	return err_set(err, ERR_INPUT, "an unknown sparse key");
}

// Keys that libarchive takes for the size or the map of a file and Go passes over.
static bool is_divisive(const char *k, size_t n)
{
	return key_is(k, n, "SCHILY.realsize") || key_begins(k, n, "SUN.holes");
}

static int record(struct pax *p, const char *k, size_t kn, const char *v, size_t vn, struct err *err)
{
	if (key_is(k, kn, "path"))
		return vn ? keep_text(&p->has_path, &p->path, v, vn, err) : err_set(err, ERR_INPUT, "empty");
	if (key_is(k, kn, "linkpath"))
		return vn ? keep_text(&p->has_link, &p->link, v, vn, err) : err_set(err, ERR_INPUT, "empty");
	if (key_is(k, kn, "size"))
		return keep_number(&p->has_size, &p->size, v, vn, err);
	if (key_is(k, kn, "uid"))
		return keep_number(&p->has_uid, &p->uid, v, vn, err);
	if (key_is(k, kn, "gid"))
		return keep_number(&p->has_gid, &p->gid, v, vn, err);
	if (key_is(k, kn, "mtime"))
		return once(&p->has_mtime, err) || pax_time(p, v, vn, err) ? -1 : 0;
	if (key_begins(k, kn, "GNU.sparse."))
		return sparse_record(p, k + 11, kn - 11, v, vn, err);
	if (is_divisive(k, kn))
		return err_set(err, ERR_INPUT, "readers differ about it");
	if (key_begins(k, kn, "SCHILY.xattr.") || key_begins(k, kn, "LIBARCHIVE.xattr.")) {
		p->has_xattr = true;
		p->has_capability |= key_is(k, kn, "SCHILY.xattr.security.capability") ||
				     key_is(k, kn, "LIBARCHIVE.xattr.security.capability");
	}
	return 0;
}

// Splits off one record: `LENGTH KEY=VALUE LF`, LENGTH counting all of it. Its length, or 0 if it is malformed.
static size_t split(const char *text, size_t n, const char **key, size_t *key_len, const char **value,
		    size_t *value_len)
{
	size_t len = 0, i = 0;
	const char *eq;

	for (; i < n && text[i] >= '0' && text[i] <= '9' && len <= n; i++)
		len = len * 10 + (size_t)(text[i] - '0');
	if (!i || text[0] == '0' || i == n || text[i] != ' ' || len > n || len < i + 4 || text[len - 1] != '\n')
		return 0;
	*key = text + i + 1;
	eq = memchr(*key, '=', len - i - 2);
	if (!eq || eq == *key || memchr(*key, '\0', (size_t)(eq - *key)))
		return 0;
	*key_len = (size_t)(eq - *key);
	*value = eq + 1;
	*value_len = (size_t)(text + len - 1 - *value);
	return len;
}

static int parse(struct pax *p, const char *text, size_t n, struct err *err)
{
	char q[KEY_SHOWN];

	while (n) {
		const char *k, *v;
		size_t kn, vn, len = split(text, n, &k, &kn, &v, &vn);

		if (!len)
			return err_set(err, ERR_INPUT, "a malformed pax record");
		if (!p && !key_is(k, kn, "comment"))
			return err_set(err, ERR_INPUT, "a global pax record %s", err_quote(k, kn, q, sizeof(q)));
		if (p && record(p, k, kn, v, vn, err))
			return err_prefix(err, "pax record %s: ", err_quote(k, kn, q, sizeof(q)));
		text += len;
		n -= len;
	}
	return 0;
}

int pax_parse(struct pax *p, const char *text, size_t n, struct err *err)
{
	p->present = true;
	return parse(p, text, n, err);
}

int pax_parse_global(const char *text, size_t n, struct err *err)
{
	return parse(NULL, text, n, err);
}
