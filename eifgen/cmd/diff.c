// SPDX-License-Identifier: Apache-2.0
//
// `eifgen diff`: which registers of two EIFs, records or images differ, and why. An image is laid out as `build` would
// (into an unlinked file), so that its ramdisks are compared like an EIF's; without a platform it has PCR2 alone.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/build_options.h"
#include "eifgen/cmd/diff_image.h"
#include "eifgen/cmd/input_kind.h"
#include "eifgen/diff.h"
#include "eifgen/diff_load.h"

#include <string.h>

enum { OPT_JSON = 1, OPT_HTML };

static const struct option longs[] = {BUILD_LONGS,
				      BUILD_CAGE_LONGS,
				      {"json", no_argument, NULL, OPT_JSON},
				      {"html", required_argument, NULL, OPT_HTML},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	bool json;
	const char *html;
};

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
}

static int load_record(const char *path, struct diff_side **out, struct err *err)
{
	_cleanup_(record_freep) struct record *r = NULL;

	if (record_load(path, &r, err))
		return -1;
	return diff_side_of_record(r, out, err);
}

static int load(const struct request *r, const char *arg, struct diff_side **out, struct err *err)
{
	if (input_is_eif(arg))
		return diff_side_of_eif(arg, out, err);
	if (input_is_record(arg))
		return load_record(arg, out, err);
	return diff_side_of_image(&r->opt, arg, out, err);
}

// A record knows its ramdisks by digest alone: then the other side needs the same.
static int add_digests(struct diff_side *a, struct diff_side *b, struct err *err)
{
	if (a->kind != DIFF_SIDE_RECORD && b->kind != DIFF_SIDE_RECORD)
		return 0;
	return diff_side_add_digests(a, err) || diff_side_add_digests(b, err) ? -1 : 0;
}

static int report(const struct request *r, const struct diff *d, struct err *err)
{
	_cleanup_buf_ struct buf page = BUF_INIT(0), text = BUF_INIT(0);

	if (r->html && (diff_print_html(d, &page, err) || io_write_file(r->html, page.data, page.len, err)))
		return cmd_fail("write", r->html, err);
	if ((r->json ? diff_print_json(d, &text, err) : diff_print_text(d, &text, err)) || !buf_cstr(&text, err))
		return cmd_fail("print", "the difference", err);
	if (cmd_print((const char *)text.data))
		return EXIT_TROUBLE;
	return diff_same(d) ? EXIT_YES : EXIT_NO;
}

static int compare(const struct request *r, const char *first, const char *second)
{
	_cleanup_(diff_side_freep) struct diff_side *a = NULL, *b = NULL;
	_cleanup_(diff_freep) struct diff *d = NULL;
	struct err err = ERR_INIT;

	if (load(r, first, &a, &err))
		return cmd_fail("compare", first, &err);
	if (load(r, second, &b, &err))
		return cmd_fail("compare", second, &err);
	if (add_digests(a, b, &err) || diff_sides(a, b, &d, &err))
		return cmd_fail("compare", first, &err);
	return report(r, d, &err);
}

static int take(void *ctx, int o)
{
	struct request *r = ctx;

	if (o == OPT_JSON)
		r->json = true;
	else if (o == OPT_HTML)
		r->html = optarg;
	else
		return build_option_take(&r->opt, o, "diff");
	return 0;
}

static int run(int argc, char **argv)
{
	_cleanup_(request_clear) struct request r = {0};
	int rc;

	build_options_init(&r.opt);
	rc = cmd_options(argc, argv, "", longs, take, &r);
	if (rc)
		return rc - 1;
	if (optind + 2 != argc)
		return cmd_usage_error("diff", "two of EIF, record or image are needed");
	return compare(&r, argv[optind], argv[optind + 1]);
}

const struct cmd cmd_diff = {
	"diff",
	"which PCRs of two EIFs, records or images differ, and why",
	"Usage: eifgen diff A B [options]\n"
	"A and B are each an EIF, a record or an image. Exit status 0 if nothing measured differs, 1 if something does.\n"
	"An image is laid out as build would do it with the options below; without a platform only PCR2 is compared.\n\n"
	"      --json                one object instead of text\n"
	"      --html FILE           also write a page that shows it (self-contained, opens from disk)\n" BUILD_HELP BUILD_CAGE_HELP
	CMD_COMMON_HELP,
	run,
};
