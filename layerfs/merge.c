// SPDX-License-Identifier: Apache-2.0
//
// Whiteouts speak of lower layers only, wherever they stand in their own, so a layer is applied in three passes:
//
//   1. what whiteouts and opaque markers name is looked up and marked, so that no symlink of this layer leads them
//      elsewhere, and nothing of this layer is written through a symlink that it takes away
//   2. the entries, in the archive's order: the last word on a path wins
//   3. the other whiteouts and the opaque markers remove what this layer did not bring
//
// A directory that is removed in pass 3 but holds something of this layer stays, as if this layer alone had made it:
// an implied parent. Nothing is walked twice: a directory that has been cleaned is marked for the rest of the layer,
// and one that the layer made is clean from the start, so hostile repetition costs a lookup each.
#include "layerfs/merge.h"

#include "base/mem.h"
#include "layerfs/tree_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { QUOTE = 400 };
static const char AUFS_LINKS[] = ".wh..wh.plnk/";

struct apply {
	struct tree *tree;
	int32_t layer;
	struct node *aufs_links; // a directory outside the tree: AUFS's hidden link sources, while the layer lasts
	struct node **named;	 // what each removal names in the layers below; NULL: nothing
	struct node *parent;	 // where the last entry's parent path led
	uint64_t gone;		 // tree->gone at that time
};

// "a/b/c": the length of the parent ("a/b"), and the base name.
static size_t split(const char *path, size_t len, const char **base, size_t *base_len)
{
	const char *slash = memrchr(path, '/', len);

	*base = slash ? slash + 1 : path;
	*base_len = len - (size_t)(*base - path);
	return slash ? (size_t)(slash - path) : 0;
}

// ---- entries -------------------------------------------------------------------------------------------------------

static uint32_t type_of(enum list_kind k)
{
	switch (k) {
	case LIST_DIR:
		return S_IFDIR;
	case LIST_SYMLINK:
		return S_IFLNK;
	case LIST_CHAR:
		return S_IFCHR;
	case LIST_BLOCK:
		return S_IFBLK;
	case LIST_FIFO:
		return S_IFIFO;
	default:
		return S_IFREG;
	}
}

// A symlink's own mode is 0777 on every Linux file system, whatever the archive says.
static void set_attributes(const struct apply *a, struct inode *ino, const struct list_entry *e)
{
	uint32_t names = ino->names;

	*ino = (struct inode){.mode = type_of(e->kind) | (e->kind == LIST_SYMLINK ? 0777 : e->perm),
			      .uid = e->uid,
			      .gid = e->gid,
			      .names = names,
			      .rdev_major = e->dev_major,
			      .rdev_minor = e->dev_minor,
			      .layer = a->layer,
			      .mtime = e->mtime,
			      .mtime_nsec = e->mtime_nsec,
			      .size = e->kind == LIST_SYMLINK ? e->target_len : e->size,
			      .content = e->content,
			      .crc = e->crc,
			      .has_xattr = e->has_xattr,
			      .has_capability = e->has_capability};
}

static struct inode *new_inode(struct apply *a, const struct list_entry *e, struct err *err)
{
	char *target = NULL;
	struct inode *ino;

	if (e->kind == LIST_SYMLINK) {
		target = tree_alloc(a->tree, e->target_len + 1, err);
		if (!target)
			return NULL;
		memcpy(target, e->target, e->target_len);
	}
	ino = tree_inode_new(a->tree, 0, err);
	if (!ino)
		return NULL;
	set_attributes(a, ino, e);
	ino->target = target;
	return ino;
}

static int apply_root(struct apply *a, const struct list_entry *e, struct err *err)
{
	if (e->kind != LIST_DIR)
		return err_set(err, ERR_INPUT, "the root is no directory");
	set_attributes(a, a->tree->root->inode, e);
	a->tree->root_listed = true;
	return 0;
}

static int apply_plain(struct apply *a, struct node *dir, const char *base, size_t len, const struct list_entry *e,
		       bool through, struct err *err)
{
	struct tree_place place;
	struct node *n = tree_find(a->tree, dir, base, len, &place);
	struct inode *ino;

	if (n && e->kind == LIST_DIR && S_ISDIR(n->inode->mode)) {
		set_attributes(a, n->inode, e);
		node_mark(a->tree, n, NODE_LISTED | NODE_OWN);
	} else {
		ino = new_inode(a, e, err);
		n = ino ? tree_link_at(a->tree, dir, base, len, place, ino, err) : NULL;
		if (!n)
			return -1;
		node_mark(a->tree, n, NODE_LISTED | NODE_CLEAN);
	}
	n->inode->through_symlink = through;
	return 0;
}

