// SPDX-License-Identifier: Apache-2.0
//
// A tar file read in place: its members by name, as ranges of the file. This is the outer tar of oci-archive: and
// docker-archive: references, written by tools; the layers inside are read elsewhere and more broadly.
#ifndef LAYERFS_TARBALL_H
#define LAYERFS_TARBALL_H

#include "base/cleanup.h"
#include "base/err.h"
#include "layerfs/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct tarball; // opaque; immutable after tarball_open, so threads may share it

// Indexes the tar at `path`. A gzip or zstd file is inflated first, into an unlinked file in `tmpdir` (NULL: /var/tmp),
// of at most limits->expanded bytes. ERR_INPUT with the byte offset for a malformed tar.
int tarball_open(const char *path, const struct limits *limits, const char *tmpdir, struct tarball **out,
		 struct err *err);
// The same of an open file, which is taken, also on failure.
int tarball_open_fd(int fd, const struct limits *limits, const char *tmpdir, struct tarball **out, struct err *err);
void tarball_free(struct tarball *a);
CLEANUP_DEFINE(struct tarball, cleanup_tarball, tarball_free)
#define _cleanup_tarball_ _cleanup_(cleanup_tarballp)

bool tarball_has(const struct tarball *a, const char *name); // a member of that name, of whatever type

// Where the bytes of regular file `name` are; links inside the archive are followed (docker save writes a layer that
// two images share once, and links to it). ERR_INPUT if it is missing, twice there, no file, or behind too many links.
int tarball_find(const struct tarball *a, const char *name, uint64_t *off, uint64_t *size, struct err *err);
int tarball_fd(const struct tarball *a); // borrowed: for pread

#endif
