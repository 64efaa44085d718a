// SPDX-License-Identifier: Apache-2.0
//
// A record never straddles two chunks, so that it is read and written in one piece; a record larger than a chunk gets
// one of its own.
//
// Decoding believes nothing: bytes run out and then all reads are zeros, which is found at the record's end; what a
// list from bytes may say is bounded, and its paths must be what path_clean leaves. That costs a comparison a number,
// and a look at those bytes of a path that the one before does not share.
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
	bool foreign; // from bytes: held against `bounds`
	struct entry_bounds bounds;
	uint64_t handed; // entries handed out since the first
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

struct cursor {
	const uint8_t *at, *end;
	bool wrong; // something was past the end, or no number
};

static uint8_t get_byte(struct cursor *c)
{
	if (c->at < c->end)
		return *c->at++;
	c->wrong = true;
	return 0;
}

static uint64_t get(struct cursor *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = get_byte(c);

		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	c->wrong = true;
	return 0;
}

static uint64_t get_most(struct cursor *c, uint64_t most)
{
	uint64_t v = get(c);

	c->wrong |= v > most;
	return v;
}

// Appends to the first `keep` bytes of b; NULL only without memory.
static const char *get_bytes(struct cursor *c, struct buf *b, uint64_t keep, struct err *err)
{
	uint64_t n = get(c);

	if (keep > b->len || n > (uint64_t)(c->end - c->at)) {
		c->wrong = true;
		return "";
	}
	b->len = (size_t)keep;
	if (buf_add(b, c->at, (size_t)n, err))
		return NULL;
	c->at += n;
	return buf_cstr(b, err);
}

// A component that a cleaned path can have.
static bool is_name(const uint8_t *p, size_t n)
{
	return n && !(p[0] == '.' && (n == 1 || (n == 2 && p[1] == '.')));
}

// Whether the path is as path_clean leaves it, if the first `known` bytes are those of one that was.
static bool is_clean(const struct buf *path, size_t known)
{
	const uint8_t *p = path->data, *end = p + path->len, *at, *slash;

	if (!path->len)
		return true;
	if (memchr(p + known, 0, path->len - known))
		return false;
	at = known ? memrchr(p, '/', known) : NULL; // a component may go on behind what is known
	for (at = at ? at + 1 : p; (slash = memchr(at, '/', (size_t)(end - at))); at = slash + 1) {
		if (!is_name(at, (size_t)(slash - at)))
			return false;
	}
	return is_name(at, (size_t)(end - at));
}

static int get_path(struct entry_list *l, struct cursor *c, struct list_entry *e, struct err *err)
{
	uint64_t shared = get(c);

	e->path = get_bytes(c, &l->path, shared, err);
	if (!e->path)
		return -1;
	e->path_len = l->path.len;
	if (l->foreign && !c->wrong)
		c->wrong = e->path_len > l->bounds.path || !is_clean(&l->path, (size_t)shared);
	return 0;
}

static int get_target(struct entry_list *l, struct cursor *c, struct list_entry *e, struct err *err)
{
	e->target = get_bytes(c, &l->target, 0, err);
	if (!e->target)
		return -1;
	e->target_len = l->target.len;
	if (l->foreign && !c->wrong)
		c->wrong = e->target_len > l->bounds.path || memchr(e->target, 0, e->target_len) ||
			   (e->kind == LIST_HARDLINK && !is_clean(&l->target, 0));
	return 0;
}

static void get_content(const struct entry_list *l, struct cursor *c, struct list_entry *e)
{
	uint64_t off;

	e->size = get(c);
	off = get(c);
	e->content = off + l->base;
	for (int i = 0; i < 4; i++)
		e->crc = e->crc << 8 | get_byte(c);
	if (l->foreign)
		c->wrong |= e->size > l->bounds.content || off > l->bounds.content - e->size;
}

static int decode(struct entry_list *l, struct cursor *c, struct list_entry *e, struct err *err)
{
	uint8_t flags;
	uint64_t v;

	*e = (struct list_entry){.kind = (enum list_kind)get_byte(c), .target = ""};
	flags = get_byte(c);
	e->has_xattr = flags & 1;
	e->has_capability = flags & 2;
	if (l->foreign)
		c->wrong |= e->kind < l->bounds.first || e->kind > l->bounds.last;
	if (get_path(l, c, e, err))
		return -1;
	if (e->kind < LIST_WHITEOUT) {
		e->perm = (uint32_t)get_most(c, 07777);
		e->uid = (uint32_t)get_most(c, UINT32_MAX);
		e->gid = (uint32_t)get_most(c, UINT32_MAX);
		v = get(c);
		e->mtime = (int64_t)(v >> 1 ^ -(v & 1));
		e->mtime_nsec = (uint32_t)get_most(c, 999999999);
	}
	if (e->kind == LIST_FILE || e->kind == LIST_AUFS_LINK) {
		get_content(l, c, e);
	} else if (e->kind == LIST_CHAR || e->kind == LIST_BLOCK) {
		e->dev_major = (uint32_t)get_most(c, UINT32_MAX);
		e->dev_minor = (uint32_t)get_most(c, UINT32_MAX);
	} else if ((e->kind == LIST_SYMLINK || e->kind == LIST_HARDLINK) && get_target(l, c, e, err)) {
		return -1;
	}
	return c->wrong ? err_set(err, ERR_MISMATCH, "a list of entries is damaged") : 0;
}

void entry_list_rewind(struct entry_list *l)
{
	l->at = l->first;
	l->pos = 0;
	l->path.len = 0;
	l->handed = 0;
	l->started = true;
}

int entry_list_next(struct entry_list *l, bool consume, struct list_entry *e, struct err *err)
{
	struct cursor c;

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
	if (l->foreign && (l->at ? l->handed == l->count : l->handed < l->count))
		return err_set(err, ERR_MISMATCH, "a list has %s than %llu entries", l->at ? "more" : "fewer",
			       (unsigned long long)l->count);
	if (!l->at)
		return 0;
	c = (struct cursor){l->at->data + l->pos, l->at->data + l->at->used, false};
	if (decode(l, &c, e, err))
		return -1;
	l->handed++;
	l->pos = (size_t)(c.at - l->at->data);
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

struct entry_list *entry_list_read(const void *p, size_t n, const struct entry_bounds *bounds, uint64_t content_base,
				   struct err *err)
{
	enum { RECORD_MIN = 4 }; // kind, flags, two lengths
	struct entry_list *l;
	struct chunk *c;

	if (bounds->count > n / RECORD_MIN) { // the tree makes room for that many
		err_set(err, ERR_MISMATCH, "a list has fewer than %llu entries", (unsigned long long)bounds->count);
		return NULL;
	}
	l = entry_list_new(content_base, err);
	c = l && n ? room(l, n, err) : NULL;
	if (c) {
		memcpy(c->data, p, n);
		c->used = n;
	} else if (n) {
		entry_list_free(l);
		return NULL;
	}
	if (l) {
		l->count = bounds->count;
		l->bounds = *bounds;
		l->foreign = true;
	}
	return l;
}
