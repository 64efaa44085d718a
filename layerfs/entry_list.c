// SPDX-License-Identifier: Apache-2.0
//
// A record never straddles two chunks, so that it is read and written in one piece; a record larger than a chunk gets
// one of its own.
#include "layerfs/entry_list.h"

#include "base/be.h"
#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

enum { CHUNK = 64 * 1024, NUMBERS_MAX = 2 + 13 * 10 }; // bytes of a record besides its two strings, at most

struct chunk {
	struct chunk *next;
	size_t used, cap;
	uint8_t data[];
};

struct entry_list {
	struct chunk *first, *last;
	uint64_t count, base;
	struct buf written; // the last path written, to find what the next one shares
	struct buf path, target; // of the entry handed out
	struct chunk *at;
	size_t pos;
	bool started;
};

struct entry_list *entry_list_new(uint64_t content_base, struct err *err)
{
	struct entry_list *l = mem_zalloc(1, sizeof(*l), err);

	if (l)
		l->base = content_base;
	return l;
}

void entry_list_free(struct entry_list *l)
{
	struct chunk *c, *next;

	if (!l)
		return;
	for (c = l->first; c; c = next) {
		next = c->next;
		free(c);
	}
	buf_free(&l->written);
	buf_free(&l->path);
	buf_free(&l->target);
	free(l);
}

uint64_t entry_list_count(const struct entry_list *l)
{
	return l->count;
}

// ---- writing -------------------------------------------------------------------------------------------------------

static uint8_t *put(uint8_t *p, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	return p;
}

static uint8_t *put_bytes(uint8_t *p, const char *s, size_t n)
{
	p = put(p, n);
	if (n)
		memcpy(p, s, n);
	return p + n;
}

static struct chunk *room(struct entry_list *l, size_t n, struct err *err)
{
	struct chunk *c = l->last;
	size_t cap = n > CHUNK ? n : CHUNK;

	if (c && c->cap - c->used >= n)
		return c;
	c = mem_alloc(sizeof(*c) + cap, err);
	if (!c)
		return NULL;
	*c = (struct chunk){NULL, 0, cap};
	if (l->last)
		l->last->next = c;
	else
		l->first = c;
	l->last = c;
	return c;
}

static size_t shared_with(const struct buf *b, const char *path, size_t n)
{
	size_t i = 0, most = b->len < n ? b->len : n;

	while (i < most && b->data[i] == (uint8_t)path[i])
		i++;
	return i;
}

int entry_list_add(struct entry_list *l, const struct list_entry *e, struct err *err)
{
	size_t shared = shared_with(&l->written, e->path, e->path_len);
	struct chunk *c = room(l, NUMBERS_MAX + e->path_len - shared + e->target_len, err);
	uint8_t *p;

	if (!c)
		return -1;
	l->written.len = shared;
	if (buf_add(&l->written, e->path + shared, e->path_len - shared, err))
		return -1;
	p = c->data + c->used;
	*p++ = (uint8_t)e->kind;
	*p++ = (uint8_t)(e->has_xattr | e->has_capability << 1);
	p = put(p, shared);
	p = put_bytes(p, e->path + shared, e->path_len - shared);
	if (e->kind < LIST_WHITEOUT) {
		p = put(p, e->perm);
		p = put(p, e->uid);
		p = put(p, e->gid);
		p = put(p, (uint64_t)e->mtime << 1 ^ (uint64_t)(e->mtime >> 63));
		p = put(p, e->mtime_nsec);
	}
	if (e->kind == LIST_FILE || e->kind == LIST_AUFS_LINK) {
		p = put(p, e->size);
		p = put(p, e->content - l->base);
		put_be32(p, e->crc);
		p += 4;
	} else if (e->kind == LIST_CHAR || e->kind == LIST_BLOCK) {
		p = put(p, e->dev_major);
		p = put(p, e->dev_minor);
	} else if (e->kind == LIST_SYMLINK || e->kind == LIST_HARDLINK) {
		p = put_bytes(p, e->target, e->target_len);
	}
	c->used = (size_t)(p - c->data);
	l->count++;
	return 0;
}

