// SPDX-License-Identifier: Apache-2.0
//
// What in an image will not come out the same in its next build: the entropy table of layerfs asked of every file, and
// what only a whole tree can tell (times, parents that no layer lists, the build's date inside texts). The same walk
// serves `build --scrub`, which applies the remedies that a table row allows.
#ifndef EIFGEN_SCAN_H
#define EIFGEN_SCAN_H

#include "base/cleanup.h"
#include "base/err.h"
#include "eifgen/layout.h"
#include "layerfs/entropy.h"
#include "layerfs/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan_finding {
	char *path; // from the root of the image, no leading slash; owned; any bytes
	const char *id, *cause, *remedy; // static
	enum entropy_severity severity;
	int layer;     // index, or TREE_NO_LAYER
	uint64_t size; // bytes of the file
	uint64_t count; // entries that this finding speaks for (1, or more for those about times)
};

struct scan {
	struct scan_finding *findings; // in tree order, then those about the whole
	size_t count, cap;
};

struct scan_options {
	enum layout_id layout; // under nitro-cli times and implied parents are measured as they are
	enum mtime_policy mtime;
	const char *created; // the config's `created`, to look for its date in texts; may be NULL
};

// Walks the sorted tree of an image (before a layout adds to it). *out is the caller's.
int scan_tree(const struct tree *tree, const struct scan_options *opt, struct scan **out, struct err *err);
void scan_free(struct scan *s);
CLEANUP_DEFINE(struct scan, scan_free, scan_free)

// Applies the remedies of the chosen rules (bits of entropy_scrub_parse) to the tree: drops or empties files. What was
// done is reported as a scan, so that a command can list it. Sort the tree again afterwards.
int scan_scrub(struct tree *tree, uint64_t rules, struct scan **done, struct err *err);

#endif
