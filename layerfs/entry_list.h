// SPDX-License-Identifier: Apache-2.0
//
// What a layer says, entry by entry, between the reading of the layer and its turn in the merge. A million entries
// may wait here for several layers at once, so they are packed: one record after the other in chunks, numbers as
// little-endian base-128, paths without what they share with the path before:
//
//   kind u8 | flags u8 | shared | suffix length | suffix | by kind: mode uid gid mtime nsec | size content crc |
//   major minor | target length | target
//
// The packed form holds no pointer and depends on nothing but the layer.
#ifndef LAYERFS_ENTRY_LIST_H
#define LAYERFS_ENTRY_LIST_H

#include "base/err.h"
#include "base/io.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum list_kind {
	LIST_FILE,
	LIST_DIR,
	LIST_SYMLINK,
	LIST_HARDLINK, // target: normalized path of the other name
	LIST_CHAR,
	LIST_BLOCK,
	LIST_FIFO,
	LIST_GLOBAL,	// a pax global header of this name: an error if the tree has that path (Docker would delete it)
	LIST_AUFS_LINK, // a file in AUFS's `.wh..wh.plnk`: not in the tree, but hard links may name it
	LIST_WHITEOUT,	// path: what is removed
	LIST_OPAQUE,	// path: the directory
};

struct list_entry {
	enum list_kind kind;
	bool has_xattr, has_capability;
	uint32_t perm, uid, gid, dev_major, dev_minor, mtime_nsec;
	int64_t mtime;
	uint64_t size, content; // content: a spool reference
	uint32_t crc;		// of the content (crc.h)
	const char *path, *target; // normalized: no leading, doubled or trailing slash, no "." or ".."; "": the root
	size_t path_len, target_len;
};

struct entry_list; // opaque

// content_base: what `content` of every entry is counted from; the packed form holds the differences.
struct entry_list *entry_list_new(uint64_t content_base, struct err *err);
void entry_list_free(struct entry_list *l); // NULL fine
int entry_list_add(struct entry_list *l, const struct list_entry *e, struct err *err);
uint64_t entry_list_count(const struct entry_list *l);

// Hands out the entries from the first on: 1, 0 at the end, -1 (out of memory, or ERR_MISMATCH for a list that was read
// from bytes and is none). *e borrows until the next call; both strings are NUL-terminated. With `consume` memory goes
// as the list is read; it can be read once then.
int entry_list_next(struct entry_list *l, bool consume, struct list_entry *e, struct err *err);
void entry_list_rewind(struct entry_list *l);

// What a list from bytes may say; entry_list_next holds each entry against it, and paths against their normal form.
struct entry_bounds {
	uint64_t count;		       // of entries, not one more or less
	uint64_t content;	       // spans end within this many bytes behind content_base
	uint64_t path;		       // length of a path or target
	enum list_kind first, last;    // kinds
};

// The packed form, as bytes: appended to `to`, and made a list again (bytes copied). Any bytes may come: what is wrong
// with them entry_list_next says. ERR_MISMATCH at once if there are not enough bytes for that many entries.
int entry_list_write(const struct entry_list *l, struct sink to, struct err *err);
uint64_t entry_list_bytes(const struct entry_list *l);
struct entry_list *entry_list_read(const void *p, size_t n, const struct entry_bounds *bounds, uint64_t content_base,
				   struct err *err);

#endif