// ---- reading -------------------------------------------------------------------------------------------------------

static uint64_t get(const uint8_t **p)
{
	uint64_t v = 0;

	for (unsigned shift = 0;; shift += 7) {
		uint8_t c = *(*p)++;

		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return v;
	}
}

static const char *get_bytes(const uint8_t **p, struct buf *b, size_t keep, struct err *err)
{
	size_t n = (size_t)get(p);
	char *s;

	b->len = keep;
	if (buf_add(b, *p, n, err))
		return NULL;
	*p += n;
	s = buf_cstr(b, err);
	return s;
}

void entry_list_rewind(struct entry_list *l)
{
	l->at = l->first;
	l->pos = 0;
	l->path.len = 0;
	l->started = true;
}

static int decode(struct entry_list *l, const uint8_t **p, struct list_entry *e, struct err *err)
{
	uint8_t flags;
	uint64_t v;

	*e = (struct list_entry){.kind = (enum list_kind) * (*p)++, .target = ""};
	flags = *(*p)++;
	e->has_xattr = flags & 1;
	e->has_capability = flags & 2;
	e->path = get_bytes(p, &l->path, (size_t)get(p), err);
	if (!e->path)
		return -1;
	e->path_len = l->path.len;
	if (e->kind < LIST_WHITEOUT) {
		e->perm = (uint32_t)get(p);
		e->uid = (uint32_t)get(p);
		e->gid = (uint32_t)get(p);
		v = get(p);
		e->mtime = (int64_t)(v >> 1 ^ -(v & 1));
		e->mtime_nsec = (uint32_t)get(p);
	}
	if (e->kind == LIST_FILE || e->kind == LIST_AUFS_LINK) {
		e->size = get(p);
		e->content = get(p) + l->base;
		e->crc = get_be32(*p);
		*p += 4;
	} else if (e->kind == LIST_CHAR || e->kind == LIST_BLOCK) {
		e->dev_major = (uint32_t)get(p);
		e->dev_minor = (uint32_t)get(p);
	} else if (e->kind == LIST_SYMLINK || e->kind == LIST_HARDLINK) {
		e->target = get_bytes(p, &l->target, 0, err);
		e->target_len = l->target.len;
	}
	return e->target ? 0 : -1;
}

int entry_list_next(struct entry_list *l, bool consume, struct list_entry *e, struct err *err)
{
	const uint8_t *p;

	if (!l->started)
		entry_list_rewind(l);
	while (l->at && l->pos == l->at->used) {
		struct chunk *done = l->at;

		l->at = done->next;
		l->pos = 0;
		if (consume) {
			l->first = done->next;
			l->last = done->next ? l->last : NULL;
			free(done);
		}
	}
	if (!l->at)
		return 0;
	p = l->at->data + l->pos;
	if (decode(l, &p, e, err))
		return -1;
	l->pos = (size_t)(p - l->at->data);
	return 1;
}

// ---- as bytes ------------------------------------------------------------------------------------------------------

int entry_list_write(const struct entry_list *l, struct sink to, struct err *err)
{
	for (const struct chunk *c = l->first; c; c = c->next) {
		if (sink_write(&to, c->data, c->used, err))
			return -1;
	}
	return 0;
}

uint64_t entry_list_bytes(const struct entry_list *l)
{
	uint64_t n = 0;

	for (const struct chunk *c = l->first; c; c = c->next)
		n += c->used;
	return n;
}

struct entry_list *entry_list_read(const void *p, size_t n, uint64_t count, uint64_t content_base, struct err *err)
{
	struct entry_list *l = entry_list_new(content_base, err);
	struct chunk *c = l && n ? room(l, n, err) : NULL;

	if (c) {
		memcpy(c->data, p, n);
		c->used = n;
	} else if (n) {
		entry_list_free(l);
		return NULL;
	}
	if (l)
		l->count = count;
	return l;
}