static bool is_below(const struct node *n, const struct node *top)
{
	while (n && n != top)
		n = n->parent;
	return n == top;
}

// The file behind an AUFS link name: each link gets a copy of its own, as Docker has it.
static int apply_aufs_link(struct apply *a, struct node *dir, const char *base, size_t len, const struct list_entry *e,
			   struct err *err)
{
	const char *name = e->target + sizeof(AUFS_LINKS) - 1;
	struct node *from = tree_child(a->tree, a->aufs_links, name, strlen(name));
	struct inode *ino = from ? tree_inode_new(a->tree, 0, err) : NULL;
	struct node *n;

	if (!from)
		return err_set(err, ERR_INPUT, "a hard link to nothing");
	if (!ino)
		return -1;
	*ino = *from->inode;
	ino->names = 0;
	n = tree_link(a->tree, dir, base, len, ino, err);
	if (n)
		node_mark(a->tree, n, NODE_LISTED);
	return n ? 0 : -1;
}

// Files that a layer takes away are gone for its own hard links, too, wherever the whiteout stands. Readers who go
// through a layer as it comes link what the whiteout has not reached yet, or find nothing; overlay2 has the whiteout's
// own node there and links that, so the name vanishes. No builder writes such a layer.
static int find_link_target(const struct apply *a, const struct list_entry *e, struct node **target, struct err *err)
{
	struct node *n;
	char q[QUOTE];

	if (tree_lookup_present(a->tree, e->target, e->target_len, target, err) ||
	    (!*target && tree_lookup(a->tree, e->target, e->target_len, false, &n, err)))
		return -1;
	if (*target)
		return 0;
	return err_set(err, ERR_INPUT, "a hard link to %s, which %s",
		       err_quote(e->target, e->target_len, q, sizeof(q)),
		       n ? "its own layer removes" : "is not there");
}

static int apply_hardlink(struct apply *a, struct node *dir, const char *base, size_t len, const struct list_entry *e,
			  struct err *err)
{
	struct node *target, *old = tree_child(a->tree, dir, base, len), *n;
	char q[QUOTE];

	if (!strncmp(e->target, AUFS_LINKS, sizeof(AUFS_LINKS) - 1))
		return apply_aufs_link(a, dir, base, len, e, err);
	if (find_link_target(a, e, &target, err))
		return -1;
	err_quote(e->target, e->target_len, q, sizeof(q));
	if (target != old && old && is_below(target, old))
		return err_set(err, ERR_INPUT, "a hard link to %s, which is not there", q);
	if (target == old)
		return err_set(err, ERR_INPUT, "a hard link to itself");
	if (S_ISDIR(target->inode->mode))
		return err_set(err, ERR_INPUT, "a hard link to %s, a directory", q);
	if (target->inode->layer != a->layer)
		target->inode->linked_across = true;
	n = tree_link(a->tree, dir, base, len, target->inode, err);
	if (n)
		node_mark(a->tree, n, NODE_LISTED);
	return n ? 0 : -1;
}

static int check_global(struct apply *a, const struct list_entry *e, struct err *err)
{
	struct node *n = NULL;

	if (e->path_len && tree_lookup(a->tree, e->path, e->path_len, false, &n, err))
		return -1;
	if (!e->path_len || n)
		return err_set(err, ERR_INPUT, "a global header that has the name of an entry");
	return 0;
}

// Whether dir's own path, no symlink in it, is this one.
static bool is_at(const struct node *dir, const char *path, size_t len)
{
	for (; dir->parent && dir->name_len <= len; dir = dir->parent) {
		len -= dir->name_len;
		if (memcmp(path + len, dir->name, dir->name_len))
			return false;
		if (dir->parent->parent && (!len || path[--len] != '/'))
			return false;
	}
	return !dir->parent && !len;
}

// The directory that an entry goes into. Entries come in rows of one directory, and the way to it need not be gone
// again: where the path is the directory's own it leads there until a directory is taken away.
static struct node *parent_of(struct apply *a, const char *path, size_t len, bool *through, struct err *err)
{
	if (!len)
		return a->tree->root;
	if (!a->parent || a->gone != a->tree->gone || !is_at(a->parent, path, len)) {
		a->parent = tree_make_parents(a->tree, path, len, through, err);
		a->gone = a->tree->gone;
	}
	return a->parent;
}

