// SPDX-License-Identifier: Apache-2.0
//
// Files: whole reads and writes (EINTR and short counts handled), bounded slurps, and output that appears by rename.
// All pass through the fault hooks. Paths in messages are quoted by err_quote.
#ifndef BASE_IO_H
#define BASE_IO_H

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

// Output that appears whole or not at all: written to a temporary file in the target's directory (mode 0600 while it
// is written, then 0666 less the umask, or what the target has), renamed at commit. A target that is a symlink is replaced, not followed;
// a target that exists and is no regular file (a device, a pipe, a directory, a symlink to one) is an error.
struct atomic_file {
	int fd; // -1 when closed; seekable
	char *path, *tmp;
	bool ready; // prepared: only the rename is left
	// Set after atomic_file_open for what is large, can be made again and shows when it is not whole (a CRC, a digest):
	// the system writes it to the disk in its own time. A power cut before that may take it.
	bool lazy;
	// Set after atomic_file_open for a file that is changed in place: it keeps the permissions that it has.
	bool keep_mode;
};

#define ATOMIC_FILE_INIT {-1, NULL, NULL, false, false, false}

int atomic_file_open(struct atomic_file *f, const char *path, struct err *err);
// All of a commit but the rename, which then hardly fails: for outputs that appear together, prepare each, then commit.
int atomic_file_prepare(struct atomic_file *f, struct err *err);
int atomic_file_commit(struct atomic_file *f, struct err *err); // fsync, rename; on error nothing appears
void atomic_file_discard(struct atomic_file *f);		// removes the temporary file; idempotent; after commit nothing
// Unlinks every temporary file that is in the making, in any thread. Async-signal-safe: for the handler of a signal that
// ends the process.
void atomic_files_abandon(void);
#define _cleanup_atomic_file_ __attribute__((cleanup(atomic_file_discard)))

// Do two output paths name one entry of one directory? Then the second rename would silently replace the first's file.
bool io_same_place(const char *a, const char *b);

// Open, write and commit around one buffer.
int io_write_file(const char *path, const void *p, size_t n, struct err *err);

#endif
