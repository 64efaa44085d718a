// SPDX-License-Identifier: Apache-2.0
//
// The two forms of rpm's database before and beside SQLite, read as far as a list of packages needs it. Values are the
// same headers in all three.
//
// Berkeley DB, a hash (Packages; RHEL and CentOS to 8, Amazon Linux 2), in the byte order of the machine that wrote it:
//   page 0     magic 0x061561 at 12, page size at 20, encryption at 24
//   each page  next page at 16, entries u16 at 20, bytes u16 at 22, type at 25; then the entries' offsets, u16 each;
//              the entries lie at the page's end, the first one last: key, value, key, value …
//   an entry   1 and the bytes, or 3 _ _ _, first page u32, length u32: the bytes lie in a chain of pages of type 7
//
// ndb (Packages.db; SUSE), little-endian:
//   "RpmP" version 0 generation pages-of-slots …(32 bytes)   "Slot" package block blocks (16 bytes) …
//   at block * 16: "BlbS" package generation length, the bytes
//
// What is read in all is bounded by the file's size, so chains that meet or turn in circles end.
#include "eifgen/sbom_rpm.h"

#include "base/be.h"

#include <stdbool.h>
#include <string.h>

enum {
	PAGE_HEAD = 26,
	PAGE_HASH_UNSORTED = 2,
	PAGE_OVERFLOW = 7,
	PAGE_HASH = 13,
	ENTRY_HERE = 1,
	ENTRY_CHAIN = 3,
	HEADER_MIN = 8, // of an rpm header; the value of key 0, a counter, is shorter
};

static const uint32_t bdb_magic = 0x00061561;

struct bdb {
	const uint8_t *p;
	size_t n, page, left; // left: bytes that may still be read
	bool big;
};

static uint32_t bdb_get32(const struct bdb *d, const uint8_t *p)
{
	return d->big ? get_be32(p) : get_le32(p);
}

static size_t bdb_get16(const struct bdb *d, const uint8_t *p)
{
	return d->big ? get_be16(p) : get_le16(p);
}

static int spend(size_t *left, size_t n, struct err *err)
{
	if (n > *left)
		return err_set(err, ERR_INPUT, "rpm database: its entries hold more than its file");
	*left -= n;
	return 0;
}

static int read_chain(struct bdb *d, uint32_t page, uint32_t len, struct buf *out, struct err *err)
{
	while (page) {
		const uint8_t *p = page < d->n / d->page ? d->p + (size_t)page * d->page : NULL;
		size_t n = p ? bdb_get16(d, p + 22) : 0;

		if (!p || p[25] != PAGE_OVERFLOW || n > d->page - PAGE_HEAD)
			return err_set(err, ERR_INPUT, "rpm database: page %u continues no entry", page);
		if (spend(&d->left, d->page, err) || buf_add(out, p + PAGE_HEAD, n, err))
			return -1;
		page = bdb_get32(d, p + 16);
	}
	return out->len == len ? 0 : err_set(err, ERR_INPUT, "rpm database: an entry of another length than it says");
}

// The value between `from` and `to` of a page.
static int read_value(struct sbom *s, struct bdb *d, const uint8_t *page, size_t from, size_t to, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	size_t n = to - from;

	if (page[from] == ENTRY_HERE && n > HEADER_MIN)
		return spend(&d->left, n, err) ? -1 : sbom_add_rpm(s, page + from + 1, n - 1, err);
	if (page[from] == ENTRY_HERE)
		return 0;
	if (page[from] != ENTRY_CHAIN || n < 12)
		return err_set(err, ERR_INPUT, "rpm database: an entry of an unknown kind");
	if (read_chain(d, bdb_get32(d, page + from + 4), bdb_get32(d, page + from + 8), &text, err))
		return -1;
	return sbom_add_rpm(s, text.data, text.len, err);
}

static int read_page(struct sbom *s, struct bdb *d, const uint8_t *page, struct err *err)
{
	size_t entries = bdb_get16(d, page + 20);

	if (entries > (d->page - PAGE_HEAD) / 2)
		return err_set(err, ERR_INPUT, "rpm database: a page with more entries than fit it");
	for (size_t i = 1; i < entries; i += 2) {
		size_t to = bdb_get16(d, page + PAGE_HEAD + 2 * (i - 1)), from = bdb_get16(d, page + PAGE_HEAD + 2 * i);

		if (from < PAGE_HEAD + 2 * entries || from >= to || to > d->page)
			return err_set(err, ERR_INPUT, "rpm database: an entry outside of its page");
		if (read_value(s, d, page, from, to, err))
			return -1;
	}
	return 0;
}

int sbom_read_rpm_bdb(struct sbom *s, const uint8_t *p, size_t n, struct err *err)
{
	struct bdb d = {.p = p, .n = n, .left = n};

	if (n < 512 || (get_le32(p + 12) != bdb_magic && get_be32(p + 12) != bdb_magic))
		return err_set(err, ERR_INPUT, "no Berkeley DB of the kind that rpm writes");
	d.big = get_be32(p + 12) == bdb_magic;
	d.page = bdb_get32(&d, p + 20);
	if (d.page < 512 || d.page > 65536 || (d.page & (d.page - 1)) || p[24])
		return err_set(err, ERR_INPUT, "rpm database: pages of %zu bytes, or encrypted", d.page);
	for (size_t at = d.page; at < n && n - at >= d.page; at += d.page)
		if ((p[at + 25] == PAGE_HASH || p[at + 25] == PAGE_HASH_UNSORTED) && read_page(s, &d, p + at, err))
			return -1;
	return 0;
}

// ---- ndb -----------------------------------------------------------------------------------------------------------

enum { SLOT_PAGE = 4096, SLOT_FIRST = 32, SLOT_SIZE = 16, BLOCK = 16, BLOB_HEAD = 16 };

static int read_slot(struct sbom *s, const uint8_t *p, size_t n, const uint8_t *slot, size_t *left, struct err *err)
{
	uint32_t package = get_le32(slot + 4);
	uint64_t at = (uint64_t)get_le32(slot + 8) * BLOCK;
	const uint8_t *blob;
	size_t len;

	if (memcmp(slot, "Slot", 4))
		return err_set(err, ERR_INPUT, "rpm database: a slot that is none");
	if (!at) // free
		return 0;
	if (at > n || n - at < BLOB_HEAD)
		return err_set(err, ERR_INPUT, "rpm database: package %u lies outside of the file", package);
	blob = p + at;
	len = get_le32(blob + 12);
	if (memcmp(blob, "BlbS", 4) || get_le32(blob + 4) != package || len > n - at - BLOB_HEAD)
		return err_set(err, ERR_INPUT, "rpm database: package %u is not where its slot says", package);
	return spend(left, BLOB_HEAD + len, err) ? -1 : sbom_add_rpm(s, blob + BLOB_HEAD, len, err);
}

int sbom_read_rpm_ndb(struct sbom *s, const uint8_t *p, size_t n, struct err *err)
{
	size_t left = n;
	uint64_t end;

	if (n < SLOT_PAGE || memcmp(p, "RpmP", 4) || get_le32(p + 4) != 0)
		return err_set(err, ERR_INPUT, "no ndb database of version 0");
	end = (uint64_t)get_le32(p + 12) * SLOT_PAGE;
	if (end > n)
		return err_set(err, ERR_INPUT, "rpm database: its slots end outside of the file");
	for (size_t at = SLOT_FIRST; at < end; at += SLOT_SIZE)
		if (read_slot(s, p, n, p + at, &left, err))
			return -1;
	return 0;
}
