// SPDX-License-Identifier: Apache-2.0
//
// Reads newc archives strictly and without holding them: a window of the file slides over headers and names, data is
// only skipped (whoever wants it reads data_offset itself).
//
//   pos -> header 110 | name, NUL, pad to 4 | data | pad to 4 | header …
//
// Invariants: every number is held against what is left of the archive before it is used; `pos` never passes `size`;
// the window holds bytes [win_at, win_at + win_len) of the archive.
#include "layerfs/newc.h"

#include "base/mem.h"

#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

enum {
	HEADER = 110,
	// Of a name or a symlink's target: far past what a kernel takes (4096), so that a long one is named, not cut
	// off, and little enough for whoever prints it.
	NAME_MAX_BYTES = 65536,
	WINDOW = HEADER + NAME_MAX_BYTES + 8,
	FIELDS = 13,
};

struct newc_reader {
	int fd; // borrowed
	uint64_t base, size; // of the archive in the file
	uint64_t pos;	     // of the next header, from base
	uint64_t win_at;
	size_t win_len;
	bool ended;
	struct newc_header trailer;
	char *name;
	uint8_t window[WINDOW];
};

int newc_reader_new(int fd, uint64_t offset, uint64_t size, struct newc_reader **out, struct err *err)
{
	struct newc_reader *r = mem_zalloc(1, sizeof(*r), err);

	if (!r)
		return -1;
	r->fd = fd;
	r->base = offset;
	r->size = size;
	r->name = mem_alloc(NAME_MAX_BYTES, err);
	if (!r->name) {
		newc_reader_free(r);
		return -1;
	}
	*out = r;
	return 0;
}

void newc_reader_free(struct newc_reader *r)
{
	if (!r)
		return;
	free(r->name);
	free(r);
}

static int bad(const struct newc_reader *r, struct err *err, const char *what)
{
	return err_set(err, ERR_INPUT, "newc archive: offset %llu: %s", (unsigned long long)r->pos, what);
}

// The n bytes at `at`, borrowed until the next call; NULL past the end of the archive.
static const uint8_t *look(struct newc_reader *r, uint64_t at, size_t n, struct err *err)
{
	size_t want;

	if (at > r->size || n > r->size - at) {
		bad(r, err, "the archive ends inside an entry");
		return NULL;
	}
	if (at < r->win_at || at + n > r->win_at + r->win_len) {
		want = r->size - at < WINDOW ? (size_t)(r->size - at) : WINDOW;
		r->win_len = 0;
		if (io_pread_full(r->fd, r->window, want, r->base + at, err)) {
			err_prefix(err, "newc archive: ");
			return NULL;
		}
		r->win_at = at;
		r->win_len = want;
	}
	return r->window + (at - r->win_at);
}

static int parse_hex8(const uint8_t *p, uint32_t *v)
{
	*v = 0;
	for (int i = 0; i < 8; i++) {
		uint32_t digit;

		if (p[i] >= '0' && p[i] <= '9')
			digit = p[i] - '0';
		else if (p[i] >= 'a' && p[i] <= 'f')
			digit = (uint32_t)p[i] - 'a' + 10;
		else
			return -1;
		*v = *v << 4 | digit;
	}
	return 0;
}

static int parse_header(struct newc_reader *r, const uint8_t *p, struct newc_header *h, uint32_t *namesize,
			struct err *err)
{
	uint32_t *fields[FIELDS] = {&h->ino, &h->mode, &h->uid, &h->gid, &h->nlink, &h->mtime, &h->filesize,
				    &h->devmajor, &h->devminor, &h->rdevmajor, &h->rdevminor, namesize, &h->check};

	if (memcmp(p, "070701", 6))
		return bad(r, err, "no newc magic");
	for (int i = 0; i < FIELDS; i++)
		if (parse_hex8(p + 6 + 8 * i, fields[i]))
			return bad(r, err, "a header field that is not eight lower-case hex digits");
	if (h->check)
		return bad(r, err, "a check sum in a format that has none");
	return 0;
}

