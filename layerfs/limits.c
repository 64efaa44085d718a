// SPDX-License-Identifier: Apache-2.0
//
// The default caps. Each is far above what real images need and far below what would hurt the machine that builds.
#include "layerfs/limits.h"

const struct limits limits_default = {
	.layers = 512,			 // Docker stops at 127, overlayfs at 500
	.entries = 16u << 20,		 // a full distribution has about 10^6 files
	.path = 16u << 10,		 // four times PATH_MAX
	.expanded = UINT64_C(64) << 30,	 // a ramdisk cannot pass 4 GiB; lower layers may hold what upper ones delete
	.manifest = 4u << 20,		 // OCI distribution 1.1: registries should take manifests of 4 MiB
	.index_depth = 8,		 // buildx writes 2
};
