// SPDX-License-Identifier: Apache-2.0
//
// The nitro-cli layout, version 1: byte for byte what `nitro-cli build-enclave` 1.4/1.5 writes through Docker
// (overlay2) and linuxkit 1.5.2 with AWS's patches (facts/build.md 2.2-2.5, 3, 9). In the order in which the bytes
// appear:
//
//   rootfs                                   2017 stamp
//   rootfs/…    the image under Docker's init layer, walked component-wise, directories with a trailing slash,
//               later names of an inode as relative symlinks, six names dropped, two replaced, seven stamped
//   rootfs/…    whichever of those nine names were not seen, in order
//   rootfs rootfs/dev rootfs/run rootfs/sys rootfs/var rootfs/proc rootfs/tmp   once more
//   cmd env
//
// Inode numbers count 721, 722, … over all entries, the trailer too; device 3:1; nlink 2 for directories, else 1.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/layout_out.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	FIRST_INO = 721,
	STAMP = 1492533000, // 2017-04-18 16:30:00 UTC, linuxkit's constant
	DEVMAJOR = 3,
	DEVMINOR = 1,
};

#define PREFIX "rootfs/"

static const char hosts[] = "127.0.0.1       localhost\n"
			    "::1     localhost ip6-localhost ip6-loopback\n"
			    "fe00::0 ip6-localnet\n"
			    "ff00::0 ip6-mcastprefix\n"
			    "ff02::1 ip6-allnodes\n"
			    "ff02::2 ip6-allrouters\n";
static const char resolv[] = "/run/resolvconf/resolv.conf";

// Names as Docker exports them (directories with a slash), and what linuxkit does with each. Sorted: the order in which
// missing ones are appended.
enum special_kind { DROP, STAMP_ONLY, REPLACE_HOSTS, REPLACE_RESOLV };
static const struct special {
	const char *name;
	enum special_kind kind;
	uint32_t mode;	    // of one that is appended; 0: never appended
	const char *target; // of an appended symlink
} specials[] = {
	{".dockerenv", DROP, 0, NULL},
	{"Dockerfile", DROP, 0, NULL},
	{"dev/", STAMP_ONLY, S_IFDIR | 0755, NULL},
	{"dev/console", DROP, 0, NULL},
	{"dev/pts", DROP, 0, NULL},
	{"dev/pts/", STAMP_ONLY, S_IFDIR | 0755, NULL},
	{"dev/shm", DROP, 0, NULL},
	{"dev/shm/", STAMP_ONLY, S_IFDIR | 0755, NULL},
	{"etc/", STAMP_ONLY, S_IFDIR | 0755, NULL},
	{"etc/hostname", DROP, 0, NULL},
	{"etc/hosts", REPLACE_HOSTS, S_IFREG | 0644, NULL},
	{"etc/mtab", STAMP_ONLY, S_IFLNK | 0755, "/proc/mounts"},
	{"etc/resolv.conf", REPLACE_RESOLV, S_IFLNK | 0644, resolv},
	{"proc/", STAMP_ONLY, S_IFDIR | 0755, NULL},
	{"sys/", STAMP_ONLY, S_IFDIR | 0755, NULL},
};
enum { SPECIALS = sizeof(specials) / sizeof(specials[0]) };

struct nitro {
	struct layout_out *out;
	const struct tree *tree;
	const struct node **firsts; // owned; first name of each inode with several; inode->mark - 1 is the index
	size_t first_count, first_cap;
	bool seen[SPECIALS];
};

static void nitro_clear(struct nitro *x)
{
	layout_out_free(x->out);
	free(x->firsts);
}

// ---- entries -------------------------------------------------------------------------------------------------------

static int next_header(struct nitro *x, uint32_t mode, uint32_t mtime, struct newc_header *h, struct err *err)
{
	*h = (struct newc_header){.mode = mode, .nlink = S_ISDIR(mode) ? 2 : 1, .mtime = mtime, .devmajor = DEVMAJOR,
				  .devminor = DEVMINOR};
	return layout_next_ino(x->out, &h->ino, err);
}

static int own_entry(struct nitro *x, uint32_t mode, const char *name, const void *data, size_t n, struct err *err)
{
	struct newc_header h;

	if (next_header(x, mode, STAMP, &h, err))
		return -1;
	return layout_entry_data(x->out, h, name, strlen(name), data, n, err);
}

static int finish(struct nitro *x, struct err *err)
{
	struct newc_header h;

	if (next_header(x, 0, 0, &h, err))
		return -1;
	return layout_finish(x->out, &h, err);
}

int nitro_write_bootstrap(const struct layout_options *opt, const struct layout_bootstrap *b, struct sink out,
			  struct err *err)
{
	_cleanup_(nitro_clear) struct nitro x = {0};

