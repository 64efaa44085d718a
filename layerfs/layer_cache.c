// SPDX-License-Identifier: Apache-2.0
//
// Storing is a favour: whatever fails there is passed over in silence, leaves nothing behind, and must not cost the run
// what it needs itself: a layer is stored only where the disk has room for it and for what the run may still write, it
// gives way when the disk is full all the same, and nothing is stored that would push out what this run uses. Loading
// trusts digests, not names, and takes a layer only if the reader would have taken it under this run's limits.
#include "layerfs/layer_cache.h"

#include "base/be.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"
#include "layerfs/cache_files.h"

#include <archive.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef EIFGEN_CODE // the makefile's: the digest of the sources that say what an entry of the cache means
#error "EIFGEN_CODE is not defined"
#endif

enum {
	SHA = 32,
	FIELDS = 11,
	FOOTER = 8 + FIELDS * 8,
	NAME = 2 * SHA + 8,
	CODE_MAX = 128,
	META_MAX = 1 << 30,   // lists and sums of one layer, in memory while it is loaded
	SPARE_SHARE = 10,     // of a file system that stays free, …
	SPARE_GIB = 4,	      // … but no more than this
};
static const char MAGIC[8] = "eifgenL4";

struct layer_cache {
	char *dir;
	uint64_t max_bytes;
	char code[CODE_MAX];
	bool damaged;
	atomic_uint_fast64_t hits;
	atomic_uint_fast64_t used; // bytes of the cache that this run has found, stored or is storing
	atomic_bool yielded;	   // the disk was full: nothing more is stored
	pthread_mutex_t lock;	   // over what follows
	pthread_cond_t idle;
	unsigned storing; // stores under way
	bool freed;	  // what was stored, or half stored, has been removed again
	char **stored;	  // paths of what this run has stored
	size_t count, cap;
};

int layer_cache_open(const char *dir, uint64_t max_bytes, struct layer_cache **out, struct err *err)
{
	struct layer_cache *c;

	if (cache_files_make(dir, err))
		return -1;
	c = mem_zalloc(1, sizeof(*c), err);
	if (!c)
		return -1;
	c->max_bytes = max_bytes;
	c->dir = mem_strdup(dir, err);
	if (!c->dir) {
		free(c);
		return -1;
	}
	snprintf(c->code, sizeof(c->code), "%.8s %s %s", MAGIC, EIFGEN_CODE, archive_version_string());
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->idle, NULL);
	*out = c;
	return 0;
}

void layer_cache_free(struct layer_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		free(c->stored[i]);
	free(c->stored);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->idle);
	free(c->dir);
	free(c);
}

bool layer_cache_was_damaged(struct layer_cache *c)
{
	bool was = __atomic_exchange_n(&c->damaged, false, __ATOMIC_RELAXED);

	if (was)
		atomic_store(&c->used, 0); // what the next try uses it will say itself
	return was;
}

uint64_t layer_cache_hits(const struct layer_cache *c)
{
	return c->hits;
}

const char *layer_cache_code(const struct layer_cache *c)
{
	return c->code;
}

static char *path_of(const struct layer_cache *c, const char *name, struct err *err)
{
	return mem_printf(err, "%s/%s", c->dir, name);
}

// The name says all that the contents depend on; its digest is also the sums' seed.
static char *layer_path(const struct layer_cache *c, const struct image_layer *what, uint8_t sha[SHA], struct err *err)
{
	char text[CODE_MAX + 3 * DIGEST_TEXT_MAX], hex[2 * SHA + 1], name[NAME];
	int n = snprintf(text, sizeof(text), "%s %s %s %d", c->code, what->digest, what->diff_id,
			 (int)what->compression);

	if (EVP_Digest(text, (size_t)n, sha, NULL, EVP_sha256(), NULL) != 1) {
		err_nomem(err);
		return NULL;
	}
	snprintf(name, sizeof(name), "%s.layer", hex_encode(sha, SHA, hex));
	return path_of(c, name, err);
}

// ---- the footer ----------------------------------------------------------------------------------------------------

struct footer {
	uint64_t content, sums, entries, removals, entry_count, removal_count; // what stands in the file
	uint64_t expanded, stored, holes, listed, path;			       // what the reader met (layer_content)
};

