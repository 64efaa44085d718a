// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cache info|clean`, and the opening of the cache for `--cache`.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/cache_option.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/json_out.h"
#include "layerfs/cache_files.h"

#include <string.h>

static const char usage[] =
	"Usage: eifgen cache info|clean\n"
	"The cache of --cache: layers that were read before, and how far images have been measured. `info` says where it is\n"
	"and how large, `clean` empties it; both print one JSON object. Files of other names are counted (`Foreign`) and left.\n"
	"It holds contents of images, and must be trusted as the program is: eifgen(1), FILES.\n\n"
	CMD_COMMON_HELP;

char *cache_dir(struct err *err)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (xdg && *xdg == '/')
		return mem_printf(err, "%s/eifgen", xdg);
	if (home && *home == '/')
		return mem_printf(err, "%s/.cache/eifgen", home);
	err_set(err, ERR_USAGE, "neither XDG_CACHE_HOME nor HOME says where the cache is");
	return NULL;
}

int cache_open(struct layer_cache **out, struct err *err)
{
	_cleanup_free_ char *dir = cache_dir(err);

	return dir ? layer_cache_open(dir, (uint64_t)CACHE_GIB << 30, out, err) : -1;
}

static int print(const char *dir, const struct cache_usage *u, const char *verb, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	const char *text;

	jout_open(&o, NULL, '{');
	jout_str(&o, "Directory", dir);
	jout_uint(&o, verb, u->files);
	jout_uint(&o, "Bytes", u->bytes);
	jout_uint(&o, "BytesLimit", (uint64_t)CACHE_GIB << 30);
	jout_uint(&o, "Foreign", u->foreign);
	jout_close(&o, '}');
	text = jout_text(&o, err);
	return text ? cmd_print(text) : cmd_fail("print", "the answer", err);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {{NULL, 0, NULL, 0}};
	_cleanup_free_ char *dir = NULL;
	struct err err = ERR_INIT;
	struct cache_usage found;
	bool clean;

	if (cmd_getopt(argc, argv, "", longs) != -1)
		return cmd_opt_status; // it has no option of its own
	if (optind + 1 != argc)
		return cmd_usage_error("cache", "info or clean");
	clean = !strcmp(argv[optind], "clean");
	if (!clean && strcmp(argv[optind], "info"))
		return cmd_usage_error("cache", "info or clean, not %s", argv[optind]);
	dir = cache_dir(&err);
	if (!dir)
		return cmd_fail("find", "the cache", &err);
	if (clean ? cache_files_clean(dir, &found, &err) : cache_files_usage(dir, &found, &err))
		return cmd_fail(clean ? "clean" : "read", "the cache", &err);
	return print(dir, &found, clean ? "FilesRemoved" : "Files", &err);
}

const struct cmd cmd_cache = {"cache", "what --cache keeps: how much, and away with it", usage, run};
