// SPDX-License-Identifier: Apache-2.0
//
// Making two files alike in one respect, then comparing. Formats first (zip, ar, gzip, ELF build id), since they keep
// lengths; then text: numbers and dates, random ids, build paths, order of lines.
#include "eifgen/cause_bytes.h"

#include "base/mem.h"
#include "layerfs/entropy_probe.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || !memcmp(a->data, b->data, a->len));
}

static void zero(struct buf *f, size_t off, size_t n)
{
	if (off <= f->len && n <= f->len - off)
		memset(f->data + off, 0, n);
}

// ---- formats: each overwrites its stamps and says whether the file is of that format --------------------------------

static bool mask_zip(struct buf *f)
{
	if (f->len < 4 || memcmp(f->data, "PK\3\4", 4))
		return false;
	for (size_t i = 0; i + 4 <= f->len; i++) {
		const uint8_t *p = memchr(f->data + i, 'P', f->len - i - 3);

		if (!p)
			break;
		i = (size_t)(p - f->data);
		if (!memcmp(p, "PK\3\4", 4))
			zero(f, i + 10, 4); // local header: time, date
		else if (!memcmp(p, "PK\1\2", 4))
			zero(f, i + 12, 4); // central directory
	}
	// Extended timestamps: "UT", size u16 (1, 5, 9 or 13), flags, then seconds.
	for (size_t i = 0; i + 9 <= f->len; i++)
		if (f->data[i] == 'U' && f->data[i + 1] == 'T' && f->data[i + 3] == 0 && f->data[i + 2] % 4 == 1 &&
		    f->data[i + 2] <= 13 && (f->data[i + 4] & ~7) == 0)
			zero(f, i + 5, (size_t)f->data[i + 2] - 1);
	return true;
}

static bool mask_ar(struct buf *f)
{
	size_t off = 8;

	if (f->len < 8 || memcmp(f->data, "!<arch>\n", 8))
		return false;
	while (off <= f->len && f->len - off >= 60 && f->data[off + 58] == '`') {
		uint64_t size = 0;

		for (size_t k = 48; k < 58 && f->data[off + k] >= '0' && f->data[off + k] <= '9'; k++)
			size = size * 10 + (uint64_t)(f->data[off + k] - '0');
		zero(f, off + 16, 24); // date, uid, gid
		if (size > f->len - off - 60)
			break;
		off += 60 + (size_t)(size + (size & 1));
	}
	return true;
}

static bool mask_gzip(struct buf *f)
{
	if (f->len < 18 || f->data[0] != 0x1f || f->data[1] != 0x8b)
		return false;
	zero(f, 4, 4);
	return true;
}

// The descriptor of every NT_GNU_BUILD_ID note in a 64-bit little-endian ELF: found by its header "GNU\0", no walk of
// section tables that a hostile file could make long.
static bool mask_build_id(struct buf *f)
{
	static const uint8_t note[] = {4, 0, 0, 0, 20, 0, 0, 0, NT_GNU_BUILD_ID, 0, 0, 0, 'G', 'N', 'U', 0};

	if (f->len < 64 || memcmp(f->data, ELFMAG, SELFMAG))
		return false;
	for (size_t off = 0; off < f->len;) {
		uint8_t *p = memmem(f->data + off, f->len - off, note, sizeof(note));

		if (!p)
			break;
		off = (size_t)(p - f->data) + sizeof(note);
		zero(f, off, 20);
	}
	return true;
}

// The source's time and size, by which Python tells whether the file is still good; none in one that goes by a hash.
static bool mask_pyc(struct buf *f)
{
	size_t off, n;

	if (f->len < ENTROPY_PYC_HEAD || !entropy_pyc_stamp(f->data, &off, &n))
		return false;
	zero(f, off, n);
	return true;
}

static const struct {
	bool (*mask)(struct buf *f);
	struct cause cause;
	const char *ending; // of the path, where the magic alone could be a text's; NULL: any path
} formats[] = {
    {mask_zip,
     {"zip-times", "only times of zip members differ", "strip-nondeterminism, or zip -X with fixed times"},
     NULL},
    {mask_ar, {"ar-times", "only dates and owners of ar members differ", "ar rcsD (deterministic mode)"}, NULL},
    {mask_gzip, {"gzip-time", "only the time in the gzip header differs", "gzip -n"}, NULL},
    {mask_pyc,
     {"pyc-stamp", "only the source's time and size in the compiled Python differ",
      "PYTHONDONTWRITEBYTECODE=1, pip --no-compile, or compileall --invalidation-mode unchecked-hash"},
     ".pyc"},
    {mask_build_id,
     {"build-id", "only the ELF build id differs",
      "link with -Wl,--build-id=none, or make debug info reproducible (-ffile-prefix-map)"},
     NULL},
};

