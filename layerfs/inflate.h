// SPDX-License-Identifier: Apache-2.0
//
// Bytes of a layer as they come out of their compression: plain, gzip (all members of a concatenation), zstd (all
// frames). One interface over the inflaters, which behave alike: a stream that ends early, a wrong checksum and bytes
// that are no further member are errors in each.
#ifndef LAYERFS_INFLATE_H
#define LAYERFS_INFLATE_H

#include "base/err.h"
#include "layerfs/image.h"

#include <stddef.h>
#include <sys/types.h>

// Where bytes come from: up to n of them; 0 at the end; short reads happen; -1 with err.
struct byte_source {
	ssize_t (*read)(void *ctx, void *p, size_t n, struct err *err);
	void *ctx;
};

enum inflate_engine {
	INFLATE_BEST, // the fastest that this program was built with
	INFLATE_ZLIB, // always there
	INFLATE_ISAL, // isa-l; ERR_UNSUPPORTED in a build without it
};

struct inflate; // opaque

// `from` and what it borrows must outlive the inflater. A thread has one at a time and frees it itself: a zstd frame
// with a window over 8 MiB waits until no other inflater has one (over 128 MiB it is refused).
int inflate_new(enum image_compression kind, enum inflate_engine engine, struct byte_source from, struct inflate **out,
		struct err *err);
void inflate_free(struct inflate *z); // NULL fine

// Up to n bytes; 0 at the sound end; short reads happen.
ssize_t inflate_read(struct inflate *z, void *p, size_t n, struct err *err);

const char *inflate_engine_name(enum inflate_engine engine); // "zlib", "isa-l"; of INFLATE_BEST: the one it stands for

#endif
