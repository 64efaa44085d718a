// SPDX-License-Identifier: Apache-2.0
//
// Allocation that reports through struct err, checks its arithmetic and can be made to fail by tests (fault.h).
// What these return is freed with free(3). A size of 0 gives a unique pointer, never NULL, so NULL always means error.
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/err.h"

#include <stddef.h>
#include <stdlib.h>

// Fresh memory, uninitialised / zeroed. NULL with ERR_MEMORY on failure or when n * size overflows.
void *mem_alloc(size_t n, struct err *err);
void *mem_zalloc(size_t n, size_t size, struct err *err);

// Uninitialised memory for what is large and filled from end to end, a ring of blocks say: in pages of 2 MiB where the
// system has them, which are had at once where small ones cost a fault each.
void *mem_pages(size_t n, size_t size, struct err *err);

// Resizes `p` (may be NULL) to n elements of `size`. On failure NULL, and `p` is still the caller's to free.
void *mem_resize(void *p, size_t n, size_t size, struct err *err);

// Copies: of n bytes with a NUL put behind them (so that a byte string can be printed), or of a C string.
void *mem_dup(const void *p, size_t n, struct err *err);
char *mem_strdup(const char *s, struct err *err);

// printf into fresh memory.
char *mem_printf(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Makes room for one more element in an array that doubles: *items has *cap elements of `size`, `used` are in use.
// Returns 0, or -1 with *items and *cap as they were.
int mem_grow(void *items, size_t *cap, size_t used, size_t size, struct err *err);

#endif
