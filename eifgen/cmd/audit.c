// SPDX-License-Identifier: Apache-2.0
//
// `eifgen audit`: is what runs there what this source builds? Two answers that must both be yes: the record's pinned
// inputs give the record's registers here and now (`rebuild`), and the enclave at HOST attests those registers
// (`attest`). Both are asked whatever the first one says, so that a no names everything that is wrong.
#include "base/cleanup.h"
#include "eifgen/cmd/attest_run.h"
#include "eifgen/cmd/rebuild.h"

#include <string.h>

enum { OPT_IMAGE = 1 };

static const struct option longs[] = {BUILD_IMAGE_LONGS,
				      BUILD_PLATFORM_LONGS,
				      BUILD_CAGE_LONGS,
				      ATTEST_LONGS,
				      {"record", required_argument, NULL, ATTEST_OPT_RECORD},
				      {"image", required_argument, NULL, OPT_IMAGE},
				      {NULL, 0, NULL, 0}};

struct audit {
	struct build_options opt;
	struct attest attest;
	const char *path, *image;
	struct record *record;
	struct rebuild_pins pins;
	struct pcr_values built;
	struct err rebuild_no, attest_no; // why not; ERR_NONE: yes
};

static void audit_clear(struct audit *a)
{
	build_options_clear(&a->opt);
	rebuild_pins_clear(&a->pins);
	record_free(a->record);
	attest_clear(&a->attest);
}

static int take_option(void *ctx, int option)
{
	struct audit *a = ctx;
	struct err err = ERR_INIT;

	if (option == OPT_IMAGE) {
		a->image = optarg;
		return 0;
	}
	if (option == BUILD_OPT_CMDLINE || option == BUILD_OPT_ARCH)
		return cmd_usage_error("audit", "the command line and the architecture are the record's");
	if (option < ATTEST_OPT_FIRST || option > ATTEST_OPT_LAST)
		return build_option_take(&a->opt, option, "audit");
	if (option == ATTEST_OPT_RECORD && a->path) // attest would take the one or the other
		return cmd_usage_error("audit", "one record at a time");
	if (option == ATTEST_OPT_RECORD)
		a->path = optarg;
	return attest_take_option(&a->attest, option, &err) ? cmd_usage_error("audit", "%s", err.msg) : 0;
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct audit *a)
{
	int rc = cmd_options(argc, argv, "", longs, take_option, a);

	if (rc)
		return rc;
	if (optind + 1 != argc || !a->path)
		return 1 + cmd_usage_error("audit", "HOST[:PORT] and --record RECORD are needed");
	if (a->attest.nonce_text && a->attest.no_nonce)
		return 1 + cmd_usage_error("audit", "--nonce and --no-nonce exclude each other");
	a->attest.host = argv[optind];
	return 0;
}

static int open_job(struct audit *a, struct build_job *job, struct err *err)
{
	struct record_source src;

	if (record_load(a->path, &a->record, err))
		return -1;
	if (rebuild_pin_options(a->record, &a->opt, &a->pins, err))
		return err_prefix(err, "%s: ", a->path);
	if (rebuild_open(job, &a->opt, a->record, a->image, err))
		return -1;
	src = build_job_source(job);
	src.ignore_signature = true; // PCR8 is the certificate's; the enclave itself is asked for it
	return record_check_inputs(a->record, &src, err);
}

