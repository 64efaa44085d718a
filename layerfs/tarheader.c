// SPDX-License-Identifier: Apache-2.0
//
// The fields of one header, each taken as Go's archive/tar takes it, or refused:
//
//   name 0+100 mode 100+8 uid 108+8 gid 116+8 size 124+12 mtime 136+12 chksum 148+8 typeflag 156 linkname 157+100
//   magic 257+6 version 263+2 … devmajor 329+8 devminor 337+8
//     ustar: prefix 345+155; star ("tar\0" at 508): prefix 345+131; GNU: atime 345+12 ctime 357+12,
//     four sparse pieces 386+4*24, isextended 482, realsize 483+12
//
// A number is octal between blanks and NULs, or base 256 if its first byte has the top bit.
#include "layerfs/tarheader.h"

#include <string.h>

// ---- numbers -------------------------------------------------------------------------------------------------------

// Two's complement, big-endian; the first byte's top bit is only the mark, the next one the sign.
static int base256(const uint8_t *f, size_t n, int64_t *out, struct err *err)
{
	uint8_t flip = f[0] & 0x40 ? 0xff : 0;
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)(f[i] ^ flip) & (i ? 0xff : 0x7f);

		if (v >> 55)
			return err_set(err, ERR_INPUT, "a base-256 number past 63 bits");
		v = v << 8 | c;
	}
	*out = flip ? (int64_t)~v : (int64_t)v;
	return 0;
}

int tar_number(const uint8_t *f, size_t n, int64_t *out, struct err *err)
{
	uint64_t v = 0;

	if (n && f[0] & 0x80)
		return base256(f, n, out, err);
	while (n && (*f == ' ' || *f == '\0'))
		f++, n--;
	for (; n && *f >= '0' && *f <= '7'; f++, n--)
		v = v << 3 | (unsigned)(*f - '0'); // at most 12 digits: 36 bits
	for (; n && *f == ' '; f++, n--)
		;
	if (n && *f != '\0')
		return err_set(err, ERR_INPUT, "a number that is not octal");
	for (; n; f++, n--) {
		if (*f != '\0' && *f != ' ')
			return err_set(err, ERR_INPUT, "bytes behind a number's end");
	}
	*out = (int64_t)v;
	return 0;
}

// ---- the block -----------------------------------------------------------------------------------------------------

static int check_sum(const uint8_t *b, struct err *err)
{
	int64_t want, plain = 0, with_sign = 0;

	for (int i = 0; i < TAR_BLOCK; i++) {
		uint8_t c = i >= 148 && i < 156 ? ' ' : b[i];

		plain += c;
		with_sign += (int8_t)c;
	}
	if (tar_number(b + 148, 8, &want, err))
		return err_prefix(err, "checksum: ");
	if (want != plain && want != with_sign)
		return err_set(err, ERR_INPUT, "its checksum is wrong");
	return 0;
}

bool tar_all_zero(const uint8_t *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

int tar_header_format(const uint8_t *b, enum tar_format *f, struct err *err)
{
	if (check_sum(b, err))
		return -1;
	if (!memcmp(b + 257, "ustar", 6))
		*f = memcmp(b + 508, "tar", 4) ? TAR_USTAR : TAR_STAR;
	else if (!memcmp(b + 257, "ustar  ", 8))
		*f = TAR_GNU;
	else if (memcmp(b + 257, "ustar", 5))
		*f = TAR_V7;
	else
		return err_set(err, ERR_INPUT, "its magic is neither ustar's nor GNU's");
	return 0;
}

// GNU's fields behind the device numbers: Go falls back to a prefix if the times are no numbers; libarchive reads a
// sparse map in an entry of any type.
static int check_gnu(const uint8_t *b, struct err *err)
{
	int64_t t;

	if ((b[345] && tar_number(b + 345, 12, &t, err)) || (b[357] && tar_number(b + 357, 12, &t, err)))
		return err_prefix(err, "access or change time: ");
	if (b[156] != 'S' && !tar_all_zero(b + 386, 495 - 386))
		return err_set(err, ERR_INPUT, "sparse fields in an entry that is not sparse");
	return 0;
}

static size_t field_len(const uint8_t *p, size_t n)
{
	return strnlen((const char *)p, n);
}

int tar_field_number(const uint8_t *b, size_t at, size_t n, const char *what, uint64_t *out, struct err *err)
{
	int64_t v;

	if (tar_number(b + at, n, &v, err))
		return err_prefix(err, "%s: ", what);
	if (v < 0)
		return err_set(err, ERR_INPUT, "%s: a negative number", what);
	*out = (uint64_t)v;
	return 0;
}

int tar_header_numbers(const uint8_t *b, enum tar_format f, struct tar_entry *e, struct err *err)
{
	if (tar_field_number(b, 100, 8, "mode", &e->mode, err) || tar_field_number(b, 108, 8, "uid", &e->uid, err) ||
	    tar_field_number(b, 116, 8, "gid", &e->gid, err) || tar_field_number(b, 124, 12, "size", &e->size, err))
		return -1;
	if (tar_number(b + 136, 12, &e->mtime, err))
		return err_prefix(err, "mtime: ");
	if (f == TAR_V7)
		return 0;
	if (tar_field_number(b, 329, 8, "device number", &e->dev_major, err) ||
	    tar_field_number(b, 337, 8, "device number", &e->dev_minor, err))
		return -1;
	return f == TAR_GNU ? check_gnu(b, err) : 0;
}

int tar_header_names(const uint8_t *b, enum tar_format f, struct buf *text, struct tar_entry *e, struct err *err)
{
	size_t prefix = f == TAR_USTAR ? field_len(b + 345, 155) : f == TAR_STAR ? field_len(b + 345, 131) : 0;
	size_t name = field_len(b, 100), link = field_len(b + 157, 100);

	text->len = 0;
	if (prefix && (buf_add(text, b + 345, prefix, err) || buf_add_byte(text, '/', err)))
		return -1;
	if (buf_add(text, b, name, err) || buf_add_byte(text, 0, err) || buf_add(text, b + 157, link, err) ||
	    buf_add_byte(text, 0, err))
		return -1;
	e->name = (const char *)text->data;
	e->name_len = prefix + (prefix ? 1 : 0) + name;
	e->link = e->name + e->name_len + 1;
	e->link_len = link;
	return 0;
}
