// SPDX-License-Identifier: Apache-2.0
//
// Pieces are held in slots, the one used longest ago gives way:
//
//   slot: file, piece number, when it was used last | 128 KiB
//
// They are small, so that a tree whose order jumps about in a layer does not read a megabyte for each small file, and
// several, because a tree takes its files from several layers by turns. One lock over all of them: who reads contents
// is one thread, that which writes the ramdisk.
//
// What fails is damage (the file is removed, and a second run reads the layer) unless this process is short of memory
// or descriptors, which says nothing about the file.
#include "layerfs/spool_priv.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { SLOTS = 32 };

struct adopted {
	char *path;
	int fd; // -1: opened for each piece
	uint64_t size;
	uint8_t seed[SPOOL_SEED];
	uint8_t *sums;
	bool *damaged;
};

struct slot {
	const struct adopted *of; // NULL: nothing
	uint64_t piece, used;
	uint8_t *data; // SPOOL_PIECE bytes, made when the slot is first used
};

struct adopted_files {
	pthread_mutex_t lock; // over all that follows
	unsigned count, open, open_max;
	struct adopted *files[SPOOL_ADOPTED_MAX];
	struct slot slots[SLOTS];
	uint64_t uses;
	struct spool_summer *summer;
};

// ---- sums ----------------------------------------------------------------------------------------------------------

struct spool_summer {
	EVP_MAC_CTX *mac;
};

struct spool_summer *spool_summer_new(struct err *err)
{
	struct spool_summer *s = mem_zalloc(1, sizeof(*s), err);
	EVP_MAC *mac = s ? EVP_MAC_fetch(NULL, "POLY1305", NULL) : NULL;

	if (s) {
		s->mac = mac ? EVP_MAC_CTX_new(mac) : NULL;
		EVP_MAC_free(mac);
		if (!s->mac) {
			err_nomem(err);
			free(s);
			return NULL;
		}
	}
	return s;
}

void spool_summer_free(struct spool_summer *s)
{
	if (!s)
		return;
	EVP_MAC_CTX_free(s->mac);
	free(s);
}

int spool_piece_sum(struct spool_summer *s, const uint8_t seed[SPOOL_SEED], uint64_t number, const void *p, size_t n,
		    uint8_t sum[SPOOL_SUM], struct err *err)
{
	uint8_t text[SPOOL_SEED + 8], key[32];
	size_t len = 0;

	memcpy(text, seed, SPOOL_SEED);
	put_be64(text + SPOOL_SEED, number);
	return EVP_Digest(text, sizeof(text), key, NULL, EVP_sha256(), NULL) == 1 &&
			       EVP_MAC_init(s->mac, key, sizeof(key), NULL) == 1 && EVP_MAC_update(s->mac, p, n) == 1 &&
			       EVP_MAC_final(s->mac, sum, &len, SPOOL_SUM) == 1 && len == SPOOL_SUM
		       ? 0
		       : err_nomem(err);
}

// ---- files ---------------------------------------------------------------------------------------------------------

struct adopted_files *adopted_new(unsigned open_max, struct err *err)
{
	struct adopted_files *f = mem_zalloc(1, sizeof(*f), err);

	if (!f)
		return NULL;
	f->open_max = open_max;
	f->summer = spool_summer_new(err);
	if (!f->summer) {
		free(f);
		return NULL;
	}
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

static void adopted_clear(struct adopted *a)
{
	if (a->fd >= 0)
		close(a->fd);
	free(a->path);
	free(a->sums);
	free(a);
}

void adopted_free(struct adopted_files *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->count; i++)
		adopted_clear(f->files[i]);
	for (unsigned i = 0; i < SLOTS; i++)
		free(f->slots[i].data);
	spool_summer_free(f->summer);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

int adopted_add(struct adopted_files *f, const char *path, int fd, uint64_t size, const uint8_t seed[SPOOL_SEED],
		uint8_t *sums, bool *damaged, struct err *err)
{
	struct adopted *a = mem_zalloc(1, sizeof(*a), err);
	int number = -1;

	if (!a)
		return -1;
	*a = (struct adopted){.path = mem_strdup(path, err), .fd = fd, .size = size, .sums = sums, .damaged = damaged};
	memcpy(a->seed, seed, SPOOL_SEED);
	base_delay();
	pthread_mutex_lock(&f->lock);
	if (a->path && f->count < SPOOL_ADOPTED_MAX) {
		number = (int)f->count++;
		f->files[number] = a;
		if (f->open == f->open_max) {
			close(a->fd);
			a->fd = -1;
		} else {
			f->open++;
		}
	}
	pthread_mutex_unlock(&f->lock);
	if (number < 0) {
		if (a->path)
			err_set(err, ERR_LIMIT, "more than %d layers from the cache", SPOOL_ADOPTED_MAX);
		free(a->path);
		free(a);
	}
	return number;
}

// ---- pieces, with the lock held ------------------------------------------------------------------------------------

static struct slot *oldest(struct adopted_files *f)
{
	struct slot *s = &f->slots[0];

