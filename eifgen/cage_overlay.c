// SPDX-License-Identifier: Apache-2.0
//
// Order matters in one place only: tools are looked for before any is added, in the PATH of the image's own ENV.
#include "eifgen/cage_overlay.h"
#include "base/mem.h"
#include "eifgen/layout_out.h"
#include "layerfs/digest.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define CAGE_DIR    "/opt/cage"
#define SERVICE_DIR "/etc/service"
#define TOOL_DIR    "/usr/local/bin"

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// ---- the tree -------------------------------------------------------------------------------------------------------
// Whether a file system is mounted over the directory at run time (the canonical layout's init does, below these).
static bool is_hidden(const struct node *dir)
{
	static const char *const mounts[] = {"dev", "proc", "run", "sys", "tmp"};
	struct err ignored = ERR_INIT;
	char path[PATH_MAX];
	ssize_t n = tree_path(dir, path, sizeof(path), &ignored);

	for (size_t i = 0; n >= 0 && i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		size_t len = strlen(mounts[i]);

		if (!strncmp(path, mounts[i], len) && (!path[len] || path[len] == '/'))
			return true;
	}
	return false;
}

// The directory at an absolute path, what is missing of it made 0755 0:0; symlinks are followed inside the tree.
static struct node *make_dir(struct tree *tree, const char *path, struct err *err)
{
	struct node *dir = layout_make_dir(tree, path, err) ? NULL : tree_resolve(tree, path, strlen(path), true, err);

	if (dir && is_hidden(dir)) {
		err_set(err, ERR_INPUT, "a symlink leads to where a file system is mounted at run time");
		dir = NULL;
	}
	if (!dir)
		err_prefix(err, "%s: ", path);
	return dir;
}

static int put(struct tree *tree, struct node *dir, const char *name, uint32_t perm, const struct buf *b,
	       struct err *err)
{
	return tree_add_file(tree, dir, name, perm, b->len ? (const void *)b->data : "", b->len, err) ? 0 : -1;
}

static int put_text(struct tree *tree, struct node *dir, const char *name, const char *text, struct err *err)
{
	return tree_add_file(tree, dir, name, 0644, text, strlen(text), err) ? 0 : -1;
}

// ---- tools ----------------------------------------------------------------------------------------------------------
static const char *image_path(const struct image_config *config)
{
	for (size_t i = 0; i < config->env_count; i++)
		if (!strncmp(config->env[i], "PATH=", 5))
			return config->env[i] + 5;
	return default_path;
}

// The first executable file DIR/name over the directories of `path`, as a fresh text in *out; NULL if there is none.
static int find_tool(const struct tree *tree, const char *path, const char *name, char **out, struct err *err)
{
	*out = NULL;
	for (const char *dir = path; *dir; dir += strspn(dir, ":")) {
		size_t n = strcspn(dir, ":");

		if (n > 0 && *dir == '/') { // a relative part of PATH means another place for each who reads it
			_cleanup_free_ char *place = mem_printf(err, "%.*s/%s", (int)n, dir, name);
			struct node *node;

			if (!place || tree_lookup(tree, place, strlen(place), true, &node, err))
				return -1;
			if (node && S_ISREG(node->inode->mode) && (node->inode->mode & 0111)) {
				*out = steal_ptr(&place);
				return 0;
			}
		}
		dir += n;
	}
	return 0;
}

static int add_tool(const struct cage_bundle *b, const struct cage_tool *t, struct tree *tree, struct err *err)
{
	struct node *dir = make_dir(tree, TOOL_DIR, err);

	if (!dir)
		return -1;
	if (!t->target)
		return tree_add_file(tree, dir, t->name, 0755, t->data, t->size, err) ? 0 : -1;
	const struct cage_tool *f = cage_bundle_file(b, t->target);

	if (!tree_child(tree, dir, f->name, strlen(f->name)) &&
	    !tree_add_file(tree, dir, f->name, 0755, f->data, f->size, err))
		return -1;
	return tree_add_symlink(tree, dir, t->name, t->target, err) ? 0 : -1;
}

static int place_tools(struct cage_overlay *o, struct tree *tree, const char *path, struct err *err)
{
	const struct cage_bundle *b = o->bundle;

	for (size_t i = 0; i < b->tool_count; i++) {
		if (find_tool(tree, path, b->tools[i].name, &o->tools[i].path, err))
			return -1;
		o->tools[i].from_image = o->tools[i].path != NULL;
	}
	for (size_t i = 0; i < b->tool_count; i++) {
		if (o->tools[i].from_image)
			continue;
		o->tools[i].path = mem_printf(err, "%s/%s", TOOL_DIR, b->tools[i].name);
		if (!o->tools[i].path || add_tool(b, &b->tools[i], tree, err))
			return -1;
	}
	return 0;
}

