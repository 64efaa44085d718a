// SPDX-License-Identifier: Apache-2.0
//
// WORKDIR: the path is first resolved inside the tree to a list of plain components (symlinks expanded, `..` taken off,
// what does not exist taken as a directory to be), then what is missing of that list is made. So `a/../b` makes `b`
// alone, and a symlink to nothing makes the directory it points at, as runc does.
//
// Invariant: the walk never leaves the root; at most LINKS_MAX symlinks are followed.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/layout_out.h"

#include <string.h>
#include <sys/stat.h>

enum { LINKS_MAX = 255, QUOTE_MAX = 512 };

struct step {
	struct node *node; // NULL: to be made
	char *name;	   // owned; of a node to be made
};

struct walk {
	struct tree *tree;
	struct step *steps; // below the root, outermost first
	size_t count, cap;
	char *rest; // owned; the path that is still to be walked
	size_t at;  // in rest
	unsigned links;
};

static void pop(struct walk *w)
{
	if (w->count)
		free(w->steps[--w->count].name);
}

static void walk_clear(struct walk *w)
{
	while (w->count)
		pop(w);
	free(w->steps);
	free(w->rest);
}

static int push(struct walk *w, struct node *node, const char *name, size_t n, struct err *err)
{
	if (mem_grow(&w->steps, &w->cap, w->count, sizeof(*w->steps), err))
		return -1;
	w->steps[w->count] = (struct step){node, NULL};
	if (!node) {
		w->steps[w->count].name = mem_dup(name, n, err);
		if (!w->steps[w->count].name)
			return -1;
	}
	w->count++;
	return 0;
}

static int follow(struct walk *w, const char *target, struct err *err)
{
	char *joined;

	if (++w->links > LINKS_MAX)
		return err_set(err, ERR_INPUT, "more than %d symlinks on the way", LINKS_MAX);
	joined = mem_printf(err, "%s/%s", target, w->rest + w->at);
	if (!joined)
		return -1;
	if (*target == '/')
		while (w->count)
			pop(w);
	free(w->rest);
	w->rest = joined;
	w->at = 0;
	return 0;
}

static int take(struct walk *w, const char *name, size_t n, struct err *err)
{
	const struct node *dir = w->count ? w->steps[w->count - 1].node : tree_root(w->tree);
	struct node *child = dir ? tree_child(w->tree, dir, name, n) : NULL;
	char q[QUOTE_MAX];

	if (n == 1 && name[0] == '.')
		return 0;
	if (n == 2 && name[0] == '.' && name[1] == '.') {
		pop(w);
		return 0;
	}
	if (child && S_ISLNK(child->inode->mode))
		return follow(w, child->inode->target, err);
	if (child && !S_ISDIR(child->inode->mode))
		return err_set(err, ERR_INPUT, "%s is no directory", err_quote(name, n, q, sizeof(q)));
	return push(w, child, name, n, err);
}

static int walk_all(struct walk *w, struct err *err)
{
	for (;;) {
		const char *name;
		size_t n;

		w->at += strspn(w->rest + w->at, "/");
		name = w->rest + w->at;
		n = strcspn(name, "/");
		if (n == 0)
			return 0;
		w->at += n;
		if (take(w, name, n, err))
			return -1;
	}
}

static int make_missing(struct walk *w, struct err *err)
{
	struct node *dir = tree_root(w->tree);

	for (size_t i = 0; i < w->count; i++) {
		dir = w->steps[i].node ? w->steps[i].node : tree_add_dir(w->tree, dir, w->steps[i].name, 0755, err);
		if (!dir)
			return -1;
	}
	return 0;
}

int layout_make_dir(struct tree *tree, const char *path, struct err *err)
{
	_cleanup_(walk_clear) struct walk w = {.tree = tree};

	w.rest = mem_strdup(path, err);
	return !w.rest || walk_all(&w, err) || make_missing(&w, err) ? -1 : 0;
}

int layout_make_workdir(struct tree *tree, const char *path, struct err *err)
{
	char q[QUOTE_MAX];

	if (layout_make_dir(tree, path, err))
		return err_prefix(err, "working directory %s: ", err_quote(path, strlen(path), q, sizeof(q)));
	return 0;
}