	if (b->module_count)
		return err_set(err, ERR_USAGE, "the nitro-cli layout has no place for extra modules");
	if (layout_out_new(opt, out, FIRST_INO, &x.out, err) || own_entry(&x, S_IFDIR | 0755, "dev", NULL, 0, err) ||
	    own_entry(&x, S_IFREG | 0755, "init", b->init.data, b->init.size, err))
		return -1;
	if (b->nsm.data && own_entry(&x, S_IFREG | 0755, "nsm.ko", b->nsm.data, b->nsm.size, err))
		return -1;
	return finish(&x, err);
}

// ---- Docker's init layer -------------------------------------------------------------------------------------------

// What `docker create` lays over every image. Each component of such a path that is no directory is unlinked first;
// what stands afterwards stays, what is missing is made.
static const struct init_path {
	const char *dir, *name;
	uint32_t type;
} init_layer[] = {
	{"dev", "pts", S_IFDIR},	 {"dev", "shm", S_IFDIR},   {NULL, "proc", S_IFDIR},
	{NULL, "sys", S_IFDIR},		 {NULL, ".dockerenv", S_IFREG}, {"etc", "resolv.conf", S_IFREG},
	{"etc", "hosts", S_IFREG},	 {"etc", "hostname", S_IFREG},  {"dev", "console", S_IFREG},
	{"etc", "mtab", S_IFLNK},
};

// The directory that stands at `name` now, or NULL after whatever else stood there is gone.
static int clear_way(struct tree *tree, struct node *dir, const char *name, struct node **standing, struct err *err)
{
	struct node *n = tree_child(tree, dir, name, strlen(name));

	*standing = n;
	if (!n || S_ISDIR(n->inode->mode))
		return 0;
	*standing = NULL;
	return tree_remove(tree, n, err);
}

static int lay_one(struct tree *tree, const struct init_path *p, struct err *err)
{
	struct node *dir = tree_root(tree), *n;

	if (p->dir) {
		if (clear_way(tree, dir, p->dir, &n, err))
			return -1;
		dir = n ? n : tree_add_dir(tree, dir, p->dir, 0755, err);
		if (!dir)
			return -1;
	}
	if (clear_way(tree, dir, p->name, &n, err))
		return -1;
	if (n)
		return 0;
	if (p->type == S_IFDIR)
		n = tree_add_dir(tree, dir, p->name, 0755, err);
	else if (p->type == S_IFREG)
		n = tree_add_file(tree, dir, p->name, 0755, "", 0, err);
	else
		n = tree_add_symlink(tree, dir, p->name, "/proc/mounts", err);
	return n ? 0 : -1;
}

static int lay_init_layer(struct tree *tree, struct err *err)
{
	for (size_t i = 0; i < sizeof(init_layer) / sizeof(init_layer[0]); i++)
		if (lay_one(tree, &init_layer[i], err))
			return -1;
	return tree_sort(tree, err);
}

// ---- the walk ------------------------------------------------------------------------------------------------------

// `path` without a trailing slash; directories are listed with one.
static int special_index(const char *path, bool is_dir)
{
	size_t n = strlen(path);

	for (int i = 0; i < SPECIALS; i++)
		if (!strncmp(specials[i].name, path, n) && !strcmp(specials[i].name + n, is_dir ? "/" : ""))
			return i;
	return -1;
}

// Docker clamps times before 1970 to 0; past 2106 linuxkit writes nine digits and the kernel stops unpacking there.
static int entry_mtime(const struct layout_options *opt, const struct inode *inode, const char *path, uint32_t *out,
		       struct err *err)
{
	char q[600];

	*out = opt->epoch;
	if (inode->layer == TREE_NO_LAYER || inode->implied || inode->implied_above)
		return 0;
	if (inode->mtime > UINT32_MAX)
		return err_set(err, ERR_UNSUPPORTED,
			       "entry %s: time %lld is past 2106: nitro-cli would write a ramdisk "
			       "that the kernel cuts off there",
			       err_quote(path, strlen(path), q, sizeof(q)), (long long)inode->mtime);
	*out = inode->mtime < 0 ? 0 : (uint32_t)inode->mtime;
	return 0;
}

static int unpredictable(const struct layout_options *opt, const char *path, const char *text, struct err *err)
{
	if (layout_warn_entry(opt, path, text, err))
		return -1;
	if (opt->unpredictable)
		opt->unpredictable(opt->ctx, path);
	return 0;
}