// In the order of the file.
static void footer_fields(struct footer *f, uint64_t *fields[FIELDS])
{
	uint64_t *const all[FIELDS] = {&f->content,  &f->sums,	 &f->entries, &f->removals, &f->entry_count, &f->removal_count,
				       &f->expanded, &f->stored, &f->holes,   &f->listed,   &f->path};

	memcpy(fields, all, sizeof(all));
}

static void footer_encode(const struct footer *f, uint8_t b[FOOTER])
{
	struct footer copy = *f;
	uint64_t *fields[FIELDS];

	footer_fields(&copy, fields);
	memcpy(b, MAGIC, sizeof(MAGIC));
	for (size_t i = 0; i < FIELDS; i++)
		put_be64(b + 8 + 8 * i, *fields[i]);
}

static int footer_decode(struct footer *f, const uint8_t b[FOOTER], uint64_t size, struct err *err)
{
	uint64_t *fields[FIELDS], rest = size - SHA - FOOTER;

	footer_fields(f, fields);
	for (size_t i = 0; i < FIELDS; i++)
		*fields[i] = get_be64(b + 8 + 8 * i);
	if (memcmp(b, MAGIC, sizeof(MAGIC)) || f->content > rest || rest - f->content > META_MAX ||
	    f->sums != (f->content / SPOOL_PIECE + (f->content % SPOOL_PIECE ? 1 : 0)) * SPOOL_SUM ||
	    f->sums > rest - f->content || f->entries > rest - f->content - f->sums ||
	    f->removals != rest - f->content - f->sums - f->entries)
		return err_set(err, ERR_MISMATCH, "no cached layer");
	return 0;
}

// ---- loading -------------------------------------------------------------------------------------------------------

static int read_footer(int fd, uint64_t size, struct footer *f, struct err *err)
{
	uint8_t b[FOOTER];

	if (size < FOOTER + SHA)
		return err_set(err, ERR_MISMATCH, "no cached layer");
	return io_pread_full(fd, b, FOOTER, size - SHA - FOOTER, err) ? -1 : footer_decode(f, b, size, err);
}

// Everything behind the contents, checked against the digest at the end. *meta is the caller's.
static int read_meta(int fd, uint64_t size, const struct footer *f, uint8_t **meta, struct err *err)
{
	size_t n = (size_t)(size - f->content);
	uint8_t sha[SHA], *p = mem_alloc(n, err);
	int rc = p ? io_pread_full(fd, p, n, f->content, err) : -1;

	if (!rc && EVP_Digest(p, n - SHA, sha, NULL, EVP_sha256(), NULL) != 1)
		rc = err_nomem(err);
	if (!rc && memcmp(sha, p + n - SHA, SHA))
		rc = err_set(err, ERR_MISMATCH, "a cached layer is damaged");
	if (rc) {
		free(p);
		return -1;
	}
	*meta = p;
	return 0;
}

static int make_lists(const uint8_t *meta, const struct footer *f, uint64_t base, struct layer_content *out,
		      struct err *err)
{
	const uint8_t *p = meta + f->sums;
	const struct entry_bounds entries = {f->entry_count, f->content, f->path, LIST_FILE, LIST_AUFS_LINK};
	const struct entry_bounds removals = {f->removal_count, 0, f->path, LIST_WHITEOUT, LIST_OPAQUE};

	*out = (struct layer_content){.stored = f->stored, .expanded = f->expanded, .holes = f->holes,
				      .listed = f->listed, .path = f->path, .base = base, .content = f->content};
	out->entries = entry_list_read(p, (size_t)f->entries, &entries, base, err);
	out->removals = out->entries ? entry_list_read(p + f->entries, (size_t)f->removals, &removals, 0, err) : NULL;
	if (out->removals)
		return 0;
	layer_content_clear(out);
	return -1;
}

// What the reader would refuse is left to it.
static bool is_acceptable(const struct footer *f, const struct image_layer *what, const struct limits *limits)
{
	return f->stored == what->size && f->path <= limits->path;
}

// Not there, or something is short that has nothing to do with the file.
static bool is_no_fault(int errnum)
{
	return errnum == ENOENT || errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
}

