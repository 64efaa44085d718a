// SPDX-License-Identifier: Apache-2.0
//
// Appending goes through one buffer a file: layers are full of files of a few hundred bytes. What is larger than the
// buffer is written past it. Zeros are not written but skipped; spool_flush gives each piece its length, so a hole at
// its end reads as zeros too, and a piece in which nothing was written has no descriptor and is all zeros.
//
// Descriptors are few: when a quarter of those that the process may have are in use here, a piece goes behind the one
// before it into the same file of the system's. Such a file is given back only at the end.
#include "layerfs/spool.h"

#include "base/be.h"
#include "base/checked.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPOOL_BUFFER = 256 * 1024, OFFSET_BITS = 48, OPEN_SHARE = 4 };
static const char default_dir[] = "/var/tmp";
static const uint64_t OFFSET_MAX = (UINT64_C(1) << OFFSET_BITS) - 1;

struct piece {
	int fd;		 // -1: nothing was written here yet, or given back
	bool gone;	 // given back
	bool shared;	 // its file is that of the piece before or behind, too
	uint64_t at;	 // where in fd the piece begins
	uint64_t length; // bytes of it that the system's file is known to have
	uint64_t expected;
};

struct spool_file {
	uint64_t written; // offset where the buffer's first byte belongs
	struct piece *pieces;
	size_t count, cap;
	size_t buffered;
	uint8_t *buffer;
};

struct adopted {
	char *path;
	int fd;
	uint64_t size;
	uint8_t seed[SPOOL_SEED];
	uint8_t *sums;
	atomic_uchar *checked; // a flag a piece
	bool *damaged;
};

// The piece that was checked last stays in memory: what is read next most often lies in it, and it is those very bytes
// that were found right.
struct held {
	pthread_mutex_t lock;
	const struct adopted *of; // NULL: nothing
	uint64_t piece;
	uint8_t data[SPOOL_PIECE];
};

struct spool {
	char *dir;
	unsigned count;
	unsigned open_max;
	atomic_uint open; // the system's files of all writers
	pthread_mutex_t lock; // over adopted_count
	unsigned adopted_count;
	struct adopted adopted[SPOOL_ADOPTED_MAX];
	struct held *held; // NULL: nothing was adopted
	struct spool_file files[];
};

static unsigned descriptors(void)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur > UINT32_MAX ? UINT16_MAX : (unsigned)l.rlim_cur / OPEN_SHARE;
}

struct spool *spool_new(const char *tmpdir, unsigned files, struct err *err)
{
	struct spool *s;

	if (files < 1 || files > SPOOL_FILES_MAX) {
		err_set(err, ERR_USAGE, "%u spool files, not 1 to %d", files, SPOOL_FILES_MAX);
		return NULL;
	}
	s = mem_zalloc(1, sizeof(*s) + files * sizeof(s->files[0]), err);
	if (!s)
		return NULL;
	s->count = files;
	s->open_max = descriptors();
	pthread_mutex_init(&s->lock, NULL);
	s->dir = mem_strdup(tmpdir ? tmpdir : default_dir, err);
	if (!s->dir) {
		spool_free(s);
		return NULL;
	}
	return s;
}

// A file that pieces share is closed with the first of them, which has it at 0.
static void close_piece(struct spool_file *f, size_t k)
{
	struct piece *p = &f->pieces[k];

	if (p->fd >= 0 && p->at == 0)
		close(p->fd);
	p->fd = -1;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		for (size_t k = 0; k < s->files[i].count; k++)
			close_piece(&s->files[i], k);
		free(s->files[i].pieces);
		free(s->files[i].buffer);
	}
	for (unsigned i = 0; i < s->adopted_count; i++) {
		close(s->adopted[i].fd);
		free(s->adopted[i].path);
		free(s->adopted[i].sums);
		free(s->adopted[i].checked);
	}
	if (s->held)
		pthread_mutex_destroy(&s->held->lock);
	free(s->held);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

static int fail_in(const char *dir, struct err *err)
{
	char q[256];

	return err_prefix(err, "temporary file in %s: ", err_quote(dir, strlen(dir), q, sizeof(q)));
}

static int fail(const struct spool *s, struct err *err)
{
	return fail_in(s->dir, err);
}

