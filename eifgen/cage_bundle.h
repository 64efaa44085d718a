// SPDX-License-Identifier: Apache-2.0
//
// The runtime bundle that `make bundle` makes and --runtime names: a directory of measured programs with bundle.json.
// What a cage takes from it is read once into memory, and each byte of it is held against bundle.json's digests.
//
//   bundle.json                {"bundle":1,"files":{NAME: sha256 …},"packages":{…}}
//   cage-service               starts the services (runtime/service)
//   cage-data-plane            with egress; cage-data-plane-no-egress without
//   runtime-dependencies.tar   the supervisor and ifconfig (installer/)
#ifndef EIFGEN_CAGE_BUNDLE_H
#define EIFGEN_CAGE_BUNDLE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "layerfs/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAGE_PROGRAM_MAX = 64 << 20, CAGE_TOOLS_MAX = 32 };

// A tool of runtime-dependencies.tar: a file of its bin/, or a link to one.
struct cage_tool {
	char *name, *source; // "runsv", "busybox 1:1.35.0-4+deb12u1"
	char *target;	     // a link's target, a name in bin/; NULL: a file
	const uint8_t *data; // of a file; borrowed from the archive's bytes
	size_t size;
};

struct cage_bundle {
	char digest[DIGEST_TEXT_MAX]; // "sha256:…" of bundle.json's bytes
	struct buf json, service, data_plane, dependencies;
	struct cage_tool tools[CAGE_TOOLS_MAX]; // those of PROVENANCE, in its order
	size_t tool_count;
	struct cage_tool files[CAGE_TOOLS_MAX]; // files of bin/ that only links name
	size_t file_count;
};

// Loads what a cage needs. `digest` ("sha256:…" or NULL) is what bundle.json must have: ERR_MISMATCH else. *out is the
// caller's.
int cage_bundle_load(const char *dir, bool egress, const char *digest, struct cage_bundle **out, struct err *err);
void cage_bundle_free(struct cage_bundle *b);
CLEANUP_DEFINE(struct cage_bundle, cage_bundle_free, cage_bundle_free)

// The file of bin/ that a link's target names, or NULL.
const struct cage_tool *cage_bundle_file(const struct cage_bundle *b, const char *name);

// The tools of a runtime-dependencies.tar (n bytes, which must outlive b) into b. For cage_bundle_load and its tests.
int cage_bundle_read_tools(const void *tar, size_t n, struct cage_bundle *b, struct err *err);

#endif
