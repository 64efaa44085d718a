// SPDX-License-Identifier: Apache-2.0
//
// Caps against bombs. Each has a default with its reason (limits.c) and a --max-… option of the command; running into
// one is ERR_LIMIT with the option named.
#ifndef LAYERFS_LIMITS_H
#define LAYERFS_LIMITS_H

#include <stdint.h>

struct limits {
	uint64_t layers;	 // --max-layers: 512 (Docker stops at 127; nothing real comes near)
	uint64_t entries;	 // --max-entries: over all layers, 16 Mi
	uint64_t path; // --max-path: bytes of one path, 16 KiB while reading (what newc can hold is the layout's rule)
	uint64_t expanded;	 // --max-expanded: bytes of uncompressed tar over all layers, 64 GiB
	uint64_t manifest;	 // bytes of one JSON document (index, manifest, config), 4 MiB as registries allow
	uint64_t index_depth;	 // nested indexes, 8
};

extern const struct limits limits_default;

#endif