// Some file systems lack O_TMPFILE; there the name lives for a moment.
int spool_open_unnamed(const char *dir, struct err *err)
{
	char *path;
	int fd;

	dir = dir ? dir : default_dir;
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT) {
		err_sys(err, errno, "create");
		return fail_in(dir, err);
	}
	path = mem_printf(err, "%s/eifgen-XXXXXX", dir);
	if (!path)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		unlink(path);
	} else {
		err_sys(err, errno, "create");
		fail_in(dir, err);
	}
	free(path);
	return fd;
}

static struct spool_file *file_ready(struct spool *s, unsigned file, struct err *err)
{
	struct spool_file *f = &s->files[file];

	if (!f->buffer)
		f->buffer = mem_alloc(SPOOL_BUFFER, err);
	return f->buffer ? f : NULL;
}

// Pieces up to number k, without files.
static int grow_to(struct spool_file *f, size_t k, struct err *err)
{
	while (f->count <= k) {
		if (mem_grow(&f->pieces, &f->cap, f->count, sizeof(*f->pieces), err))
			return -1;
		f->pieces[f->count++] = (struct piece){.fd = -1};
	}
	return 0;
}

// Piece k, with a file to write it to.
static struct piece *piece_ready(struct spool *s, struct spool_file *f, size_t k, struct err *err)
{
	struct piece *p, *before;

	if (grow_to(f, k, err))
		return NULL;
	p = &f->pieces[k];
	if (p->fd >= 0)
		return p;
	before = k && f->pieces[k - 1].fd >= 0 ? p - 1 : NULL;
	if (before && atomic_load(&s->open) >= s->open_max) {
		*p = (struct piece){.fd = before->fd, .shared = true, .at = before->at + SPOOL_CHUNK};
		before->shared = true;
		return p;
	}
	p->fd = spool_open_unnamed(s->dir, err);
	if (p->fd < 0)
		return NULL;
	atomic_fetch_add(&s->open, 1);
	return p;
}

uint64_t spool_position(const struct spool *s, unsigned file)
{
	return (uint64_t)file << OFFSET_BITS | (s->files[file].written + s->files[file].buffered);
}

static int write_out(struct spool *s, struct spool_file *f, const void *data, size_t n, struct err *err)
{
	const uint8_t *b = data;

	while (n) {
		uint64_t at = f->written % SPOOL_CHUNK;
		size_t part = n < SPOOL_CHUNK - at ? n : (size_t)(SPOOL_CHUNK - at);
		struct piece *p = piece_ready(s, f, (size_t)(f->written / SPOOL_CHUNK), err);

		if (!p)
			return -1;
		if (io_pwrite(p->fd, b, part, p->at + at, err))
			return fail(s, err);
		p->length = at + part;
		f->written += part;
		b += part;
		n -= part;
	}
	return 0;
}

static int drain(struct spool *s, struct spool_file *f, struct err *err)
{
	size_t n = f->buffered;

	f->buffered = 0;
	return n ? write_out(s, f, f->buffer, n, err) : 0;
}

static int check_room(const struct spool_file *f, uint64_t n, struct err *err)
{
	uint64_t end;

	if (ckd_add(&end, f->written + f->buffered, n) || end > OFFSET_MAX)
		return err_set(err, ERR_LIMIT, "content past 2^%d bytes", OFFSET_BITS);
	return 0;
}

int spool_append(struct spool *s, unsigned file, const void *p, size_t n, struct err *err)
{
	struct spool_file *f = file_ready(s, file, err);

	if (!f || check_room(f, n, err))
		return -1;
	if (n > SPOOL_BUFFER - f->buffered && drain(s, f, err))
		return -1;
	if (n >= SPOOL_BUFFER)
		return write_out(s, f, p, n, err);
	if (n)
		memcpy(f->buffer + f->buffered, p, n);
	f->buffered += n;
	return 0;
}

int spool_append_zeros(struct spool *s, unsigned file, uint64_t n, struct err *err)
{
	struct spool_file *f = file_ready(s, file, err);

	if (!f || check_room(f, n, err))
		return -1;
	if (n <= SPOOL_BUFFER - f->buffered) {
		memset(f->buffer + f->buffered, 0, (size_t)n);
		f->buffered += (size_t)n;
		return 0;
	}
	if (drain(s, f, err))
		return -1;
	f->written += n;
	return 0;
}