static void compare(struct audit *a)
{
	const struct {
		const char *name;
		const uint8_t *recorded, *built;
	} rows[] = {{"PCR0", a->record->pcrs.pcr0, a->built.pcr0},
		    {"PCR1", a->record->pcrs.pcr1, a->built.pcr1},
		    {"PCR2", a->record->pcrs.pcr2, a->built.pcr2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (a->rebuild_no.class == ERR_NONE && memcmp(rows[i].recorded, rows[i].built, PCR_SIZE) != 0)
			err_set(&a->rebuild_no, ERR_MISMATCH,
				"the rebuild's %s is not the record's: `eifgen rebuild` says why", rows[i].name);
}

static int rebuild(struct audit *a, struct err *err)
{
	_cleanup_(build_job_clear) struct build_job job = {0};

	if (open_job(a, &job, err) || build_job_run(&job, -1, err))
		return -1;
	a->built = job.output.pcrs;
	compare(a);
	return 0;
}

static int ask_enclave(struct audit *a, struct err *err)
{
	struct err why = ERR_INIT;

	if (!attest_run(&a->attest, &why))
		return 0;
	if (why.class == ERR_MISMATCH || why.class == ERR_INPUT) {
		a->attest_no = why;
		return 0;
	}
	*err = why;
	return -1;
}

static const char *reason(const struct err *no)
{
	return no->class == ERR_NONE ? NULL : no->msg;
}

static int put_text(const struct audit *a, bool yes, struct buf *out, struct err *err)
{
	const char *host = a->attest.host, *no = reason(&a->rebuild_no), *not = reason(&a->attest_no);

	if (buf_printf(out, err, "%s: %s\n", no ? "NOT rebuilt" : "rebuilt",
		       no ? no : "PCR0, PCR1 and PCR2 are the record's") ||
	    buf_printf(out, err, "%s: %s%s%s\n", not ? "NOT attested" : "attested", host,
		       not ? ": " : ", by its document from the ", not ? not : attest_source(&a->attest)) ||
	    (!not && attest_put_limits(&a->attest, out, err)) ||
	    buf_printf(out, err, "%s: what runs at %s %s what %s builds\n", yes ? "yes" : "NO", host,
		       yes ? "is" : "is not shown to be", a->path))
		return -1;
	return 0;
}

static void put_json(const struct audit *a, bool yes, struct jout *o)
{
	jout_open(o, NULL, '{');
	jout_bool(o, "Audited", yes);
	jout_bool(o, "Rebuilt", a->rebuild_no.class == ERR_NONE);
	jout_str(o, "RebuildReason", reason(&a->rebuild_no));
	jout_bool(o, "Attested", a->attest_no.class == ERR_NONE);
	jout_str(o, "AttestReason", reason(&a->attest_no));
	attest_put_policy(&a->attest, o);
	jout_open(o, "Built", '{');
	jout_hex(o, "PCR0", a->built.pcr0, PCR_SIZE);
	jout_hex(o, "PCR1", a->built.pcr1, PCR_SIZE);
	jout_hex(o, "PCR2", a->built.pcr2, PCR_SIZE);
	jout_close(o, '}');
	jout_close(o, '}');
}

static int answer(const struct audit *a)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	bool yes = a->rebuild_no.class == ERR_NONE && a->attest_no.class == ERR_NONE;
	struct err err = ERR_INIT;
	const char *text = NULL;

	if (a->attest.json) {
		put_json(a, yes, &o);
		text = jout_text(&o, &err);
	} else if (!put_text(a, yes, &out, &err)) {
		text = buf_cstr(&out, &err);
	}
	if (!text)
		return cmd_fail("print", "the answer", &err);
	return cmd_print(text) ? EXIT_TROUBLE : yes ? EXIT_YES : EXIT_NO;
}

static int run(int argc, char **argv)
{
	_cleanup_(audit_clear) struct audit a = {.attest = ATTEST_INIT};
	struct err err = ERR_INIT;
	int rc;

	build_options_init(&a.opt);
	rc = parse(argc, argv, &a);
	if (rc)
		return rc - 1;
	if (attest_prepare(&a.attest, &err))
		return cmd_fail("attest", a.attest.host, &err);
	if (rebuild(&a, &err))
		return cmd_fail("rebuild", a.path, &err);
	if (ask_enclave(&a, &err))
		return cmd_fail("attest", a.attest.host, &err);
	return answer(&a);
}

const struct cmd cmd_audit = {
	"audit",
	"is what runs there what this source builds?",
	"Usage: eifgen audit HOST[:PORT] --record RECORD [--image REF] [--blobs DIR] [options]\n"
	"Builds again from the record's pinned inputs, without writing anything, and asks the enclave at HOST for its\n"
	"attestation document: both must give the record's registers. Exit status: 0 yes, 1 no, 2 trouble.\n\n"
	"      --record FILE    the record of a build\n"
	"      --image REF      where the image is now (default: the record's reference); it must be the same image\n"
	"      --json           one JSON object\n" ATTEST_HELP
	"Platform (the command line is the record's):\n" BUILD_PLATFORM_HELP "Image:\n" BUILD_IMAGE_HELP
	BUILD_CAGE_HELP CMD_COMMON_HELP,
	run,
};
