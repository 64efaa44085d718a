// SPDX-License-Identifier: Apache-2.0
//
// One layer laid over the tree of those below it (OCI image specification 1.1, layer.md). Only layerfs calls this.
#ifndef LAYERFS_MERGE_H
#define LAYERFS_MERGE_H

#include "layerfs/entry_list.h"
#include "layerfs/tree.h"

// Applies what layer number `layer` (0 for the lowest, one call each, in order) says. `entries` is consumed; `removals`
// holds its whiteouts and opaque markers. Errors name the entry; the tree is then good for nothing but tree_free.
int tree_apply_layer(struct tree *tree, int32_t layer, struct entry_list *entries, struct entry_list *removals,
		     struct err *err);

#endif
