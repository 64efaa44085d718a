// SPDX-License-Identifier: Apache-2.0
//
// Loading and looking at platform files. The third line of a kernel's .config names it; it is split at every blank, `/`
// and `-` (empty pieces count), piece 1 being the system and piece 3 the version (facts/eif-format.md 5.1):
//
//   # Linux/x86_64 4.14.256-209.484.amzn2.x86_64 Kernel Configuration    ->  Linux, 4.14.256
#include "eifgen/platform_priv.h"

#include "base/io.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "layerfs/digest.h"
#include "layerfs/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

// Caps on files: several times what any real one has.
enum {
	KERNEL_MAX = 256 << 20,
	BLOB_MAX = 128 << 20,	 // init, nsm.ko, a module
	CONFIG_MAX = 16 << 20,
	CMDLINE_MAX = 64 << 10, // the kernel takes 2 KiB
	BUNDLE_MAX = 1 << 20,
};

static const char init_marker[] = "cage-init: "; // begins every line that our init writes

const char *platform_arch_name(enum eif_arch arch)
{
	return arch == EIF_AARCH64 ? "aarch64" : "x86_64";
}

const char *platform_oci_arch(enum eif_arch arch)
{
	return arch == EIF_AARCH64 ? "arm64" : "amd64";
}

bool platform_arch_parse(const char *text, enum eif_arch *out)
{
	bool x86 = !strcmp(text, "x86_64") || !strcmp(text, "amd64");

	*out = x86 ? EIF_X86_64 : EIF_AARCH64;
	return x86 || !strcmp(text, "aarch64") || !strcmp(text, "arm64");
}

static void file_clear(struct platform_file *f)
{
	if (f->in_file)
		close(f->fd);
	free(f->path);
	free(f->name);
	free(f->data);
}

void platform_free(struct platform *p)
{
	if (!p)
		return;
	file_clear(&p->kernel);
	file_clear(&p->config);
	file_clear(&p->cmdline_file);
	file_clear(&p->init);
	file_clear(&p->nsm);
	for (size_t i = 0; i < p->module_count; i++)
		file_clear(&p->modules[i]);
	free(p->modules);
	free(p->cmdline);
	free(p->os);
	free(p->kernel_version);
	free(p->bundle);
	free(p);
}

int platform_file_name(const char *path, struct platform_file *f, struct err *err)
{
	const char *slash = strrchr(path, '/');

	f->path = mem_strdup(path, err);
	f->name = f->path ? mem_strdup(slash ? slash + 1 : path, err) : NULL;
	return f->name ? 0 : -1;
}

int platform_file_load(const char *path, size_t max, struct platform_file *f, struct err *err)
{
	struct buf b = BUF_INIT(0);

	if (platform_file_name(path, f, err) || buf_reserve(&b, 1, err) || io_slurp(path, max, &b, err)) {
		buf_free(&b);
		return -1;
	}
	f->data = b.data;
	f->size = b.len;
	return 0;
}

static int pin(struct platform_file *f, struct err *err)
{
	return !f->data || *f->digest ? 0 : digest_of(f->data, f->size, f->digest, err);
}

static int pin_all(struct platform *p, bool kernel, struct err *err)
{
	for (size_t i = 0; i < p->module_count; i++)
		if (pin(&p->modules[i], err))
			return -1;
	if (pin(&p->config, err) || pin(&p->cmdline_file, err) || pin(&p->init, err) || pin(&p->nsm, err))
		return -1;
	return kernel ? platform_kernel_pin(p, err) : 0;
}

// `given`, or dir/name. A file that may be missing from a directory (`optional`) stays absent then.
static int load_one(const char *given, const char *dir, const char *name, bool optional, size_t max,
		    struct platform_file *f, struct err *err)
{
	_cleanup_free_ char *path = NULL;

	if (given)
		return platform_file_load(given, max, f, err);
	if (!dir)
		return 0;
	path = mem_printf(err, "%s/%s", dir, name);
	if (!path)
		return -1;
	if (optional && access(path, F_OK) && errno == ENOENT)
		return 0;
	return platform_file_load(path, max, f, err);
}

