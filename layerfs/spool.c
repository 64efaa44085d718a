// SPDX-License-Identifier: Apache-2.0
//
// Appending goes through one buffer a file: layers are full of files of a few hundred bytes. What is larger than the
// buffer is written past it. Zeros are not written but skipped; spool_flush gives the file its length, so a hole at
// the end reads as zeros too.
#include "layerfs/spool.h"

#include "base/checked.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPOOL_BUFFER = 256 * 1024, OFFSET_BITS = 48 };
static const uint64_t OFFSET_MAX = (UINT64_C(1) << OFFSET_BITS) - 1;

struct spool_file {
	int fd;		  // -1 until first use
	uint64_t written; // file offset where the buffer's first byte belongs
	uint64_t length;  // what ftruncate has promised so far
	size_t buffered;
	uint8_t *buffer;
};

struct adopted {
	char *path;
	int fd;
	uint64_t size;
	uint8_t *digests;
	atomic_uchar *checked; // a flag a piece
	bool *damaged;
};

struct spool {
	char *dir;
	unsigned count;
	pthread_mutex_t lock; // over adopted_count
	unsigned adopted_count;
	struct adopted adopted[SPOOL_ADOPTED_MAX];
	struct spool_file files[];
};

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
	pthread_mutex_init(&s->lock, NULL);
	for (unsigned i = 0; i < files; i++)
		s->files[i].fd = -1;
	s->dir = mem_strdup(tmpdir ? tmpdir : "/var/tmp", err);
	if (!s->dir) {
		spool_free(s);
		return NULL;
	}
	return s;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		if (s->files[i].fd >= 0)
			close(s->files[i].fd);
		free(s->files[i].buffer);
	}
	for (unsigned i = 0; i < s->adopted_count; i++) {
		close(s->adopted[i].fd);
		free(s->adopted[i].path);
		free(s->adopted[i].digests);
		free(s->adopted[i].checked);
	}
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

static int fail(const struct spool *s, struct err *err)
{
	char q[256];

	return err_prefix(err, "temporary file in %s: ", err_quote(s->dir, strlen(s->dir), q, sizeof(q)));
}

// Some file systems lack O_TMPFILE; there the name lives for a moment.
int spool_open_unnamed(const char *dir, struct err *err)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *path;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT))
		return fd >= 0 ? fd : err_sys(err, errno, "create");
	path = mem_printf(err, "%s/eifgen-XXXXXX", dir);
	if (!path)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		err_sys(err, errno, "create");
	else
		unlink(path);
	free(path);
	return fd;
}

static struct spool_file *file_ready(struct spool *s, unsigned file, struct err *err)
{
	struct spool_file *f = &s->files[file];

	if (!f->buffer)
		f->buffer = mem_alloc(SPOOL_BUFFER, err);
	if (!f->buffer)
		return NULL;
	if (f->fd < 0)
		f->fd = spool_open_unnamed(s->dir, err);
	if (f->fd < 0) {
		fail(s, err);
		return NULL;
	}
	return f;
}

uint64_t spool_position(const struct spool *s, unsigned file)
{
	return (uint64_t)file << OFFSET_BITS | (s->files[file].written + s->files[file].buffered);
}

static int write_out(const struct spool *s, struct spool_file *f, const void *p, size_t n, struct err *err)
{
	if (io_pwrite(f->fd, p, n, f->written, err))
		return fail(s, err);
	f->written += n;
	if (f->length < f->written)
		f->length = f->written;
	return 0;
}

static int drain(const struct spool *s, struct spool_file *f, struct err *err)
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

int spool_flush(struct spool *s, unsigned file, struct err *err)
{
	struct spool_file *f = &s->files[file];

	if (f->fd < 0)
		return 0;
	if (drain(s, f, err))
		return -1;
	if (f->length < f->written && ftruncate(f->fd, (off_t)f->written)) {
		err_sys(err, errno, "extend");
		return fail(s, err);
	}
	f->length = f->written;
	free(f->buffer);
	f->buffer = NULL;
	return 0;
}

// ---- contents from earlier -----------------------------------------------------------------------------------------

uint64_t spool_adopt(struct spool *s, const char *path, int fd, uint64_t size, uint8_t *digests, bool *damaged,
		     struct err *err)
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
	if (s->adopted_count < SPOOL_ADOPTED_MAX) {
		i = s->adopted_count++;
		s->adopted[i] = (struct adopted){copy, fd, size, digests, checked, damaged};
	}
	pthread_mutex_unlock(&s->lock);
	if (i == SPOOL_ADOPTED_MAX) {
		free(copy);
		free(checked);
		return 0;
	}
	return (uint64_t)(SPOOL_FILES_MAX + i) << OFFSET_BITS;
}

static int check_piece(const struct adopted *a, uint64_t piece, struct err *err)
{
	uint64_t at = piece * SPOOL_PIECE;
	size_t n = a->size - at < SPOOL_PIECE ? (size_t)(a->size - at) : SPOOL_PIECE;
	uint8_t *p = mem_alloc(n, err), digest[32];
	int rc;

	if (!p)
		return -1;
	rc = io_pread_full(a->fd, p, n, at, err);
	if (!rc && EVP_Digest(p, n, digest, NULL, EVP_sha256(), NULL) != 1)
		rc = err_nomem(err);
	free(p);
	if (!rc && memcmp(digest, a->digests + piece * sizeof(digest), sizeof(digest)))
		rc = err_set(err, ERR_MISMATCH, "a cached layer is damaged");
	if (rc) {
		__atomic_store_n(a->damaged, true, __ATOMIC_RELAXED);
		unlink(a->path);
	} else {
		atomic_store(&a->checked[piece], 1);
	}
	return rc;
}

static int read_adopted(const struct adopted *a, uint64_t at, void *p, size_t n, struct err *err)
{
	if (at > a->size || n > a->size - at)
		return err_set(err, ERR_MISMATCH, "a cached layer is too short");
	for (uint64_t piece = at / SPOOL_PIECE; n && piece <= (at + n - 1) / SPOOL_PIECE; piece++) {
		if (!atomic_load_explicit(&a->checked[piece], memory_order_relaxed) && check_piece(a, piece, err))
			return -1;
	}
	return io_pread_full(a->fd, p, n, at, err);
}

int spool_read(const struct spool *s, uint64_t ref, uint64_t off, void *p, size_t n, struct err *err)
{
	unsigned file = (unsigned)(ref >> OFFSET_BITS);
	const struct spool_file *f = &s->files[file];

	if (file >= SPOOL_FILES_MAX)
		return read_adopted(&s->adopted[file - SPOOL_FILES_MAX], (ref & OFFSET_MAX) + off, p, n, err);
	if (io_pread_full(f->fd, p, n, (ref & OFFSET_MAX) + off, err))
		return fail(s, err);
	return 0;
}
