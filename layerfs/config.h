// SPDX-License-Identifier: Apache-2.0
//
// The image configuration (image-spec 1.1, config.md; Docker writes the same keys): parsed into struct image_config and
// the list of diff_ids. `history` is for people and is not read.
#ifndef LAYERFS_CONFIG_H
#define LAYERFS_CONFIG_H

#include "layerfs/image.h"

// Reads n bytes of JSON, at most `max`. *config is filled (config_clear releases it, also after a failure); *diff_ids
// is an array of *count digests, the caller's to free. ERR_INPUT with the key.
int config_parse(const void *p, size_t n, uint64_t max, struct image_config *config,
		 char (**diff_ids)[DIGEST_TEXT_MAX], size_t *count, struct err *err);
void config_clear(struct image_config *config);

#endif
