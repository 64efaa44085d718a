// SPDX-License-Identifier: Apache-2.0
//
// What pushing and pulling artifacts share. Private to layerfs.
#ifndef LAYERFS_ARTIFACT_PRIV_H
#define LAYERFS_ARTIFACT_PRIV_H

#include "layerfs/artifact.h"
#include "layerfs/json.h"

#define ARTIFACT_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define ARTIFACT_INDEX_TYPE "application/vnd.oci.image.index.v1+json"

// The tag of the index of those who refer to `digest`: sha256-<hex>.
void artifact_referrers_tag(const char *digest, char out[DIGEST_TEXT_MAX]);

// Whether a manifest is an artifact of the type; if so, *a (zeroed before) is filled but for its own digest.
int artifact_parse(const cJSON *doc, const char *type, struct artifact *a, bool *is_it, struct err *err);

#endif