// Gives every piece the length that its contents have.
static int extend(const struct spool *s, struct spool_file *f, struct err *err)
{
	if (f->written && grow_to(f, (size_t)((f->written - 1) / SPOOL_CHUNK), err))
		return -1;
	for (size_t k = 0; k < f->count; k++) {
		struct piece *p = &f->pieces[k];
		uint64_t left = f->written - (uint64_t)k * SPOOL_CHUNK, want = left < SPOOL_CHUNK ? left : SPOOL_CHUNK;

		if (p->fd < 0 || p->length >= want)
			continue;
		p->length = want;
		if (k + 1 < f->count && f->pieces[k + 1].fd == p->fd)
			continue; // what comes behind it in the same file sees to that
		if (ftruncate(p->fd, (off_t)(p->at + want))) {
			err_sys(err, errno, "extend");
			return fail(s, err);
		}
	}
	return 0;
}

int spool_flush(struct spool *s, unsigned file, struct err *err)
{
	struct spool_file *f = &s->files[file];

	if (drain(s, f, err) || extend(s, f, err))
		return -1;
	free(f->buffer);
	f->buffer = NULL;
	return 0;
}

// ---- contents from earlier -----------------------------------------------------------------------------------------

int spool_piece_sum(const uint8_t seed[SPOOL_SEED], uint64_t number, const void *p, size_t n, uint8_t sum[SPOOL_SUM],
		    struct err *err)
{
	uint8_t text[SPOOL_SEED + 8], key[32];
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *c = mac ? EVP_MAC_CTX_new(mac) : NULL;
	size_t len = 0;
	int ok;

	memcpy(text, seed, SPOOL_SEED);
	put_be64(text + SPOOL_SEED, number);
	ok = c && EVP_Digest(text, sizeof(text), key, NULL, EVP_sha256(), NULL) == 1 &&
	     EVP_MAC_init(c, key, sizeof(key), NULL) == 1 && EVP_MAC_update(c, p, n) == 1 &&
	     EVP_MAC_final(c, sum, &len, SPOOL_SUM) == 1 && len == SPOOL_SUM;
	EVP_MAC_CTX_free(c);
	EVP_MAC_free(mac);
	return ok ? 0 : err_nomem(err);
}

// With the lock held.
static struct held *hold(struct spool *s, struct err *err)
{
	if (!s->held && (s->held = mem_alloc(sizeof(*s->held), err))) {
		pthread_mutex_init(&s->held->lock, NULL);
		s->held->of = NULL;
	}
	return s->held;
}

uint64_t spool_adopt(struct spool *s, const char *path, int fd, uint64_t size, const uint8_t seed[SPOOL_SEED],
		     uint8_t *sums, bool *damaged, struct err *err)
{
	size_t pieces = (size_t)((size + SPOOL_PIECE - 1) / SPOOL_PIECE);
	char *copy = mem_strdup(path, err);
	atomic_uchar *checked = copy ? mem_zalloc(pieces, sizeof(*checked), err) : NULL;
	unsigned i = SPOOL_ADOPTED_MAX;

	if (!checked) {
		free(copy);
		return 0;
	}
	pthread_mutex_lock(&s->lock);
	if (hold(s, err) && s->adopted_count < SPOOL_ADOPTED_MAX) {
		i = s->adopted_count++;
		s->adopted[i] = (struct adopted){.path = copy, .fd = fd, .size = size, .sums = sums, .checked = checked,
						 .damaged = damaged};
		memcpy(s->adopted[i].seed, seed, SPOOL_SEED);
	}
	pthread_mutex_unlock(&s->lock);
	if (i == SPOOL_ADOPTED_MAX) {
		free(copy);
		free(checked);
		return 0;
	}
	return (uint64_t)(SPOOL_FILES_MAX + i) << OFFSET_BITS;
}

// With the lock of `h` held: reads a piece into it and checks that.
static int check_piece(struct held *h, const struct adopted *a, uint64_t piece, struct err *err)
{
	uint64_t at = piece * SPOOL_PIECE;
	size_t n = a->size - at < SPOOL_PIECE ? (size_t)(a->size - at) : SPOOL_PIECE;
	uint8_t sum[SPOOL_SUM];
	int rc;

	h->of = NULL;
	rc = io_pread_full(a->fd, h->data, n, at, err);
	if (!rc)
		rc = spool_piece_sum(a->seed, piece, h->data, n, sum, err);
	if (!rc && memcmp(sum, a->sums + piece * SPOOL_SUM, SPOOL_SUM))
		rc = err_set(err, ERR_MISMATCH, "a cached layer is damaged");
	if (rc) {
		__atomic_store_n(a->damaged, true, __ATOMIC_RELAXED);
		unlink(a->path);
		return -1;
	}
	atomic_store(&a->checked[piece], 1);
	h->of = a;
	h->piece = piece;
	return 0;
}

