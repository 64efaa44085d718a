// SPDX-License-Identifier: Apache-2.0
//
// Entries go out one by one: what is held is one line, never the listing.
#include "eifgen/entries.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eifgen/json_out.h"
#include "layerfs/digest.h"
#include "layerfs/newc.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PIECE = 64 << 10, PATH_SPACE = 64 << 10 };

struct entry {
	unsigned ramdisk; // from 1; 0: of an image
	const char *path;
	size_t path_len;
	uint32_t mode, uid, gid, ino, nlink, devmajor, devminor, rdevmajor, rdevminor;
	int64_t mtime;
	uint64_t size, offset;
	const char *sha256; // hex, or NULL
	const char *target; // or NULL
	const char *layer;  // digest, or NULL
	const char *hardlink;
};

struct printer {
	enum entries_form form;
	struct sink out;
	bool any; // an entry has been printed
	uint8_t *piece;
};

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "symlink";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	case S_IFIFO:
		return "fifo";
	default:
		return "socket";
	}
}

// ---- one line ------------------------------------------------------------------------------------------------------

static void put_bytes(struct jout *o, const char *key, const char *hex_key, const char *p, size_t n)
{
	jout_strn(o, key, p, n);
	if (!utf8_valid(p, n))
		jout_hex(o, hex_key, p, n);
}

static void put_pair(struct jout *o, const char *key, uint32_t a, uint32_t b)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", a, b);
	jout_str(o, key, text);
}

static void put_entry(struct jout *o, const struct entry *e)
{
	char mode[16], mtime[24];

	snprintf(mode, sizeof(mode), "%04o", e->mode & 07777);
	snprintf(mtime, sizeof(mtime), "%lld", (long long)e->mtime);
	jout_open(o, NULL, '{');
	if (e->ramdisk)
		jout_uint(o, "ramdisk", e->ramdisk);
	put_bytes(o, "path", "path_hex", e->path, e->path_len);
	jout_str(o, "type", type_name(e->mode));
	jout_str(o, "mode", mode);
	jout_uint(o, "uid", e->uid);
	jout_uint(o, "gid", e->gid);
	jout_token(o, "mtime", mtime);
	jout_uint(o, "size", e->size);
	if (e->sha256)
		jout_str(o, "sha256", e->sha256);
	if (e->target)
		put_bytes(o, "target", "target_hex", e->target, strlen(e->target));
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		put_pair(o, "rdev", e->rdevmajor, e->rdevminor);
	jout_uint(o, "nlink", e->nlink);
	if (e->ramdisk) {
		jout_uint(o, "ino", e->ino);
		put_pair(o, "dev", e->devmajor, e->devminor);
		jout_uint(o, "offset", e->offset);
	} else {
		jout_str(o, "layer", e->layer);
	}
	if (e->hardlink)
		put_bytes(o, "hardlink", "hardlink_hex", e->hardlink, strlen(e->hardlink));
	jout_close(o, '}');
}

static int print_json(struct printer *p, const struct entry *e, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	const char *text;

	put_entry(&o, e);
	text = jout_text(&o, err);
	if (!text)
		return -1;
	if (sink_write(&p->out, p->any ? ",\n" : "\n", p->any ? 2 : 1, err) ||
	    sink_write(&p->out, text, strlen(text), err))
		return -1;
	p->any = true;
	return 0;
}

// A name as it can stand in a line: err_quote's escapes, without quotes where none is needed.
static const char *plain(const char *s, size_t n, char *out, size_t cap)
{
	err_quote(s, n, out, cap);
	if (strlen(out) == n + 2 && !memchr(s, ' ', n)) {
		memmove(out, out + 1, n);
		out[n] = 0;
	}
	return out;
}

static int print_text(struct printer *p, const struct entry *e, struct err *err)
{
	static const struct {
		uint32_t type;
		char letter;
	} letters[] = {{S_IFREG, '-'}, {S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFCHR, 'c'}, {S_IFBLK, 'b'}, {S_IFIFO, 'p'}};
	_cleanup_buf_ struct buf line = BUF_INIT(0);
	_cleanup_free_ char *quoted = mem_alloc(PATH_SPACE, err);
	char letter = 's';

	if (!quoted)
		return -1;
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].type == (e->mode & S_IFMT))
			letter = letters[i].letter;
	if (buf_printf(&line, err, "%c%04o %6u %6u %10lld ", letter, e->mode & 07777, e->uid, e->gid,
		       (long long)e->mtime))
		return -1;
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode) ? buf_printf(&line, err, "%7u,%4u ", e->rdevmajor, e->rdevminor)
						 : buf_printf(&line, err, "%12llu ", (unsigned long long)e->size))
		return -1;
	if (buf_add_str(&line, plain(e->path, e->path_len, quoted, PATH_SPACE), err))
		return -1;
	if (e->target && buf_printf(&line, err, " -> %s", plain(e->target, strlen(e->target), quoted, PATH_SPACE)))
		return -1;
	if (e->hardlink && buf_printf(&line, err, " link to %s", plain(e->hardlink, strlen(e->hardlink), quoted, PATH_SPACE)))
		return -1;
	if (e->layer && buf_printf(&line, err, "  [%.19s]", e->layer))
		return -1;
	if (buf_add_byte(&line, '\n', err))
		return -1;
	return sink_write(&p->out, line.data, line.len, err);
}

