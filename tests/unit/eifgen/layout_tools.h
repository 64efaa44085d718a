// SPDX-License-Identifier: Apache-2.0
//
// For the layout tests: small trees, and a ramdisk as text, one entry a line:
//   ino mode uid:gid nlink mtime size name [= content | -> target | maj:min]
#ifndef TESTS_LAYOUT_TOOLS_H
#define TESTS_LAYOUT_TOOLS_H

#include "base/io.h"
#include "eifgen/layout.h"
#include "layerfs/newc.h"
#include "layerfs/tree_priv.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EPOCH = 1000 };

static struct err err;
static char warned[8192], unsure[4096]; // one line a call

static void note_warn(void *ctx, const char *text)
{
	(void)ctx;
	strncat(warned, text, sizeof(warned) - strlen(warned) - 2);
	strcat(warned, "\n");
}

static void note_unsure(void *ctx, const char *text)
{
	(void)ctx;
	strncat(unsure, text, sizeof(unsure) - strlen(unsure) - 2);
	strcat(unsure, "\n");
}

static inline struct layout_options options(enum layout_id id)
{
	warned[0] = unsure[0] = 0;
	err = (struct err)ERR_INIT;
	return (struct layout_options){.id = id, .epoch = EPOCH, .warn = note_warn, .unpredictable = note_unsure};
}

static inline void add_data(struct buf *text, int fd, const struct newc_entry *e)
{
	char data[65536];
	size_t n = e->h.filesize < sizeof(data) - 1 ? e->h.filesize : sizeof(data) - 1;

	assert_ok(io_pread_full(fd, data, n, e->data_offset, &err));
	data[n] = 0;
	if (S_ISLNK(e->h.mode))
		(void)(buf_printf(text, &err, " -> %s", data));
	else if (S_ISREG(e->h.mode) && n)
		(void)(buf_printf(text, &err, " = %s", data));
	else if (e->h.rdevmajor || e->h.rdevminor)
		(void)(buf_printf(text, &err, " %u:%u", e->h.rdevmajor, e->h.rdevminor));
}

// The listing of a ramdisk; static storage until the next call.
static inline const char *listing(const struct buf *ramdisk)
{
	static struct buf text;
	struct newc_reader *r = NULL;
	struct newc_entry e;
	int fd = memfd_create("t", MFD_CLOEXEC), rc;

	buf_free(&text);
	assert_ok(io_write(fd, ramdisk->data, ramdisk->len, &err));
	assert_ok(newc_reader_new(fd, 0, ramdisk->len, &r, &err));
	while ((rc = newc_reader_next(r, &e, &err)) == 1) {
		(void)(buf_printf(&text, &err, "%u %o %u:%u %u %u %u %s", e.h.ino, e.h.mode, e.h.uid, e.h.gid,
				     e.h.nlink, e.h.mtime, e.h.filesize, e.name));
		add_data(&text, fd, &e);
		assert_ok(buf_add_byte(&text, '\n', &err));
	}
	ck_assert_msg(rc == 0, "%s", err.msg);
	newc_reader_free(r);
	close(fd);
	return buf_cstr(&text, &err);
}

// ---- trees ---------------------------------------------------------------------------------------------------------

static inline struct node *dir_at(struct tree *t, struct node *parent, const char *name, uint32_t perm)
{
	struct node *n = tree_add_dir(t, parent ? parent : tree_root(t), name, perm, &err);

	ck_assert_msg(n != NULL, "%s", err.msg);
	n->inode->layer = 0;
	n->inode->mtime = 500;
	return n;
}

static inline struct node *file_at(struct tree *t, struct node *parent, const char *name, const char *text)
{
	struct node *n = tree_add_file(t, parent ? parent : tree_root(t), name, 0644, text, strlen(text), &err);

	ck_assert_msg(n != NULL, "%s", err.msg);
	n->inode->layer = 0;
	n->inode->mtime = 500;
	return n;
}

static inline struct node *symlink_at(struct tree *t, struct node *parent, const char *name, const char *target)
{
	struct node *n = tree_add_symlink(t, parent ? parent : tree_root(t), name, target, &err);

	ck_assert_msg(n != NULL, "%s", err.msg);
	n->inode->layer = 0;
	n->inode->mtime = 500;
	return n;
}

static inline struct node *link_at(struct tree *t, struct node *parent, const char *name, struct node *to)
{
	struct node *n = tree_link(t, parent ? parent : tree_root(t), name, strlen(name), to->inode, &err);

	ck_assert_msg(n != NULL, "%s", err.msg);
	return n;
}

// ---- images --------------------------------------------------------------------------------------------------------

struct fixture {
	struct tree *tree;
	struct image_config config;
	struct layout_app app;
	struct buf out;
};

static char *cmd_sh[] = {(char *)"/bin/sh"};

static inline void fixture_init(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->tree = tree_new(TREE_WRITE_THROUGH, &err);
	ck_assert_ptr_nonnull(f->tree);
	f->config = (struct image_config){.cmd = cmd_sh, .cmd_count = 1, .has_cmd = true, .user = (char *)"",
					  .working_dir = (char *)""};
	f->app = (struct layout_app){f->tree, &f->config, false};
}

static inline void fixture_free(struct fixture *f)
{
	tree_free(f->tree);
	buf_free(&f->out);
}

static inline const char *write_app(struct fixture *f, const struct layout_options *opt)
{
	buf_free(&f->out);
	assert_ok(layout_write_app(opt, &f->app, sink_buf(&f->out), &err));
	return listing(&f->out);
}

static inline void refuses(struct fixture *f, const struct layout_options *opt, const char *says)
{
	ck_assert_int_eq(layout_write_app(opt, &f->app, sink_buf(&f->out), &err), -1);
	ck_assert_msg(strstr(err.msg, says) != NULL, "\"%s\" does not say \"%s\"", err.msg, says);
	fixture_free(f);
}

#define assert_holds(text, part) ck_assert_msg(strstr((text), (part)) != NULL, "no \"%s\" in:\n%s", (part), (text))
#define assert_lacks(text, part) ck_assert_msg(strstr((text), (part)) == NULL, "\"%s\" in:\n%s", (part), (text))

#endif
