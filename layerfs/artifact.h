// SPDX-License-Identifier: Apache-2.0
//
// OCI artifacts in a registry (image-spec 1.1, "Guidelines for Artifact Usage"): files as the layers of a manifest that
// has an artifactType and the empty config, and may name another manifest as its subject:
//
//   {"schemaVersion": 2, "mediaType": <OCI manifest>, "artifactType": T, "config": <empty, {}>,
//    "layers": [{"mediaType", "digest", "size", "annotations": {"org.opencontainers.image.title": NAME}}, …],
//    "subject": {"mediaType", "digest", "size"}}
//
// The manifest is a function of its parts alone, so pushing the same files twice gives one digest. Who has the subject
// finds the artifact through the registry's referrers list or, in registries older than that, through the index under
// the tag sha256-<hex> that clients keep (distribution-spec 1.1, "Referrers Tag Schema").
#ifndef LAYERFS_ARTIFACT_H
#define LAYERFS_ARTIFACT_H

#include "layerfs/registry.h"

enum { ARTIFACT_PARTS_MAX = 16, ARTIFACT_TEXT_MAX = 256, ARTIFACT_MANIFEST_MAX = 4 << 20 };

struct artifact_part {
	char media_type[ARTIFACT_TEXT_MAX], title[ARTIFACT_TEXT_MAX]; // title may be ""
	char digest[DIGEST_TEXT_MAX];
	uint64_t size;
	int fd; // when pushing: the file's; borrowed
};

struct artifact_subject {
	char media_type[ARTIFACT_TEXT_MAX];
	char digest[DIGEST_TEXT_MAX];
	uint64_t size;
};

struct artifact {
	char type[ARTIFACT_TEXT_MAX];
	struct artifact_part parts[ARTIFACT_PARTS_MAX];
	size_t count;
	struct artifact_subject subject; // digest "": none
	char digest[DIGEST_TEXT_MAX];	 // of the manifest
};

// Fills digest and size from fd, the rest from the arguments. ERR_INPUT if a text does not fit or fd is no file.
int artifact_part_set(struct artifact_part *p, int fd, const char *media_type, const char *title, struct err *err);

// Looks up the manifest `digest` in the repository for use as a subject. *found is false if it is not there.
int artifact_find_subject(struct registry *r, const char *digest, struct artifact_subject *out, bool *found,
			  struct err *err);

// Pushes parts, config and manifest under `tag`, and keeps the referrers tag if the registry does not. a->digest is
// set.
int artifact_push(struct registry *r, const char *tag, struct artifact *a, struct err *err);

// Finds the artifact of this type that `name` (tag or digest) means: the manifest itself or, if that is an image's or
// an index of images, the one artifact of the type that refers to it or to one of them. ERR_INPUT if there is none or
// several (then they are listed).
int artifact_open(struct registry *r, const char *name, const char *type, struct artifact *out, struct err *err);

// Writes a part's bytes to fd, digest and size checked: ERR_MISMATCH names the blob.
int artifact_fetch(struct registry *r, const struct artifact_part *p, int fd, struct err *err);

#endif