static const char *tool_path(const struct cage_overlay *o, const char *name)
{
	for (size_t i = 0; i < o->bundle->tool_count; i++)
		if (!strcmp(o->bundle->tools[i].name, name))
			return o->tools[i].path;
	return NULL;
}

// ---- services -------------------------------------------------------------------------------------------------------
// A directory that holds nothing but what we put there: a `user`, `down` or `finish` that the image brought would act,
// too.
static struct node *service_dir(const struct cage_overlay *o, struct tree *tree, const char *name, struct err *err)
{
	struct node *top = make_dir(tree, SERVICE_DIR, err),
		    *old = top ? tree_child(tree, top, name, strlen(name)) : NULL;
	_cleanup_free_ char *text =
	    old ? mem_printf(err, "cage: the image's own %s/%s is replaced", SERVICE_DIR, name) : NULL;

	if (!top || (old && (!text || tree_remove(tree, old, err))))
		return NULL;
	if (text && o->layout->warn)
		o->layout->warn(o->layout->ctx, text);

	struct node *dir = tree_add_dir(tree, top, name, 0755, err);

	return dir && tree_add_symlink(tree, dir, "run", CAGE_DIR "/bin/cage-service", err) ? dir : NULL;
}

static int add_data_plane(const struct cage_overlay *o, struct tree *tree, struct err *err)
{
	_cleanup_buf_ struct buf cbor = BUF_INIT(CAGE_FILE_MAX);
	struct node *bin = make_dir(tree, CAGE_DIR "/bin", err), *top = make_dir(tree, CAGE_DIR, err);

	if (!bin || !top || put(tree, bin, "cage-service", 0755, &o->bundle->service, err) ||
	    put(tree, bin, "data-plane", 0755, &o->bundle->data_plane, err) ||
	    cage_config_compile(o->config, o->port, &cbor, err) || put(tree, top, "config.cbor", 0644, &cbor, err))
		return -1;
	struct node *dir = service_dir(o, tree, "data-plane", err);

	if (!dir ||
	    put_text(tree, dir, "cmd", CAGE_DIR "/bin/data-plane\n--config\n" CAGE_DIR "/config.cbor\n--ready-fd\n3\n",
		     err) ||
	    put_text(tree, dir, "env", "", err) || put_text(tree, dir, "gate", "close\n", err))
		return -1;
	return 0;
}

static bool has_env(const struct image_config *c, const char *name)
{
	for (size_t i = 0; i < c->env_count; i++)
		if (!strncmp(c->env[i], name, strlen(name)))
			return true;
	return false;
}

// The texts of cmd and env, by the canonical layout's rules.
static int service_texts(const struct cage_overlay *o, const struct image_config *c, const struct layout_user *who,
			 struct buf *cmd, struct buf *env, struct err *err)
{
	bool entry = !o->cmd_override;

	if ((entry && layout_lines(o->layout, "ENTRYPOINT", c->entrypoint, c->entrypoint_count, false, cmd, err)) ||
	    layout_lines(o->layout, "CMD", c->cmd, c->cmd_count, false, cmd, err) ||
	    layout_lines(o->layout, "ENV", c->env, c->env_count, false, env, err))
		return -1;
	if (cmd->len == 0)
		return err_set(err, ERR_INPUT, "the image has neither ENTRYPOINT nor CMD: nothing to run");
	if (!has_env(c, "PATH=") && buf_printf(env, err, "PATH=%s\n", default_path))
		return -1;
	return has_env(c, "HOME=") ? 0 : layout_user_home(who, env, err);
}

static int add_user(const struct layout_user *who, struct tree *tree, struct node *dir, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	return layout_user_text(who, &text, err) || put(tree, dir, "user", 0644, &text, err) ? -1 : 0;
}

static int add_service(const struct cage_overlay *o, struct tree *tree, const struct image_config *c, struct err *err)
{
	_cleanup_buf_ struct buf cmd = BUF_INIT(LAYOUT_FILE_MAX), env = BUF_INIT(LAYOUT_FILE_MAX), where = BUF_INIT(0);
	_cleanup_(layout_user_clear) struct layout_user who = {0};
	struct node *dir;

	if (layout_user_resolve(tree, c->user, &who, err) || service_texts(o, c, &who, &cmd, &env, err))
		return -1;
	dir = service_dir(o, tree, o->config->name, err);
	if (!dir || put(tree, dir, "cmd", 0644, &cmd, err) || put(tree, dir, "env", 0644, &env, err) ||
	    put_text(tree, dir, "gate", "wait\n", err) || put_text(tree, dir, "late-env", "/run/cage/late-env\n", err))
		return -1;
	if (*c->user && add_user(&who, tree, dir, err))
		return -1;
	if (!*c->working_dir)
		return 0;
	if (strchr(c->working_dir, '\n'))
		return err_set(err, ERR_INPUT, "the working directory holds a line feed");
	return layout_make_workdir(tree, c->working_dir, err) ||
	       buf_printf(&where, err, "%s%s\n", c->working_dir[0] == '/' ? "" : "/", c->working_dir) ||
	       put(tree, dir, "workdir", 0644, &where, err) ? -1 : 0;
}

