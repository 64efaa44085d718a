// SPDX-License-Identifier: Apache-2.0
//
// The order of the tree: the names of each directory bytewise, as unsigned bytes, a prefix before what it begins.
// Layers link names as they come; a directory is sorted once, when all have come, and found sorted the next time.
//
// Sorting looks at 16 bytes a name: its first eight, big-endian and zero-filled, decide most comparisons without
// touching the name itself. A directory whose names came in order is linked in the opposite one, for the last comes
// first; it is turned round. No two names of a directory are equal, so the result does not depend on the sort's
// stability.
#include "layerfs/tree_priv.h"

#include "base/be.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct sort_item {
	uint64_t head; // the name's first eight bytes, big-endian, zero-filled: decides most comparisons
	struct node *node;
};

static int compare_names(const struct node *a, const struct node *b)
{
	size_t n = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->name, b->name, n);

	return c ? c : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

static int compare_items(const void *va, const void *vb)
{
	const struct sort_item *a = va, *b = vb;

	if (a->head != b->head)
		return a->head < b->head ? -1 : 1;
	return compare_names(a->node, b->node);
}

static uint64_t name_head(const struct node *n)
{
	uint8_t head[8] = {0};

	memcpy(head, n->name, n->name_len < 8 ? n->name_len : 8);
	return get_be64(head);
}

// Takes dead nodes out of dir's list. Returns the number that stay; *up and *down say whether they are in order
// already, or in the opposite one.
static size_t sweep(struct node *dir, bool *up, bool *down)
{
	struct node **at = &dir->child, *prev = NULL;
	size_t n = 0;

	*up = *down = true;
	while (*at) {
		if (!(*at)->inode) {
			*at = (*at)->next;
			continue;
		}
		if (prev && (*up || *down))
			*(compare_names(prev, *at) > 0 ? up : down) = false;
		prev = *at;
		at = &prev->next;
		n++;
	}
	return n;
}

static void turn_round(struct node *dir)
{
	struct node *n = dir->child, *next;

	for (dir->child = NULL; n; n = next) {
		next = n->next;
		n->next = dir->child;
		dir->child = n;
	}
}

static int sort_children(struct node *dir, struct sort_item **items, size_t *cap, struct err *err)
{
	struct node **at = &dir->child;
	bool up, down;
	size_t n = sweep(dir, &up, &down), i = 0;

	if (!up && down)
		turn_round(dir);
	if (up || down)
		return 0;
	if (n > *cap) {
		struct sort_item *more = mem_resize(*items, n, sizeof(**items), err);

		if (!more)
			return -1;
		*items = more;
		*cap = n;
	}
	for (struct node *c = dir->child; c; c = c->next)
		(*items)[i++] = (struct sort_item){name_head(c), c};
	qsort(*items, n, sizeof(**items), compare_items);
	for (i = 0; i < n; i++) {
		*at = (*items)[i].node;
		at = &(*at)->next;
	}
	*at = NULL;
	return 0;
}

int tree_sort(struct tree *tree, struct err *err)
{
	struct sort_item *items = NULL;
	size_t cap = 0;
	int rc = 0;

	for (struct node *n = tree->root; n && !rc; n = tree_next(tree->root, n)) {
		n->inode->mark = 0;
		rc = sort_children(n, &items, &cap, err); // before tree_next looks at the children
	}
	free(items);
	return rc;
}
