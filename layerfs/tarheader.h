// SPDX-License-Identifier: Apache-2.0
//
// One 512-byte header block of a tar: its checksum, its format, its numbers and names, by the rules of Go's archive/tar
// (which are stricter than POSIX, and stricter than libarchive). What an entry is, and whether it may stand where it
// stands, is tarcheck's to say.
#ifndef LAYERFS_TARHEADER_H
#define LAYERFS_TARHEADER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512 };
enum tar_format { TAR_V7, TAR_USTAR, TAR_STAR, TAR_GNU };

struct tar_entry {
	// '0' regular (also for NUL, 7 and every sparse form), '1' hard link, '2' symlink, '3' character, '4' block,
	// '5' directory, '6' fifo, 'g' a global header (its name only matters)
	char type;
	bool sparse, has_xattr, has_capability;
	uint32_t mtime_nsec;
	uint64_t size;	       // what a reader sees: of a sparse file with its holes
	uint64_t mode, uid, gid; // as stored, not judged
	uint64_t dev_major, dev_minor;
	int64_t mtime;
	uint64_t offset;       // of the entry's own header in the stream
	const char *name, *link; // NUL-terminated, any other bytes; link is "" where there is none
	size_t name_len, link_len;
};

// The checksum is right and the magic one that is known: 0 and the format. ERR_INPUT else.
int tar_header_format(const uint8_t *block, enum tar_format *f, struct err *err);
// Mode, owner, size, mtime and (not in V7) device numbers into e. ERR_INPUT names the field.
int tar_header_numbers(const uint8_t *block, enum tar_format f, struct tar_entry *e, struct err *err);
// Name (behind its prefix) and link name into `text`, which is emptied first; e borrows from it. ERR_MEMORY.
int tar_header_names(const uint8_t *block, enum tar_format f, struct buf *text, struct tar_entry *e, struct err *err);

// A number of n bytes: octal between blanks and NULs (none: 0), or base 256. ERR_INPUT if Go would refuse it.
int tar_number(const uint8_t *field, size_t n, int64_t *out, struct err *err);
// The number in block[at, at + n), which may not be negative; `what` is for the message.
int tar_field_number(const uint8_t *block, size_t at, size_t n, const char *what, uint64_t *out, struct err *err);
bool tar_all_zero(const uint8_t *p, size_t n);

#endif
