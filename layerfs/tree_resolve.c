// SPDX-License-Identifier: Apache-2.0
//
// Finding the way along a path inside the tree. What is left of the path is kept as text; a symlink puts its target in
// front of that text and goes on, from the root if the target is absolute. `..` at the root stays there. Nothing here
// recurses, and 255 symlinks are the end.
//
// tree_make_parents is the same walk for a layer's parents: what is missing is remembered as text too, so that a `..`
// behind a missing component takes that component away again (as securejoin, and so umoci, has it), and is made when
// the walk is over.
#include "layerfs/tree_priv.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	QUOTE = 300,
	REST_MAX = 1024 * 1024, // of pending path: far past what one path and a chain of honest targets need
};

struct walk {
	const struct tree *tree;
	struct node *at;
	const char *rest;
	size_t left;
	char *owned; // what rest points into, once a symlink was met
	unsigned links;
};

// The next component that is not empty or ".", or false at the end.
static bool walk_component(struct walk *w, const char **name, size_t *len)
{
	for (;;) {
		const char *end;

		while (w->left && *w->rest == '/')
			w->rest++, w->left--;
		if (!w->left)
			return false;
		end = memchr(w->rest, '/', w->left);
		*name = w->rest;
		*len = end ? (size_t)(end - w->rest) : w->left;
		w->rest += *len;
		w->left -= *len;
		if (*len != 1 || **name != '.')
			return true;
	}
}

static bool walk_at_end(const struct walk *w)
{
	size_t i = 0;

	while (i < w->left && w->rest[i] == '/')
		i++;
	return i == w->left;
}

static bool is_dotdot(const char *name, size_t len)
{
	return len == 2 && name[0] == '.' && name[1] == '.';
}

static int fail(struct err *err, int errnum, const char *what, const char *name, size_t len)
{
	char q[QUOTE];

	err_set(err, ERR_INPUT, "%s %s", err_quote(name, len, q, sizeof(q)), what);
	if (err)
		err->errnum = errnum;
	return -1;
}

static int walk_symlink(struct walk *w, const struct node *link, struct err *err)
{
	const char *target = link->inode->target;
	size_t len = (size_t)link->inode->size;
	char *text;

	if (++w->links > TREE_SYMLINKS_MAX)
		return fail(err, ELOOP, "is behind too many symbolic links", link->name, link->name_len);
	if (len + w->left > REST_MAX)
		return fail(err, ENAMETOOLONG, "leads to a path that is too long", link->name, link->name_len);
	text = mem_alloc(len + 1 + w->left, err);
	if (!text)
		return -1;
	memcpy(text, target, len);
	text[len] = '/';
	if (w->left)
		memcpy(text + len + 1, w->rest, w->left);
	free(w->owned);
	w->owned = text;
	w->rest = text;
	w->left += len + 1;
	if (*target == '/')
		w->at = w->tree->root;
	return 0;
}

// present: what is no directory, and the layer that is being applied takes away, is not there. (What such a directory
// holds has marks of its own.)
static struct node *resolve(const struct tree *tree, const char *path, size_t len, bool follow_last, bool present,
			    struct err *err)
{
	struct walk w = {tree, tree->root, path, len, NULL, 0};
	const char *name;
	size_t n;

	while (walk_component(&w, &name, &n)) {
		struct node *child;

		if (!S_ISDIR(w.at->inode->mode)) {
			fail(err, ENOTDIR, "is no directory", w.at->name, w.at->name_len);
			goto fail;
		}
		if (is_dotdot(name, n)) {
			w.at = w.at->parent ? w.at->parent : w.at;
			continue;
		}
		child = tree_child(tree, w.at, name, n);
		if (!child || (present && !S_ISDIR(child->inode->mode) && node_has(tree, child, NODE_GONE))) {
			fail(err, ENOENT, "is not there", name, n);
			goto fail;
		}
		if (S_ISLNK(child->inode->mode) && (follow_last || !walk_at_end(&w))) {
			if (walk_symlink(&w, child, err))
				goto fail;
			continue;
		}
		w.at = child;
	}
	free(w.owned);
	return w.at;
fail:
	free(w.owned);
	return NULL;
}

struct node *tree_resolve(const struct tree *tree, const char *path, size_t len, bool follow_last, struct err *err)
{
	return resolve(tree, path, len, follow_last, false, err);
}

int tree_lookup(const struct tree *tree, const char *path, size_t len, bool follow_last, struct node **out,
		struct err *err)
{
	struct err why = ERR_INIT;