static int load_kernel(const char *given, const char *dir, const char *name, struct platform *p, struct err *err)
{
	_cleanup_free_ char *path = NULL;

	if (!given && !dir)
		return 0;
	path = given ? mem_strdup(given, err) : mem_printf(err, "%s/%s", dir, name);
	return path ? platform_kernel_load(p, path, KERNEL_MAX, err) : -1;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int take_cmdline(struct platform *p, const char *text, size_t n, bool trim, struct err *err)
{
	while (trim && n && is_space(text[n - 1]))
		n--;
	while (trim && n && is_space(*text)) {
		text++;
		n--;
	}
	if (memchr(text, 0, n) || !utf8_valid(text, n))
		return err_set(err, ERR_INPUT, "the kernel command line holds a NUL or is not UTF-8");
	p->cmdline = mem_dup(text, n, err);
	return p->cmdline ? 0 : -1;
}

// Piece `want` (from 1) of the n bytes, split at every blank, `/` and `-`; NULL if there are fewer or it is no UTF-8.
static char *piece_of(const char *p, size_t n, int want, struct err *err)
{
	const char *end = p + n, *stop;

	for (int i = 0;; i++, p = stop + 1) {
		for (stop = p; stop < end && !strchr(" /-", *stop); stop++)
			;
		if (i == want)
			return stop > p && utf8_valid(p, (size_t)(stop - p)) ? mem_dup(p, (size_t)(stop - p), err)
									     : NULL;
		if (stop == end)
			return NULL;
	}
}

static int read_version(struct platform *p, struct err *err)
{
	const char *at = (const char *)p->config.data, *end = at + p->config.size, *lf;
	struct err memory = ERR_INIT;

	for (int line = 1; at && line < 3; line++) {
		lf = memchr(at, '\n', (size_t)(end - at));
		at = lf ? lf + 1 : NULL;
	}
	if (at && at < end) {
		lf = memchr(at, '\n', (size_t)(end - at));
		end = lf ? lf : end;
		end -= end > at && end[-1] == '\r';
		p->os = piece_of(at, (size_t)(end - at), 1, &memory);
		p->kernel_version = piece_of(at, (size_t)(end - at), 3, &memory);
	}
	if (memory.class != ERR_NONE)
		return err_nomem(err);
	if (!p->os)
		p->os = mem_strdup("Linux", err);
	if (!p->kernel_version)
		p->kernel_version = mem_strdup("unknown", err);
	return p->os && p->kernel_version ? 0 : -1;
}

// The bundle.json that `make bundle` puts beside init says which packages made it. One that speaks of another init is
// not ours to quote.
static int read_bundle(struct platform *p, struct err *err)
{
	const char *slash = strrchr(p->init.path, '/');
	_cleanup_free_ char *path = mem_printf(err, "%.*sbundle.json", slash ? (int)(slash - p->init.path + 1) : 0,
					       p->init.path);
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *doc = NULL;
	const cJSON *files = NULL;
	const char *sha = NULL;

	if (!path)
		return -1;
	if (access(path, F_OK))
		return 0;
	if (io_slurp(path, BUNDLE_MAX, &text, err))
		return -1;
	if (json_parse(text.data, text.len, BUNDLE_MAX, &doc, err) ||
	    json_get_object(doc, "files", JSON_REQUIRED, &files, err) ||
	    json_get_string(files, p->init.name, JSON_OPTIONAL, &sha, err))
		return err_prefix(err, "%s: ", path);
	if (!sha || strcmp(sha, p->init.digest + sizeof("sha256:") - 1))
		return 0;
	p->bundle = mem_dup(text.data, text.len, err);
	return p->bundle ? 0 : -1;
}

static int load_modules(const struct platform_options *opt, struct platform *p, struct err *err)
{
	if (!opt->module_count)
		return 0;
	p->modules = mem_zalloc(opt->module_count, sizeof(*p->modules), err);
	if (!p->modules)
		return -1;
	p->module_count = opt->module_count;
	for (size_t i = 0; i < opt->module_count; i++)
		if (platform_file_load(opt->modules[i], BLOB_MAX, &p->modules[i], err))
			return -1;
	return 0;
}

static int load_all(const struct platform_options *opt, struct platform *p, struct err *err)
{
	const char *kernel_name = opt->arch == EIF_AARCH64 ? "Image" : "bzImage";
	const char *config_name = opt->arch == EIF_AARCH64 ? "Image.config" : "bzImage.config";
	bool all_given = opt->kernel && opt->cmdline && opt->init;
	const char *dir = opt->dir ? opt->dir : all_given ? NULL : opt->default_dir;

	if (dir && dir == opt->default_dir && access(dir, F_OK) && errno == ENOENT)
		return err_set(
		    err, ERR_INPUT,
		    "there is no platform directory %s; another is named by --blobs (build-enclave: NITRO_CLI_BLOBS)",
		    dir);
	if (load_kernel(opt->kernel, dir, kernel_name, p, err) ||
	    load_one(opt->config, opt->kernel ? NULL : dir, config_name, true, CONFIG_MAX, &p->config, err) ||
	    load_one(opt->init, dir, "init", false, BLOB_MAX, &p->init, err))
		return -1;
	if (!opt->no_nsm && load_one(opt->nsm, dir, "nsm.ko", true, BLOB_MAX, &p->nsm, err))
		return -1;
	if (!p->kernel.path || !p->init.data)
		return err_set(err, ERR_USAGE, "no kernel or no init was named");
	if (opt->cmdline)
		return take_cmdline(p, opt->cmdline, strlen(opt->cmdline), false, err);
	if (load_one(NULL, dir, "cmdline", false, CMDLINE_MAX, &p->cmdline_file, err))
		return -1;
	if (!p->cmdline_file.data)
		return err_set(err, ERR_USAGE, "no kernel command line was given");
	return take_cmdline(p, (const char *)p->cmdline_file.data, p->cmdline_file.size, true, err);
}

int platform_load(const struct platform_options *opt, struct platform **out, struct err *err)
{
	_cleanup_(platform_freep) struct platform *p = mem_zalloc(1, sizeof(*p), err);

	if (!p)
		return -1;
	p->arch = opt->arch;
	if (load_all(opt, p, err) || load_modules(opt, p, err) || pin_all(p, !opt->pin_later, err) ||
	    read_version(p, err) || read_bundle(p, err))
		return -1;
	p->init_is_ours = memmem(p->init.data, p->init.size, init_marker, sizeof(init_marker) - 1) != NULL;
	*out = steal_ptr(&p);
	return 0;
}

static struct layout_file as_layout_file(const struct platform_file *f)
{
	return (struct layout_file){f->data, f->size, f->name};
}

int platform_bootstrap(const struct platform *p, struct layout_bootstrap *b, struct layout_file **modules,
		       struct err *err)
{
	*modules = mem_zalloc(p->module_count + 1, sizeof(**modules), err);
	if (!*modules)
		return -1;
	for (size_t i = 0; i < p->module_count; i++)
		(*modules)[i] = as_layout_file(&p->modules[i]);
	*b = (struct layout_bootstrap){as_layout_file(&p->init), as_layout_file(&p->nsm), *modules, p->module_count};
	return 0;
}