static int apply_entry(struct apply *a, const struct list_entry *e, struct err *err)
{
	bool through = false;
	const char *base;
	size_t base_len, parent;
	struct node *dir;

	if (e->kind == LIST_GLOBAL)
		return check_global(a, e, err);
	if (!e->path_len)
		return apply_root(a, e, err);
	if (e->kind == LIST_AUFS_LINK)
		return apply_plain(a, a->aufs_links, e->path, e->path_len, e, false, err);
	parent = split(e->path, e->path_len, &base, &base_len);
	dir = parent_of(a, e->path, parent, &through, err);
	if (!dir)
		return -1;
	if (e->kind == LIST_HARDLINK)
		return apply_hardlink(a, dir, base, base_len, e, err);
	return apply_plain(a, dir, base, base_len, e, through, err);
}

// ---- removals ------------------------------------------------------------------------------------------------------

// The node at exactly this path, no symlink followed.
static struct node *literal(const struct tree *tree, const char *path, size_t len)
{
	struct node *n = tree->root;

	while (n && len) {
		const char *slash = memchr(path, '/', len);
		size_t c = slash ? (size_t)(slash - path) : len;

		n = tree_child(tree, n, path, c);
		path += c + (slash ? 1 : 0);
		len -= c + (slash ? 1 : 0);
	}
	return n;
}

static void make_implied(const struct tree *tree, struct node *dir)
{
	if (node_has(tree, dir, NODE_LISTED))
		return;
	*dir->inode = (struct inode){.mode = S_IFDIR | 0755, .names = 1, .layer = TREE_NO_LAYER, .implied = true};
}

// Whether n, itself removed by this layer, stays for the sake of what the layer brought there or below.
static bool stays(const struct tree *tree, struct node *n)
{
	if (node_has(tree, n, NODE_OWN))
		return true;
	return S_ISDIR(n->inode->mode) && tree_first_live(n);
}

static bool is_clean(const struct tree *tree, const struct node *n)
{
	return !S_ISDIR(n->inode->mode) || node_has(tree, n, NODE_CLEAN) || !n->child;
}

// Leaves below `top` only what this layer brought, and the directories that lead there. Deepest first; each list is
// rebuilt as it is left: a node is taken from `todo` (kept in the parent's child pointer) and put back if it stays.
static void clean(struct tree *tree, struct node *top)
{
	struct node *dir = top, *kept = NULL, *n;

	if (is_clean(tree, top))
		return;
	// While dir is being cleaned, dir->child is what is still to be looked at, and the kept list of each directory
	// on the way down is parked in the next pointer of the child that was entered.
	for (;;) {
		n = dir->child;
		if (n && !n->inode) {
			dir->child = n->next;
		} else if (n && !is_clean(tree, n)) {
			struct node *rest = n->next;

			n->next = kept; // park; dir->child = rest marks n as taken out
			dir->child = rest;
			dir = n;
			kept = NULL;
		} else if (n) {
			dir->child = n->next;
			if (stays(tree, n)) {
				if (S_ISDIR(n->inode->mode))
					make_implied(tree, n);
				n->next = kept;
				kept = n;
			} else {
				tree_detach(tree, n);
			}
		} else {
			dir->child = kept;
			if (dir == top)
				break;
			n = dir;
			dir = n->parent;
			kept = n->next;
			if (stays(tree, n)) {
				node_mark(tree, n, NODE_CLEAN);
				make_implied(tree, n);
				n->next = kept;
				kept = n;
			} else {
				tree_detach(tree, n);
			}
		}
	}
}

// overlay2 makes the parents of a removal in the layer's own directory, and follows what the layer has there.
static struct node *own_dir(struct tree *tree, const char *path, size_t len, struct err *err)
{
	bool through = false;

	return tree_make_parents(tree, path, len, &through, err);
}

static int apply_opaque(struct apply *a, const struct list_entry *e, struct node *n, struct err *err)
{
	struct tree *tree = a->tree;

	if (tree->policy == TREE_REPLACE_SYMLINK) {
		n = own_dir(tree, e->path, e->path_len, err);
		if (!n)
			return -1;
	} else if (n && n->inode && S_ISLNK(n->inode->mode) && !node_has(tree, n, NODE_OWN) &&
		   tree_lookup(tree, e->path, e->path_len, true, &n, err)) {
		return -1;
	}
	if (n && n->inode && S_ISDIR(n->inode->mode)) {
		clean(tree, n);
		node_mark(tree, n, NODE_CLEAN);
	}
	return 0;
}

