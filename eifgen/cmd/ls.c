// SPDX-License-Identifier: Apache-2.0
//
// `eifgen ls`: what is in an EIF's ramdisks, or in an image. Text for people; --json for those who check or rebuild.
#include "base/cleanup.h"
#include "eifgen/cmd/build_options.h"
#include "eifgen/cmd/input_kind.h"
#include "eifgen/entries.h"

#include <string.h>
#include <unistd.h>

// Standard output, written in large pieces.
static struct {
	uint8_t bytes[64 * 1024];
	size_t used;
} pending;

static int flush_pending(struct err *err)
{
	size_t n = pending.used;

	pending.used = 0;
	return io_write(STDOUT_FILENO, pending.bytes, n, err) ? err_prefix(err, "standard output: ") : 0;
}

static int stdout_write(void *ctx, const void *p, size_t n, struct err *err)
{
	(void)ctx;
	for (const uint8_t *at = p; n;) {
		size_t some = sizeof(pending.bytes) - pending.used < n ? sizeof(pending.bytes) - pending.used : n;

		memcpy(pending.bytes + pending.used, at, some);
		pending.used += some;
		at += some;
		n -= some;
		if (pending.used == sizeof(pending.bytes) && flush_pending(err))
			return -1;
	}
	return 0;
}

static int finish(int rc, const char *name, struct err *err)
{
	if (!rc)
		rc = flush_pending(err);
	return rc ? cmd_fail("list", name, err) : EXIT_YES;
}

static int list_eif(const char *path, enum entries_form form)
{
	_cleanup_eif_file_ struct eif_file *eif = NULL;
	struct err err = ERR_INIT;
	int rc = eif_file_open(path, &eif, &err);

	if (!rc)
		rc = entries_of_eif(eif, form, (struct sink){stdout_write, NULL}, &err);
	for (size_t i = 0; !rc && i < eif->anomaly_count; i++)
		if (!eif->anomalies[i].tolerated && eif->anomalies[i].text != eif->lacks)
			cmd_warn(NULL, eif->anomalies[i].text);
	if (!rc && eif->lacks) { // the list is short, and must not pass for a whole one
		rc = flush_pending(&err);
		if (!rc)
			rc = err_set(&err, ERR_INPUT, "the file is not whole: %s", eif->lacks);
	}
	return finish(rc, path, &err);
}

static int list_image(const struct build_options *opt, const char *ref, enum entries_form form)
{
	struct build_job job = {0};
	struct tree *tree = NULL;
	struct err err = ERR_INIT;
	int rc;

	rc = build_job_open_image(&job, opt, ref, &err) || build_tree(&job.input, &job.output, &tree, &err) ||
	     build_job_check(&job, &err) || tree_sort(tree, &err) ||
	     entries_of_tree(tree, job.image, form, (struct sink){stdout_write, NULL}, &err);
	tree_free(tree);
	build_job_clear(&job);
	return finish(rc, ref, &err);
}

static int run(int argc, char **argv)
{
	enum { OPT_JSON = 1 };
	static const struct option longs[] = {
		BUILD_IMAGE_LONGS, {"json", no_argument, NULL, OPT_JSON}, {NULL, 0, NULL, 0}};
	_cleanup_(build_options_clear) struct build_options opt;
	enum entries_form form = ENTRIES_TEXT;
	int o;

	build_options_init(&opt);
	while ((o = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status;
		if (o == OPT_JSON)
			form = ENTRIES_JSON;
		else if (build_option_take(&opt, o, "ls"))
			return EXIT_TROUBLE;
	}
	if (optind + 1 != argc)
		return cmd_usage_error("ls", "one EIF or image is needed");
	return input_is_eif(argv[optind]) ? list_eif(argv[optind], form) : list_image(&opt, argv[optind], form);
}

const struct cmd cmd_ls = {
	"ls",
	"every entry of an EIF's ramdisks or of an image",
	"Usage: eifgen ls FILE.eif|IMAGE [--json]\n"
	"List every entry: type and mode, owner, time, size, path; an image's with the layer that brought it.\n\n"
	"      --json                one object, enough to write a ramdisk again beside `extract`\n" BUILD_IMAGE_HELP
	CMD_COMMON_HELP,
	run,
};
