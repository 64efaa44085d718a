// SPDX-License-Identifier: Apache-2.0
//
// A client of OCI registries (distribution-spec 1.1) for one repository: manifests and blobs, down and up.
//
//   GET  /v2/                              is it there, which authentication does it want
//   GET  /v2/REPO/manifests/TAG|DIGEST     GET /v2/REPO/blobs/DIGEST (Range: resumed after a cut)
//   POST /v2/REPO/blobs/uploads/           then PUT <Location>?digest=…      PUT /v2/REPO/manifests/TAG|DIGEST
//
// Authentication: none, Basic, or a Bearer token from the realm that the registry names, asked for this repository and
// this access only. Credentials come from files in the formats of Docker's config.json and containers-auth.json(5), or
// from the credential helper that such a file names, which the caller runs (libraries start no programs).
// Failures that pass (cut connections, 408, 429, 500, 502, 503, 504) are tried again with growing pauses, at most
// REGISTRY_TRIES times. A tag is resolved once; all else goes by digest.
#ifndef LAYERFS_REGISTRY_H
#define LAYERFS_REGISTRY_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "layerfs/image.h"

enum { REGISTRY_TRIES = 5 };

// Everything is borrowed and must outlive what was opened with it.
struct registry_options {
	const char *tls_ca;		// PEM file trusted in place of the system's certificates, or NULL
	bool plain_http;		// HTTP without TLS for every host; without it only loopback is tried so
	const char *authfile;		// must be there and readable, or NULL
	// looked into in this order after authfile, if they are there; NULL-terminated, or NULL
	const char *const *authfiles;
	const char *proxy;		// URL of the proxy for https, or NULL; loopback is never reached through one
	const char *http_proxy;		// the same for plain HTTP
	const char *no_proxy;		// hosts that are reached directly, separated by commas, "*" for all; or NULL
	unsigned idle_seconds;		// a registry that sends nothing for so long is given up; 0: a minute
	// Runs `docker-credential-<helper> get` with `server` on its standard input and appends what it prints. A
	// helper that knows no such server leaves `out` empty and returns 0. NULL: helpers are not asked.
	int (*run_helper)(void *ctx, const char *helper, const char *server, struct buf *out, struct err *err);
	void *helper_ctx;
};

enum registry_access { REGISTRY_PULL, REGISTRY_PUSH };

struct registry; // opaque; several threads may use one at once

// Finds the registry and learns how to authenticate. `opt` may be NULL.
int registry_open(const char *host, const char *repo, enum registry_access access, const struct registry_options *opt,
		  struct registry **out, struct err *err);
void registry_free(struct registry *r);
CLEANUP_DEFINE(struct registry, cleanup_registry, registry_free)
#define _cleanup_registry_ _cleanup_(cleanup_registryp)

// The manifest that `name`, a tag or a digest, means: its bytes (at most max) appended to out, its media type as the
// document or else the header says, its digest. ERR_MISMATCH if the bytes are not those of the digest asked for or of
// the Docker-Content-Digest header; ERR_INPUT with errnum ENOENT if there is none.
int registry_get_manifest(struct registry *r, const char *name, size_t max, struct buf *out, char **media_type,
			  char digest[DIGEST_TEXT_MAX], struct err *err);

// The same, and *etag (may be NULL) the registry's name for this version of it, or NULL: the caller's.
int registry_get_manifest_version(struct registry *r, const char *name, size_t max, struct buf *out, char **media_type,
				  char digest[DIGEST_TEXT_MAX], char **etag, struct err *err);

// A stream over a blob's bytes, resumed after cuts. It ends after exactly `size` bytes, or fails; the digest is the
// reader's to check. Nothing is sent before the first read.
int registry_open_blob(struct registry *r, const char *digest, uint64_t size, struct blob_stream **out,
		       struct err *err);

// Stores a blob unless the registry has it: `size` bytes of the file `fd` from its start, or `bytes` if not NULL.
int registry_put_blob(struct registry *r, const char *digest, int fd, const void *bytes, uint64_t size,
		      struct err *err);
// Stores a manifest under a tag or its digest. *has_subject (may be NULL) says whether the registry keeps track of
// the manifest's subject itself (distribution-spec 1.1, OCI-Subject), so that no fallback tag is needed. `condition`
// (may be NULL) is a header, If-Match or If-None-Match: registries that know it answer 412 if another version stands
// there by now, which is ERR_INPUT with errnum EEXIST; others ignore it.
int registry_put_manifest(struct registry *r, const char *name, const char *media_type, const void *p, size_t n,
			  const char *condition, bool *has_subject, struct err *err);

#endif