static int report_unpredictable(const struct layout_options *opt, const struct inode *inode, const char *path,
				bool stamped, struct err *err)
{
	if (inode->through_symlink)
		return unpredictable(opt, path, "nitro-cli's own result cannot be predicted: a layer writes through a "
						"lower layer's symlink, and Docker's storage drivers disagree",
				     err);
	if (inode->linked_across)
		return unpredictable(opt, path,
				     "nitro-cli's own result cannot be predicted: a hard link to a file of a "
				     "lower layer",
				     err);
	if ((inode->implied || inode->implied_above) && !stamped)
		return unpredictable(opt, path, "nitro-cli's own result cannot be predicted: no entry in a layer that "
						"needs it, so Docker gives it the time of the load",
				     err);
	return 0;
}

static size_t depth_of(const struct node *n)
{
	size_t depth = 0;

	for (; n->parent; n = n->parent)
		depth++;
	return depth;
}

// The path of `first` as seen from the directory of `link`, as linuxkit computes it.
static int relative_target(const struct node *link, const struct node *first, struct buf *out, struct err *err)
{
	char path[LAYOUT_NAME_MAX + 1];
	const struct node *from = link->parent, *to = first->parent;
	size_t up = depth_of(from), down = depth_of(to), skip = 0;
	ssize_t n;

	for (; down > up; down--)
		to = to->parent;
	for (; from != to; from = from->parent, up--) {
		if (buf_add_str(out, "../", err))
			return -1;
		if (up == down) {
			to = to->parent;
			down--;
		}
	}
	if (to->parent) {
		n = tree_path(to, path, sizeof(path), err);
		if (n < 0)
			return -1;
		skip = (size_t)n + 1;
	}
	if (tree_path(first, path, sizeof(path), err) < 0)
		return -1;
	return buf_add_str(out, path + skip, err);
}

static int write_hard_link(struct nitro *x, const struct node *n, struct newc_header h, size_t len, struct err *err)
{
	_cleanup_buf_ struct buf target = BUF_INIT(0);
	char q[600];

	if (relative_target(n, x->firsts[n->inode->mark - 1], &target, err))
		return -1;
	if (target.len > LAYOUT_NAME_MAX)
		return err_set(err, ERR_UNSUPPORTED,
			       "entry %s: the symlink that nitro-cli would make of it has a target of %zu "
			       "bytes (the kernel drops those past %d)",
			       err_quote(x->out->path + sizeof(PREFIX) - 1, len - (sizeof(PREFIX) - 1), q, sizeof(q)),
			       target.len, LAYOUT_NAME_MAX);
	h.mode = S_IFLNK | (h.mode & 07777);
	return layout_entry_data(x->out, h, x->out->path, len, target.data, target.len, err);
}

static int write_plain(struct nitro *x, const struct inode *inode, struct newc_header h, size_t len, struct err *err)
{
	struct layout_out *o = x->out;

	if (S_ISLNK(inode->mode))
		return layout_entry_data(o, h, o->path, len, inode->target, (size_t)inode->size, err);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode)) {
		h.rdevmajor = inode->rdev_major;
		h.rdevminor = inode->rdev_minor;
	}
	if (S_ISREG(inode->mode))
		h.filesize = (uint32_t)inode->size;
	if (layout_entry(o, &h, o->path, len, err))
		return -1;
	return S_ISREG(inode->mode) ? layout_content(o, x->tree, inode, err) : 0;
}

// Remembers the first name of an inode that has several; true if this is a later one.
static int note_name(struct nitro *x, const struct node *n, bool *later, struct err *err)
{
	*later = n->inode->mark != 0;
	if (*later || n->inode->names < 2 || S_ISDIR(n->inode->mode))
		return 0;
	if (mem_grow(&x->firsts, &x->first_cap, x->first_count, sizeof(*x->firsts), err))
		return -1;
	x->firsts[x->first_count++] = n;
	n->inode->mark = (uint32_t)x->first_count;
	return 0;
}

static int write_special(struct nitro *x, int i, struct newc_header h, const struct node *n, size_t len,
			 struct err *err)
{
	x->seen[i] = true;
	h.mtime = STAMP;
	if (specials[i].kind == REPLACE_HOSTS)
		return layout_entry_data(x->out, h, x->out->path, len, hosts, sizeof(hosts) - 1, err);
	if (specials[i].kind == REPLACE_RESOLV) {
		h.mode = S_IFLNK | (h.mode & 07777);
		return layout_entry_data(x->out, h, x->out->path, len, resolv, sizeof(resolv) - 1, err);
	}
	return write_plain(x, n->inode, h, len, err);
}