	*out = resolve(tree, path, len, follow_last, false, &why);
	return !*out && why.class == ERR_MEMORY ? err_nomem(err) : 0;
}

int tree_lookup_present(const struct tree *tree, const char *path, size_t len, struct node **out, struct err *err)
{
	struct err why = ERR_INIT;

	*out = resolve(tree, path, len, false, true, &why);
	return !*out && why.class == ERR_MEMORY ? err_nomem(err) : 0;
}

// ---- parents -------------------------------------------------------------------------------------------------------

struct node *tree_make_implied(struct tree *tree, struct node *dir, const char *name, size_t len, struct err *err)
{
	struct inode *ino = tree_inode_new(tree, S_IFDIR | 0755, err);
	struct node *n;

	if (!ino)
		return NULL;
	ino->implied = true;
	n = tree_link(tree, dir, name, len, ino, err);
	if (n)
		node_mark(tree, n, NODE_CLEAN);
	return n;
}

// overlay2 shows the directory that this layer needed, not the one below it (tree.h, implied_above).
static void pass_through(struct tree *tree, struct node *dir)
{
	struct inode *ino = dir->inode;

	if (tree->policy != TREE_REPLACE_SYMLINK || node_has(tree, dir, NODE_OWN))
		return;
	*ino = (struct inode){.mode = S_IFDIR | 0755,
			      .names = 1,
			      .layer = TREE_NO_LAYER,
			      .implied = ino->implied,
			      .implied_above = !ino->implied,
			      .through_symlink = ino->through_symlink};
	node_mark(tree, dir, NODE_OWN);
}

// One more component below the last one that exists.
static int push_missing(struct buf *missing, const char *name, size_t len, struct err *err)
{
	if (!is_dotdot(name, len))
		return buf_add(missing, name, len, err) || buf_add_byte(missing, '/', err) ? -1 : 0;
	do
		missing->len--;
	while (missing->len && missing->data[missing->len - 1] != '/');
	return 0;
}

// `child` stands where a directory is needed and is none. Leaves the walk in it, or past it.
static int step_over(struct tree *tree, struct walk *w, struct node *child, bool *through, struct err *err)
{
	bool own = node_has(tree, child, NODE_OWN); // this very layer brought it
	bool link = S_ISLNK(child->inode->mode);

	if (node_has(tree, child, NODE_GONE)) {
		w->at = tree_make_implied(tree, child->parent, child->name, child->name_len, err);
		return w->at ? 0 : -1;
	}
	if (link && !own)
		*through = true;
	if (link && (own || tree->policy == TREE_WRITE_THROUGH))
		return walk_symlink(w, child, err);
	if (!link && (own || w->links))
		return fail(err, ENOTDIR, "is no directory", child->name, child->name_len);
	w->at = tree_make_implied(tree, child->parent, child->name, child->name_len, err);
	if (w->at)
		w->at->inode->through_symlink = link;
	return w->at ? 0 : -1;
}

static int make_missing(struct tree *tree, struct walk *w, const struct buf *missing, struct err *err)
{
	for (size_t at = 0; at < missing->len;) {
		const char *p = (const char *)missing->data + at;
		size_t n = (size_t)((const char *)memchr(p, '/', missing->len - at) - p);

		w->at = tree_make_implied(tree, w->at, p, n, err);
		if (!w->at)
			return -1;
		at += n + 1;
	}
	return 0;
}

struct node *tree_make_parents(struct tree *tree, const char *path, size_t len, bool *through, struct err *err)
{
	struct walk w = {tree, tree->root, path, len, NULL, 0};
	_cleanup_buf_ struct buf missing = BUF_INIT(REST_MAX);
	const char *name;
	size_t n;
	int rc = 0;

	while (!rc && walk_component(&w, &name, &n)) {
		struct node *child;

		if (missing.len) {
			rc = push_missing(&missing, name, n, err);
		} else if (is_dotdot(name, n)) {
			w.at = w.at->parent ? w.at->parent : w.at;
		} else if (!(child = tree_child(tree, w.at, name, n))) {
			rc = push_missing(&missing, name, n, err);
		} else if (S_ISDIR(child->inode->mode)) {
			pass_through(tree, child);
			w.at = child;
		} else {
			rc = step_over(tree, &w, child, through, err);
		}
	}
	if (!rc)
		rc = make_missing(tree, &w, &missing, err);
	free(w.owned);
	return rc ? NULL : w.at;
}
