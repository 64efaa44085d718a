// SPDX-License-Identifier: Apache-2.0
//
// The merged file system of an image: names (struct node) over inodes (struct inode), so that a hard link is two
// nodes on one inode. Layers are applied bottom-up with the meaning of the OCI image specification 1.1; afterwards a
// layout may add, and walks it in order. File content stays in the spool (or in memory, for what a layout adds).
//
// Invariants: names are single components, never empty, "." or "..", hold no NUL and no '/'; a directory has exactly
// one node; children are in bytewise (unsigned) order of name after tree_sort; the root's name is "". Walkers read the
// two structs directly; only layerfs writes them.
#ifndef LAYERFS_TREE_H
#define LAYERFS_TREE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TREE_NO_LAYER = -1 }; // made by a layout, or a parent that no layer lists

struct inode {
	uint32_t mode;	     // S_IFMT type and the low twelve bits
	uint32_t uid, gid;   // larger values never get this far (refused with the path)
	uint32_t names;	     // nodes on this inode
	uint32_t rdev_major, rdev_minor; // character and block nodes, else 0
	int32_t layer;	     // index of the layer that brought these attributes, or TREE_NO_LAYER
	uint32_t mtime_nsec; // below 10^9
	int64_t mtime;	     // seconds since 1970, floor; may be negative or past 2106: the layout judges
	uint64_t size;	     // regular files: bytes; symlinks: length of target; else 0
	uint64_t content;    // regular files: where the bytes are, for tree_content_read; opaque
	const char *target;  // symlinks: NUL-terminated, any bytes; else NULL
	uint32_t crc;	     // regular files: CRC-32 of the content (crc.h), whoever brought it
	uint32_t mark;	     // free for the walker (e.g. the newc ino); 0 after tree_sort
	bool implied;	     // a directory that some layer needed as a parent and no layer ever listed
	// Directories, only under TREE_REPLACE_SYMLINK: listed by some layer, but a layer above that brought or removed
	// something below it without listing it. overlay2 then shows that layer's own implied directory: 0755 0:0,
	// which these attributes already are, and the time of the load.
	bool implied_above;
	// a hard link of a layer names this inode, which a lower layer brought (undefined in overlay2)
	bool linked_across;
	bool through_symlink; // its path was reached through a symlink that a lower layer brought (see the policy)
	bool has_xattr;	     // lost on the way into newc: the layout warns
	bool has_capability; // security.capability among them
};

struct node {
	struct node *parent; // NULL for the root
	struct node *child;  // first child, or NULL
	struct node *next;   // next sibling, or NULL
	struct inode *inode;
	const char *name; // NUL-terminated
	uint32_t name_len;
	uint32_t index; // private to layerfs: which layer last listed this name
};

// What a layer does when the parent of one of its entries is a symlink in the tree below (layout.md, The merge).
enum tree_symlink_policy {
	TREE_WRITE_THROUGH,   // canonical: the symlink is followed inside the tree, as umoci does
	TREE_REPLACE_SYMLINK, // nitro-cli: the symlink becomes a directory, as overlay2 does
};

struct tree; // opaque

struct tree *tree_new(enum tree_symlink_policy policy, struct err *err);
void tree_free(struct tree *tree);

struct node *tree_root(const struct tree *tree);
// True if some layer listed the root itself (`./`), so that its mode and owner are the image's.
bool tree_root_listed(const struct tree *tree);
uint64_t tree_node_count(const struct tree *tree);

// Orders all children and zeroes every mark. Call after the last layer and after the last addition.
int tree_sort(struct tree *tree, struct err *err);

// Child by name, or NULL. name need not be NUL-terminated.
struct node *tree_child(const struct tree *tree, const struct node *dir, const char *name, size_t len);

// Walks `path` (bytes; leading, doubled and trailing slashes fine) from the root, `.` and `..` and every symlink
// resolved inside the tree (a `..` at the root stays there), at most 255 symlinks. `follow_last` says whether a symlink
// at the end is followed. NULL with ERR_INPUT if something is missing (class ERR_INPUT, errnum ENOENT), a component
// is no directory (ENOTDIR), or too many symlinks (ELOOP).
struct node *tree_resolve(const struct tree *tree, const char *path, size_t len, bool follow_last, struct err *err);
// The same for who goes on without: 0, and *out is NULL where tree_resolve finds nothing; -1 if memory ran out, which
// is no answer.
int tree_lookup(const struct tree *tree, const char *path, size_t len, bool follow_last, struct node **out,
		struct err *err);

// Additions by a layout or an overlay. `dir` must be a directory; a name that is there is replaced (a directory by a
// directory keeps its children). The new inode has layer TREE_NO_LAYER, uid and gid 0, mtime 0: set what differs.
struct node *tree_add_dir(struct tree *tree, struct node *dir, const char *name, uint32_t perm, struct err *err);
struct node *tree_add_file(struct tree *tree, struct node *dir, const char *name, uint32_t perm, const void *data,
			   size_t n, struct err *err); // data is copied
struct node *tree_add_symlink(struct tree *tree, struct node *dir, const char *name, const char *target,
			      struct err *err);
int tree_remove(struct tree *tree, struct node *node, struct err *err); // with all below it; not the root

// Reads up to n bytes of a regular file's content at off. Bytes read; 0 at its end; -1. Safe from several threads.
ssize_t tree_content_read(const struct tree *tree, const struct inode *inode, uint64_t off, void *p, size_t n,
			  struct err *err);

// Where a regular file's content comes from, in words that do not change from run to run: true with the layer's index
// and the offset among that layer's contents, in the archive's order. False: held in memory (a layout's, an overlay's).
bool tree_content_origin(const struct tree *tree, const struct inode *inode, size_t *layer, uint64_t *offset);

// For who reads every content once more and then no more: tree_content_expect counts them all (marks must be zero, and
// are again), tree_content_drop says that this inode's has been read for the last time, so that the spool can give back
// what nobody waits for. One thread, while nobody else reads. Without the first the second does nothing.
void tree_content_expect(struct tree *tree);
void tree_content_drop(const struct tree *tree, const struct inode *inode);

// The next node in pre-order after `n` within the walk that began at `top`, or NULL at the end; no recursion, no
// memory.
struct node *tree_next(const struct node *top, const struct node *n);

// Writes the path from the root, components joined by one '/', no leading slash, NUL-terminated, into out.
// Returns its length, or -1 with ERR_LIMIT if it needs more than cap bytes.
ssize_t tree_path(const struct node *n, char *out, size_t cap, struct err *err);

#endif