	for (unsigned i = 1; i < SLOTS; i++) {
		if (f->slots[i].used < s->used)
			s = &f->slots[i];
	}
	return s;
}

static int read_file(const struct adopted *a, void *p, size_t n, uint64_t at, struct err *err)
{
	_cleanup_close_ int own = a->fd < 0 ? open(a->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

	if (a->fd < 0 && own < 0)
		return errno == ENOMEM ? err_nomem(err) : err_sys(err, errno, "open a cached layer");
	return io_pread_full(a->fd < 0 ? own : a->fd, p, n, at, err);
}

static int read_piece(struct adopted_files *f, const struct adopted *a, uint64_t piece, void *p, struct err *err)
{
	uint64_t at = piece * SPOOL_PIECE;
	size_t n = a->size - at < SPOOL_PIECE ? (size_t)(a->size - at) : SPOOL_PIECE;
	uint8_t sum[SPOOL_SUM];

	if (read_file(a, p, n, at, err) || spool_piece_sum(f->summer, a->seed, piece, p, n, sum, err))
		return -1;
	if (memcmp(sum, a->sums + piece * SPOOL_SUM, SPOOL_SUM))
		return err_set(err, ERR_MISMATCH, "a cached layer is damaged");
	return 0;
}

static bool blames_the_file(const struct err *err)
{
	return err->class != ERR_MEMORY && err->errnum != EMFILE && err->errnum != ENFILE;
}

// The piece, out of a slot or into one. NULL: it could not be read, or is damaged.
static struct slot *have_piece(struct adopted_files *f, const struct adopted *a, uint64_t piece, struct err *err)
{
	struct err why = ERR_INIT;
	struct slot *s;

	for (unsigned i = 0; i < SLOTS; i++) {
		s = &f->slots[i];
		if (s->of == a && s->piece == piece)
			return s;
	}
	s = oldest(f);
	s->of = NULL;
	if (!s->data && !(s->data = mem_alloc(SPOOL_PIECE, err)))
		return NULL;
	if (read_piece(f, a, piece, s->data, &why)) {
		if (blames_the_file(&why)) {
			__atomic_store_n(a->damaged, true, __ATOMIC_RELAXED);
			unlink(a->path);
		}
		if (err)
			*err = why;
		return NULL;
	}
	s->of = a;
	s->piece = piece;
	return s;
}

int adopted_read(struct adopted_files *f, unsigned number, uint64_t at, void *p, size_t n, struct err *err)
{
	const struct adopted *a = f->files[number];
	uint8_t *to = p;
	int rc = 0;

	if (at > a->size || n > a->size - at)
		return err_set(err, ERR_MISMATCH, "a cached layer is too short");
	base_delay();
	pthread_mutex_lock(&f->lock);
	while (n) {
		size_t skip = (size_t)(at % SPOOL_PIECE), part = n < SPOOL_PIECE - skip ? n : SPOOL_PIECE - skip;
		struct slot *s = have_piece(f, a, at / SPOOL_PIECE, err);

		if (!s) {
			rc = -1;
			break;
		}
		s->used = ++f->uses;
		memcpy(to, s->data + skip, part);
		at += part;
		to += part;
		n -= part;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}