// ---- what the data plane will open ----------------------------------------------------------------------------------
static int warn(const struct cage_overlay *o, const char *key, const char *what, const char *path, const char *then,
		struct err *err)
{
	_cleanup_free_ char *text = mem_printf(err, "cage.json: %s: %s%s%s", key, what, path, then);

	if (!text)
		return -1;
	if (o->layout->warn)
		o->layout->warn(o->layout->ctx, text);
	return 0;
}

// A file that cage.json names is in the image, or something in the enclave makes it before the data plane can serve.
// The private key is better made there: what is in the image is in the EIF, for whoever has it.
static int check_file(const struct cage_overlay *o, const struct tree *tree, const char *key, const char *path,
		      bool secret, struct err *err)
{
	bool mounted = path && (!strncmp(path, "/run/", 5) || !strncmp(path, "/tmp/", 5)), there;
	struct node *n = NULL;

	if (path && tree_lookup(tree, path, strlen(path), true, &n, err))
		return -1;
	there = n != NULL;
	if (there && mounted)
		return warn(o, key, "the image's ", path,
			    " is hidden at run time, when a file system is mounted over it", err);
	if (there && secret)
		return warn(o, key, "the image holds the private key ", path, ": whoever has the EIF can read it", err);
	if (path && !there && !mounted)
		return warn(o, key, "the image holds no ", path,
			    ": unless something makes it in the enclave, the data plane does not start", err);
	return 0;
}

static int check_files(const struct cage_overlay *o, const struct tree *tree, struct err *err)
{
	const struct cage_config *c = o->config;

	return check_file(o, tree, "tls.cert_file", c->tls.cert_file, false, err) ||
	       check_file(o, tree, "tls.key_file", c->tls.key_file, true, err) ||
	       check_file(o, tree, "api_keys_file", c->api_keys_file, false, err) ? -1 : 0;
}

int cage_overlay_apply(void *ctx, struct tree *tree, struct image_config *config, struct err *err)
{
	static char root[] = "";
	static char service[] = CAGE_DIR "/bin/cage-service", boot[] = "--boot", services[] = SERVICE_DIR,
		    resolver[] = "127.0.0.1";
	struct cage_overlay *o = ctx;

	if (check_files(o, tree, err) || place_tools(o, tree, image_path(config), err) ||
	    add_data_plane(o, tree, err) || add_service(o, tree, config, err))
		return err_prefix(err, "cage: ");
	const char *supervisor = tool_path(o, "runsvdir");

	if (!supervisor)
		return err_set(err, ERR_INPUT, "cage: the runtime bundle has no runsvdir");
	o->argv[0] = service;
	o->argv[1] = boot;
	o->argv[2] = mem_strdup(supervisor, err);
	o->argv[3] = services;
	if (!o->argv[2])
		return -1;
	config->entrypoint = o->argv;
	o->argv[4] = resolver;
	config->entrypoint_count = o->config->egress.enabled ? 5 : 4; // with egress the data plane answers names
	config->has_entrypoint = true;
	config->cmd = config->env = NULL;
	config->cmd_count = config->env_count = 0;
	config->user = config->working_dir = root;
	return 0;
}

int cage_overlay_digest(const struct cage_overlay *o, char out[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT(CAGE_FILE_MAX);

	if (buf_printf(&b, err, "cage-overlay/1\n%s\n%s\n", o->bundle->digest, o->config->name) ||
	    cage_config_compile(o->config, o->port, &b, err))
		return -1;
	return digest_of(b.data, b.len, out, err);
}

void cage_overlay_report(const void *ctx, struct jout *o)
{
	const struct cage_overlay *c = ctx;

	for (size_t i = 0; i < c->bundle->tool_count; i++) {
		jout_open(o, NULL, '{');
		jout_str(o, "Name", c->bundle->tools[i].name);
		jout_str(o, "Path", c->tools[i].path);
		jout_str(o, "Source", c->tools[i].from_image ? "image" : c->bundle->tools[i].source);
		jout_close(o, '}');
	}
}

void cage_overlay_clear(struct cage_overlay *o)
{
	for (size_t i = 0; i < CAGE_TOOLS_MAX; i++) {
		free(o->tools[i].path);
		o->tools[i].path = NULL;
	}
	free(o->argv[2]);
	o->argv[2] = NULL;
}
