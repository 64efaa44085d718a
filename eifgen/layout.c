// SPDX-License-Identifier: Apache-2.0
//
// The ramdisk that a layout writes, and the rules that both layouts share. Bytes collect in `hold` and go on in large
// pieces, since a ramdisk is mostly headers and small files.
//
// Invariant: nothing is written that Linux's initramfs unpacker would drop without a word (names and targets past
// 4095 bytes, components past 255): such an image is refused, with the path.
#include "eifgen/layout.h"

#include "base/mem.h"
#include "eifgen/layout_out.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RAMDISK_MAX ((uint64_t)1 << 32) // past it some loaders count in 32 bits; --allow-large
#define INODES_MAX ((uint64_t)UINT32_MAX - 1)

enum { QUOTE_MAX = 640 }; // of a path in a message

const char *layout_name(enum layout_id id)
{
	return id == LAYOUT_NITRO_CLI ? "nitro-cli" : "canonical";
}

unsigned layout_version(enum layout_id id)
{
	(void)id; // both are at their first
	return 1;
}

int layout_write_bootstrap(const struct layout_options *opt, const struct layout_bootstrap *b, struct sink out,
			   struct err *err)
{
	if (!b->init.data)
		return err_set(err, ERR_USAGE, "the bootstrap ramdisk needs an init");
	return opt->id == LAYOUT_NITRO_CLI ? nitro_write_bootstrap(opt, b, out, err)
					   : canonical_write_bootstrap(opt, b, out, err);
}

int layout_write_app(const struct layout_options *opt, struct layout_app *app, struct sink out, struct err *err)
{
	return opt->id == LAYOUT_NITRO_CLI ? nitro_write_app(opt, app, out, err)
					   : canonical_write_app(opt, app, out, err);
}

// ---- the ramdisk ---------------------------------------------------------------------------------------------------

static int flush(struct layout_out *o, struct err *err)
{
	size_t n = o->held;

	o->held = 0;
	return n ? sink_write(&o->to, o->hold, n, err) : 0;
}

static int hold_write(void *ctx, const void *p, size_t n, struct err *err)
{
	struct layout_out *o = ctx;

	if (n > LAYOUT_HOLD - o->held && flush(o, err))
		return -1;
	if (n >= LAYOUT_HOLD)
		return sink_write(&o->to, p, n, err);
	memcpy(o->hold + o->held, p, n);
	o->held += n;
	return 0;
}

int layout_out_new(const struct layout_options *opt, struct sink to, uint32_t first_ino, struct layout_out **out,
		   struct err *err)
{
	struct layout_out *o = mem_alloc(sizeof(*o), err);

	if (!o)
		return -1;
	o->opt = opt;
	o->to = to;
	o->held = 0;
	o->last_ino = first_ino - 1;
	o->piece = NULL;
	o->hold = mem_alloc(LAYOUT_HOLD, err);
	if (o->hold)
		o->piece = mem_alloc(LAYOUT_HOLD, err);
	if (!o->piece) {
		layout_out_free(o);
		return -1;
	}
	newc_writer_init(&o->newc, (struct sink){hold_write, o});
	o->newc.watch = opt->watch;
	*out = o;
	return 0;
}

void layout_out_free(struct layout_out *o)
{
	if (!o)
		return;
	free(o->hold);
	free(o->piece);
	free(o);
}

int layout_next_ino(struct layout_out *o, uint32_t *ino, struct err *err)
{
	if (o->last_ino >= INODES_MAX)
		return err_set(err, ERR_UNSUPPORTED, "more inodes than newc can number (2^32 - 2)");
	*ino = (uint32_t)++o->last_ino;
	return 0;
}

static int check_size(const struct layout_out *o, uint64_t more, struct err *err)
{
	if (!o->opt->allow_large && o->newc.offset + more > RAMDISK_MAX)
		return err_set(err, ERR_LIMIT, "the ramdisk grows past 4 GiB (--allow-large permits it)");
	return 0;
}

int layout_entry(struct layout_out *o, const struct newc_header *h, const char *name, size_t len, struct err *err)
{
	if (check_size(o, h->filesize, err))
		return -1;
	return newc_write_entry(&o->newc, h, name, len, err);
}

int layout_entry_data(struct layout_out *o, struct newc_header h, const char *name, size_t len, const void *data,
		      size_t n, struct err *err)
{
	char q[QUOTE_MAX];

	if (n > UINT32_MAX)
		return err_set(err, ERR_UNSUPPORTED, "%s: size %zu does not fit newc",
			       err_quote(name, len, q, sizeof(q)), n);
	h.filesize = (uint32_t)n;
	if (layout_entry(o, &h, name, len, err))
		return -1;
	return newc_write_data(&o->newc, data, n, err);
}

// The content goes past this room: the newc writer only counts it.
static int hand_over_content(struct layout_out *o, const struct tree *tree, const struct inode *inode, struct err *err)
{
	if (flush(o, err) || o->opt->content(o->opt->content_ctx, tree, inode, err))
		return -1;
	return newc_skip_data(&o->newc, inode->size, err);
}

