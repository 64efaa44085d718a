// SPDX-License-Identifier: Apache-2.0
//
// Appending goes through one buffer a file: layers are full of files of a few hundred bytes. What is larger than the
// buffer is written past it. Zeros are not written but skipped; spool_flush gives each piece its length, so a hole at
// its end reads as zeros too, and a piece in which nothing was written has no descriptor and is all zeros.
//
// Descriptors are few: when a quarter of those that the process may have are in use here, a piece goes behind the one
// before it into the same file of the system's. Such a file is given back only at the end.
#include "layerfs/spool_priv.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPOOL_BUFFER = 256 * 1024, OFFSET_BITS = 48, OPEN_SHARE = 4, ADOPTED_SHARE = 8 };
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

struct spool {
	char *dir;
	unsigned count;
	unsigned open_max;
	atomic_uint open; // the system's files of all writers
	bool (*free_some)(void *ctx, int fd); // NULL: nobody can
	void *free_ctx;
	pthread_mutex_t lock;	       // over the making of `adopted`
	struct adopted_files *adopted; // NULL: nothing was adopted
	struct spool_file files[];
};

static unsigned descriptors(unsigned share)
{
	struct rlimit l;

	return getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur > UINT32_MAX ? UINT16_MAX : (unsigned)l.rlim_cur / share;
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
	s->open_max = descriptors(OPEN_SHARE);
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
	adopted_free(s->adopted);
	pthread_mutex_destroy(&s->lock);
	free(s->dir);
	free(s);
}

static int fail(const struct spool *s, struct err *err)
{
	return io_fail_temporary(s->dir, err);
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
		return io_fail_temporary(dir, err);
	}
	path = mem_printf(err, "%s/eifgen-XXXXXX", dir);
	if (!path)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0) {
		unlink(path);
	} else {
		err_sys(err, errno, "create");
		io_fail_temporary(dir, err);
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

// A full disk may become less so, once.
static bool made_room(const struct spool *s, int fd, const struct err *why)
{
	return (why->errnum == ENOSPC || why->errnum == EDQUOT) && s->free_some && s->free_some(s->free_ctx, fd);
}

static int open_piece(const struct spool *s, struct err *err)
{
	_cleanup_close_ int dir = -1;
	struct err why = ERR_INIT;
	int fd = spool_open_unnamed(s->dir, &why);

	if (fd >= 0)
		return fd;
	dir = open(s->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (made_room(s, dir, &why))
		return spool_open_unnamed(s->dir, err);
	if (err)
		*err = why;
	return -1;
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
	p->fd = open_piece(s, err);
	if (p->fd < 0)
		return NULL;
	atomic_fetch_add(&s->open, 1);
	return p;
}

uint64_t spool_position(const struct spool *s, unsigned file)
{
	return (uint64_t)file << OFFSET_BITS | (s->files[file].written + s->files[file].buffered);
}

void spool_on_full(struct spool *s, bool (*free_some)(void *ctx, int fd), void *ctx)
{
	s->free_some = free_some;
	s->free_ctx = ctx;
}

static int write_piece(struct spool *s, const struct piece *p, const uint8_t *b, size_t n, uint64_t at, struct err *err)
{
	struct err why = ERR_INIT;

	if (!io_pwrite(p->fd, b, n, p->at + at, &why))
		return 0;
	if (made_room(s, p->fd, &why))
		return io_pwrite(p->fd, b, n, p->at + at, err) ? fail(s, err) : 0;
	if (err)
		*err = why;
	return fail(s, err);
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
		if (write_piece(s, p, b, part, at, err))
			return -1;
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

// ---- reading -------------------------------------------------------------------------------------------------------

static struct adopted_files *adopted_ready(struct spool *s, struct err *err)
{
	struct adopted_files *f;

	pthread_mutex_lock(&s->lock);
	if (!s->adopted)
		s->adopted = adopted_new(descriptors(ADOPTED_SHARE), err);
	f = s->adopted;
	pthread_mutex_unlock(&s->lock);
	return f;
}

uint64_t spool_adopt(struct spool *s, const char *path, int fd, uint64_t size, const uint8_t seed[SPOOL_SEED],
		     uint8_t *sums, bool *damaged, struct err *err)
{
	struct adopted_files *f = adopted_ready(s, err);
	int number = f ? adopted_add(f, path, fd, size, seed, sums, damaged, err) : -1;

	return number < 0 ? 0 : (uint64_t)(SPOOL_FILES_MAX + number) << OFFSET_BITS;
}

int spool_read(const struct spool *s, uint64_t ref, uint64_t off, void *p, size_t n, struct err *err)
{
	unsigned file = (unsigned)(ref >> OFFSET_BITS);
	const struct spool_file *f = &s->files[file];
	uint8_t *to = p;

	if (file >= SPOOL_FILES_MAX)
		return adopted_read(s->adopted, file - SPOOL_FILES_MAX, (ref & OFFSET_MAX) + off, p, n, err);
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
