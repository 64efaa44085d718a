// SPDX-License-Identifier: Apache-2.0
//
// Storing is a favour: whatever fails there is passed over in silence, and leaves nothing behind. Loading trusts a digest,
// not a name.
#include "layerfs/layer_cache.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"
#include "layerfs/cache_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SHA = 32,
	FOOTER = 8 + 7 * 8,
	NAME = 2 * SHA + 8,
	META_MAX = 1 << 30, // lists and sums of one layer, in memory while it is loaded
	OPEN_SHARE = 4,	    // at most a quarter of the descriptors go to cached layers
};
static const char MAGIC[8] = "eifgenL3";

struct layer_cache {
	char *dir;
	uint64_t max_bytes;
	bool damaged;
	atomic_uint_fast64_t hits;
	atomic_uint open;
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
	*out = c;
	return 0;
}

void layer_cache_free(struct layer_cache *c)
{
	if (!c)
		return;
	free(c->dir);
	free(c);
}

bool layer_cache_was_damaged(struct layer_cache *c)
{
	return __atomic_exchange_n(&c->damaged, false, __ATOMIC_RELAXED);
}

uint64_t layer_cache_hits(const struct layer_cache *c)
{
	return c->hits;
}

static char *path_of(const struct layer_cache *c, const char *name, struct err *err)
{
	return mem_printf(err, "%s/%s", c->dir, name);
}

// The name says all that the contents depend on; its digest is also the sums' seed.
static char *layer_path(const struct layer_cache *c, const struct image_layer *what, uint8_t sha[SHA], struct err *err)
{
	char text[3 * DIGEST_TEXT_MAX], hex[2 * SHA + 1], name[NAME];
	int n = snprintf(text, sizeof(text), "%.8s %s %s %s %d", MAGIC, EIFGEN_VERSION, what->digest, what->diff_id,
			 (int)what->compression);

	if (EVP_Digest(text, (size_t)n, sha, NULL, EVP_sha256(), NULL) != 1) {
		err_nomem(err);
		return NULL;
	}
	snprintf(name, sizeof(name), "%s.layer", hex_encode(sha, SHA, hex));
	return path_of(c, name, err);
}

// ---- loading -------------------------------------------------------------------------------------------------------

struct footer {
	uint64_t content, sums, entries, removals, entry_count, removal_count, expanded;
};

static int read_footer(int fd, uint64_t size, struct footer *f, struct err *err)
{
	uint8_t b[FOOTER];
	uint64_t *const fields[] = {&f->content,     &f->sums,	&f->entries, &f->removals,
				    &f->entry_count, &f->removal_count, &f->expanded};
	uint64_t rest;

	if (size < FOOTER + SHA || io_pread_full(fd, b, FOOTER, size - SHA - FOOTER, err) ||
	    memcmp(b, MAGIC, sizeof(MAGIC)))
		return err_set(err, ERR_MISMATCH, "no cached layer");
	for (size_t i = 0; i < 7; i++)
		*fields[i] = get_be64(b + 8 + 8 * i);
	rest = size - SHA - FOOTER;
	if (f->content > rest || f->sums > rest || f->entries > rest || f->removals > rest ||
	    f->content + f->sums + f->entries + f->removals != rest ||
	    f->sums != (f->content + SPOOL_PIECE - 1) / SPOOL_PIECE * SPOOL_SUM || rest - f->content > META_MAX)
		return err_set(err, ERR_MISMATCH, "no cached layer");
	return 0;
}

// Everything behind the contents, checked against the digest at the end. *meta is the caller's.
static int read_meta(int fd, uint64_t size, const struct footer *f, uint8_t **meta, struct err *err)
{
	size_t n = (size_t)(size - f->content);
	uint8_t sha[SHA], *p = mem_alloc(n, err);

	if (!p)
		return -1;
	if (io_pread_full(fd, p, n, f->content, err) || EVP_Digest(p, n - SHA, sha, NULL, EVP_sha256(), NULL) != 1 ||
	    memcmp(sha, p + n - SHA, SHA)) {
		free(p);
		return err_set(err, ERR_MISMATCH, "a cached layer is damaged");
	}
	*meta = p;
	return 0;
}

static int make_lists(const uint8_t *meta, const struct footer *f, uint64_t base, struct layer_content *out,
		      struct err *err)
{
	const uint8_t *p = meta + f->sums;

	*out = (struct layer_content){.expanded = f->expanded, .base = base, .content = f->content};
	out->entries = entry_list_read(p, (size_t)f->entries, f->entry_count, base, err);
	out->removals = entry_list_read(p + f->entries, (size_t)f->removals, f->removal_count, 0, err);
	if (out->entries && out->removals)
		return 0;
	layer_content_clear(out);
	return -1;
}

static int load(struct layer_cache *c, const char *path, const uint8_t seed[SHA], int *fd, struct spool *spool,
		struct layer_content *out, struct err *err)
{
	_cleanup_free_ uint8_t *meta = NULL, *sums = NULL;
	struct footer f;
	uint64_t size, base;

	if (io_file_size(*fd, &size, err) || read_footer(*fd, size, &f, err) || read_meta(*fd, size, &f, &meta, err))
		return -1;
	sums = mem_dup(meta, (size_t)f.sums, err);
	base = sums ? spool_adopt(spool, path, *fd, f.content, seed, sums, &c->damaged, err) : 0;
	if (!base)
		return -1;
	*fd = -1; // both are the spool's now
	steal_ptr(&sums);
	return make_lists(meta, &f, base, out, err);
}

