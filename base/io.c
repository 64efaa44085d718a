// SPDX-License-Identifier: Apache-2.0
//
// Thin loops over read, pread, write and pwrite. No call here depends on the locale.
#include "base/io.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { QUOTE_MAX = 512 }; // of a path in a message

static int sys_path(struct err *err, int errnum, const char *verb, const char *path)
{
	char q[QUOTE_MAX];

	return err_sys(err, errnum, "%s %s", verb, err_quote(path, strlen(path), q, sizeof(q)));
}

int io_open(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		sys_path(err, errno, "open", path);
	return fd;
}

static ssize_t read_some(int fd, void *p, size_t n, const uint64_t *off)
{
	if (base_fault_hit(FAULT_READ)) {
		errno = EIO;
		return -1;
	}
	return off ? pread(fd, p, n, (off_t)*off) : read(fd, p, n);
}

static ssize_t read_loop(int fd, void *p, size_t n, uint64_t *off, struct err *err)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read_some(fd, (char *)p + got, n - got, off);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(err, errno, "read");
		if (r == 0)
			break;
		got += (size_t)r;
		if (off)
			*off += (uint64_t)r;
	}
	return (ssize_t)got;
}

ssize_t io_read(int fd, void *p, size_t n, struct err *err)
{
	return read_loop(fd, p, n, NULL, err);
}

ssize_t io_pread(int fd, void *p, size_t n, uint64_t off, struct err *err)
{
	return read_loop(fd, p, n, &off, err);
}

int io_pread_full(int fd, void *p, size_t n, uint64_t off, struct err *err)
{
	ssize_t r = io_pread(fd, p, n, off, err);

	if (r < 0)
		return -1;
	if ((size_t)r != n)
		return err_set(err, ERR_INPUT, "file ends at byte %llu, %zu bytes early",
			       (unsigned long long)(off + (uint64_t)r), n - (size_t)r);
	return 0;
}

static int write_loop(int fd, const void *p, size_t n, uint64_t *off, struct err *err)
{
	const char *b = p;

	while (n) {
		ssize_t w;

		if (base_fault_hit(FAULT_WRITE))
			return err_sys(err, EIO, "write");
		w = off ? pwrite(fd, b, n, (off_t)*off) : write(fd, b, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return err_sys(err, errno, "write");
		b += w;
		n -= (size_t)w;
		if (off)
			*off += (uint64_t)w;
	}
	return 0;
}

int io_write(int fd, const void *p, size_t n, struct err *err)
{
	return write_loop(fd, p, n, NULL, err);
}

int io_pwrite(int fd, const void *p, size_t n, uint64_t off, struct err *err)
{
	return write_loop(fd, p, n, &off, err);
}

int io_file_size(int fd, uint64_t *size, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(err, errno, "stat");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "not a regular file");
	*size = (uint64_t)st.st_size;
	return 0;
}

int io_slurp(const char *path, size_t max, struct buf *out, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, err);
	char q[QUOTE_MAX];
	size_t start = out->len;

	if (fd < 0)
		return -1;
	for (;;) {
		ssize_t r;

		if (buf_reserve(out, 65536, err))
			return -1;
		r = io_read(fd, out->data + out->len, 65536, err);
		if (r < 0)
			return err_prefix(err, "%s: ", err_quote(path, strlen(path), q, sizeof(q)));
		if (r == 0)
			return 0;
		out->len += (size_t)r;
		if (out->len - start > max)
			return err_set(err, ERR_LIMIT, "%s is larger than %zu bytes",
				       err_quote(path, strlen(path), q, sizeof(q)), max);
	}
}

static int fd_sink_write(void *ctx, const void *p, size_t n, struct err *err)
{
	return io_write(*(int *)ctx, p, n, err);
}

struct sink sink_fd(int *fd)
{
	return (struct sink){fd_sink_write, fd};
}

static int buf_sink_write(void *ctx, const void *p, size_t n, struct err *err)
{
	return buf_add(ctx, p, n, err);
}

struct sink sink_buf(struct buf *b)
{
	return (struct sink){buf_sink_write, b};
}

bool io_same_place(const char *a, const char *b)
{
	const char *names[2] = {a, b};
	struct stat st[2];

	for (int i = 0; i < 2; i++) {
		const char *slash = strrchr(names[i], '/');
		size_t dir = slash ? (size_t)(slash - names[i]) + 1 : 0;
		char path[PATH_MAX];

		if (dir >= sizeof(path))
			return false; // no call opens such a path either
		memcpy(path, dir ? names[i] : ".", dir ? dir : 2);
		path[dir ? dir : 1] = '\0';
		if (stat(path, &st[i]))
			return false;
		names[i] += dir;
	}
	return st[0].st_dev == st[1].st_dev && st[0].st_ino == st[1].st_ino && !strcmp(names[0], names[1]);
}

int io_fail_temporary(const char *dir, struct err *err)
{
	char q[QUOTE_MAX];

	dir = dir ? dir : "/var/tmp";
	return err_prefix(err, "temporary file in %s: ", err_quote(dir, strlen(dir), q, sizeof(q)));
}

int io_write_file(const char *path, const void *p, size_t n, struct err *err)
{
	_cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;

	if (atomic_file_open(&f, path, err) || io_write(f.fd, p, n, err))
		return -1;
	return atomic_file_commit(&f, err);
}