// 1: loaded; 0: not for this run; -1: see err.
static int load(struct layer_cache *c, const char *path, const uint8_t seed[SHA], const struct image_layer *what,
		const struct limits *limits, struct spool *spool, struct layer_content *out, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ uint8_t *meta = NULL, *sums = NULL;
	struct footer f;
	uint64_t size, base;

	if (fd < 0)
		return is_no_fault(errno) ? 0 : err_sys(err, errno, "open a cached layer");
	if (io_file_size(fd, &size, err) || read_footer(fd, size, &f, err) || read_meta(fd, size, &f, &meta, err))
		return -1;
	if (!is_acceptable(&f, what, limits))
		return 0;
	futimens(fd, NULL); // used now: the last to go
	sums = mem_dup(meta, (size_t)f.sums, err);
	base = sums ? spool_adopt(spool, path, fd, f.content, seed, sums, &c->damaged, err) : 0;
	if (!base)
		return -1;
	fd = -1; // both are the spool's now
	steal_ptr(&sums);
	return make_lists(meta, &f, base, out, err) ? -1 : 1;
}

// The caps count for cached layers too.
static int spend(struct layer_budget *b, const struct layer_content *c)
{
	uint64_t bytes, before;

	if (ckd_add(&bytes, c->expanded, c->holes) || bytes > b->limits->expanded || c->listed > b->limits->entries)
		return -1;
	before = atomic_fetch_add(&b->expanded, bytes);
	if (before + bytes > b->limits->expanded)
		return -1;
	before = atomic_fetch_add(&b->entries, c->listed);
	return before + c->listed > b->limits->entries ? -1 : 0;
}

bool layer_cache_holds(struct layer_cache *c, const struct image_layer *what)
{
	struct err ignored = ERR_INIT;
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, &ignored);
	struct stat st;

	if (!path || lstat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	atomic_fetch_add(&c->used, (uint64_t)st.st_size);
	utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW); // before anything is stored and the oldest go
	return true;
}

int layer_cache_load(struct layer_cache *c, const struct image_layer *what, struct spool *spool,
		     struct layer_budget *budget, struct layer_content *out, struct err *err)
{
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, err);
	struct err why = ERR_INIT;
	int rc;

	base_delay();
	if (!path)
		return -1;
	rc = load(c, path, seed, what, budget->limits, spool, out, &why);
	if (rc < 0 && (why.class == ERR_MISMATCH || why.class == ERR_INPUT || why.class == ERR_IO))
		unlink(path); // what cannot be read would be in the way for ever
	if (rc <= 0)
		return 0;
	if (spend(budget, out)) { // the reader itself will meet the cap, and say so
		layer_content_clear(out);
		return 0;
	}
	atomic_fetch_add(&c->hits, 1);
	return 1;
}

void layer_cache_spoilt(struct layer_cache *c, const struct image_layer *what)
{
	struct err ignored = ERR_INIT;
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, &ignored);

	if (path)
		unlink(path);
	__atomic_store_n(&c->damaged, true, __ATOMIC_RELAXED);
}

// ---- storing -------------------------------------------------------------------------------------------------------

struct hashed_file {
	int fd;
	EVP_MD_CTX *md;
};

static int hashed_write(void *ctx, const void *p, size_t n, struct err *err)
{
	struct hashed_file *f = ctx;

	if (EVP_DigestUpdate(f->md, p, n) != 1)
		return err_nomem(err);
	return io_write(f->fd, p, n, err);
}

static bool is_zero(const uint8_t *p, size_t n)
{
	return n && !p[0] && !memcmp(p, p + 1, n - 1);
}

// Copies the contents, pieces of zeros as holes; the pieces' sums into `sums`.
static int copy_pieces(const struct layer_cache *c, int fd, const struct spool *spool, const uint8_t seed[SHA],
		       const struct layer_content *from, struct spool_summer *summer, uint8_t *piece, struct buf *sums,
		       struct err *err)
{
	uint8_t sum[SPOOL_SUM];

	for (uint64_t at = 0; at < from->content;) {
		size_t n = from->content - at < SPOOL_PIECE ? (size_t)(from->content - at) : SPOOL_PIECE;

		if (atomic_load_explicit(&c->yielded, memory_order_relaxed))
			return err_set(err, ERR_IO, "stopped");
		if (spool_read(spool, from->base, at, piece, n, err) ||
		    (!is_zero(piece, n) && io_pwrite(fd, piece, n, at, err)) ||
		    spool_piece_sum(summer, seed, at / SPOOL_PIECE, piece, n, sum, err) ||
		    buf_add(sums, sum, SPOOL_SUM, err))
			return -1;
		at += n;
	}
	return lseek(fd, (off_t)from->content, SEEK_SET) < 0 ? err_sys(err, errno, "seek") : 0;
}

