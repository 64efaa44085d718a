// SPDX-License-Identifier: Apache-2.0
//
// Reading a ramdisk into an array. Paths are packed into slabs of 64 KiB (one of its own for a longer path), so a
// million entries are a few thousand allocations.
#include "eifgen/listing.h"

#include "base/mem.h"
#include "layerfs/digest.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SLAB_SIZE = 65536 };

static const char *keep_path(struct listing *l, const char *path, size_t len, struct err *err)
{
	char *p;

	if (l->slab_left < len + 1) {
		size_t size = len + 1 > SLAB_SIZE ? len + 1 : SLAB_SIZE;

		if (mem_grow(&l->slabs, &l->slab_cap, l->slab_count, sizeof(*l->slabs), err))
			return NULL;
		l->slabs[l->slab_count] = mem_zalloc(size, 1, err);
		if (!l->slabs[l->slab_count])
			return NULL;
		l->slab_count++;
		l->slab_left = size;
	}
	// The newest slab is filled from its end: what is left always lies at its start.
	p = l->slabs[l->slab_count - 1] + l->slab_left - (len + 1);
	l->slab_left -= len + 1;
	memcpy(p, path, len);
	p[len] = '\0';
	return p;
}

int listing_compare(const struct listing_entry *a, const struct listing_entry *b)
{
	size_t n = a->path_len < b->path_len ? a->path_len : b->path_len;
	int c = memcmp(a->path, b->path, n);

	if (c)
		return c;
	if (a->path_len != b->path_len)
		return a->path_len < b->path_len ? -1 : 1;
	return a->occurrence < b->occurrence ? -1 : a->occurrence > b->occurrence;
}

// Before occurrences are known, `order` decides among equal paths.
static int by_path_then_order(const void *pa, const void *pb)
{
	const struct listing_entry *a = *(struct listing_entry *const *)pa, *b = *(struct listing_entry *const *)pb;
	int c = listing_compare(a, b);

	return c ? c : a->order < b->order ? -1 : a->order > b->order;
}

static int sort_by_path(struct listing *l, struct err *err)
{
	l->by_path = mem_zalloc(l->count, sizeof(struct listing_entry *), err);
	if (!l->by_path)
		return -1;
	for (size_t i = 0; i < l->count; i++)
		l->by_path[i] = &l->entries[i];
	qsort(l->by_path, l->count, sizeof(struct listing_entry *), by_path_then_order);
	for (size_t i = 1; i < l->count; i++) {
		struct listing_entry *prev = l->by_path[i - 1], *e = l->by_path[i];

		if (prev->path_len == e->path_len && !memcmp(prev->path, e->path, e->path_len))
			e->occurrence = prev->occurrence + 1;
	}
	return 0;
}

// ---- hard links: one name of an inode carries the bytes, the others have a size of 0 --------------------------------

static bool is_linked(const struct listing_entry *e)
{
	return S_ISREG(e->h.mode) && e->h.nlink > 1;
}

static bool same_inode(const struct newc_header *a, const struct newc_header *b)
{
	return a->ino == b->ino && a->devmajor == b->devmajor && a->devminor == b->devminor;
}

// By inode; within one, who has bytes first.
static int by_inode(const void *pa, const void *pb)
{
	const struct listing_entry *a = *(struct listing_entry *const *)pa, *b = *(struct listing_entry *const *)pb;
	const struct newc_header *x = &a->h, *y = &b->h;
	int c = (x->ino > y->ino) - (x->ino < y->ino);

	c = c ? c : (x->devmajor > y->devmajor) - (x->devmajor < y->devmajor);
	c = c ? c : (x->devminor > y->devminor) - (x->devminor < y->devminor);
	c = c ? c : !x->filesize - !y->filesize;
	return c ? c : (a->order > b->order) - (a->order < b->order);
}

static int find_data(struct listing *l, struct err *err)
{
	_cleanup_free_ struct listing_entry **linked = NULL;
	size_t n = 0, count = 0;

	for (size_t i = 0; i < l->count; i++) {
		l->entries[i].data = &l->entries[i];
		count += is_linked(&l->entries[i]);
	}
	linked = mem_zalloc(count, sizeof(struct listing_entry *), err);
	if (!linked)
		return -1;
	for (size_t i = 0; i < l->count; i++)
		if (is_linked(&l->entries[i]))
			linked[n++] = &l->entries[i];
	qsort(linked, n, sizeof(struct listing_entry *), by_inode);
	for (size_t i = 1; i < n; i++)
		if (!linked[i]->h.filesize && same_inode(&linked[i]->h, &linked[i - 1]->h))
			linked[i]->data = linked[i - 1]->data;
	return 0;
}

static int add_entry(struct listing *l, size_t *cap, const struct newc_entry *n, struct err *err)
{
	struct listing_entry *e;
	size_t len = n->name_len;

	if (mem_grow(&l->entries, cap, l->count, sizeof(*l->entries), err))
		return -1;
	while (len > 1 && n->name[len - 1] == '/')
		len--;
	e = &l->entries[l->count];
	*e = (struct listing_entry){
		.path_len = (uint32_t)len,
		.order = (uint32_t)l->count,
		.data_offset = n->data_offset,
		.h = n->h,
		.layer = -1,
	};
	e->path = keep_path(l, n->name, len, err);
	if (!e->path)
		return -1;
	l->count++;
	return 0;
}

int listing_read(int fd, uint64_t offset, uint64_t size, struct listing **out, struct err *err)
{
	_cleanup_(listing_freep) struct listing *l = mem_zalloc(1, sizeof(*l), err);
	struct newc_reader *r = NULL;
	struct newc_entry e;
	size_t cap = 0;
	int more;

	if (!l)
		return -1;
	l->fd = fd;
	if (newc_reader_new(fd, offset, size, &r, err))
		return -1;
	while ((more = newc_reader_next(r, &e, err)) > 0) {
		if (add_entry(l, &cap, &e, err)) {
			more = -1;
			break;
		}
	}
	newc_reader_free(r);
	if (more < 0 || sort_by_path(l, err) || find_data(l, err))
		return -1;
	*out = steal_ptr(&l);
	return 0;
}

void listing_free(struct listing *l)
{
	if (!l)
		return;
	for (size_t i = 0; l->digests && i < l->count; i++)
		free(l->digests[i]);
	free(l->digests);
	for (size_t i = 0; i < l->slab_count; i++)
		free(l->slabs[i]);
	free(l->slabs);
	free(l->entries);
	free(l->by_path);
	free(l);
}

const char *listing_digest(struct listing *l, const struct listing_entry *e, struct err *err)
{
	char digest[DIGEST_TEXT_MAX];

	e = e->data;
	if (!l->digests)
		l->digests = mem_zalloc(l->count, sizeof(*l->digests), err);
	if (!l->digests)
		return NULL;
	if (!l->digests[e->order] && !digest_of_range(l->fd, e->data_offset, e->h.filesize, digest, err))
		l->digests[e->order] = mem_strdup(digest, err);
	return l->digests[e->order];
}

struct listing_entry *listing_find(const struct listing *l, const char *path)
{
	struct listing_entry key = {.path = path, .path_len = (uint32_t)strlen(path)};
	size_t lo = 0, hi = l->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = listing_compare(l->by_path[mid], &key);

		if (!c)
			return l->by_path[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
