// SPDX-License-Identifier: Apache-2.0
//
// The witness beside libarchive: reads the raw headers of a tar stream by the rules of Go's archive/tar, which Docker,
// containerd, umoci and skopeo share, and refuses whatever two readers could take for two different things. It sees the
// same bytes in the same order, in pieces of any size, and says for every entry what it is; layer.c holds libarchive's
// answer against that. So no archive shows us another tree than it shows Docker.
//
// Refused (each with the offset of its header): a checksum or number that Go would not take; typeflags other than
// 0 NUL 1-7 x g L K S; a size on a link, node or directory; a negative number where none belongs; a pax record that is
// malformed, doubled or empty where it matters; pax keys that only libarchive obeys; a pax size that contradicts the
// header's; global pax records that speak of files; two extended headers of one kind, or pax and GNU ones, before one
// entry, or one before none; a sparse map out of order or not as long as its data; sparse fields in what is no sparse
// file; a lone zero block; anything but zeros after the end; an end within an entry.
#ifndef LAYERFS_TARCHECK_H
#define LAYERFS_TARCHECK_H

#include "base/err.h"
#include "layerfs/tarheader.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tarcheck; // opaque

// path_max: cap on a name or link name (--max-path).
struct tarcheck *tarcheck_new(uint64_t path_max, struct err *err);
void tarcheck_free(struct tarcheck *t); // NULL fine

int tarcheck_feed(struct tarcheck *t, const void *p, size_t n, struct err *err);
// The stream is over: how many NULs are missing to fill the last entry's block, if nothing else is; else 0. `umoci
// insert` ends its layers so, and Go's reader takes that for an end.
size_t tarcheck_missing(const struct tarcheck *t);
// The stream is over: -1 if it may not end here.
int tarcheck_finish(struct tarcheck *t, struct err *err);

// Takes the oldest entry not yet taken. 1; or 0 if none is known yet (feed more). *e borrows until the next feed.
int tarcheck_next(struct tarcheck *t, struct tar_entry *e);

#endif
