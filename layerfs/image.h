// SPDX-License-Identifier: Apache-2.0
//
// A container image as this project sees it: a config and a list of layers, wherever they are stored. A reference
// (containers-transports(5): `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME:TAG]`, a bare
// path, …) names it; image_open resolves the reference down to one manifest and reads, checks and parses manifest and
// config. Layers are opened one by one as streams of the stored (compressed) bytes.
//
// Invariant: nothing that this interface hands out was parsed from a blob whose size and sha256 had not been checked
// before. Layer blobs are checked by layer_read (layer.h) while they stream.
#ifndef LAYERFS_IMAGE_H
#define LAYERFS_IMAGE_H

#include "base/err.h"
#include "layerfs/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { DIGEST_TEXT_MAX = 72 }; // "sha256:" + 64 hex digits + NUL = 72

enum image_compression { IMAGE_PLAIN, IMAGE_GZIP, IMAGE_ZSTD };

struct image_layer {
	char digest[DIGEST_TEXT_MAX];  // of the stored bytes; in a docker-archive, of the plain tar
	char diff_id[DIGEST_TEXT_MAX]; // of the uncompressed tar, from the config
	uint64_t size;		       // stored bytes, from the descriptor (or the archive)
	enum image_compression compression;
};

// What the config says, as far as a build uses it. Strings are UTF-8 without NUL; absent lists are NULL with count 0.
struct image_config {
	char *architecture, *os, *variant; // variant may be NULL
	char *created;			   // RFC 3339 text as it stands there, or NULL
	char **entrypoint, **cmd, **env;
	size_t entrypoint_count, cmd_count, env_count;
	bool has_entrypoint, has_cmd; // the key is there and not null (an empty list is there)
	char *user, *working_dir;     // "" when absent
	char **ports;		      // ExposedPorts: "8080/tcp", in the config's order
	size_t port_count;
};

struct image; // opaque
struct registry_options; // registry.h

struct image_options {
	const char *platform; // "linux/ARCH[/VARIANT]" to pick from an index, ARCH being `arch`; NULL: any variant
	const char *arch;	     // OCI name of the EIF's architecture, "amd64" or "arm64"; required
	const struct limits *limits; // NULL: limits_default
	const char *tmpdir;	     // where a compressed archive is inflated to, unlinked; NULL: /var/tmp
	const struct registry_options *registry; // for docker://; borrowed for the image's life; NULL: none
	const char *daemon_socket;   // for docker-daemon:; NULL: /var/run/docker.sock
	void (*warn)(void *ctx, const char *text); // may be NULL; one line, no newline
	void *warn_ctx;
};

// Opens `ref`. An image whose config names another architecture than asked for is ERR_INPUT. *out is the caller's.
int image_open(const char *ref, const struct image_options *opt, struct image **out, struct err *err);
void image_free(struct image *img); // NULL fine
// Does the Docker daemon at `socket` (NULL: /var/run/docker.sock) hold `ref`, a docker-daemon: reference? 1 yes; 0 no,
// or nobody listens there, *err then saying which; -1 if the reference is none, or it cannot be told: the address is no
// unix socket, is not ours to open, or the daemon breaks off or answers something else.
int image_in_daemon(const char *ref, const char *socket, struct err *err);

// All borrowed from img.
const struct image_config *image_config(const struct image *img);
size_t image_layer_count(const struct image *img);
const struct image_layer *image_layer(const struct image *img, size_t i);
const char *image_manifest_digest(const struct image *img); // "" where the form has no manifest blob (docker-archive)
const char *image_config_digest(const struct image *img);
const char *image_reference(const struct image *img); // as given

// A stream of one blob's stored bytes. Streams of different layers may be read from different threads at once; one
// stream belongs to one thread at a time. The caller says in its errors which layer it was.
struct blob_stream;
int image_layer_open(struct image *img, size_t i, struct blob_stream **out, struct err *err);
ssize_t blob_stream_read(struct blob_stream *s, void *p, size_t n, struct err *err); // 0 at the end; short reads happen
void blob_stream_free(struct blob_stream *s);

#endif
