// SPDX-License-Identifier: Apache-2.0
//
// The canonical layout, version 1 (design/layout.md). Two ramdisks, each one pre-order walk:
//
//   bootstrap:    dev/ init [modules] [modules.d/ modules.d/…] [nsm.ko]
//   application:  cmd env rootfs/… [user] [workdir]
//
// Invariant: nothing but tree, config, platform files, epoch and mtime policy reaches the bytes. inode->mark holds the
// number that an inode got when its first name was written; 0 before.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/layout_out.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct newc_header trailer = {.nlink = 1};

static int emit(struct layout_out *o, uint32_t mode, const char *name, const void *data, size_t n, struct err *err)
{
	struct newc_header h = {.mode = mode, .nlink = S_ISDIR(mode) ? 2 : 1, .mtime = o->opt->epoch};

	if (layout_next_ino(o, &h.ino, err))
		return -1;
	return layout_entry_data(o, h, name, strlen(name), data, n, err);
}

// ---- ramdisk 1 -----------------------------------------------------------------------------------------------------

static int compare_names(const void *a, const void *b)
{
	return strcmp((*(const struct layout_file *const *)a)->name, (*(const struct layout_file *const *)b)->name);
}

static int check_module(const struct layout_file *m, struct err *err)
{
	size_t len = m->name ? strlen(m->name) : 0;
	char q[300];

	if (len == 0 || len > LAYOUT_COMPONENT_MAX || strchr(m->name, '/') || strchr(m->name, '\n') ||
	    !strcmp(m->name, ".") || !strcmp(m->name, ".."))
		return err_set(err, ERR_USAGE, "module name %s cannot stand in modules.d",
			       err_quote(m->name ? m->name : "", len, q, sizeof(q)));
	return 0;
}

// `modules`: the names in load order, one a line. The files follow in bytewise order of name, as in any walk.
static int write_modules(struct layout_out *o, const struct layout_bootstrap *b, struct err *err)
{
	_cleanup_buf_ struct buf list = BUF_INIT(LAYOUT_FILE_MAX);
	_cleanup_free_ const struct layout_file **sorted = mem_alloc(b->module_count * sizeof(*sorted), err);
	char name[sizeof("modules.d/") + LAYOUT_COMPONENT_MAX];

	if (!sorted)
		return -1;
	for (size_t i = 0; i < b->module_count; i++) {
		sorted[i] = &b->modules[i];
		if (check_module(sorted[i], err) || buf_add_str(&list, sorted[i]->name, err) ||
		    buf_add_byte(&list, '\n', err))
			return -1;
	}
	qsort(sorted, b->module_count, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < b->module_count; i++)
		if (!strcmp(sorted[i - 1]->name, sorted[i]->name))
			return err_set(err, ERR_USAGE, "two modules are named %s", sorted[i]->name);
	if (emit(o, S_IFREG | 0644, "modules", list.data, list.len, err) ||
	    emit(o, S_IFDIR | 0755, "modules.d", NULL, 0, err))
		return -1;
	for (size_t i = 0; i < b->module_count; i++) {
		snprintf(name, sizeof(name), "modules.d/%s", sorted[i]->name);
		if (emit(o, S_IFREG | 0644, name, sorted[i]->data, sorted[i]->size, err))
			return -1;
	}
	return 0;
}

int canonical_write_bootstrap(const struct layout_options *opt, const struct layout_bootstrap *b, struct sink out,
			      struct err *err)
{
	_cleanup_(layout_out_freep) struct layout_out *o = NULL;

	if (layout_out_new(opt, out, 1, &o, err) || emit(o, S_IFDIR | 0755, "dev", NULL, 0, err) ||
	    emit(o, S_IFREG | 0755, "init", b->init.data, b->init.size, err))
		return -1;
	if (b->module_count && write_modules(o, b, err))
		return -1;
	if (b->nsm.data && emit(o, S_IFREG | 0644, "nsm.ko", b->nsm.data, b->nsm.size, err))
		return -1;
	return layout_finish(o, &trailer, err);
}

