// SPDX-License-Identifier: Apache-2.0
//
// The invariants of a merged tree, for the targets that make one of hostile bytes: names are single components, their
// order is bytewise, links are counted, content can be read. Aborts if one does not hold.
#ifndef TESTS_FUZZ_TREE_CHECK_H
#define TESTS_FUZZ_TREE_CHECK_H

#include "layerfs/tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static inline void tree_check_node(const struct tree *t, const struct node *n)
{
	char byte;
	struct err err = ERR_INIT;

	if (!n->parent)
		return;
	if (!n->name_len || memchr(n->name, '/', n->name_len) || strlen(n->name) != n->name_len ||
	    !strcmp(n->name, ".") || !strcmp(n->name, "..") || tree_child(t, n->parent, n->name, n->name_len) != n)
		abort();
	if (n->next && strcmp(n->name, n->next->name) >= 0)
		abort();
	if (!n->inode->names || (S_ISDIR(n->inode->mode) && n->inode->names != 1))
		abort();
	if (n->inode->size && S_ISREG(n->inode->mode) &&
	    tree_content_read(t, n->inode, n->inode->size - 1, &byte, 1, &err) != 1)
		abort();
	n->inode->mark++;
}

static inline void tree_check(const struct tree *t)
{
	uint64_t count = 0;

	for (struct node *n = tree_root(t); n; n = tree_next(tree_root(t), n), count++)
		tree_check_node(t, n);
	if (count != tree_node_count(t))
		abort();
	for (struct node *n = tree_next(tree_root(t), tree_root(t)); n; n = tree_next(tree_root(t), n)) {
		if (n->inode->mark != n->inode->names)
			abort();
	}
}

#endif
