// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage`: picks one of its three commands, and holds what they share: the options of a project, and its files.
#include "eifgen/cmd/cage.h"
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cage_bundle.h"
#include "eifgen/cmd/cmd.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} table[] = {{"build", cage_build_run}, {"dockerfile", cage_dockerfile_run}, {"init", cage_init_run}};

int cage_file_load(const char *path, struct cage_file *f, struct err *err)
{
	char quoted[512];

	f->path = mem_strdup(path, err);
	if (!f->path)
		return -1;
	if (access(path, F_OK) && errno == ENOENT)
		return err_set(err, ERR_INPUT, "there is no %s: `eifgen cage init` writes one",
			       err_quote(path, strlen(path), quoted, sizeof(quoted)));
	if (io_slurp(path, CAGE_FILE_MAX, &f->text, err))
		return -1;
	if (cage_config_parse(f->text.data, f->text.len, &f->config, err))
		return err_prefix(err, "%s: ", err_quote(path, strlen(path), quoted, sizeof(quoted)));
	return 0;
}

void cage_file_clear(struct cage_file *f)
{
	free(f->path);
	buf_free(&f->text);
	cage_config_free(f->config);
	*f = (struct cage_file){NULL, BUF_INIT(0), NULL};
}

char *cage_path_beside(const char *file, const char *name, struct err *err)
{
	const char *slash = strrchr(file, '/');

	if (name[0] == '/' || !slash)
		return mem_strdup(name, err);
	return mem_printf(err, "%.*s/%s", (int)(slash - file), file, name);
}

// ---- options --------------------------------------------------------------------------------------------------------
int cage_option_take(struct cage_options *o, int opt)
{
	switch (opt) {
	case 'f':
		o->file = optarg;
		return 0;
	case CAGE_OPT_CONFIG:
		o->config_path = optarg;
		return 0;
	case CAGE_OPT_RUNTIME:
		o->runtime = optarg;
		return 0;
	case CAGE_OPT_BUILD_ARG:
		if (o->build_arg_count == CAGE_BUILD_ARGS_MAX)
			return cmd_usage_error("cage", "more than %d --build-arg", CAGE_BUILD_ARGS_MAX);
		o->build_args[o->build_arg_count++] = optarg;
		return 0;
	default:
		return -1;
	}
}

int cage_options_end(struct cage_options *o, int argc, char **argv)
{
	if (optind + 1 < argc)
		return cmd_usage_error("cage", "one context directory at most");
	if (!o->runtime)
		return cmd_usage_error("cage", "--runtime DIR is needed: the directory that `make bundle` makes");
	o->context = optind < argc ? argv[optind] : ".";
	return 0;
}

int cage_options_load(const struct cage_options *o, struct cage_file *f, char **dockerfile, struct cage_bundle **bundle,
		      struct err *err)
{
	_cleanup_free_ char *config =
	    o->config_path ? mem_strdup(o->config_path, err) : mem_printf(err, "%s/cage.json", o->context);

	if (!config || cage_file_load(config, f, err))
		return -1;
	*dockerfile = o->file ? mem_strdup(o->file, err) : cage_path_beside(config, f->config->dockerfile, err);
	if (!*dockerfile)
		return -1;
	return cage_bundle_load(o->runtime, f->config->egress.enabled, f->config->runtime_bundle, bundle, err);
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(argv[1], table[i].name)) {
			argv[1] = argv[0]; // errors say `try eifgen cage --help`
			return table[i].run(argc - 1, argv + 1);
		}
	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")))
		return cmd_print(cmd_cage.usage);
	return cmd_usage_error("cage", argc > 1 ? "cage knows no %s" : "one of init, build, dockerfile is needed",
			       argc > 1 ? argv[1] : "");
}

const struct cmd cmd_cage = {
	"cage",
	"a project with a Dockerfile and a cage.json: init, build, dockerfile",
	"Usage: eifgen cage init [DIR]\n"
	"       eifgen cage build [-f Dockerfile] [CONTEXT] [options]\n"
	"       eifgen cage dockerfile [-f Dockerfile] [CONTEXT] [options]\n"
	"From a Dockerfile to an EIF whose service runs under a supervisor behind the data plane. `eifgen cage build --help`\n"
	"and the others explain their options; cage.json is described in cage.json(5).\n\n"
	"  init         write a cage.json, asking the Dockerfile\n"
	"  build        build the image, lay the runtime over it, write EIF and record, and the PCRs into cage.json\n"
	"  dockerfile   print the Dockerfile that does the same, for those who stay with Docker and nitro-cli\n"
	CMD_COMMON_HELP,
	run,
};
