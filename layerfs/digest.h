// SPDX-License-Identifier: Apache-2.0
//
// Content digests as OCI writes them (image-spec 1.1, descriptor.md, Digests): "sha256:" and 64 lower-case hex digits.
// Nothing else is ever taken for a digest, so a digest can be used as a file name or in a URL without a second look.
#ifndef LAYERFS_DIGEST_H
#define LAYERFS_DIGEST_H

#include "base/cleanup.h"
#include "base/err.h"
#include "layerfs/image.h"

#include <stddef.h>

// 0 if `text` is a digest. A digest of another algorithm that OCI registers (sha512, blake3) is ERR_UNSUPPORTED,
// anything else ERR_INPUT; both quote the text.
int digest_check(const char *text, struct err *err);

// As digest_check, and copies it.
int digest_copy(const char *text, char out[DIGEST_TEXT_MAX], struct err *err);

// Digest of n bytes.
int digest_of(const void *p, size_t n, char out[DIGEST_TEXT_MAX], struct err *err);

// Digest of `size` bytes of a file at `off`; an early end is ERR_INPUT.
int digest_of_range(int fd, uint64_t off, uint64_t size, char out[DIGEST_TEXT_MAX], struct err *err);

// The same over bytes that come in pieces.
struct digester; // opaque
struct digester *digester_new(struct err *err);
int digester_add(struct digester *d, const void *p, size_t n, struct err *err);
int digester_add_range(struct digester *d, int fd, uint64_t off, uint64_t size, struct err *err); // as digest_of_range
int digester_end(struct digester *d, char out[DIGEST_TEXT_MAX], struct err *err); // once
int digester_restart(struct digester *d, struct err *err); // after digester_end: begins another digest
void digester_free(struct digester *d);
CLEANUP_DEFINE(struct digester, cleanup_digester, digester_free)
#define _cleanup_digester_ _cleanup_(cleanup_digesterp)

#endif
