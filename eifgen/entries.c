// SPDX-License-Identifier: Apache-2.0
//
// The walks of what is finished: an EIF's ramdisks, an image's tree.
#include "eifgen/entries.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/entry_print.h"
#include "layerfs/digest.h"
#include "layerfs/newc.h"

#include <string.h>
#include <sys/stat.h>

// ---- an EIF --------------------------------------------------------------------------------------------------------

static int digest_range(struct printer *p, int fd, uint64_t offset, uint64_t size, char out[DIGEST_TEXT_MAX],
			struct err *err)
{
	_cleanup_digester_ struct digester *d = digester_new(err);

	if (!d)
		return -1;
	while (size) {
		size_t n = size < ENTRY_PIECE ? (size_t)size : ENTRY_PIECE;

		if (io_pread_full(fd, p->piece, n, offset, err) || digester_add(d, p->piece, n, err))
			return -1;
		offset += n;
		size -= n;
	}
	return digester_end(d, out, err);
}

static int print_newc(struct printer *p, const struct eif_file *eif, uint64_t start, const struct newc_entry *n,
		      struct err *err)
{
	_cleanup_free_ char *target = NULL;
	char digest[DIGEST_TEXT_MAX];
	struct entry e = entry_of_newc(p, n, n->data_offset - start);

	if (S_ISLNK(n->h.mode)) {
		target = mem_zalloc((size_t)n->h.filesize + 1, 1, err);
		if (!target || io_pread_full(eif->fd, target, n->h.filesize, n->data_offset, err))
			return -1;
		e.target = target;
	} else if (entry_has_digest(&n->h)) {
		if (digest_range(p, eif->fd, n->data_offset, n->h.filesize, digest, err))
			return -1;
		e.sha256 = digest + sizeof("sha256:") - 1;
	}
	return printer_entry(p, &e, err);
}

static int print_ramdisk(struct printer *p, const struct eif_file *eif, const struct eif_section *s, struct err *err)
{
	uint64_t start = s->offset + EIF_SECTION_HEADER_SIZE;
	struct newc_reader *r = NULL;
	struct newc_entry e;
	int rc;

	if (newc_reader_new(eif->fd, start, s->size, &r, err))
		return -1;
	while ((rc = newc_reader_next(r, &e, err)) == 1 && !print_newc(p, eif, start, &e, err))
		;
	if (rc == 0)
		rc = printer_ramdisk_end(p, newc_reader_trailer(r), s->size, err);
	newc_reader_free(r);
	return rc ? err_prefix(err, "ramdisk %u: ", p->ramdisk + 1) : 0;
}

int entries_of_eif(const struct eif_file *eif, enum entries_form form, struct sink out, struct err *err)
{
	_cleanup_(printer_clear) struct printer p = {0};

	if (printer_init(&p, form, out, err))
		return -1;
	for (size_t i = 0; i < eif->section_count; i++) {
		if (eif->sections[i].type == EIF_SECTION_RAMDISK && print_ramdisk(&p, eif, &eif->sections[i], err))
			return -1;
	}
	return printer_end_eif(&p, err);
}

// ---- an image ------------------------------------------------------------------------------------------------------

static int digest_content(struct printer *p, const struct tree *tree, const struct inode *inode,
			  char out[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_digester_ struct digester *d = digester_new(err);
	uint64_t off = 0;

	if (!d)
		return -1;
	while (off < inode->size) {
		ssize_t n = tree_content_read(tree, inode, off, p->piece, ENTRY_PIECE, err);

		if (n <= 0)
			return n < 0 ? -1 : err_set(err, ERR_IO, "content ends early");
		if (digester_add(d, p->piece, (size_t)n, err))
			return -1;
		off += (uint64_t)n;
	}
	return digester_end(d, out, err);
}

struct image_walk {
	struct printer p;
	struct tree *tree;
	const struct image *img;
	char **firsts; // paths of the first names of hard-linked inodes; mark - 1 is the index
	size_t first_count, first_cap;
	char *path;
};

static void image_walk_clear(struct image_walk *w)
{
	for (size_t i = 0; i < w->first_count; i++)
		free(w->firsts[i]);
	free(w->firsts);
	free(w->path);
	printer_clear(&w->p);
}

static int note_first(struct image_walk *w, struct inode *inode, const char **hardlink, struct err *err)
{
	if (inode->names < 2 || S_ISDIR(inode->mode))
		return 0;
	if (inode->mark) {
		*hardlink = w->firsts[inode->mark - 1];
		return 0;
	}
	if (mem_grow(&w->firsts, &w->first_cap, w->first_count, sizeof(*w->firsts), err))
		return -1;
	w->firsts[w->first_count] = mem_strdup(w->path, err);
	if (!w->firsts[w->first_count])
		return -1;
	inode->mark = (uint32_t)++w->first_count;
	return 0;
}

static int print_node(struct image_walk *w, const struct node *n, struct err *err)
{
	struct inode *inode = n->inode;
	char digest[DIGEST_TEXT_MAX];
	ssize_t len = tree_path(n, w->path, ENTRY_PATH_SPACE, err);
	struct entry e = {.path = len ? w->path : ".", .path_len = len > 0 ? (size_t)len : 1, .mode = inode->mode,
			  .uid = inode->uid, .gid = inode->gid, .nlink = S_ISDIR(inode->mode) ? 2 : inode->names,
			  .rdevmajor = inode->rdev_major, .rdevminor = inode->rdev_minor, .mtime = inode->mtime,
			  .size = inode->size, .target = inode->target};

	if (len < 0 || note_first(w, inode, &e.hardlink, err))
		return -1;
	if (inode->layer >= 0 && (size_t)inode->layer < image_layer_count(w->img))
		e.layer = image_layer(w->img, (size_t)inode->layer)->digest;
	if (S_ISREG(inode->mode)) {
		if (digest_content(&w->p, w->tree, inode, digest, err))
			return -1;
		e.sha256 = digest + sizeof("sha256:") - 1;
	}
	return printer_entry(&w->p, &e, err);
}

int entries_of_tree(struct tree *tree, const struct image *img, enum entries_form form, struct sink out,
		    struct err *err)
{
	_cleanup_(image_walk_clear) struct image_walk w = {
	    .tree = tree, .img = img, .path = mem_alloc(ENTRY_PATH_SPACE, err)};
	const struct node *root = tree_root(tree);

	if (!w.path || printer_init(&w.p, form, out, err))
		return -1;
	for (const struct node *n = root; n; n = tree_next(root, n))
		if ((n != root || tree_root_listed(tree)) && print_node(&w, n, err))
			return -1;
	return printer_say(&w.p, "\n]}\n", err);
}