int layout_content(struct layout_out *o, const struct tree *tree, const struct inode *inode, struct err *err)
{
	uint64_t off = 0;

	if (inode->size == 0)
		return 0;
	if (o->opt->content)
		return hand_over_content(o, tree, inode, err);
	while (off < inode->size) {
		ssize_t got = tree_content_read(tree, inode, off, o->piece, LAYOUT_HOLD, err);

		if (got < 0)
			return -1;
		if (got == 0)
			return err_set(err, ERR_IO, "content ends at byte %llu of %llu", (unsigned long long)off,
				       (unsigned long long)inode->size);
		if (newc_write_data(&o->newc, o->piece, (size_t)got, err))
			return -1;
		off += (uint64_t)got;
	}
	if (o->opt->drop)
		tree_content_drop(tree, inode);
	return 0;
}

int layout_finish(struct layout_out *o, const struct newc_header *trailer, struct err *err)
{
	if (newc_write_trailer(&o->newc, trailer, err) || check_size(o, 0, err))
		return -1;
	return flush(o, err);
}

// ---- warnings and refusals -----------------------------------------------------------------------------------------

int layout_warn(const struct layout_options *opt, const char *text, struct err *err)
{
	if (opt->strict)
		return err_set(err, ERR_INPUT, "%s (an error under --strict)", text);
	if (opt->warn)
		opt->warn(opt->ctx, text);
	return 0;
}

int layout_warn_entry(const struct layout_options *opt, const char *path, const char *text, struct err *err)
{
	char q[QUOTE_MAX], line[ERR_MSG_MAX];

	snprintf(line, sizeof(line), "entry %s: %s", err_quote(path, strlen(path), q, sizeof(q)), text);
	return layout_warn(opt, line, err);
}

static int refuse(struct err *err, const char *path, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int refuse(struct err *err, const char *path, const char *fmt, ...)
{
	char q[QUOTE_MAX], text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(err, ERR_UNSUPPORTED, "entry %s: %s", err_quote(path, strlen(path), q, sizeof(q)), text);
}

ssize_t layout_node_path(struct layout_out *o, const char *prefix, const struct node *n, struct err *err)
{
	size_t at = strlen(prefix);
	ssize_t len;

	memcpy(o->path, prefix, at);
	len = tree_path(n, o->path + at, sizeof(o->path) - at, err);
	if (len < 0)
		return refuse(err, n->name, "its path is longer than %d bytes", LAYOUT_NAME_MAX);
	if (n->name_len > LAYOUT_COMPONENT_MAX)
		return refuse(err, o->path + at, "a component of %u bytes (the kernel drops names past %d)",
			      n->name_len, LAYOUT_COMPONENT_MAX);
	if (at + (size_t)len > LAYOUT_NAME_MAX)
		return refuse(err, o->path + at, "a name of %zu bytes in the ramdisk (the kernel drops names past %d)",
			      at + (size_t)len, LAYOUT_NAME_MAX);
	return (ssize_t)at + len;
}

int layout_check_inode(const struct inode *inode, const char *path, struct err *err)
{
	if (inode->uid == UINT32_MAX || inode->gid == UINT32_MAX)
		return refuse(err, path, "owner %u:%u is past 2^32 - 2", inode->uid, inode->gid);
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		if (inode->size > UINT32_MAX)
			return refuse(err, path, "size %llu does not fit newc (4 GiB less one byte)",
				      (unsigned long long)inode->size);
		return 0;
	case S_IFLNK:
		if (inode->size > LAYOUT_NAME_MAX)
			return refuse(err, path, "a symlink target of %llu bytes (the kernel drops those past %d)",
				      (unsigned long long)inode->size, LAYOUT_NAME_MAX);
		return 0;
	case S_IFDIR:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK: // dropped by the walk, with a warning
		return 0;
	default:
		return refuse(err, path, "entry type %06o is none that newc has", inode->mode & S_IFMT);
	}
}

int layout_warn_lost(const struct layout_options *opt, const struct inode *inode, const char *path, struct err *err)
{
	if (inode->has_capability && layout_warn_entry(opt, path, "its file capability is lost: newc has none", err))
		return -1;
	if (inode->has_xattr && !inode->has_capability &&
	    layout_warn_entry(opt, path, "its extended attributes are lost: newc has none", err))
		return -1;
	if (inode->mtime_nsec && layout_warn_entry(opt, path, "its time's fraction of a second is lost", err))
		return -1;
	return 0;
}

int layout_lines(const struct layout_options *opt, const char *what, char *const *list, size_t n, bool lax,
		 struct buf *out, struct err *err)
{
	char q[QUOTE_MAX], line[ERR_MSG_MAX];

	for (size_t i = 0; i < n; i++) {
		if (strchr(list[i], '\n')) {
			snprintf(line, sizeof(line), "%s element %s holds a line feed", what,
				 err_quote(list[i], strlen(list[i]), q, sizeof(q)));
			if (!lax)
				return err_set(err, ERR_UNSUPPORTED, "%s", line);
			if (layout_warn(opt, line, err))
				return -1;
		}
		if (buf_add_str(out, list[i], err) || buf_add_byte(out, '\n', err))
			return -1;
	}
	return 0;
}