static bool too_many_open(struct layer_cache *c)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) || atomic_fetch_add(&c->open, 1) >= l.rlim_cur / OPEN_SHARE;
}

// The caps count for cached layers too.
static int spend(struct layer_budget *b, const struct layer_content *c)
{
	uint64_t entries = entry_list_count(c->entries) + entry_list_count(c->removals);

	return atomic_fetch_add(&b->expanded, c->expanded) + c->expanded > b->limits->expanded ||
			       atomic_fetch_add(&b->entries, entries) + entries > b->limits->entries
		       ? -1
		       : 0;
}

bool layer_cache_holds(const struct layer_cache *c, const struct image_layer *what)
{
	struct err ignored = ERR_INIT;
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, &ignored);

	return path && !access(path, R_OK);
}

int layer_cache_load(struct layer_cache *c, const struct image_layer *what, struct spool *spool,
		     struct layer_budget *budget, struct layer_content *out, struct err *err)
{
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, err);
	_cleanup_close_ int fd = -1;
	struct err why = ERR_INIT;

	if (!path)
		return -1;
	fd = too_many_open(c) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	futimens(fd, NULL); // used now: the last to go
	if (load(c, path, seed, &fd, spool, out, &why)) {
		if (why.class == ERR_MISMATCH || why.class == ERR_INPUT)
			unlink(path);
		return 0;
	}
	if (spend(budget, out)) { // the reader itself will meet the cap, and say so
		layer_content_clear(out);
		return 0;
	}
	atomic_fetch_add(&c->hits, 1);
	return 1;
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

// Copies the contents; their pieces' sums into `sums`.
static int copy_contents(int fd, const struct spool *spool, const uint8_t seed[SHA], const struct layer_content *c,
			 struct buf *sums, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(SPOOL_PIECE, err);
	uint8_t sum[SPOOL_SUM];

	if (!piece)
		return -1;
	for (uint64_t at = 0; at < c->content;) {
		size_t n = c->content - at < SPOOL_PIECE ? (size_t)(c->content - at) : SPOOL_PIECE;

		if (spool_read(spool, c->base, at, piece, n, err) || io_write(fd, piece, n, err))
			return -1;
		if (spool_piece_sum(seed, at / SPOOL_PIECE, piece, n, sum, err) || buf_add(sums, sum, SPOOL_SUM, err))
			return -1;
		at += n;
	}
	return 0;
}

static int write_meta(struct hashed_file *f, const struct buf *sums, const struct layer_content *c, struct err *err)
{
	struct sink to = {hashed_write, f};
	const uint64_t fields[] = {c->content,
				   sums->len,
				   entry_list_bytes(c->entries),
				   entry_list_bytes(c->removals),
				   entry_list_count(c->entries),
				   entry_list_count(c->removals),
				   c->expanded};
	uint8_t footer[FOOTER], sha[SHA];

	memcpy(footer, MAGIC, sizeof(MAGIC));
	for (size_t i = 0; i < 7; i++)
		put_be64(footer + 8 + 8 * i, fields[i]);
	if (sink_write(&to, sums->data, sums->len, err) || entry_list_write(c->entries, to, err) ||
	    entry_list_write(c->removals, to, err) || sink_write(&to, footer, FOOTER, err))
		return -1;
	if (EVP_DigestFinal_ex(f->md, sha, NULL) != 1)
		return err_nomem(err);
	return io_write(f->fd, sha, SHA, err);
}

static int write_layer(const char *path, const uint8_t seed[SHA], const struct spool *spool,
		       const struct layer_content *c, struct err *err)
{
	_cleanup_atomic_file_ struct atomic_file out = ATOMIC_FILE_INIT;
	_cleanup_buf_ struct buf sums = BUF_INIT(META_MAX);
	struct hashed_file f = {-1, EVP_MD_CTX_new()};
	int rc = -1;

	if (f.md && EVP_DigestInit_ex(f.md, EVP_sha256(), NULL) == 1 && !atomic_file_open(&out, path, err)) {
		f.fd = out.fd;
		out.lazy = true; // a file that the disk lost half of fails its digest
		rc = copy_contents(f.fd, spool, seed, c, &sums, err) || write_meta(&f, &sums, c, err) ||
				     atomic_file_commit(&out, err)
			     ? -1
			     : 0;
	}
	EVP_MD_CTX_free(f.md);
	return rc;
}

void layer_cache_store(struct layer_cache *c, const struct image_layer *what, const struct spool *spool,
		       const struct layer_content *content)
{
	struct err ignored = ERR_INIT;
	uint8_t seed[SHA];
	_cleanup_free_ char *path = layer_path(c, what, seed, &ignored);

	if (path && (!c->max_bytes || content->content < c->max_bytes) &&
	    !write_layer(path, seed, spool, content, &ignored))
		layer_cache_trim(c);
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

	if (path && EVP_Digest(p, n, sha, NULL, EVP_sha256(), NULL) == 1 && !atomic_file_open(&out, path, &ignored) &&
	    !io_write(out.fd, p, n, &ignored) && !io_write(out.fd, sha, SHA, &ignored))
		atomic_file_commit(&out, &ignored);
}

// ---- size ----------------------------------------------------------------------------------------------------------

void layer_cache_trim(struct layer_cache *c)
{
	if (c->max_bytes)
		cache_files_trim(c->dir, c->max_bytes);
}