static int copy_contents(const struct layer_cache *c, int fd, const struct spool *spool, const uint8_t seed[SHA],
			 const struct layer_content *from, struct buf *sums, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(SPOOL_PIECE, err);
	struct spool_summer *summer = piece ? spool_summer_new(err) : NULL;
	int rc = summer ? copy_pieces(c, fd, spool, seed, from, summer, piece, sums, err) : -1;

	spool_summer_free(summer);
	return rc;
}

static int write_meta(struct hashed_file *f, const struct buf *sums, const struct layer_content *c, struct err *err)
{
	struct sink to = {hashed_write, f};
	const struct footer footer = {.content = c->content,
				      .sums = sums->len,
				      .entries = entry_list_bytes(c->entries),
				      .removals = entry_list_bytes(c->removals),
				      .entry_count = entry_list_count(c->entries),
				      .removal_count = entry_list_count(c->removals),
				      .expanded = c->expanded,
				      .stored = c->stored,
				      .holes = c->holes,
				      .listed = c->listed,
				      .path = c->path};
	uint8_t b[FOOTER], sha[SHA];

	footer_encode(&footer, b);
	if (sink_write(&to, sums->data, sums->len, err) || entry_list_write(c->entries, to, err) ||
	    entry_list_write(c->removals, to, err) || sink_write(&to, b, FOOTER, err))
		return -1;
	if (EVP_DigestFinal_ex(f->md, sha, NULL) != 1)
		return err_nomem(err);
	return io_write(f->fd, sha, SHA, err);
}

static int write_layer(const struct layer_cache *c, const char *path, const uint8_t seed[SHA], const struct spool *spool,
		       const struct layer_content *content, struct err *err)
{
	_cleanup_atomic_file_ struct atomic_file out = ATOMIC_FILE_INIT;
	_cleanup_buf_ struct buf sums = BUF_INIT(META_MAX);
	struct hashed_file f = {-1, EVP_MD_CTX_new()};
	int rc = -1;

	if (f.md && EVP_DigestInit_ex(f.md, EVP_sha256(), NULL) == 1 && !atomic_file_open(&out, path, err)) {
		f.fd = out.fd;
		out.owner_only = true;
		out.lazy = true; // a file that the disk lost half of fails its digest
		rc = copy_contents(c, f.fd, spool, seed, content, &sums, err) || write_meta(&f, &sums, content, err) ||
				     atomic_file_commit(&out, err)
			     ? -1
			     : 0;
	}
	EVP_MD_CTX_free(f.md);
	return rc;
}

// Whether the disk has room for `size` bytes more, once the run has written what is ahead of it.
static bool has_room(const struct layer_cache *c, uint64_t size, uint64_t ahead)
{
	struct statvfs fs;
	uint64_t spare, unit;

	if (statvfs(c->dir, &fs))
		return false;
	unit = fs.f_frsize ? fs.f_frsize : 1;
	spare = fs.f_blocks / SPARE_SHARE * unit;
	spare = spare < (uint64_t)SPARE_GIB << 30 ? spare : (uint64_t)SPARE_GIB << 30;
	spare = spare > ahead ? spare : ahead;
	return size / unit + spare / unit + 2 <= fs.f_bavail;
}

// Whether `size` bytes are within the bound without pushing out what this run uses.
static bool fits(const struct layer_cache *c, uint64_t used, uint64_t size)
{
	return !c->max_bytes || (size <= c->max_bytes && used <= c->max_bytes - size);
}

// Bytes that fit count as used from now on: stores beside each other do not pass the bound together.
static bool reserve(struct layer_cache *c, uint64_t size)
{
	uint64_t used = atomic_fetch_add(&c->used, size);

	if (fits(c, used, size))
		return true;
	atomic_fetch_sub(&c->used, size);
	return false;
}

static bool begin_store(struct layer_cache *c)
{
	bool go;

	pthread_mutex_lock(&c->lock);
	go = !atomic_load(&c->yielded);
	c->storing += go;
	pthread_mutex_unlock(&c->lock);
	return go;
}

// Takes the path, if the store went well; what a store has written that gave up is free again.
static void end_store(struct layer_cache *c, char **stored)
{
	pthread_mutex_lock(&c->lock);
	if (*stored && !mem_grow(&c->stored, &c->cap, c->count, sizeof(*c->stored), NULL))
		c->stored[c->count++] = steal_ptr(stored);
	else
		c->freed |= atomic_load(&c->yielded);
	if (!--c->storing)
		pthread_cond_broadcast(&c->idle);
	pthread_mutex_unlock(&c->lock);
}