static int add_slash(struct layout_out *o, ssize_t *len, struct err *err)
{
	char q[600];

	if (*len >= LAYOUT_NAME_MAX)
		return err_set(
		    err, ERR_UNSUPPORTED,
		    "entry %s: with the slash behind a directory's name, it is past %d bytes in "
		    "the ramdisk (the kernel drops such names)",
		    err_quote(o->path + sizeof(PREFIX) - 1, (size_t)*len - (sizeof(PREFIX) - 1), q, sizeof(q)),
		    LAYOUT_NAME_MAX);
	memcpy(o->path + (*len)++, "/", 2);
	return 0;
}

static int write_node(struct nitro *x, const struct node *n, struct err *err)
{
	struct inode *inode = n->inode;
	ssize_t len = layout_node_path(x->out, PREFIX, n, err);
	char *path = x->out->path + sizeof(PREFIX) - 1;
	struct newc_header h;
	bool later;
	uint32_t mtime;
	int special;

	if (len < 0 || layout_check_inode(inode, path, err) || note_name(x, n, &later, err))
		return -1;
	if (S_ISSOCK(inode->mode))
		return layout_warn_entry(x->out->opt, path, "a socket is dropped: newc has none", err);
	special = special_index(path, S_ISDIR(inode->mode));
	if (special >= 0 && specials[special].kind == DROP)
		return 0;
	if ((!later && layout_warn_lost(x->out->opt, inode, path, err)) ||
	    report_unpredictable(x->out->opt, inode, path, special >= 0, err) ||
	    entry_mtime(x->out->opt, inode, path, &mtime, err) || next_header(x, inode->mode, mtime, &h, err))
		return -1;
	h.uid = inode->uid;
	h.gid = inode->gid;
	if (S_ISDIR(inode->mode) && add_slash(x->out, &len, err))
		return -1;
	if (special >= 0)
		return write_special(x, special, h, n, (size_t)len, err);
	if (later)
		return write_hard_link(x, n, h, (size_t)len, err);
	return write_plain(x, inode, h, (size_t)len, err);
}

static int append_missing(struct nitro *x, struct err *err)
{
	char name[64];

	for (size_t i = 0; i < SPECIALS; i++) {
		const struct special *s = &specials[i];
		size_t n = strlen(s->name);

		if (x->seen[i] || !s->mode)
			continue;
		n -= s->name[n - 1] == '/';
		snprintf(name, sizeof(name), PREFIX "%.*s", (int)n, s->name);
		if (s->kind == REPLACE_HOSTS
			? own_entry(x, s->mode, name, hosts, sizeof(hosts) - 1, err)
			: own_entry(x, s->mode, name, s->target, s->target ? strlen(s->target) : 0, err))
			return -1;
	}
	return 0;
}

// CMD alone if the config has one, else ENTRYPOINT alone: nitro-cli never joins them.
static int write_texts(struct nitro *x, const struct image_config *c, struct err *err)
{
	_cleanup_buf_ struct buf cmd = BUF_INIT(LAYOUT_FILE_MAX), env = BUF_INIT(LAYOUT_FILE_MAX);
	const struct layout_options *opt = x->out->opt;

	if (!c->has_cmd && !c->has_entrypoint)
		return err_set(err, ERR_INPUT, "the image has neither entrypoint nor command: say --cmd");
	if (layout_lines(opt, "command", c->has_cmd ? c->cmd : c->entrypoint,
			 c->has_cmd ? c->cmd_count : c->entrypoint_count, true, &cmd, err) ||
	    layout_lines(opt, "environment", c->env, c->env_count, true, &env, err) ||
	    own_entry(x, S_IFREG | 0644, "cmd", cmd.data, cmd.len, err))
		return -1;
	return own_entry(x, S_IFREG | 0644, "env", env.data, env.len, err);
}

int nitro_write_app(const struct layout_options *opt, struct layout_app *app, struct sink out, struct err *err)
{
	static const char *const again[] = {"rootfs",	  "rootfs/dev",	 "rootfs/run", "rootfs/sys",
					    "rootfs/var", "rootfs/proc", "rootfs/tmp"};
	_cleanup_(nitro_clear) struct nitro x = {.tree = app->tree};
	const struct node *root = tree_root(app->tree), *n = root;

	if (layout_out_new(opt, out, FIRST_INO, &x.out, err) || lay_init_layer(app->tree, err) ||
	    own_entry(&x, S_IFDIR | 0755, "rootfs", NULL, 0, err))
		return -1;
	while ((n = tree_next(root, n)))
		if (write_node(&x, n, err))
			return -1;
	if (append_missing(&x, err))
		return -1;
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]); i++)
		if (own_entry(&x, S_IFDIR | 0755, again[i], NULL, 0, err))
			return -1;
	if (write_texts(&x, app->config, err))
		return -1;
	return finish(&x, err);
}
