// SPDX-License-Identifier: Apache-2.0
//
// Reading the options. Values are checked here where that needs no file; what needs one is the job's.
#include "eifgen/cmd/build_options.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

void build_options_init(struct build_options *o)
{
	*o = (struct build_options){.limits = limits_default};
	o->platform.default_dir = PLATFORM_DEFAULT_DIR;
	registry_option_init(&o->registry);
}

void build_options_clear(struct build_options *o)
{
	free(o->modules);
	free(o->env);
}

static int add_text(const char ***list, size_t *count, size_t *cap)
{
	struct err err = ERR_INIT;

	if (mem_grow(list, cap, *count, sizeof(**list), &err))
		return cmd_fail("read", "the command line", &err);
	(*list)[(*count)++] = optarg;
	return 0;
}

// Decimal, at least 1.
static int take_number(uint64_t *out, const char *command, const char *what)
{
	char *end;

	errno = 0;
	*out = strtoull(optarg, &end, 10);
	if (errno || *end || *optarg < '0' || *optarg > '9' || !*out)
		return cmd_usage_error(command, "%s takes a number from 1, not %s", what, optarg);
	return 0;
}

static int take_limit(struct build_options *o, int opt, const char *command)
{
	switch (opt) {
	case BUILD_OPT_MAX_LAYERS:
		return take_number(&o->limits.layers, command, "--max-layers");
	case BUILD_OPT_MAX_ENTRIES:
		return take_number(&o->limits.entries, command, "--max-entries");
	case BUILD_OPT_MAX_PATH:
		return take_number(&o->limits.path, command, "--max-path");
	default:
		return take_number(&o->limits.expanded, command, "--max-expanded");
	}
}

static int take_choice(struct build_options *o, int opt, const char *command)
{
	bool first;

	switch (opt) {
	case BUILD_OPT_ARCH:
		if (!platform_arch_parse(optarg, &o->arch))
			return cmd_usage_error(command, "--arch is x86_64 or aarch64, not %s", optarg);
		o->platform.arch = o->arch;
		return 0;
	case BUILD_OPT_LAYOUT:
		first = !strcmp(optarg, "canonical");
		if (!first && strcmp(optarg, "nitro-cli"))
			return cmd_usage_error(command, "--layout is canonical or nitro-cli, not %s", optarg);
		o->layout = first ? LAYOUT_CANONICAL : LAYOUT_NITRO_CLI;
		return 0;
	default:
		first = !strcmp(optarg, "set");
		if (!first && strcmp(optarg, "clamp"))
			return cmd_usage_error(command, "--mtime is set or clamp, not %s", optarg);
		o->mtime = first ? MTIME_SET : MTIME_CLAMP;
		return 0;
	}
}

// Where an option's text goes as it is; NULL for the others.
static const char **text_of(struct build_options *o, int opt)
{
	switch (opt) {
	case BUILD_OPT_BLOBS:
		return &o->platform.dir;
	case BUILD_OPT_KERNEL:
		return &o->platform.kernel;
	case BUILD_OPT_KERNEL_CONFIG:
		return &o->platform.config;
	case BUILD_OPT_CMDLINE:
		return &o->platform.cmdline;
	case BUILD_OPT_INIT:
		return &o->platform.init;
	case BUILD_OPT_NSM:
		return &o->platform.nsm;
	case BUILD_OPT_PLATFORM:
		return &o->pick;
	case BUILD_OPT_EPOCH:
		return &o->epoch;
	case BUILD_OPT_NAME:
		return &o->name;
	case BUILD_OPT_IMAGE_VERSION:
		return &o->image_version;
	case BUILD_OPT_METADATA:
		return &o->metadata_file;
	case BUILD_OPT_CMD:
		return &o->cmd_json;
	case BUILD_OPT_USER:
		return &o->user;
	case BUILD_OPT_WORKDIR:
		return &o->workdir;
	case BUILD_OPT_TMPDIR:
		return &o->tmpdir;
	case BUILD_OPT_SCRUB:
		return &o->scrub;
	case BUILD_OPT_CAGE:
		return &o->cage;
	case BUILD_OPT_RUNTIME:
		return &o->runtime;
	case BUILD_OPT_SIGN_KEY:
		return &o->signer.key;
	case BUILD_OPT_SIGN_CERT:
		return &o->signer.cert;
	case BUILD_OPT_SIGN_PASS:
		return &o->signer.passphrase_file;
	default:
		return NULL;
	}
}

static int check_nsm(const struct build_options *o, const char *command)
{
	return o->platform.nsm && o->platform.no_nsm
		   ? cmd_usage_error(command, "--nsm and --no-nsm contradict each other")
		   : 0;
}

int build_option_take(struct build_options *o, int opt, const char *command)
{
	const char **text = text_of(o, opt);
	uint64_t n;

	if (text) {
		*text = optarg;
		return check_nsm(o, command);
	}
	if (opt >= REGISTRY_OPT_FIRST && opt <= REGISTRY_OPT_LAST)
		return registry_option_take(&o->registry, opt, command);
	switch (opt) {
	case BUILD_OPT_NO_NSM:
		o->platform.no_nsm = true;
		return check_nsm(o, command);
	case BUILD_OPT_STRICT:
		o->strict = true;
		return 0;
	case BUILD_OPT_CACHE:
		o->cache = true;
		return 0;
	case BUILD_OPT_ALLOW_LARGE:
		o->allow_large = true;
		return 0;
	case BUILD_OPT_MODULE:
		if (add_text(&o->modules, &o->platform.module_count, &o->module_cap))
			return EXIT_TROUBLE;
		o->platform.modules = o->modules;
		return 0;
	case BUILD_OPT_ENV:
		if (!strchr(optarg, '=') || *optarg == '=')
			return cmd_usage_error(command, "--env takes NAME=VALUE, not %s", optarg);
		return add_text(&o->env, &o->env_count, &o->env_cap);
	case BUILD_OPT_THREADS:
		if (take_number(&n, command, "--threads"))
			return EXIT_TROUBLE;
		o->threads = n > 1024 ? 1024 : (unsigned)n;
		return 0;
	case BUILD_OPT_ARCH:
	case BUILD_OPT_LAYOUT:
	case BUILD_OPT_MTIME:
		return take_choice(o, opt, command);
	default:
		return take_limit(o, opt, command);
	}
}

int build_options_check_key(const struct build_options *o, const char *command)
{
	return o->signer.cert && !o->signer.key ? cmd_usage_error(command, "--sign-cert goes with --sign-key") : 0;
}
