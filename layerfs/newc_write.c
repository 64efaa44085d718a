// SPDX-License-Identifier: Apache-2.0
//
// Writes newc archives: the format alone (digits, padding, trailer), no policy.
//
// Invariant: `offset` counts from the start of the archive, and every header begins at a multiple of 4 of it; an entry
// may only begin when the one before it has had all of its filesize bytes.
#include "layerfs/newc.h"

#include "base/be.h"

#include <string.h>

enum {
	NEWC_HEADER = 110,	// "070701" and thirteen fields of eight digits
	NEWC_ALIGN = 4,		// after a name and after data
	NEWC_BLOCK = 512,	// after the trailer
	NEWC_TOGETHER = 4096,	// a header and a name up to this length go out in one write
};

static const char zeros[NEWC_BLOCK];

void newc_writer_init(struct newc_writer *w, struct sink out)
{
	*w = (struct newc_writer){.out = out};
}

static int put(struct newc_writer *w, const void *p, size_t n, struct err *err)
{
	if (n && sink_write(&w->out, p, n, err))
		return -1;
	w->offset += n;
	return 0;
}

static size_t padding(uint64_t offset, unsigned to)
{
	return (size_t)(-offset & (to - 1));
}

// All eight digits at once: a nibble a byte, then what makes a digit of 0 to 9 and a letter of the rest.
static char *put_hex8(char *p, uint32_t v)
{
	uint64_t x = v, letter;

	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	letter = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
	put_be64(p, x + UINT64_C(0x3030303030303030) + letter * ('a' - '9' - 1));
	return p + 8;
}

static void encode_header(const struct newc_header *h, uint32_t namesize, char out[NEWC_HEADER])
{
	const uint32_t fields[] = {h->ino, h->mode, h->uid, h->gid, h->nlink, h->mtime, h->filesize, h->devmajor,
				   h->devminor, h->rdevmajor, h->rdevminor, namesize, h->check};

	memcpy(out, "070701", 6);
	out += 6;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		out = put_hex8(out, fields[i]);
}

static int write_header(struct newc_writer *w, const struct newc_header *h, const char *name, size_t len,
			struct err *err)
{
	char b[NEWC_HEADER + NEWC_TOGETHER + NEWC_ALIGN];
	size_t pad = padding(w->offset + NEWC_HEADER + len + 1, NEWC_ALIGN);

	encode_header(h, (uint32_t)(len + 1), b);
	if (len <= NEWC_TOGETHER - 1) {
		memcpy(b + NEWC_HEADER, name, len);
		memset(b + NEWC_HEADER + len, 0, 1 + pad);
		return put(w, b, NEWC_HEADER + len + 1 + pad, err);
	}
	if (put(w, b, NEWC_HEADER, err) || put(w, name, len, err))
		return -1;
	return put(w, zeros, 1 + pad, err);
}

static int begin_entry(struct newc_writer *w, const struct newc_header *h, const char *name, size_t len,
		       struct err *err)
{
	if (w->data_left)
		return err_set(err, ERR_INPUT, "newc: %llu bytes of the previous entry are missing",
			       (unsigned long long)w->data_left);
	if (len == 0 || len >= UINT32_MAX || memchr(name, 0, len))
		return err_set(err, ERR_INPUT, "newc: a name of %zu bytes, or with a NUL in it, cannot be written",
			       len);
	if (write_header(w, h, name, len, err))
		return -1;
	w->data_left = h->filesize;
	return 0;
}

int newc_write_entry(struct newc_writer *w, const struct newc_header *h, const char *name, size_t len, struct err *err)
{
	if (begin_entry(w, h, name, len, err))
		return -1;
	return w->watch ? w->watch->entry(w->watch->ctx, &(struct newc_entry){*h, name, len, w->offset}, err) : 0;
}

static int too_much(const struct newc_writer *w, uint64_t n, struct err *err)
{
	if (n <= w->data_left)
		return 0;
	return err_set(err, ERR_INPUT, "newc: %llu bytes more than the entry's size",
		       (unsigned long long)(n - w->data_left));
}

static int data_done(struct newc_writer *w, uint64_t n, struct err *err)
{
	w->data_left -= n;
	return w->data_left ? 0 : put(w, zeros, padding(w->offset, NEWC_ALIGN), err);
}

int newc_write_data(struct newc_writer *w, const void *p, size_t n, struct err *err)
{
	if (too_much(w, n, err))
		return -1;
	if (n == 0)
		return 0;
	if (put(w, p, n, err) || data_done(w, n, err))
		return -1;
	return w->watch ? w->watch->data(w->watch->ctx, p, n, err) : 0;
}

int newc_skip_data(struct newc_writer *w, uint64_t n, struct err *err)
{
	if (too_much(w, n, err))
		return -1;
	w->offset += n;
	return n ? data_done(w, n, err) : 0;
}

int newc_write_trailer(struct newc_writer *w, const struct newc_header *h, struct err *err)
{
	static const char name[] = "TRAILER!!!";

	if (begin_entry(w, h, name, sizeof(name) - 1, err) || put(w, zeros, padding(w->offset, NEWC_BLOCK), err))
		return -1;
	return w->watch ? w->watch->trailer(w->watch->ctx, h, w->offset, err) : 0;
}
