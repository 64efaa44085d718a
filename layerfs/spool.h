// SPDX-License-Identifier: Apache-2.0
//
// Where file content waits between the layer that brings it and the ramdisk that takes it: temporary files without a
// name (O_TMPFILE, or made and unlinked at once), so that nothing is left behind however the program ends. Each worker
// thread appends to a file of its own, through a buffer; a span is named by one 64-bit reference:
//
//   file (16 bits) | offset (48 bits)
//
// References depend on which thread read which layer and never reach a measured byte. A file is kept in pieces of
// SPOOL_CHUNK, each a file of the system's, so that a piece whose contents have all gone into the ramdisk is given back
// before the ramdisk is complete: what is in memory and on disk is then one image, not two.
#ifndef LAYERFS_SPOOL_H
#define LAYERFS_SPOOL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spool; // opaque

enum { SPOOL_FILES_MAX = 16, SPOOL_ADOPTED_MAX = 512, SPOOL_PIECE = 128 << 10, SPOOL_CHUNK = 16 << 20, SPOOL_SUM = 16, SPOOL_SEED = 32 };

// `files` writers at most (1..SPOOL_FILES_MAX); the files are made at first use. tmpdir is copied; NULL means /var/tmp
// (/tmp may be memory).
struct spool *spool_new(const char *tmpdir, unsigned files, struct err *err);
void spool_free(struct spool *s); // NULL fine

// The reference of the next byte that writer `file` appends.
uint64_t spool_position(const struct spool *s, unsigned file);
// Appends n bytes / n zero bytes (a hole where the file system has holes). One thread a file. A full disk is ERR_IO
// with the directory named.
int spool_append(struct spool *s, unsigned file, const void *p, size_t n, struct err *err);
int spool_append_zeros(struct spool *s, unsigned file, uint64_t n, struct err *err);
// Writes out what is buffered: before any read of the file by spool_read.
int spool_flush(struct spool *s, unsigned file, struct err *err);

// The sum that guards piece `number` of contents from earlier: Poly1305 under a key of the seed and the number. Damage
// passes with a chance below 2^-80, as it would with a digest, at a tenth of SHA-256's cost; who can write the cache
// can make it say anything, with either.
struct spool_summer; // opaque: one a thread, for as many sums as are wanted
struct spool_summer *spool_summer_new(struct err *err);
void spool_summer_free(struct spool_summer *s); // NULL fine
int spool_piece_sum(struct spool_summer *s, const uint8_t seed[SPOOL_SEED], uint64_t number, const void *p, size_t n,
		    uint8_t sum[SPOOL_SUM], struct err *err);

// Takes over a file that holds contents from earlier (layer_cache.h): `size` bytes from its start. sums (owned from
// now on, as fd is): one for each SPOOL_PIECE of it, the last one shorter. Every piece is checked after each time it is
// read from the file; if it is wrong or cannot be read, the read fails, *damaged is set and the file at `path` (copied)
// removed; not so if memory or descriptors are short. Past an eighth of the process's descriptors the file is closed
// and opened when it is read; if it is gone by then, that is damage too. Any thread. The reference of its first byte;
// or 0 if there is no room (fd and sums stay the caller's).
uint64_t spool_adopt(struct spool *s, const char *path, int fd, uint64_t size, const uint8_t seed[SPOOL_SEED],
		     uint8_t *sums, bool *damaged, struct err *err);

// What to do when the disk is full, before an append fails: free_some returns whether it freed anything on the disk of
// fd (a file, or the directory if none can be made), and then the write is tried once more. Any thread calls it.
void spool_on_full(struct spool *s, bool (*free_some)(void *ctx, int fd), void *ctx);

// n bytes at ref + off, all of them. Any thread.
int spool_read(const struct spool *s, uint64_t ref, uint64_t off, void *p, size_t n, struct err *err);

// Giving back: first every span that will be read again is expected (once or more), then each is dropped as often once
// it has been read for the last time. A piece in which nothing is expected any more is gone; to read it is a mistake.
// Nothing is given back before the first drop, and nothing of contents from earlier. One thread, when no other reads.
void spool_expect(struct spool *s, uint64_t ref, uint64_t size);
void spool_drop(struct spool *s, uint64_t ref, uint64_t size);

// A file in dir (NULL: /var/tmp, too) that has no name, for reading and writing: the descriptor, the caller's, or -1
// with ERR_IO that names dir.
int spool_open_unnamed(const char *dir, struct err *err);

#endif