static int print_entry(struct printer *p, const struct entry *e, struct err *err)
{
	return p->form == ENTRIES_JSON ? print_json(p, e, err) : print_text(p, e, err);
}

static int say(struct printer *p, const char *text, struct err *err)
{
	return p->form == ENTRIES_JSON ? sink_write(&p->out, text, strlen(text), err) : 0;
}

static int printer_init(struct printer *p, enum entries_form form, struct sink out, struct err *err)
{
	*p = (struct printer){form, out, false, mem_alloc(PIECE, err)};
	return p->piece ? say(p, "{\"entries\":[", err) : -1;
}

static void printer_clear(struct printer *p)
{
	free(p->piece);
}

// ---- an EIF --------------------------------------------------------------------------------------------------------

static int digest_range(struct printer *p, int fd, uint64_t offset, uint64_t size, char out[DIGEST_TEXT_MAX],
			struct err *err)
{
	_cleanup_digester_ struct digester *d = digester_new(err);

	if (!d)
		return -1;
	while (size) {
		size_t n = size < PIECE ? (size_t)size : PIECE;

		if (io_pread_full(fd, p->piece, n, offset, err) || digester_add(d, p->piece, n, err))
			return -1;
		offset += n;
		size -= n;
	}
	return digester_end(d, out, err);
}

static int print_newc(struct printer *p, const struct eif_file *eif, uint64_t start, unsigned ramdisk,
		      const struct newc_entry *n, struct err *err)
{
	const struct newc_header *h = &n->h;
	_cleanup_free_ char *target = NULL;
	char digest[DIGEST_TEXT_MAX];
	struct entry e = {ramdisk, n->name, n->name_len, h->mode, h->uid, h->gid, h->ino, h->nlink, h->devmajor,
			  h->devminor, h->rdevmajor, h->rdevminor, h->mtime, h->filesize, n->data_offset - start, NULL,
			  NULL, NULL, NULL};

	if (S_ISLNK(h->mode)) {
		target = mem_zalloc((size_t)h->filesize + 1, 1, err);
		if (!target || io_pread_full(eif->fd, target, h->filesize, n->data_offset, err))
			return -1;
		e.target = target;
	} else if (S_ISREG(h->mode) && (h->filesize || h->nlink < 2)) {
		if (digest_range(p, eif->fd, n->data_offset, h->filesize, digest, err))
			return -1;
		e.sha256 = digest + sizeof("sha256:") - 1;
	}
	return print_entry(p, &e, err);
}

static int print_ramdisk(struct printer *p, const struct eif_file *eif, const struct eif_section *s, unsigned ramdisk,
			 struct newc_header *trailer, struct err *err)
{
	uint64_t start = s->offset + EIF_SECTION_HEADER_SIZE;
	struct newc_reader *r = NULL;
	struct newc_entry e;
	int rc;

	if (newc_reader_new(eif->fd, start, s->size, &r, err))
		return -1;
	while ((rc = newc_reader_next(r, &e, err)) == 1 && !print_newc(p, eif, start, ramdisk, &e, err))
		;
	if (rc == 0)
		*trailer = *newc_reader_trailer(r);
	newc_reader_free(r);
	return rc ? err_prefix(err, "ramdisk %u: ", ramdisk) : 0;
}

int entries_of_eif(const struct eif_file *eif, enum entries_form form, struct sink out, struct err *err)
{
	_cleanup_(printer_clear) struct printer p = {0};
	_cleanup_buf_ struct buf tail = BUF_INIT(0);
	unsigned ramdisk = 0;

	if (printer_init(&p, form, out, err))
		return -1;
	for (size_t i = 0; i < eif->section_count; i++) {
		const struct eif_section *s = &eif->sections[i];
		struct newc_header t = {0};

		if (s->type != EIF_SECTION_RAMDISK)
			continue;
		ramdisk++;
		if (print_ramdisk(&p, eif, s, ramdisk, &t, err) ||
		    buf_printf(&tail, err,
			       "%s{\"ramdisk\":%u,\"size\":%llu,\"trailer\":{\"ino\":%u,\"nlink\":%u,\"dev\":\"%u:%u\"}}",
			       ramdisk > 1 ? ",\n" : "\n", ramdisk, (unsigned long long)s->size, t.ino, t.nlink,
			       t.devmajor, t.devminor))
			return -1;
	}
	if (say(&p, "\n],\"ramdisks\":[", err) || (tail.len && say(&p, buf_cstr(&tail, err), err)))
		return -1;
	return say(&p, "\n]}\n", err);
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
		ssize_t n = tree_content_read(tree, inode, off, p->piece, PIECE, err);

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
	ssize_t len = tree_path(n, w->path, PATH_SPACE, err);
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
	return print_entry(&w->p, &e, err);
}

int entries_of_tree(struct tree *tree, const struct image *img, enum entries_form form, struct sink out,
		    struct err *err)
{
	_cleanup_(image_walk_clear) struct image_walk w = {.tree = tree, .img = img, .path = mem_alloc(PATH_SPACE, err)};
	const struct node *root = tree_root(tree);

	if (!w.path || printer_init(&w.p, form, out, err))
		return -1;
	for (const struct node *n = root; n; n = tree_next(root, n))
		if ((n != root || tree_root_listed(tree)) && print_node(&w, n, err))
			return -1;
	return say(&w.p, "\n]}\n", err);
}
