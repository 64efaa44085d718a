// SPDX-License-Identifier: Apache-2.0
//
// `eifgen pcr`: the measurements of an image without writing an EIF, or those of an EIF recomputed from its bytes; and
// whether they are the ones expected, for CI.
#include "base/cleanup.h"
#include "base/hex.h"
#include "eifgen/cmd/build_record.h"
#include "eifgen/cmd/explain.h"
#include "eifgen/cmd/input_kind.h"
#include "eifgen/cmd/nitro.h"
#include "eifgen/eif_reader.h"
#include "eifgen/report.h"

#include <stdio.h>
#include <string.h>

enum { OPT_INPUT = 64, OPT_CERTIFICATE }; // nitro-cli's
enum { OPT_EXPECT = 1, OPT_PCR0, OPT_PCR1, OPT_PCR2, OPT_PCR8 };
enum { REGISTERS = 4 };

static const unsigned numbers[REGISTERS] = {0, 1, 2, 8};

static const struct option longs[] = {BUILD_LONGS, BUILD_CAGE_LONGS,
				      {"expect", required_argument, NULL, OPT_EXPECT},
				      {"pcr0", required_argument, NULL, OPT_PCR0},
				      {"pcr1", required_argument, NULL, OPT_PCR1},
				      {"pcr2", required_argument, NULL, OPT_PCR2},
				      {"pcr8", required_argument, NULL, OPT_PCR8},
				      {"input", required_argument, NULL, OPT_INPUT},
				      {"signing-certificate", required_argument, NULL, OPT_CERTIFICATE},
				      {NULL, 0, NULL, 0}};

struct expectation {
	bool set;
	uint8_t value[PCR_SIZE];
};

struct request {
	struct build_options opt;
	const char *input, *expect;
	const char *file, *certificate; // nitro-cli's pcr
	struct expectation want[REGISTERS];
	struct record *record;
};

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
	record_free(r->record);
}

static int take_register(struct request *r, int i)
{
	static const uint8_t zeros[PCR_SIZE];

	if (hex_decode(optarg, strlen(optarg), r->want[i].value, PCR_SIZE))
		return cmd_usage_error("pcr", "--pcr%u takes %d hex digits", numbers[i], 2 * PCR_SIZE);
	if (!memcmp(r->want[i].value, zeros, PCR_SIZE))
		return cmd_usage_error("pcr", "--pcr%u: zeros are what an enclave in debug mode shows", numbers[i]);
	r->want[i].set = true;
	return 0;
}

static int parse(int argc, char **argv, struct request *r)
{
	int o;

	while ((o = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (o == OPT_EXPECT)
			r->expect = optarg;
		else if (o == OPT_INPUT)
			r->file = optarg;
		else if (o == OPT_CERTIFICATE)
			r->certificate = optarg;
		else if (o >= OPT_PCR0 && o <= OPT_PCR8 ? take_register(r, o - OPT_PCR0)
							: build_option_take(&r->opt, o, "pcr"))
			return 1 + EXIT_TROUBLE;
	}
	if (argc - optind + !!r->file + !!r->certificate != 1)
		return 1 + cmd_usage_error("pcr", "one image or EIF is needed");
	r->input = argv[optind];
	return 0;
}

static const uint8_t *value_of(const struct pcr_values *v, int i)
{
	switch (i) {
	case 0:
		return v->pcr0;
	case 1:
		return v->pcr1;
	case 2:
		return v->pcr2;
	default:
		return v->has_pcr8 ? v->pcr8 : NULL;
	}
}

static void add_record(struct request *r)
{
	for (int i = 0; i < REGISTERS; i++) {
		const uint8_t *v = value_of(&r->record->pcrs, i);

		if (!v || r->want[i].set) // what the command line says goes before
			continue;
		memcpy(r->want[i].value, v, PCR_SIZE);
		r->want[i].set = true;
	}
}

// Writes what differs; the exit status.
static int compare(const struct request *r, const struct pcr_values *v, struct jout *o)
{
	bool asked = false, same = true;

	for (int i = 0; i < REGISTERS; i++)
		asked |= r->want[i].set;
	if (!asked)
		return EXIT_YES;
	jout_open(o, "Differences", '[');
	for (int i = 0; i < REGISTERS; i++) {
		const uint8_t *is = value_of(v, i);
		char name[8];

		if (!r->want[i].set || (is && !memcmp(is, r->want[i].value, PCR_SIZE)))
			continue;
		same = false;
		snprintf(name, sizeof(name), "PCR%u", numbers[i]);
		jout_open(o, NULL, '{');
		jout_str(o, "Register", name);
		jout_hex(o, "Expected", r->want[i].value, PCR_SIZE);
		if (is)
			jout_hex(o, "Actual", is, PCR_SIZE);
		else
			jout_null(o, "Actual");
		jout_close(o, '}');
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

	if ((r->record && build_job_lock_epoch(&r->opt, r->record, epoch, &err)) ||
	    build_job_open(&job, &r->opt, r->input, &err) || build_job_run(&job, -1, &err))
		return cmd_fail("measure", r->input, &err);
	jout_open(&o, NULL, '{');
	build_job_report(&job, &o);
	return finish(r, &job.output.pcrs, &o);
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
	if (r.expect) {
		if (record_load(r.expect, &r.record, &err))
			return cmd_fail("read", r.expect, &err);
		add_record(&r);
	}
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
	"                            compare with these\n"
	"      --input FILE, --signing-certificate FILE\n"
	"                            as nitro-cli's pcr: the register of a file's bytes, or of a certificate (PCR8)\n" BUILD_HELP BUILD_CAGE_HELP
	"  -q, --quiet               no warnings\n"
	"  -h, --help                this text\n",
	run,
};