static int apply_whiteout(struct apply *a, const struct list_entry *e, struct node *n, struct err *err)
{
	struct tree *tree = a->tree;
	const char *base;
	size_t len, parent = split(e->path, e->path_len, &base, &len);

	if (tree->policy == TREE_REPLACE_SYMLINK) {
		struct node *dir = own_dir(tree, e->path, parent, err);

		if (!dir)
			return -1;
		n = tree_child(tree, dir, base, len);
	}
	if (!n || !n->inode)
		return 0;
	if (S_ISDIR(n->inode->mode))
		clean(tree, n);
	if (!stays(tree, n)) {
		tree_detach(tree, n);
	} else if (S_ISDIR(n->inode->mode)) {
		node_mark(tree, n, NODE_CLEAN);
		make_implied(tree, n);
	}
	return 0;
}

// The node after n and all below it.
static struct node *next_beside(const struct node *top, const struct node *n)
{
	while (n != top && !n->next)
		n = n->parent;
	if (n == top)
		return NULL;
	return n->next->inode ? n->next : tree_next_live(top, n->next);
}

// Finds what a removal names in the layers below, before this one changes the way there, and marks it and all below it:
// what has its mark has it all the way down, so nothing is walked twice. *named stays NULL if there is nothing.
static int name_gone(struct apply *a, const struct list_entry *e, struct node **named, struct err *err)
{
	struct tree *tree = a->tree;
	struct node *n;

	if (tree->policy == TREE_REPLACE_SYMLINK)
		*named = literal(tree, e->path, e->path_len);
	else if (tree_lookup(tree, e->path, e->path_len, false, named, err))
		return -1;
	n = *named;
	if (n && e->kind == LIST_OPAQUE && !S_ISDIR(n->inode->mode))
		return 0; // a symlink's target is not meant, if the layer puts a directory in its place
	while (n) {
		bool known = node_has(tree, n, NODE_GONE);

		node_mark(tree, n, NODE_GONE);
		n = known ? next_beside(*named, n) : tree_next_live(*named, n);
	}
	return 0;
}

// ---- the layer -----------------------------------------------------------------------------------------------------

static int fail(const struct list_entry *e, struct err *err)
{
	char q[QUOTE];

	return err_prefix(err, "%s %s: ",
			  e->kind == LIST_WHITEOUT ? "whiteout of"
			  : e->kind == LIST_OPAQUE ? "opaque marker in"
						   : "entry",
			  err_quote(e->path, e->path_len, q, sizeof(q)));
}

static int pass_entries(struct apply *a, struct entry_list *entries, struct err *err)
{
	struct list_entry e;
	int r;

	while ((r = entry_list_next(entries, true, &e, err)) > 0) {
		if (apply_entry(a, &e, err))
			return fail(&e, err);
	}
	return r;
}

static int pass_removals(struct apply *a, struct entry_list *removals, bool first, struct err *err)
{
	struct list_entry e;
	int r;

	entry_list_rewind(removals);
	for (size_t i = 0; (r = entry_list_next(removals, false, &e, err)) > 0; i++) {
		struct node **named = &a->named[i];
		int rc = first ? name_gone(a, &e, named, err) :
			 e.kind == LIST_OPAQUE ? apply_opaque(a, &e, *named, err) : apply_whiteout(a, &e, *named, err);

		if (rc)
			return fail(&e, err);
	}
	return r;
}

static struct node *aufs_dir(struct tree *tree, struct err *err)
{
	struct node *n = tree_alloc(tree, sizeof(*n), err);

	if (n)
		n->inode = tree_inode_new(tree, S_IFDIR, err);
	if (!n || !n->inode)
		return NULL;
	n->inode->names = 1;
	n->name = "";
	return n;
}

int tree_apply_layer(struct tree *tree, int32_t layer, struct entry_list *entries, struct entry_list *removals,
		     struct err *err)
{
	struct apply a = {.tree = tree, .layer = layer, .aufs_links = aufs_dir(tree, err)};
	int rc;

	if (!a.aufs_links || tree_reserve(tree, entry_list_count(entries), err))
		return -1;
	tree->stamp = (uint32_t)layer + 1;
	a.named = mem_zalloc((size_t)entry_list_count(removals), sizeof(struct node *), err);
	if (!a.named)
		return -1;
	rc = pass_removals(&a, removals, true, err) || pass_entries(&a, entries, err) ||
			     pass_removals(&a, removals, false, err)
		     ? -1
		     : 0;
	free(a.named);
	if (!rc)
		tree_drop_children(tree, a.aufs_links);
	return rc;
}
