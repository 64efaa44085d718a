// SPDX-License-Identifier: Apache-2.0
//
// Package databases: the first byte chooses which file of a tree the rest becomes; what is read must also be written.
#include "eifgen/sbom.h"

#include "layerfs/tree.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct node *dirs(struct tree *tree, const char *const *names)
{
	struct node *d = tree_root(tree);

	for (; d && *names; names++)
		d = tree_add_dir(tree, d, *names, 0755, NULL);
	return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const paths[][5] = {
		{"var", "lib", "dpkg", NULL}, {"lib", "apk", "db", NULL},  {"usr", "lib", "sysimage", "rpm", NULL},
		{"etc", NULL},		      {"var", "lib", "rpm", NULL}, {"var", "lib", "rpm", NULL}};
	static const char *const names[] = {"status", "installed", "rpmdb.sqlite", "os-release", "Packages", "Packages.db"};
	const struct sbom_document doc = {"x", "sha256:00", 1, "0"};
	struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct sbom *s = NULL;
	struct tree *tree;
	struct node *dir;
	size_t which;

	if (n < 1)
		return 0;
	which = data[0] % 6;
	tree = tree_new(TREE_WRITE_THROUGH, &err);
	dir = dirs(tree, paths[which]);
	if (dir && tree_add_file(tree, dir, names[which], 0644, data + 1, n - 1, &err) && !tree_sort(tree, &err) &&
	    !sbom_read(tree, &s, &err))
		sbom_write_spdx(s, &doc, &out, &err);
	buf_free(&out);
	sbom_free(s);
	tree_free(tree);
	return 0;
}