// n bytes within one piece. Who finds the held one in use reads the file, if the piece has been found right before.
static int read_piece(struct held *h, const struct adopted *a, uint64_t at, void *p, size_t n, struct err *err)
{
	uint64_t piece = at / SPOOL_PIECE;
	bool checked = atomic_load_explicit(&a->checked[piece], memory_order_relaxed), here;
	int rc = 0;

	if (!checked)
		pthread_mutex_lock(&h->lock);
	else if (pthread_mutex_trylock(&h->lock))
		return io_pread_full(a->fd, p, n, at, err);
	here = h->of == a && h->piece == piece;
	if (!here && !checked) {
		rc = check_piece(h, a, piece, err);
		here = !rc;
	}
	if (here)
		memcpy(p, h->data + at % SPOOL_PIECE, n);
	pthread_mutex_unlock(&h->lock);
	return rc || here ? rc : io_pread_full(a->fd, p, n, at, err);
}

static int read_adopted(struct held *h, const struct adopted *a, uint64_t at, uint8_t *p, size_t n, struct err *err)
{
	if (at > a->size || n > a->size - at)
		return err_set(err, ERR_MISMATCH, "a cached layer is too short");
	while (n) {
		size_t left = SPOOL_PIECE - (size_t)(at % SPOOL_PIECE), part = n < left ? n : left;

		if (read_piece(h, a, at, p, part, err))
			return -1;
		at += part;
		p += part;
		n -= part;
	}
	return 0;
}

int spool_read(const struct spool *s, uint64_t ref, uint64_t off, void *p, size_t n, struct err *err)
{
	unsigned file = (unsigned)(ref >> OFFSET_BITS);
	const struct spool_file *f = &s->files[file];
	uint8_t *to = p;

	if (file >= SPOOL_FILES_MAX)
		return read_adopted(s->held, &s->adopted[file - SPOOL_FILES_MAX], (ref & OFFSET_MAX) + off, p, n, err);
	for (off += ref & OFFSET_MAX; n;) {
		const struct piece *piece = &f->pieces[off / SPOOL_CHUNK];
		uint64_t at = off % SPOOL_CHUNK;
		size_t part = n < SPOOL_CHUNK - at ? n : (size_t)(SPOOL_CHUNK - at);

		if (piece->gone)
			return err_set(err, ERR_IO, "contents were given back too early");
		if (piece->fd < 0)
			memset(to, 0, part);
		else if (io_pread_full(piece->fd, to, part, piece->at + at, err))
			return fail(s, err);
		off += part;
		to += part;
		n -= part;
	}
	return 0;
}

// ---- giving back ---------------------------------------------------------------------------------------------------

// The file of a reference and the pieces of its span; NULL if there is nothing to count.
static struct spool_file *span(struct spool *s, uint64_t ref, uint64_t size, size_t *first, size_t *last)
{
	unsigned file = (unsigned)(ref >> OFFSET_BITS);

	if (file >= SPOOL_FILES_MAX || !size)
		return NULL;
	*first = (size_t)((ref & OFFSET_MAX) / SPOOL_CHUNK);
	*last = (size_t)(((ref & OFFSET_MAX) + size - 1) / SPOOL_CHUNK);
	return &s->files[file];
}

void spool_expect(struct spool *s, uint64_t ref, uint64_t size)
{
	size_t first, last;
	struct spool_file *f = span(s, ref, size, &first, &last);

	for (size_t k = first; f && k <= last; k++)
		f->pieces[k].expected++;
}

void spool_drop(struct spool *s, uint64_t ref, uint64_t size)
{
	size_t first, last;
	struct spool_file *f = span(s, ref, size, &first, &last);

	for (size_t k = first; f && k <= last; k++) {
		struct piece *p = &f->pieces[k];

		if (p->expected && !--p->expected && !p->shared) {
			close_piece(f, k);
			p->gone = true;
		}
	}
}
