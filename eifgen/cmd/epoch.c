// SPDX-License-Identifier: Apache-2.0
//
// `eifgen epoch`: the epoch that a build of what lies in a directory would use, and where it came from. Prints
//   {"Epoch":1718107200,"Time":"2024-06-11T12:00:00Z","Source":"git","Commit":"…","Dirty":false,"Directory":".","Path":null}
// Commit, Dirty, Directory and Path are null unless the source is git.
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/epoch_option.h"
#include "layerfs/json.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "Usage: eifgen epoch [DIR] [--path PATH] [--epoch …]\n"
    "Print the epoch that a build here would use, and where it came from, as JSON: the last commit of the git\n"
    "repository that holds DIR (default: the current directory).\n\n"
    "      --path PATH           the last commit that changed PATH (relative to DIR) instead\n" EPOCH_OPTION_HELP
    "  -q, --quiet               no warnings\n"
    "  -h, --help                this text\n"
    "\nOutside of a git repository, and if no DIR is given, the epoch is 315532801 (1980-01-01 00:00:01 UTC).\n";

struct request {
	const char *dir, *path, *option;
};

// A path from the command line is bytes; JSON is UTF-8. What is not becomes U+FFFD: the line stays parseable.
static char *printable(const char *s, struct err *err)
{
	struct buf b = BUF_INIT(0);
	size_t n = strlen(s);

	for (size_t at = 0; at < n;) {
		size_t len = utf8_next(s + at, n - at, NULL);

		if (len ? buf_add(&b, s + at, len, err) : buf_add_str(&b, "\xef\xbf\xbd", err)) {
			buf_free(&b);
			return NULL;
		}
		at += len ? len : 1;
	}
	if (!buf_cstr(&b, err))
		buf_free(&b);
	return (char *)b.data;
}

static int add_text(struct buf *b, const char *key, const char *value, struct err *err)
{
	_cleanup_free_ char *text = value ? printable(value, err) : NULL;

	if ((value && !text) || buf_printf(b, err, ",\"%s\":", key))
		return -1;
	return text ? json_add_quoted(b, text, err) : buf_add_str(b, "null", err);
}

static int format_answer(const struct epoch *e, struct buf *b, struct err *err)
{
	bool git = e->source == EPOCH_FROM_GIT;
	char time[21];

	if (buf_printf(b, err, "{\"Epoch\":%u,\"Time\":\"%s\",\"Source\":\"%s\"", e->seconds,
		       epoch_rfc3339(e->seconds, time), epoch_source_name(e->source)) ||
	    add_text(b, "Commit", git ? e->commit : NULL, err) ||
	    buf_printf(b, err, ",\"Dirty\":%s",
		       !git       ? "null"
		       : e->dirty ? "true"
				  : "false") ||
	    add_text(b, "Directory", e->dir, err) || add_text(b, "Path", e->path, err))
		return -1;
	return buf_add_str(b, "}\n", err);
}

static int answer(const struct epoch *e)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	const char *text = format_answer(e, &b, &err) ? NULL : buf_cstr(&b, &err);

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