// ---- ramdisk 2: what the layout adds to the tree -------------------------------------------------------------------

static int add_skeleton(struct tree *tree, struct err *err)
{
	static const char *const dirs[] = {"dev", "proc", "run", "sys", "tmp"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		const char *name = dirs[i];
		struct node *n = tree_child(tree, tree_root(tree), name, strlen(name));

		if (!n) {
			if (!tree_add_dir(tree, tree_root(tree), name, !strcmp(name, "tmp") ? 01777 : 0755, err))
				return -1;
			continue;
		}
		if (S_ISLNK(n->inode->mode) && tree_lookup(tree, name, strlen(name), true, &n, err))
			return -1;
		if (!n || !S_ISDIR(n->inode->mode))
			return err_set(err, ERR_UNSUPPORTED,
				       "entry \"%s\": neither a directory nor a symlink that ends at one", name);
	}
	return 0;
}

static bool starts_with(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static int env_text(const struct layout_options *opt, const struct image_config *c, const struct layout_user *user,
		    struct buf *out, struct err *err)
{
	bool has_path = false, has_home = false;

	for (size_t i = 0; i < c->env_count; i++) {
		has_path |= starts_with(c->env[i], "PATH=");
		has_home |= starts_with(c->env[i], "HOME=");
	}
	if (layout_lines(opt, "environment", c->env, c->env_count, false, out, err))
		return -1;
	if (!has_path &&
	    buf_add_str(out, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", err))
		return -1;
	return has_home ? 0 : layout_user_home(user, out, err);
}

static int cmd_text(const struct layout_options *opt, const struct layout_app *app, struct buf *out, struct err *err)
{
	const struct image_config *c = app->config;

	if (!app->cmd_override &&
	    layout_lines(opt, "entrypoint", c->entrypoint, c->entrypoint_count, false, out, err))
		return -1;
	if (layout_lines(opt, "command", c->cmd, c->cmd_count, false, out, err))
		return -1;
	if (out->len == 0)
		return err_set(err, ERR_INPUT, "the image has neither entrypoint nor command: say --cmd");
	return 0;
}

static int workdir_text(struct tree *tree, const char *dir, struct buf *out, struct err *err)
{
	if (strchr(dir, '\n'))
		return err_set(err, ERR_UNSUPPORTED, "the working directory's name holds a line feed");
	if (layout_make_workdir(tree, dir, err))
		return -1;
	return buf_printf(out, err, "%s\n", dir);
}

struct texts {
	struct buf cmd, env, user, workdir;
};

static void texts_clear(struct texts *t)
{
	buf_free(&t->cmd);
	buf_free(&t->env);
	buf_free(&t->user);
	buf_free(&t->workdir);
}

static int make_texts(const struct layout_options *opt, struct layout_app *app, struct texts *t, struct err *err)
{
	const struct image_config *c = app->config;
	_cleanup_(layout_user_clear) struct layout_user user = {0};

	if (add_skeleton(app->tree, err) || cmd_text(opt, app, &t->cmd, err) ||
	    layout_user_resolve(app->tree, c->user, &user, err) || env_text(opt, c, &user, &t->env, err))
		return -1;
	if (*c->user && layout_user_text(&user, &t->user, err))
		return -1;
	if (*c->working_dir && workdir_text(app->tree, c->working_dir, &t->workdir, err))
		return -1;
	return tree_sort(app->tree, err);
}

// ---- ramdisk 2: the walk -------------------------------------------------------------------------------------------

static int entry_mtime(const struct layout_options *opt, const struct inode *inode, const char *path, uint32_t *out,
		       struct err *err)
{
	char q[600];

	*out = opt->epoch;
	if (opt->mtime == MTIME_SET || inode->layer == TREE_NO_LAYER || inode->implied)
		return 0;
	if (inode->mtime > UINT32_MAX)
		return err_set(err, ERR_UNSUPPORTED, "entry %s: time %lld is past 2106",
			       err_quote(path, strlen(path), q, sizeof(q)), (long long)inode->mtime);
	if (inode->mtime < (int64_t)opt->epoch)
		*out = inode->mtime < 0 ? 0 : (uint32_t)inode->mtime;
	return 0;
}

static int write_root(struct layout_out *o, const struct tree *tree, struct err *err)
{
	const struct inode *root = tree_root(tree)->inode;
	struct newc_header h = {.mode = S_IFDIR | 0755, .nlink = 2, .mtime = o->opt->epoch};

	if (tree_root_listed(tree)) {
		if (layout_check_inode(root, "/", err) || layout_warn_lost(o->opt, root, "/", err) ||
		    entry_mtime(o->opt, root, "/", &h.mtime, err))
			return -1;
		h.mode = S_IFDIR | (root->mode & 07777);
		h.uid = root->uid;
		h.gid = root->gid;
	}
	if (layout_next_ino(o, &h.ino, err))
		return -1;
	return layout_entry(o, &h, "rootfs", 6, err);
}

static int write_node(struct layout_out *o, const struct tree *tree, const struct node *n, struct err *err)
{
	struct inode *inode = n->inode;
	bool first = !inode->mark;
	ssize_t len = layout_node_path(o, "rootfs/", n, err);
	const char *path = o->path + sizeof("rootfs/") - 1;
	struct newc_header h = {.mode = inode->mode & (S_IFMT | 07777), .uid = inode->uid, .gid = inode->gid,
				.nlink = S_ISDIR(inode->mode) ? 2 : inode->names};

	if (len < 0 || layout_check_inode(inode, path, err))
		return -1;
	if (S_ISSOCK(inode->mode))
		return layout_warn_entry(o->opt, path, "a socket is dropped: newc has none", err);
	if (first && (layout_warn_lost(o->opt, inode, path, err) || layout_next_ino(o, &inode->mark, err)))
		return -1;
	if (entry_mtime(o->opt, inode, path, &h.mtime, err))
		return -1;
	h.ino = inode->mark;
	if (S_ISLNK(inode->mode))
		return layout_entry_data(o, h, o->path, (size_t)len, inode->target, (size_t)inode->size, err);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
		h.rdevmajor = inode->rdev_major;
		h.rdevminor = inode->rdev_minor;
	}
	if (!S_ISREG(inode->mode) || !first)
		return layout_entry(o, &h, o->path, (size_t)len, err);
	h.filesize = (uint32_t)inode->size;
	if (layout_entry(o, &h, o->path, (size_t)len, err))
		return -1;
	return layout_content(o, tree, inode, err);
}

int canonical_write_app(const struct layout_options *opt, struct layout_app *app, struct sink out, struct err *err)
{
	_cleanup_(layout_out_freep) struct layout_out *o = NULL;
	_cleanup_(texts_clear) struct texts t = {BUF_INIT(LAYOUT_FILE_MAX), BUF_INIT(LAYOUT_FILE_MAX),
						  BUF_INIT(LAYOUT_FILE_MAX), BUF_INIT(LAYOUT_FILE_MAX)};
	const struct node *root = tree_root(app->tree), *n = root;

	if (layout_out_new(opt, out, 1, &o, err) || make_texts(opt, app, &t, err) ||
	    emit(o, S_IFREG | 0644, "cmd", t.cmd.data, t.cmd.len, err) ||
	    emit(o, S_IFREG | 0644, "env", t.env.data, t.env.len, err) || write_root(o, app->tree, err))
		return -1;
	while ((n = tree_next(root, n)))
		if (write_node(o, app->tree, n, err))
			return -1;
	if (t.user.len && emit(o, S_IFREG | 0644, "user", t.user.data, t.user.len, err))
		return -1;
	if (t.workdir.len && emit(o, S_IFREG | 0644, "workdir", t.workdir.data, t.workdir.len, err))
		return -1;
	return layout_finish(o, &trailer, err);
}