static bool ends_with(const char *path, const char *ending)
{
	size_t n = strlen(path), k = strlen(ending);

	return n >= k && !strcmp(path + n - k, ending);
}

static int by_format(const char *path, const struct buf *a, const struct buf *b, struct cause *out, struct err *err)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		_cleanup_buf_ struct buf x = BUF_INIT(0), y = BUF_INIT(0);

		if (a->len != b->len)
			return 0;
		if (formats[i].ending && !ends_with(path, formats[i].ending))
			continue;
		if (buf_add(&x, a->data, a->len, err) || buf_add(&y, b->data, b->len, err))
			return -1;
		if (formats[i].mask(&x) && formats[i].mask(&y) && same(&x, &y)) {
			*out = formats[i].cause;
			return 1;
		}
	}
	return 0;
}

// ---- text: each rewrites the file into `out` with one kind of word replaced by a mark -------------------------------

static bool digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool hex_digit(uint8_t c)
{
	return digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool word_byte(uint8_t c)
{
	return digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Words of eight or more hex digits (dashes within, as a UUID has), and what follows "tmp", become one mark.
static int mask_ids(const struct buf *f, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < f->len;) {
		size_t n = i;

		while (n < f->len && (hex_digit(f->data[n]) || (f->data[n] == '-' && n > i)))
			n++;
		if (n - i < 8 && f->len - i > 3 && !memcmp(f->data + i, "tmp", 3))
			for (n = i + 3;
			     n < f->len && (word_byte(f->data[n]) || strchr("._-", f->data[n])) && f->data[n];)
				n++;
		if (n - i < 8)
			n = i;
		if (buf_add_byte(out, n > i ? 3 : f->data[i], err))
			return -1;
		i = n > i ? n : i + 1;
	}
	return 0;
}

// Absolute paths become one mark.
static int mask_paths(const struct buf *f, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < f->len;) {
		bool path = f->data[i] == '/' && (i == 0 || !word_byte(f->data[i - 1]));

		if (buf_add_byte(out, path ? 4 : f->data[i], err))
			return -1;
		i++;
		while (path && i < f->len && f->data[i] > ' ' && f->data[i] < 0x7f &&
		       !strchr("\"'`:;,)(<>|", f->data[i]))
			i++;
	}
	return 0;
}

struct line {
	const uint8_t *p;
	size_t n;
};

static int line_compare(const void *pa, const void *pb)
{
	const struct line *a = pa, *b = pb;
	int c = memcmp(a->p, b->p, a->n < b->n ? a->n : b->n);

	return c ? c : (a->n > b->n) - (a->n < b->n);
}

static int sort_lines(const struct buf *f, struct buf *out, struct err *err)
{
	struct line *lines = NULL;
	size_t count = 0, cap = 0;
	int rc = 0;

	for (size_t i = 0; i < f->len && !rc;) {
		const uint8_t *end = memchr(f->data + i, '\n', f->len - i);
		size_t n = end ? (size_t)(end - f->data) - i : f->len - i;

		rc = mem_grow(&lines, &cap, count, sizeof(*lines), err);
		if (!rc)
			lines[count++] = (struct line){f->data + i, n};
		i += n + 1;
	}
	if (!rc && count)
		qsort(lines, count, sizeof(*lines), line_compare);
	for (size_t i = 0; i < count && !rc; i++)
		rc = buf_add(out, lines[i].p, lines[i].n, err) || buf_add_byte(out, '\n', err) ? -1 : 0;
	free(lines);
	return rc;
}

static const struct {
	int (*mask)(const struct buf *f, struct buf *out, struct err *err);
	struct cause cause;
} texts[] = {
    {mask_ids,
     {"random-id", "only random identifiers inside the file differ", "fix the identifier, or delete the file"}},
    {mask_paths,
     {"build-path", "only paths inside the file differ",
      "build in a fixed directory, or map it away "
      "(-ffile-prefix-map)"}},
    {sort_lines, {"reordered", "the same lines in another order", "sort the list where it is written (LC_ALL=C sort)"}},
};

int cause_of_bytes(const char *path, struct buf *a, struct buf *b, struct cause *out, struct err *err)
{
	int r = by_format(path, a, b, out, err);

	if (r)
		return r;
	if (cause_of_dates(a, b, out))
		return 1;
	for (size_t i = 0; !r && i < sizeof(texts) / sizeof(texts[0]); i++) {
		_cleanup_buf_ struct buf x = BUF_INIT(0), y = BUF_INIT(0);

		if (texts[i].mask(a, &x, err) || texts[i].mask(b, &y, err))
			return -1;
		if (same(&x, &y)) {
			*out = texts[i].cause;
			return 1;
		}
	}
	return r;
}
