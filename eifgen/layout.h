// SPDX-License-Identifier: Apache-2.0
//
// What goes into the two ramdisks. `canonical` version 1 is design/layout.md, rule by rule; `nitro-cli` version 1 is
// what nitro-cli build-enclave writes through Docker and linuxkit (facts/build.md 2.2-2.5, 3 and 9). A change of any
// rule is a new version, never an edit.
#ifndef EIFGEN_LAYOUT_H
#define EIFGEN_LAYOUT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/io.h"
#include "layerfs/image.h"
#include "layerfs/newc.h"
#include "layerfs/tree.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum layout_id { LAYOUT_CANONICAL, LAYOUT_NITRO_CLI };
enum mtime_policy { MTIME_SET, MTIME_CLAMP };

// A file of the platform that enters a ramdisk. The bytes are in memory (platform.h reads each file once), so what is
// measured is what was digested for the record.
struct layout_file {
	const void *data; // borrowed; NULL: absent
	size_t size;
	const char *name; // modules: the basename it gets in modules.d/; else unused
};

struct layout_bootstrap {
	struct layout_file init; // required
	struct layout_file nsm;
	const struct layout_file *modules; // extra modules in load order (canonical only)
	size_t module_count;
};

struct layout_app {
	struct tree *tree;		   // merged, overlay applied; the layout adds its own entries to it
	const struct image_config *config; // with the command's overrides already in it
	bool cmd_override;		   // config.cmd is --cmd: entrypoint is ignored
};

struct layout_options {
	enum layout_id id;
	enum mtime_policy mtime; // canonical only
	uint32_t epoch;
	bool strict;	  // every warning becomes an error
	bool allow_large; // a ramdisk past 4 GiB
	bool drop;	  // the tree's contents are not needed once they are written: they may go (tree_content_drop)
	// Takes the place of reading a file's content and writing it into `out` (warm.h); NULL: read and write. Called
	// after everything before it has gone to `out`.
	int (*content)(void *ctx, const struct tree *tree, const struct inode *inode, struct err *err);
	void *content_ctx;
	const struct newc_watch *watch; // told of each entry as it is written (not with `content`); NULL: nobody
	void (*warn)(void *ctx, const char *text);	    // one line; may be NULL
	// nitro-cli: what Docker's own result would not fix; may be NULL
	void (*unpredictable)(void *ctx, const char *path);
	void *ctx;
};

const char *layout_name(enum layout_id id);
unsigned layout_version(enum layout_id id);

// Writes one whole ramdisk (trailer and padding included) into out. The application ramdisk changes app->tree (adds
// `dev`, `cmd`, … around and inside it); written again, it is the same.
int layout_write_bootstrap(const struct layout_options *opt, const struct layout_bootstrap *b, struct sink out,
			   struct err *err);
int layout_write_app(const struct layout_options *opt, struct layout_app *app, struct sink out, struct err *err);

#endif