void layer_cache_store(struct layer_cache *c, const struct image_layer *what, const struct spool *spool,
		       const struct layer_content *content, uint64_t ahead)
{
	uint64_t size = content->content + entry_list_bytes(content->entries) + entry_list_bytes(content->removals);
	struct err ignored = ERR_INIT;
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, &ignored), *stored = NULL;

	base_delay();
	if (!path || !access(path, F_OK) || !has_room(c, size, ahead) || !reserve(c, size))
		return; // what is there and was not taken is sound: only this run's limits were against it
	if (!begin_store(c)) {
		atomic_fetch_sub(&c->used, size);
		return;
	}
	if (c->max_bytes)
		cache_files_trim(c->dir, c->max_bytes - size);
	if (write_layer(c, path, seed, spool, content, &ignored)) {
		atomic_fetch_sub(&c->used, size);
	} else {
		stored = steal_ptr(&path);
		layer_cache_trim(c);
	}
	end_store(c, &stored);
}

// Subvolumes, and the layers of an overlay, have device numbers of their own on one disk: there its size is the same,
// too. To take two disks of one size for one costs no more than what was stored.
static bool is_same_disk(const char *dir, int fd)
{
	struct stat a, b;
	struct statvfs va, vb;

	if (stat(dir, &a) || fstat(fd, &b) || a.st_dev == b.st_dev)
		return true;
	return !statvfs(dir, &va) && !fstatvfs(fd, &vb) && va.f_blocks && va.f_blocks == vb.f_blocks &&
	       va.f_frsize == vb.f_frsize;
}

enum layer_cache_yielded layer_cache_yield(struct layer_cache *c, int fd)
{
	bool before, now = false;

	if (fd >= 0 && !is_same_disk(c->dir, fd))
		return LAYER_CACHE_KEPT;
	atomic_store(&c->yielded, true);
	base_delay();
	pthread_mutex_lock(&c->lock);
	before = c->freed;
	while (c->storing) // each gives up at its next piece
		pthread_cond_wait(&c->idle, &c->lock);
	while (c->count) {
		now |= !unlink(c->stored[--c->count]);
		free(c->stored[c->count]);
	}
	now |= c->freed && !before;
	c->freed |= now;
	pthread_mutex_unlock(&c->lock);
	return now ? LAYER_CACHE_GAVE : before ? LAYER_CACHE_GAVE_BEFORE : LAYER_CACHE_KEPT;
}

// ---- small files ---------------------------------------------------------------------------------------------------

int layer_cache_get(struct layer_cache *c, const char *name, size_t max, struct buf *out, struct err *err)
{
	_cleanup_free_ char *path = path_of(c, name, err);
	struct err why = ERR_INIT;
	uint8_t sha[SHA];

	if (!path)
		return -1;
	out->len = 0;
	if (io_slurp(path, max, out, &why))
		return why.class == ERR_MEMORY ? err_nomem(err) : 1;
	if (out->len < SHA || EVP_Digest(out->data, out->len - SHA, sha, NULL, EVP_sha256(), NULL) != 1 ||
	    memcmp(sha, out->data + out->len - SHA, SHA)) {
		unlink(path);
		out->len = 0;
		return 1;
	}
	utimensat(AT_FDCWD, path, NULL, 0);
	out->len -= SHA;
	return 0;
}

void layer_cache_put(struct layer_cache *c, const char *name, const void *p, size_t n)
{
	_cleanup_atomic_file_ struct atomic_file out = ATOMIC_FILE_INIT;
	struct err ignored = ERR_INIT;
	_cleanup_free_ char *path = path_of(c, name, &ignored);
	uint8_t sha[SHA];

	if (!path || !has_room(c, n, 0) || !fits(c, atomic_load(&c->used), n) || EVP_Digest(p, n, sha, NULL, EVP_sha256(), NULL) != 1 ||
	    atomic_file_open(&out, path, &ignored))
		return;
	out.owner_only = true;
	if (!io_write(out.fd, p, n, &ignored) && !io_write(out.fd, sha, SHA, &ignored) &&
	    !atomic_file_commit(&out, &ignored))
		layer_cache_trim(c);
}

// ---- size ----------------------------------------------------------------------------------------------------------

void layer_cache_trim(struct layer_cache *c)
{
	if (c->max_bytes)
		cache_files_trim(c->dir, c->max_bytes);
}
