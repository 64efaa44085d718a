// SPDX-License-Identifier: Apache-2.0
//
// The newc cpio format (Linux Documentation/driver-api/early-userspace/buffer-format): writer and reader.
//
//   "070701" ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check   (110 bytes)
//   name NUL, NUL padding to 4;  data, NUL padding to 4;  …  TRAILER!!!;  NUL padding to 512
//
// The writer holds the format (hex digits, padding, trailer, running offset); which inode numbers, times and link
// counts go in is the layout's business.
#ifndef LAYERFS_NEWC_H
#define LAYERFS_NEWC_H

#include "base/err.h"
#include "base/io.h"

#include <stddef.h>
#include <stdint.h>

struct newc_header {
	uint32_t ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, check;
};

struct newc_entry {
	struct newc_header h;
	const char *name;     // NUL-terminated, borrowed until the next call
	size_t name_len;
	// of the h.filesize bytes of data: in the file that a reader reads, in the archive that is written
	uint64_t data_offset;
};

// ---- writer: header and name, then exactly filesize bytes of data, entry by entry; then the trailer -----------------
// Who is told, in order, of all that a writer writes: each entry, then its data in pieces, at last the trailer with the
// archive's size. What they return is what the writer's call returns.
struct newc_watch {
	int (*entry)(void *ctx, const struct newc_entry *e, struct err *err);
	int (*data)(void *ctx, const void *p, size_t n, struct err *err);
	int (*trailer)(void *ctx, const struct newc_header *h, uint64_t size, struct err *err);
	void *ctx;
};

struct newc_writer {
	struct sink out;   // borrowed context
	const struct newc_watch *watch; // borrowed; NULL: nobody. Set behind newc_writer_init
	uint64_t offset;   // bytes written since the start of this archive
	uint64_t data_left; // of the current entry
};

void newc_writer_init(struct newc_writer *w, struct sink out);
// Header, name (len bytes, no NUL within, one behind them) and padding. ERR_INPUT if the previous entry's data is
// incomplete.
int newc_write_entry(struct newc_writer *w, const struct newc_header *h, const char *name, size_t len, struct err *err);
// Data of the current entry, in any pieces; padding follows by itself after the last byte.
int newc_write_data(struct newc_writer *w, const void *p, size_t n, struct err *err);
// n bytes of the current entry's data go another way: they are counted, and the padding that follows them written. Not
// with a watch.
int newc_skip_data(struct newc_writer *w, uint64_t n, struct err *err);
// `h` gives the trailer's fields (layouts differ); pads the archive to a multiple of 512.
int newc_write_trailer(struct newc_writer *w, const struct newc_header *h, struct err *err);

// ---- reader: strict, streaming, from an fd at an offset -------------------------------------------------------------
// Reads one archive (up to and with its trailer and padding) of at most `size` bytes. Anything that our writer or
// linuxkit's would not write is ERR_INPUT with the offset: bad magic, upper-case or non-hex digits, a name without its
// NUL, non-zero padding, data past the end,
// a symlink's target that is no text of less than 64 KiB, a missing trailer, bytes other than NUL after it.
struct newc_reader;

int newc_reader_new(int fd, uint64_t offset, uint64_t size, struct newc_reader **out, struct err *err); // fd borrowed
int newc_reader_next(struct newc_reader *r, struct newc_entry *e, struct err *err); // 1: an entry, 0: the trailer, -1
const struct newc_header *newc_reader_trailer(const struct newc_reader *r);	    // after 0
void newc_reader_free(struct newc_reader *r);

#endif
