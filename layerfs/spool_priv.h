// SPDX-License-Identifier: Apache-2.0
//
// Contents from earlier, as the spool has them: files of the warm cache, read in pieces of SPOOL_PIECE, and no byte
// handed out but of a piece whose sum was found right after it was read. A few pieces stay in memory, those used last;
// what is not among them is read and summed again. Only spool.c calls this.
#ifndef LAYERFS_SPOOL_PRIV_H
#define LAYERFS_SPOOL_PRIV_H

#include "layerfs/spool.h"

struct adopted_files; // opaque

// At most `open_max` files stay open; others are opened for each piece that is read of them.
struct adopted_files *adopted_new(unsigned open_max, struct err *err);
void adopted_free(struct adopted_files *f); // NULL fine
// As spool_adopt; the file's number, or -1. Any thread.
int adopted_add(struct adopted_files *f, const char *path, int fd, uint64_t size, const uint8_t seed[SPOOL_SEED],
		uint8_t *sums, bool *damaged, struct err *err);
// n bytes at `at` of file `number`. Any thread.
int adopted_read(struct adopted_files *f, unsigned number, uint64_t at, void *p, size_t n, struct err *err);

#endif
