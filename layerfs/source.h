// SPDX-License-Identifier: Apache-2.0
//
// Where an image's blobs lie, behind one interface: a directory, an archive, a registry. A descriptor (image-spec 1.1,
// descriptor.md) says which blob; a source opens it as a stream of stored bytes; blob_read gives a small one whole,
// after its size and digest have been found right. Everything here is private to layerfs.
#ifndef LAYERFS_SOURCE_H
#define LAYERFS_SOURCE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "layerfs/image.h"
#include "layerfs/json.h"

enum media {
	MEDIA_OTHER,   // nothing that an image is made of: an artifact, an attestation, an encrypted layer
	MEDIA_INDEX,
	MEDIA_MANIFEST,
	MEDIA_SCHEMA1, // Docker's manifest schema 1: known, to be refused by name
	MEDIA_CONFIG,
	MEDIA_LAYER_PLAIN,
	MEDIA_LAYER_GZIP,
	MEDIA_LAYER_ZSTD,
};

enum { PLATFORM_MAX = 96, REF_NAME_MAX = 256 }; // longer texts cannot be what anybody asks for, and are refused

struct descriptor {
	enum media media;
	char digest[DIGEST_TEXT_MAX];
	uint64_t size;
	uint64_t where;			// for the source that made it: the offset in a docker-archive
	char platform[PLATFORM_MAX];	// "os/arch" or "os/arch/variant", "" when the descriptor has none
	char ref_name[REF_NAME_MAX];	// annotation org.opencontainers.image.ref.name, "" without
	bool artifact;			// it has an artifactType
};

enum media media_parse(const char *type);

// Reads one descriptor object. ERR_INPUT or ERR_UNSUPPORTED with the key.
int descriptor_parse(const cJSON *v, struct descriptor *d, struct err *err);

struct blob_stream {
	ssize_t (*read)(struct blob_stream *s, void *p, size_t n, struct err *err); // some bytes; 0 at the end
	void (*free)(struct blob_stream *s);
};
CLEANUP_DEFINE(struct blob_stream, cleanup_blob_stream, blob_stream_free)
#define _cleanup_blob_stream_ _cleanup_(cleanup_blob_streamp)

struct source {
	// Opens the stored bytes of d. A source that knows another size than d->size says so at once. Several threads
	// may call it at once.
	int (*open)(struct source *src, const struct descriptor *d, struct blob_stream **out, struct err *err);
	void (*free)(struct source *src);
};

static inline void source_free(struct source *src)
{
	if (src)
		src->free(src);
}
CLEANUP_DEFINE(struct source, cleanup_source, source_free)
#define _cleanup_source_ _cleanup_(cleanup_sourcep)

// Appends blob d to `out`, checked: ERR_LIMIT past `max` bytes, ERR_MISMATCH naming the blob if its size or sha256 is
// another. On failure what `out` holds is not to be used.
int blob_read(struct source *src, const struct descriptor *d, uint64_t max, struct buf *out, struct err *err);
// The same, parsed as JSON. *out is the caller's.
int blob_read_json(struct source *src, const struct descriptor *d, uint64_t max, cJSON **out, struct err *err);

// A stream over `size` bytes at `off` of fd. With `own_fd` the stream closes fd (also when this call fails); without,
// fd must outlive it. Reads are preads, so several streams may share one fd.
int blob_open_range(int fd, bool own_fd, uint64_t off, uint64_t size, struct blob_stream **out, struct err *err);
// A stream over a copy of n bytes.
int blob_open_bytes(const void *p, size_t n, struct blob_stream **out, struct err *err);

#endif