static int check_zero(struct newc_reader *r, uint64_t at, size_t n, struct err *err)
{
	const uint8_t *p = look(r, at, n, err);

	if (!p)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return bad(r, err, "padding that is not NUL");
	return 0;
}

// Types that the kernel unpacks; only files and symlinks have data.
static int check_type(struct newc_reader *r, const struct newc_header *h, struct err *err)
{
	switch (h->mode & S_IFMT) {
	case S_IFREG:
	case S_IFLNK:
		break;
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
		if (h->filesize)
			return bad(r, err, "data behind an entry that is neither file nor symlink");
		break;
	default:
		return bad(r, err, "an unknown entry type");
	}
	if (h->mode >> 16)
		return bad(r, err, "a mode past sixteen bits");
	return 0;
}

static int read_name(struct newc_reader *r, uint32_t namesize, struct err *err)
{
	const uint8_t *p;

	if (namesize < 2 || namesize > NAME_MAX_BYTES)
		return bad(r, err, "a name that is empty or past 65535 bytes");
	p = look(r, r->pos + HEADER, namesize, err);
	if (!p)
		return -1;
	if (p[namesize - 1] || memchr(p, 0, namesize - 1))
		return bad(r, err, "a name whose NUL is not at its end");
	memcpy(r->name, p, namesize);
	return 0;
}

// A target is a text: the kernel would cut it at a NUL, and whoever shows it too.
static int check_target(struct newc_reader *r, const struct newc_header *h, uint64_t at, struct err *err)
{
	const uint8_t *p;

	if (!S_ISLNK(h->mode) || !h->filesize)
		return 0;
	if (h->filesize >= NAME_MAX_BYTES)
		return bad(r, err, "a symlink's target past 65535 bytes");
	p = look(r, at, h->filesize, err);
	if (!p)
		return -1;
	return memchr(p, 0, h->filesize) ? bad(r, err, "a symlink's target with a NUL in it") : 0;
}

// After the trailer: NUL up to the next multiple of 512, which is where the archive ends.
static int read_end(struct newc_reader *r, const struct newc_header *h, uint64_t end, struct err *err)
{
	uint64_t padded = (end + 511) & ~(uint64_t)511;

	if (h->filesize || h->mode)
		return bad(r, err, "a trailer with data or a mode");
	if (padded != r->size)
		return bad(r, err, "the archive does not end at the multiple of 512 behind its trailer");
	if (check_zero(r, end, (size_t)(padded - end), err))
		return -1;
	r->trailer = *h;
	r->ended = true;
	r->pos = r->size;
	return 0;
}

int newc_reader_next(struct newc_reader *r, struct newc_entry *e, struct err *err)
{
	const uint8_t *p;
	struct newc_header h;
	uint32_t namesize;
	uint64_t data, end;

	if (r->ended)
		return 0;
	p = look(r, r->pos, HEADER, err);
	if (!p || parse_header(r, p, &h, &namesize, err) || read_name(r, namesize, err))
		return -1;
	data = r->pos + HEADER + namesize;
	if (check_zero(r, data, (size_t)(-data & 3), err))
		return -1;
	data += -data & 3;
	if (namesize == sizeof("TRAILER!!!") && !memcmp(r->name, "TRAILER!!!", namesize))
		return read_end(r, &h, data, err);
	if (check_type(r, &h, err))
		return -1;
	if (h.filesize > r->size - data)
		return bad(r, err, "data past the end of the archive");
	end = data + h.filesize;
	if (check_target(r, &h, data, err) || check_zero(r, end, (size_t)(-end & 3), err))
		return -1;
	*e = (struct newc_entry){h, r->name, namesize - 1, r->base + data};
	r->pos = end + (-end & 3);
	return 1;
}

const struct newc_header *newc_reader_trailer(const struct newc_reader *r)
{
	return &r->trailer;
}
