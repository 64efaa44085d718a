// SPDX-License-Identifier: Apache-2.0
//
// `eifgen epoch`: the epoch that a build of what lies in a directory would use, and where it came from. Prints
//   {"Epoch":1718107200,"Time":"2024-06-11T12:00:00Z","Source":"git","Commit":"…","Dirty":false,"Directory":".",
//    "Path":null}
// Commit, Dirty, Directory and Path are null unless the source is git.
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/epoch_option.h"
#include "eifgen/json_out.h"

static const char usage[] =
    "Usage: eifgen epoch [DIR] [--path PATH] [--epoch …]\n"
    "Print the epoch that a build here would use, and where it came from, as JSON: the last commit of the git\n"
    "repository that holds DIR (default: the current directory).\n\n"
    "      --path PATH           the last commit that changed PATH (relative to DIR) instead\n" EPOCH_OPTION_HELP
    CMD_COMMON_HELP
    "\nOutside of a git repository, and if no DIR is given, the epoch is 315532801 (1980-01-01 00:00:01 UTC).\n";

struct request {
	const char *dir, *path, *option;
};

static int answer(const struct epoch *e)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	bool git = e->source == EPOCH_FROM_GIT;
	char time[21];
	const char *text;

	jout_open(&o, NULL, '{');
	jout_uint(&o, "Epoch", e->seconds);
	jout_str(&o, "Time", epoch_rfc3339(e->seconds, time));
	jout_str(&o, "Source", epoch_source_name(e->source));
	jout_str(&o, "Commit", git ? e->commit : NULL);
	if (git)
		jout_bool(&o, "Dirty", e->dirty);
	else
		jout_null(&o, "Dirty");
	jout_str(&o, "Directory", e->dir);
	jout_str(&o, "Path", e->path);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	if (!text)
		return cmd_fail("print", "the epoch", &err);
	epoch_option_warn(e);
	return cmd_print(text);
}

// Where nobody named a directory, not standing in a repository is no error: a build there uses the default.
static int resolve(const struct request *r, struct epoch *e, struct err *err)
{
	const char *dir = r->dir ? r->dir : ".";

	if (!r->option && !r->dir && !r->path && !epoch_git_holds("."))
		dir = NULL;
	return epoch_option_resolve(r->option, dir, r->path, NULL, e, err);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"path", required_argument, NULL, 'p'}, {"epoch", required_argument, NULL, 'e'}, {0}};
	struct request r = {0};
	struct epoch e = {0};
	struct err err = ERR_INIT;
	int o, status;

	while ((o = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status;
		if (o == 'p')
			r.path = optarg;
		else
			r.option = optarg;
	}
	if (argc - optind > 1)
		return cmd_usage_error("epoch", "one directory at most");
	r.dir = argv[optind];
	if (r.option && (r.dir || r.path))
		return cmd_usage_error("epoch", "--epoch goes without DIR and --path (write git:DIR:PATH)");
	if (epoch_option_is_image(r.option))
		return cmd_usage_error("epoch", "--epoch image needs an image: it goes with build and pcr");
	if (resolve(&r, &e, &err))
		return cmd_fail("find the epoch of", r.dir ? r.dir : ".", &err);
	status = answer(&e);
	epoch_clear(&e);
	return status;
}

const struct cmd cmd_epoch = {"epoch", "the epoch that a build here would use, and where it came from", usage, run};
