// SPDX-License-Identifier: Apache-2.0
//
// Pax extended headers (POSIX pax, "pax Header Block") as tarcheck needs them: `LENGTH KEY=VALUE LF` records, parsed as
// Go's archive/tar parses them, stricter where readers part ways.
#ifndef LAYERFS_TARPAX_H
#define LAYERFS_TARPAX_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// 0: map in the header (0.0, 0.1); 1: in the data (1.0)
enum pax_sparse { PAX_SPARSE_NONE, PAX_SPARSE_0, PAX_SPARSE_1 };

struct pax {
	bool present; // an extended header waits for its entry
	bool has_path, has_link, has_size, has_uid, has_gid, has_mtime, has_xattr, has_capability;
	uint64_t size, uid, gid;
	int64_t mtime;
	uint32_t mtime_nsec;
	struct buf path, link;
	// sparse
	bool has_sparse, has_sparse_size, has_sparse_blocks, has_sparse_name, has_sparse_map, sparse_pairs;
	char sparse_major, sparse_minor; // a digit, or NUL
	uint64_t sparse_size, sparse_blocks;
	uint64_t sparse_numbers; // of the map: offsets and lengths
	uint64_t sparse_last;	 // the last offset, while its length is not yet known
	uint64_t sparse_end;	 // where the last piece ended
	uint64_t sparse_data;	 // sum of the lengths
	struct buf sparse_name;
};

void pax_init(struct pax *p);
void pax_clear(struct pax *p); // forgets all, keeps nothing allocated

// Parses a whole extended header. ERR_INPUT says which record is wrong.
int pax_parse(struct pax *p, const char *text, size_t n, struct err *err);
// A global header ('g'): only `comment` may stand there.
int pax_parse_global(const char *text, size_t n, struct err *err);
// Which sparse form the records make; contradictory or incomplete ones are ERR_INPUT.
int pax_sparse_form(const struct pax *p, enum pax_sparse *form, struct err *err);
// The next number of a sparse map: offsets and lengths in turn, in order, without overlap.
int pax_sparse_number(struct pax *p, uint64_t v, struct err *err);

// Digits only, no sign, no blanks, at least one, below 2^63.
int tar_decimal(const char *text, size_t n, uint64_t *out, struct err *err);

#endif
