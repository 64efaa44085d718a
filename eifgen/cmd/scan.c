// SPDX-License-Identifier: Apache-2.0
//
// `eifgen scan`: what in an image will not come out the same in its next build, with the cause, the register that it
// moves and the remedy. Text for people; --json for CI; --fail-on makes it a gate.
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eifgen/cmd/build_options.h"
#include "eifgen/json_out.h"
#include "eifgen/scan.h"

#include <stdio.h>
#include <string.h>

enum { OPT_JSON = 1, OPT_FAIL_ON, OPT_RULES };

static const struct option longs[] = {BUILD_IMAGE_LONGS,
				      {"layout", required_argument, NULL, BUILD_OPT_LAYOUT},
				      {"mtime", required_argument, NULL, BUILD_OPT_MTIME},
				      {"json", no_argument, NULL, OPT_JSON},
				      {"fail-on", required_argument, NULL, OPT_FAIL_ON},
				      {"rules", no_argument, NULL, OPT_RULES},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	bool json, rules, gate;
	enum entropy_severity fail_on;
};

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
}

// `--rules`: the table, for whoever writes a --scrub list.
static int print_rules(void)
{
	static const char *const scrubs[] = {"-", "drop", "empty"};
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	const char *text;

	for (const struct entropy_rule *r = entropy_rules; r->id; r++)
		if (buf_printf(&b, &err, "%-20s %-7s %-6s %s\n", r->id, entropy_severity_name(r->severity),
			       scrubs[r->scrub], r->cause))
			return cmd_fail("print", "the rules", &err);
	text = buf_cstr(&b, &err);
	return text ? cmd_print(text) : cmd_fail("print", "the rules", &err);
}

static const char *layer_of(const struct scan_finding *f, const struct image *img)
{
	return f->layer >= 0 && (size_t)f->layer < image_layer_count(img) ? image_layer(img, (size_t)f->layer)->digest
									  : NULL;
}

static void put_finding(struct jout *o, const struct scan_finding *f, const struct image *img)
{
	jout_open(o, NULL, '{');
	jout_str(o, "Rule", f->id);
	jout_str(o, "Severity", entropy_severity_name(f->severity));
	jout_str(o, "Path", f->path);
	if (!utf8_valid(f->path, strlen(f->path)))
		jout_hex(o, "PathHex", f->path, strlen(f->path));
	jout_str(o, "Layer", layer_of(f, img));
	jout_uint(o, "Size", f->size);
	jout_uint(o, "Count", f->count);
	jout_str(o, "Cause", f->cause);
	jout_str(o, "Remedy", f->remedy);
	jout_open(o, "Moves", '[');
	jout_str(o, NULL, "PCR0");
	jout_str(o, NULL, "PCR2");
	jout_close(o, ']');
	jout_close(o, '}');
}

static int print_json(const struct scan *s, const struct image *img)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	jout_open(&o, NULL, '{');
	jout_uint(&o, "RulesVersion", ENTROPY_RULES_VERSION);
	jout_open(&o, "Findings", '[');
	for (size_t i = 0; i < s->count; i++)
		put_finding(&o, &s->findings[i], img);
	jout_close(&o, ']');
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("print", "the findings", &err);
}

// One cause may stand for hundreds of files: what it is and how to mend it is said once, then its paths.
static int add_cause(struct buf *b, const struct scan *s, size_t first, bool *done, const struct image *img,
		     struct err *err)
{
	const struct scan_finding *f = &s->findings[first];

	if (buf_printf(b, err, "%s (%s): %s\n    moves PCR0 PCR2; remedy: %s\n", f->id,
		       entropy_severity_name(f->severity), f->cause, f->remedy))
		return -1;
	for (size_t i = first; i < s->count; i++) {
		const struct scan_finding *g = &s->findings[i];
		const char *layer = layer_of(g, img);
		char q[1024];

		if (strcmp(g->id, f->id))
			continue;
		done[i] = true;
		if (g->count > 1
			? buf_printf(b, err, "    %llu entries\n", (unsigned long long)g->count)
			: buf_printf(b, err, "    %s%s%.19s\n", err_quote(g->path, strlen(g->path), q, sizeof(q)),
				     layer ? "  in layer " : "", layer ? layer : ""))
			return -1;
	}
	return buf_add_byte(b, '\n', err);
}

static int print_text(const struct scan *s, const struct image *img)
{
	_cleanup_free_ bool *done = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	int rc = 0;

	done = mem_zalloc(s->count, sizeof(*done), &err);
	if (!done)
		return cmd_fail("print", "the findings", &err);
	for (size_t i = 0; !rc && i < s->count; i++)
		rc = done[i] ? 0 : add_cause(&b, s, i, done, img, &err);
	if (!rc)
		rc = s->count ? buf_printf(&b, &err, "%zu findings.\n", s->count)
			      : buf_printf(&b, &err, "Nothing found that would change in the next build.\n");
	if (rc || !buf_cstr(&b, &err))
		return cmd_fail("print", "the findings", &err);
	return cmd_print((const char *)b.data);
}

static int scan_image(const struct request *r, const char *ref)
{
	_cleanup_(build_job_clear) struct build_job job = {0};
	_cleanup_(scan_freep) struct scan *s = NULL;
	struct scan_options so = {.layout = r->opt.layout, .mtime = r->opt.mtime};
	struct tree *tree = NULL;
	struct err err = ERR_INIT;
	int rc, status;

	rc = build_job_open_image(&job, &r->opt, ref, &err);
	if (!rc) {
		so.created = image_config(job.image)->created;
		rc = build_tree(&job.input, &job.output, &tree, &err) || build_job_check(&job, &err) ||
		     tree_sort(tree, &err) || scan_tree(tree, &so, &s, &err);
	}
	tree_free(tree);
	if (rc)
		return cmd_fail("scan", ref, &err);
	status = r->json ? print_json(s, job.image) : print_text(s, job.image);
	for (size_t i = 0; status == EXIT_YES && r->gate && i < s->count; i++)
		if (s->findings[i].severity >= r->fail_on)
			return EXIT_NO;
	return status;
}

static int take(void *ctx, int o)
{
	struct request *r = ctx;

	if (o == OPT_JSON)
		r->json = true;
	else if (o == OPT_RULES)
		r->rules = true;
	else if (o == OPT_FAIL_ON && entropy_severity_parse(optarg, &r->fail_on))
		return cmd_usage_error("scan", "--fail-on takes low, medium or high");
	else if (o == OPT_FAIL_ON)
		r->gate = true;
	else
		return build_option_take(&r->opt, o, "scan");
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
	if (r.rules && optind == argc)
		return print_rules();
	if (optind + 1 != argc)
		return cmd_usage_error("scan", "one image is needed");
	return scan_image(&r, argv[optind]);
}

const struct cmd cmd_scan = {
	"scan",
	"what in an image will not come out the same in its next build, and the remedy",
	"Usage: eifgen scan IMAGE [options]\n"
	"       eifgen scan --rules\n"
	"Name every file of the image that a second build would likely write otherwise: caches, logs, stamps, keys.\n\n"
	"      --json                one object instead of text\n"
	"      --fail-on SEVERITY    exit status 1 if a finding is low, medium or high, or worse\n"
	"      --rules               print the rules: id, severity, what --scrub does, cause\n"
	"      --layout NAME         as build has it: under nitro-cli times and implied parents count too\n"
	"      --mtime POLICY        as build has it\n" BUILD_IMAGE_HELP
	CMD_COMMON_HELP,
	run,
};
