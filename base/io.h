// SPDX-License-Identifier: Apache-2.0
//
// Files: whole reads and writes (EINTR and short counts handled), bounded slurps, sinks; output that appears by rename
// is atomic_file.h's. All pass through the fault hooks. Paths in messages are quoted by err_quote.
#ifndef BASE_IO_H
#define BASE_IO_H

#include "base/atomic_file.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Opens for reading with O_CLOEXEC. The descriptor, or -1 with the path in the message.
int io_open(const char *path, struct err *err);

// Up to n bytes; loops until n are there or the file ends. Bytes read (0 at the end), or -1.
ssize_t io_read(int fd, void *p, size_t n, struct err *err);
ssize_t io_pread(int fd, void *p, size_t n, uint64_t off, struct err *err);
// Exactly n bytes at off; an early end is ERR_INPUT.
int io_pread_full(int fd, void *p, size_t n, uint64_t off, struct err *err);
// All n bytes.
int io_write(int fd, const void *p, size_t n, struct err *err);
int io_pwrite(int fd, const void *p, size_t n, uint64_t off, struct err *err);

// Size of a regular file; anything else is ERR_INPUT.
int io_file_size(int fd, uint64_t *size, struct err *err);

// Appends the whole file to `out`; past max bytes ERR_LIMIT. io_slurp takes any file kind (a pipe, /dev/stdin).
int io_slurp(const char *path, size_t max, struct buf *out, struct err *err);

// A sink for bytes: what writers write into. Returns 0 or -1 with err filled. Must take n == 0.
struct sink {
	int (*write)(void *ctx, const void *p, size_t n, struct err *err);
	void *ctx;
};

static inline int sink_write(const struct sink *s, const void *p, size_t n, struct err *err)
{
	return s->write(s->ctx, p, n, err);
}

struct sink sink_fd(int *fd);	     // writes to *fd; both borrowed
struct sink sink_buf(struct buf *b); // appends to b; borrowed

// Do two output paths name one entry of one directory? Then the second rename would silently replace the first's file.
bool io_same_place(const char *a, const char *b);

// For an error in writing a file without a name, which only its directory tells of: puts "temporary file in DIR: "
// before err's message. NULL dir: /var/tmp, where such files are by default. Returns -1.
int io_fail_temporary(const char *dir, struct err *err);

// Open, write and commit around one buffer.
int io_write_file(const char *path, const void *p, size_t n, struct err *err);

#endif
