// SPDX-License-Identifier: Apache-2.0
//
// What the two layouts share: the ramdisk that is being written, the checks that keep the kernel from dropping an entry
// silently, and the texts of `cmd` and `env`. Private to eifgen/layout*.c.
#ifndef EIFGEN_LAYOUT_OUT_H
#define EIFGEN_LAYOUT_OUT_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "eifgen/layout.h"
#include "layerfs/newc.h"

enum {
	LAYOUT_NAME_MAX = 4095, // bytes of a name or symlink target in a ramdisk: the kernel drops longer ones silently
	LAYOUT_COMPONENT_MAX = 255,  // NAME_MAX of the kernel's file systems
	LAYOUT_PATH_SPACE = 32768,   // room to name a path that is too long
	LAYOUT_FILE_MAX = 16 << 20,  // cmd, env, /etc/passwd, /etc/group: far past any real one
	LAYOUT_HOLD = 128 << 10,     // bytes collected before they go to the sink
};

struct layout_out {
	const struct layout_options *opt;
	struct newc_writer newc; // writes into `hold`
	struct sink to;
	uint8_t *hold; // owned
	uint8_t *piece; // of a file's content; owned
	size_t held;
	uint64_t last_ino; // the inode number given last
	char path[LAYOUT_PATH_SPACE];
};

// *out is the caller's. first_ino is the number that the first entry gets.
int layout_out_new(const struct layout_options *opt, struct sink to, uint32_t first_ino, struct layout_out **out,
		   struct err *err);
void layout_out_free(struct layout_out *o);
CLEANUP_DEFINE(struct layout_out, layout_out_free, layout_out_free)

int layout_next_ino(struct layout_out *o, uint32_t *ino, struct err *err);
// Header and name; ERR_LIMIT once the ramdisk passes 4 GiB and that was not allowed.
int layout_entry(struct layout_out *o, const struct newc_header *h, const char *name, size_t len, struct err *err);
// An entry with all its data (h->filesize is set from n).
int layout_entry_data(struct layout_out *o, struct newc_header h, const char *name, size_t len, const void *data,
		      size_t n, struct err *err);
// The content of a regular file of the tree, after layout_entry.
int layout_content(struct layout_out *o, const struct tree *tree, const struct inode *inode, struct err *err);
// Trailer, padding, flush.
int layout_finish(struct layout_out *o, const struct newc_header *trailer, struct err *err);

// `entry "…": text` to opt->warn, or as an error under --strict. path is the image's.
int layout_warn_entry(const struct layout_options *opt, const char *path, const char *text, struct err *err);
// The same without an entry.
int layout_warn(const struct layout_options *opt, const char *text, struct err *err);

// Puts the path of `n`, after `prefix`, into o->path; refuses components and names that the kernel would drop.
// Returns the length, or -1.
ssize_t layout_node_path(struct layout_out *o, const char *prefix, const struct node *n, struct err *err);
// Refuses what newc or the kernel cannot hold: sizes, ids, symlink targets, types (`path` is for the message).
int layout_check_inode(const struct inode *inode, const char *path, struct err *err);
// Warns of what is lost: xattrs, capabilities, fractions of seconds. Once an inode.
int layout_warn_lost(const struct layout_options *opt, const struct inode *inode, const char *path, struct err *err);

// Each element followed by LF. An element with an LF is an error, or with `lax` a warning, as nitro-cli takes it.
int layout_lines(const struct layout_options *opt, const char *what, char *const *list, size_t n, bool lax,
		 struct buf *out, struct err *err);

// ---- who and where (layout_user.c, layout_workdir.c) ----------------------------------------------------------------
struct layout_user {
	uint32_t uid, gid;
	uint32_t *groups; // owned; ascending, without gid
	size_t group_count;
	char *home; // owned; NULL without a passwd line, or if it is empty there; whatever bytes stand there
	size_t home_len;
};

// Resolves the config's User ("" counts as "0") in the image's own /etc/passwd and /etc/group.
int layout_user_resolve(const struct tree *tree, const char *user, struct layout_user *out, struct err *err);
void layout_user_clear(struct layout_user *u);
// `HOME=` and the home, or `/` without one, LF. ERR_UNSUPPORTED if no environment can hold it.
int layout_user_home(const struct layout_user *u, struct buf *env, struct err *err);
// `UID:GID:G1,G2,…` LF
int layout_user_text(const struct layout_user *u, struct buf *out, struct err *err);

// Resolves `path` inside the tree as runc does and makes what is missing of it, 0755 0:0.
int layout_make_dir(struct tree *tree, const char *path, struct err *err);
// The same, the path named in the message as the working directory.
int layout_make_workdir(struct tree *tree, const char *path, struct err *err);

int canonical_write_bootstrap(const struct layout_options *opt, const struct layout_bootstrap *b, struct sink out,
			      struct err *err);
int canonical_write_app(const struct layout_options *opt, struct layout_app *app, struct sink out, struct err *err);
int nitro_write_bootstrap(const struct layout_options *opt, const struct layout_bootstrap *b, struct sink out,
			  struct err *err);
int nitro_write_app(const struct layout_options *opt, struct layout_app *app, struct sink out, struct err *err);

#endif
