// SPDX-License-Identifier: Apache-2.0
//
// The entries of one newc ramdisk as an array: headers and where the bytes are, not the bytes. `diff` joins two of
// these. Paths are as in the archive, less a trailing slash (linuxkit writes one behind directories), so that the two
// layouts can be compared; a path that comes more than once (nitro-cli writes some directories twice) has its
// occurrence counted.
//
// Memory: one struct and one copy of the path an entry, about 130 bytes; the archive itself stays in its file.
#ifndef EIFGEN_LISTING_H
#define EIFGEN_LISTING_H

#include "base/cleanup.h"
#include "base/err.h"
#include "layerfs/newc.h"

#include <stddef.h>
#include <stdint.h>

struct listing_entry {
	const char *path; // NUL-terminated, owned by the listing
	uint32_t path_len;
	uint32_t occurrence; // 0 for the first entry of this path, 1 for the next
	uint32_t order;	     // place in the archive, from 0
	uint64_t data_offset;
	struct newc_header h;
	// whose bytes are this entry's: itself, or the name of its inode that carries them
	const struct listing_entry *data;
	int layer; // index of the layer that brought it, or -1 where not known (an EIF does not say)
};

struct listing {
	int fd; // borrowed: the file that data_offset speaks of
	struct listing_entry *entries;
	size_t count;
	struct listing_entry **by_path; // sorted by path bytes, then occurrence
	char **digests;			// by order, what listing_digest has made; NULL before
	char **slabs;			// what holds the paths
	size_t slab_count, slab_cap, slab_left;
};

// Reads the archive of `size` bytes at `offset` of fd. *out is the caller's (listing_free).
int listing_read(int fd, uint64_t offset, uint64_t size, struct listing **out, struct err *err);
void listing_free(struct listing *l);
CLEANUP_DEFINE(struct listing, listing_free, listing_free)

// The digest of e's bytes, "sha256:…", made once for all names of an inode: a hostile archive gives a million names to
// one file. Borrowed.
const char *listing_digest(struct listing *l, const struct listing_entry *e, struct err *err);

// First entry of that path, or NULL.
struct listing_entry *listing_find(const struct listing *l, const char *path);

// Order of two entries by path bytes (unsigned), then occurrence: as memcmp gives it.
int listing_compare(const struct listing_entry *a, const struct listing_entry *b);

#endif
