// SPDX-License-Identifier: Apache-2.0
//
// The tree as its builders see it (tree.c, tree_resolve.c, merge.c); nobody else includes this.
//
// Nodes, inodes, names and targets live in an arena of chunks and go when the tree goes; an inode that lost its last
// name waits in a free list. Lookup is one hash table over (parent, name), keyed at random so that hostile names cannot
// pile up in it; its order is never seen. A node that was removed stays in its parent's list with no inode ("dead")
// until tree_sort sweeps the lists, so that removal costs nothing in a directory of a million names: walk with
// tree_next_live before tree_sort, with tree_next after it.
#ifndef LAYERFS_TREE_PRIV_H
#define LAYERFS_TREE_PRIV_H

#include "layerfs/spool.h"
#include "layerfs/tree.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	size_t used, cap; // of the newest chunk
};

struct tree_blob { // a file's content held in memory
	void *data;
	size_t len;
};

struct tree {
	struct arena arena;
	struct node *root;
	struct inode *free_inodes; // linked through .target
	// The hash table: open addressing, linear probing, a power of two.
	uint32_t *tags; // 0: an empty slot; else 32 bits of the hash of the name in it
	struct node **slots;
	size_t slot_count, live;   // live: nodes in the table (all but the root)
	uint64_t hash_key[2];
	struct tree_blob *blobs;
	size_t blob_count, blob_cap;
	struct spool *spool; // owned; NULL until the merge hands it over
	uint64_t *layer_bases; // owned: of each layer, the spool reference of its first content
	enum tree_symlink_policy policy;
	uint64_t gone;	// names of directories taken away so far
	uint32_t stamp; // the number of the layer that is being applied, from 1
	bool root_listed;
};

enum { TREE_SYMLINKS_MAX = 255 };

struct tree_place { // of a name in the hash table
	size_t slot;
	uint32_t tag;
};

// node.index: the stamp of the layer that said something of the node last, and what is known of it within that layer.
enum {
	NODE_LISTED = 1, // an entry of the layer
	NODE_CLEAN = 2,	 // a directory below which nothing of a lower layer is left
	NODE_OWN = 4,	 // the layer made it, lists it, or (where overlay2 would) needs it
	NODE_GONE = 8,	 // of a lower layer, and this layer takes it away: nothing is written through it
	NODE_STAMP_SHIFT = 4,
};

static inline bool node_has(const struct tree *tree, const struct node *n, uint32_t flag)
{
	return n->index >> NODE_STAMP_SHIFT == tree->stamp && n->index & flag;
}

static inline void node_mark(const struct tree *tree, struct node *n, uint32_t flags)
{
	if (n->index >> NODE_STAMP_SHIFT != tree->stamp)
		n->index = tree->stamp << NODE_STAMP_SHIFT;
	n->index |= flags;
}

// n bytes, zeroed, aligned for any of our structs; freed with the tree.
void *tree_alloc(struct tree *tree, size_t n, struct err *err);
struct inode *tree_inode_new(struct tree *tree, uint32_t mode, struct err *err);
// Slots for `more` names, so that the table need not grow while they come.
int tree_reserve(struct tree *tree, uint64_t more, struct err *err);
// As tree_child; *place says to tree_link_at where the name is or would be, as long as no name comes or goes.
struct node *tree_find(const struct tree *tree, const struct node *dir, const char *name, size_t len,
		       struct tree_place *place);
struct node *tree_link_at(struct tree *tree, struct node *dir, const char *name, size_t len, struct tree_place place,
			  struct inode *inode, struct err *err);
// Makes `name` in dir point at inode (names is counted up). A node that is there is taken over: what it named before
// loses a name, a directory's children go. The node, or NULL.
struct node *tree_link(struct tree *tree, struct node *dir, const char *name, size_t len, struct inode *inode,
		       struct err *err);
// Takes n and all below it out of the tree, without looking for it in its parent's list (see above).
void tree_detach(struct tree *tree, struct node *n);
// As tree_next, past dead nodes.
struct node *tree_next_live(const struct node *top, const struct node *n);
// First live child, or NULL. Drops the dead ones before it from the list.
struct node *tree_first_live(struct node *dir);
// Everything below dir goes; dir stays.
void tree_drop_children(struct tree *tree, struct node *dir);
// A directory 0755 0:0 that nobody listed, in place of whatever has that name.
struct node *tree_make_implied(struct tree *tree, struct node *dir, const char *name, size_t len, struct err *err);

// tree_lookup without following the last, among what the layer that is being applied does not take away: nothing that
// has NODE_GONE is found, nor what is behind such a symlink.
int tree_lookup_present(const struct tree *tree, const char *path, size_t len, struct node **out, struct err *err);

// A parent that layer entries need. Walks len bytes of path from the root, follows symlinks as the policy says, makes
// what is missing (directories 0755 0:0, implied). *through is set if a symlink of a lower layer stood in the way.
struct node *tree_make_parents(struct tree *tree, const char *path, size_t len, bool *through, struct err *err);

#endif
