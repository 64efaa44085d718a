// SPDX-License-Identifier: Apache-2.0
//
// `eifgen pcr`: the measurements of an image without writing an EIF, or those of an EIF recomputed from its bytes; and
// whether they are the ones expected, for CI.
#include "base/cleanup.h"
#include "eifgen/cmd/build_record.h"
#include "eifgen/cmd/explain.h"
#include "eifgen/cmd/input_kind.h"
#include "eifgen/cmd/nitro.h"
#include "eifgen/eif_reader.h"
#include "eifgen/report.h"
#include "pcr/expect.h"

#include <stdio.h>
#include <string.h>

enum { OPT_EXPECT = 1, OPT_INPUT, OPT_CERTIFICATE, OPT_PCR = 64 }; // OPT_PCR + n: --pcrN

static const struct option longs[] = {BUILD_LONGS, BUILD_CAGE_LONGS,
				      {"expect", required_argument, NULL, OPT_EXPECT},
				      {"pcr0", required_argument, NULL, OPT_PCR + 0},
				      {"pcr1", required_argument, NULL, OPT_PCR + 1},
				      {"pcr2", required_argument, NULL, OPT_PCR + 2},
				      {"pcr8", required_argument, NULL, OPT_PCR + 8},
				      {"input", required_argument, NULL, OPT_INPUT},
				      {"signing-certificate", required_argument, NULL, OPT_CERTIFICATE},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	const char *input, *expect;
	const char *file, *certificate; // nitro-cli's pcr
	struct pcr_expect want;
	struct record *record;
};

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
	pcr_expect_free(&r->want);
	record_free(r->record);
}

// 0, or the exit status.
static int take_option(void *ctx, int option)
{
	struct request *r = ctx;
	struct err err = ERR_INIT;

	switch (option) {
	case OPT_EXPECT:
		r->expect = optarg;
		return 0;
	case OPT_INPUT:
		r->file = optarg;
		return 0;
	case OPT_CERTIFICATE:
		r->certificate = optarg;
		return 0;
	default:
		if (option >= BUILD_OPT_FIRST)
			return build_option_take(&r->opt, option, "pcr");
		if (pcr_expect_add_hex(&r->want, (unsigned)(option - OPT_PCR), optarg, &err))
			return cmd_usage_error("pcr", "%s", err.msg);
		return 0;
	}
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int rc = cmd_options(argc, argv, "", longs, take_option, r);

	if (rc)
		return rc;
	if (argc - optind + !!r->file + !!r->certificate != 1)
		return 1 + cmd_usage_error("pcr", "one image or EIF is needed");
	if ((r->file || r->certificate) && (r->expect || r->want.count))
		return 1 + cmd_usage_error("pcr", "--input and --signing-certificate compare with nothing");
	r->input = argv[optind];
	return 0;
}

// What the command line says of a register goes before what the record says.
static int add_record(struct request *r, struct err *err)
{
	if (record_load(r->expect, &r->record, err))
		return -1;
	for (unsigned i = 0; i < PCR_COUNT; i++) {
		const uint8_t *v = pcr_value(&r->record->pcrs, i);

		if (v && !pcr_expect_has(&r->want, i) && pcr_expect_add(&r->want, i, v, err))
			return -1;
	}
	return 0;
}

static void put_difference(struct jout *o, unsigned index, const uint8_t *expected, const uint8_t *actual)
{
	char name[16];

	snprintf(name, sizeof(name), "PCR%u", index);
	jout_open(o, NULL, '{');
	jout_str(o, "Register", name);
	jout_hex(o, "Expected", expected, PCR_SIZE);
	if (actual)
		jout_hex(o, "Actual", actual, PCR_SIZE);
	else
		jout_null(o, "Actual");
	jout_close(o, '}');
}

// Writes what differs; the exit status.
static int compare(const struct request *r, const struct pcr_values *v, struct jout *o)
{
	bool same = true;

	if (!r->want.count)
		return EXIT_YES;
	jout_open(o, "Differences", '[');
	for (unsigned i = 0; i < PCR_COUNT; i++) {
		struct err why = ERR_INIT;

		if (!pcr_expect_check(&r->want, i, pcr_value(v, i), PCR_SIZE, &why))
			continue;
		same = false;
		put_difference(o, i, pcr_expect_first(&r->want, i), pcr_value(v, i));
	}
	jout_close(o, ']');
	jout_bool(o, "AsExpected", same);
	return same ? EXIT_YES : EXIT_NO;
}

static int finish(const struct request *r, const struct pcr_values *v, struct jout *o)
{
	struct err err = ERR_INIT;
	int status = compare(r, v, o);
	const char *text;

	jout_close(o, '}');
	text = jout_text(o, &err);
	if (!text)
		return cmd_fail("print", "the measurements", &err);
	if (cmd_print(text))
		return EXIT_TROUBLE;
	if (status != EXIT_NO || !r->record || cmd_quiet)
		return status;
	if (input_is_eif(r->input) ? explain_eif(r->record, r->input, &err)
				   : explain_image(r->record, &r->opt, r->input, &err))
		return cmd_fail("compare", r->input, &err);
	return status;
}

static int of_eif(const struct request *r)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct pcr_values v = {.has_pcr8 = false};
	struct err err = ERR_INIT;

	if (eif_reader_pcrs(r->input, &v, &err))
		return cmd_fail("measure", r->input, &err);
	jout_open(&o, NULL, '{');
	report_measurements(&o, &v);
	return finish(r, &v, &o);
}

static int of_image(struct request *r)
{
	_cleanup_(build_job_clear) struct build_job job = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	char epoch[24];
	int status;

	r->opt.platform.pin_later = !r->record && !cmd_verbose; // nobody asks for the kernel's digest
	if ((r->record && build_job_lock_epoch(&r->opt, r->record, epoch, &err)) ||
	    build_job_open(&job, &r->opt, r->input, &err) || build_job_run(&job, -1, &err))
		return cmd_fail("measure", r->input, &err);
	jout_open(&o, NULL, '{');
	build_job_report(&job, &o);
	status = finish(r, &job.output.pcrs, &o);
	if (status == EXIT_YES)
		build_job_summary(&job);
	return status;
}

static int run(int argc, char **argv)
{
	_cleanup_(request_clear) struct request r = {0};
	struct err err = ERR_INIT;
	int rc;

	build_options_init(&r.opt);
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (r.file || r.certificate)
		return r.file ? nitro_pcr_of_file(r.file) : nitro_pcr_of_certificate(r.certificate);
	if (r.expect && add_record(&r, &err))
		return cmd_fail("read", r.expect, &err);
	return input_is_eif(r.input) ? of_eif(&r) : of_image(&r);
}

const struct cmd cmd_pcr = {
	"pcr",
	"an image's PCRs without building it, or an EIF's, and whether they are as expected",
	"Usage: eifgen pcr IMAGE|FILE.eif [options]\n"
	"Predict the PCRs of an image (nothing is written), or recompute those of an EIF. Exit status 1 if one is not\n"
	"as expected.\n\n"
	"      --expect RECORD       compare with a record's PCRs, and say why if they differ; its epoch is taken unless\n"
	"                            --epoch is given\n"
	"      --pcr0 HEX, --pcr1 HEX, --pcr2 HEX, --pcr8 HEX\n"
	"                            compare with these; repeated: one of these\n"
	"      --input FILE, --signing-certificate FILE\n"
	"                            as nitro-cli's pcr: the register of a file's bytes, or of a certificate (PCR8)\n"
	BUILD_HELP BUILD_CAGE_HELP
	CMD_COMMON_HELP,
	run,
};
