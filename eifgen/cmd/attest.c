// SPDX-License-Identifier: Apache-2.0
//
// `eifgen attest`: what runs there? A document, fetched over TLS or read from a file, verified fully and compared with
// the registers that are expected. For people by default, for scripts with --json.
#include "base/hex.h"
#include "eifgen/cmd/attest_run.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/json_out.h"
#include "epoch/epoch.h"

#include <stdio.h>
#include <string.h>

static const struct option fixed_options[] = {ATTEST_LONGS,
					      {"document", required_argument, NULL, ATTEST_OPT_DOCUMENT},
					      {"record", required_argument, NULL, ATTEST_OPT_RECORD}};
enum { FIXED_COUNT = sizeof(fixed_options) / sizeof(*fixed_options) };

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct attest *a)
{
	struct option longs[FIXED_COUNT + PCR_COUNT + 1] = {0};
	char names[PCR_COUNT][16];
	struct err err = ERR_INIT;
	int option;

	memcpy(longs, fixed_options, sizeof(fixed_options));
	for (int i = 0; i < PCR_COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "pcr%d", i);
		longs[FIXED_COUNT + i] = (struct option){names[i], required_argument, NULL, ATTEST_OPT_PCR + i};
	}
	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (attest_take_option(a, option, &err))
			return 1 + cmd_usage_error("attest", "%s", err.msg);
	}
	a->host = argv[optind];
	if (argc - optind + !!a->document != 1)
		return 1 + cmd_usage_error("attest", "one HOST[:PORT] or --document FILE is needed");
	if (!a->policy.pcrs.count)
		return 1 + cmd_usage_error("attest", "nothing is expected: give --record FILE or --pcrN HEX");
	if (a->nonce_text && a->no_nonce)
		return 1 + cmd_usage_error("attest", "--nonce and --no-nonce exclude each other");
	return 0;
}

static void put_bytes(struct jout *o, const char *key, const struct attest_bytes *b)
{
	if (b->p)
		jout_hex(o, key, b->p, b->n);
	else
		jout_null(o, key);
}

static void put_json(struct attest *a, const char *reason, struct jout *o)
{
	jout_open(o, NULL, '{');
	jout_bool(o, "Verified", !reason);
	jout_str(o, "Reason", reason);
	jout_str(o, "Source", attest_source(a));
	attest_put_policy(a, o);
	if (a->doc.module_id.p) {
		jout_strn(o, "ModuleId", a->doc.module_id.p, a->doc.module_id.n);
		jout_uint(o, "TimestampMs", a->doc.timestamp_ms);
		jout_open(o, "PCRs", '{');
		for (int i = 0; i < PCR_COUNT; i++) {
			char key[16];

			snprintf(key, sizeof(key), "PCR%d", i);
			if (a->doc.pcrs[i].p)
				jout_hex(o, key, a->doc.pcrs[i].p, a->doc.pcrs[i].n);
		}
		jout_close(o, '}');
		put_bytes(o, "UserData", &a->doc.user_data);
		put_bytes(o, "PublicKey", &a->doc.public_key);
		put_bytes(o, "Nonce", &a->doc.nonce);
	}
	jout_close(o, '}');
}

static int put_text(struct attest *a, const char *reason, struct buf *out, struct err *err)
{
	const char *what = a->document ? a->document : a->host;
	uint64_t seconds = a->doc.timestamp_ms / 1000;
	char time[21] = "";

	if (reason)
		return buf_printf(out, err, "NOT attested: %s: %s\n", what, reason);
	if (buf_printf(out, err, "attested: %s (document from the %s, made %s by %.*s)\n", what, attest_source(a),
		       seconds <= UINT32_MAX ? epoch_rfc3339((uint32_t)seconds, time) : "later than 2106",
		       (int)a->doc.module_id.n, (const char *)a->doc.module_id.p))
		return -1;
	for (unsigned i = 0; i < PCR_COUNT; i++) {
		char hex[2 * PCR_SIZE + 1];

		if (pcr_expect_has(&a->policy.pcrs, i) &&
		    buf_printf(out, err, "  PCR%u %s as expected\n", i, hex_encode(a->doc.pcrs[i].p, PCR_SIZE, hex)))
			return -1;
	}
	return attest_put_limits(a, out, err);
}

static int print_answer(struct attest *a, const char *reason)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;
	const char *text = NULL;

	if (a->json) {
		put_json(a, reason, &o);
		text = jout_text(&o, &err);
	} else if (!put_text(a, reason, &out, &err)) {
		text = buf_cstr(&out, &err);
	}
	if (!text)
		return cmd_fail("print", "the answer", &err);
	return cmd_print(text) ? EXIT_TROUBLE : reason ? EXIT_NO : EXIT_YES;
}

static int attest(struct attest *a)
{
	struct err err = ERR_INIT;

	if (attest_prepare(a, &err))
		return cmd_fail("attest", a->document ? a->document : a->host, &err);
	if (!attest_run(a, &err))
		return print_answer(a, NULL);
	if (err.class == ERR_MISMATCH || err.class == ERR_INPUT)
		return print_answer(a, err.msg);
	return cmd_fail("attest", a->document ? a->document : a->host, &err);
}

static int run(int argc, char **argv)
{
	struct attest a = ATTEST_INIT;
	int rc = parse(argc, argv, &a);

	rc = rc ? rc - 1 : attest(&a);
	attest_clear(&a);
	return rc;
}

const struct cmd cmd_attest = {
	"attest",
	"does that enclave run what is expected?",
	"Usage: eifgen attest HOST[:PORT] --record FILE | --pcr0 HEX… [OPTION…]\n"
	"       eifgen attest --document FILE --record FILE | --pcr0 HEX… [OPTION…]\n"
	"Fetches (or reads) an attestation document and verifies it fully: certificates from Amazon's root down, signature,\n"
	"age, nonce, binding to the TLS connection, no debug mode, and every expected register.\n"
	"Exit status: 0 attested, 1 not, 2 trouble.\n\n"
	"      --record FILE    expect the registers of a build's record (or of any Measurements JSON)\n"
	"      --pcr0 HEX … --pcr31 HEX\n"
	"                       expect this value of the register; repeated: one of these\n"
	"      --document FILE  judge this document; nothing is connected to\n"
	ATTEST_HELP
	"      --json           one JSON object, with all that the document says\n"
	CMD_COMMON_HELP,
	run,
};
