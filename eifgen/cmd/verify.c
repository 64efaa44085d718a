// SPDX-License-Identifier: Apache-2.0
//
// `eifgen verify`: is this file what our writer or AWS's would have written, does its signature hold, is it the one
// that was expected? Every rule is tried and every failure named; one is enough for a no.
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/time_option.h"
#include "eifgen/eif_reader.h"
#include "eifgen/expect_file.h"
#include "eifgen/report.h"

#include "base/hex.h"
#include "base/mem.h"
#include "pcr/cert.h"

#include <string.h>

enum {
	SHA384_SIZE = 48,
	ALLOWED_MAX = 64, // --cert-sha384 options
	CA_MAX = 4 << 20, // bytes of the CA bundle: Debian's whole one is a quarter of a MiB
};

struct verify {
	const char *path, *at_text, *ca_path;
	int64_t at;
	bool require_signed;
	struct pcr_expect expect;
	uint8_t allowed[ALLOWED_MAX][SHA384_SIZE];
	size_t allowed_count;
	struct jout out; // the answer; its Reasons array is open while the rules run
	bool refused;
};

enum { OPT_AT = 256, OPT_RECORD, OPT_SIGNED, OPT_CERT, OPT_CA, OPT_PCR }; // OPT_PCR + n: --pcrN

static const struct option longs[] = {{"at", required_argument, NULL, OPT_AT},
				      {"record", required_argument, NULL, OPT_RECORD},
				      {"require-signed", no_argument, NULL, OPT_SIGNED},
				      {"cert-sha384", required_argument, NULL, OPT_CERT},
				      {"ca", required_argument, NULL, OPT_CA},
				      {"pcr0", required_argument, NULL, OPT_PCR + 0},
				      {"pcr1", required_argument, NULL, OPT_PCR + 1},
				      {"pcr2", required_argument, NULL, OPT_PCR + 2},
				      {"pcr8", required_argument, NULL, OPT_PCR + 8},
				      {NULL, 0, NULL, 0}};

static void refuse(struct verify *v, const char *text)
{
	v->refused = true;
	jout_str(&v->out, NULL, text);
}

static int add_allowed(struct verify *v, struct err *err)
{
	if (v->allowed_count == ALLOWED_MAX)
		return err_set(err, ERR_USAGE, "--cert-sha384: more than %d", ALLOWED_MAX);
	if (hex_decode(optarg, strlen(optarg), v->allowed[v->allowed_count], SHA384_SIZE))
		return err_set(err, ERR_USAGE, "--cert-sha384: not %d hex digits", 2 * SHA384_SIZE);
	v->allowed_count++;
	return 0;
}

static int take_option(struct verify *v, int option, struct err *err)
{
	switch (option) {
	case OPT_AT:
		v->at_text = optarg;
		return 0;
	case OPT_RECORD:
		return expect_add_file(&v->expect, optarg, err);
	case OPT_SIGNED:
		v->require_signed = true;
		return 0;
	case OPT_CERT:
		return add_allowed(v, err);
	case OPT_CA:
		v->ca_path = optarg;
		return 0;
	default:
		return pcr_expect_add_hex(&v->expect, (unsigned)(option - OPT_PCR), optarg, err);
	}
}

static void check_registers(struct verify *v, const struct eif_file *f)
{
	for (unsigned i = 0; i < PCR_COUNT; i++) { // --record may name others: they are absent here
		struct err why = ERR_INIT;

		if (pcr_expect_check(&v->expect, i, pcr_value(&f->pcrs, i), PCR_SIZE, &why))
			refuse(v, why.msg);
	}
}

static int check_allowed(struct verify *v, const struct eif_file *f, struct err *err)
{
	uint8_t digest[SHA384_SIZE];
	bool found = false;

	if (!v->allowed_count)
		return 0;
	if (f->cert) {
		if (cert_sha384(f->cert, digest, err))
			return -1;
		for (size_t i = 0; i < v->allowed_count; i++)
			found = found || !memcmp(digest, v->allowed[i], SHA384_SIZE);
	}
	if (!found)
		refuse(v, f->cert ? "the signing certificate is none of those allowed" : "no signing certificate");
	return 0;
}

// A rule that failed is a reason; trouble of ours or an option's file is an error.
static int rule(struct verify *v, int rc, const struct err *why, struct err *err)
{
	if (!rc)
		return 0;
	if (why->class == ERR_MEMORY || why->class == ERR_IO || why->class == ERR_USAGE) {
		*err = *why;
		return -1;
	}
	refuse(v, why->msg);
	return 0;
}

// Anybody can sign with a certificate of their own: is whose it is held against anything?
static bool signer_is_expected(const struct verify *v)
{
	return v->allowed_count || v->ca_path || pcr_expect_has(&v->expect, 8);
}

static int check_certificate(struct verify *v, const struct eif_file *f, struct err *err)
{
	_cleanup_buf_ struct buf ca = BUF_INIT(0);
	struct err why = ERR_INIT;

	if (!f->signature_count) {
		if (v->require_signed)
			refuse(v, "not signed");
		else if (v->ca_path)
			refuse(v, "not signed, and a CA was given");
		return check_allowed(v, f, err);
	}
	if (check_allowed(v, f, err))
		return -1;
	if (!f->cert)
		return 0; // the anomalies say why
	if (v->require_signed && !signer_is_expected(v))
		cmd_warn(
		    NULL,
		    "signed by whom is not looked at: that takes --cert-sha384, --pcr8, --ca or a signed --record");
	if (rule(v, cert_check_dates(f->cert, v->at, &why), &why, err))
		return -1;
	if (!v->ca_path)
		return 0;
	if (io_slurp(v->ca_path, CA_MAX, &ca, err))
		return -1;
	return rule(v, cert_check_chain(f->cert, &f->sig.cert, &ca, v->at, &why), &why, err);
}

static int check_file(struct verify *v, const struct eif_file *f, struct err *err)
{
	for (size_t i = 0; i < f->anomaly_count; i++) {
		if (!f->anomalies[i].tolerated)
			refuse(v, f->anomalies[i].text);
		else
			cmd_warn(NULL, f->anomalies[i].text);
	}
	check_registers(v, f);
	return check_certificate(v, f, err);
}

static int answer(struct verify *v, const struct eif_file *f, struct err *err)
{
	const char *text;

	jout_close(&v->out, ']');
	jout_bool(&v->out, "Verified", !v->refused);
	if (f) {
		jout_bool(&v->out, "IsSigned", f->signature_count > 0);
		jout_bool(&v->out, "SignerExpected", f->signature_count > 0 && signer_is_expected(v));
		report_measurements(&v->out, &f->pcrs);
		report_anomalies(&v->out, "Tolerated", f, REPORT_TOLERATED);
	}
	jout_close(&v->out, '}');
	text = jout_text(&v->out, err);
	if (!text)
		return -1;
	return cmd_print(text) ? EXIT_TROUBLE : v->refused ? EXIT_NO : EXIT_YES;
}

static int verify_file(struct verify *v)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (time_option(v->at_text, &v->at, &err))
		return cmd_fail("verify", v->path, &err);
	jout_open(&v->out, NULL, '{');
	jout_open(&v->out, "Reasons", '[');
	if (eif_file_open(v->path, &f, &err)) {
		if (err.class != ERR_INPUT)
			return cmd_fail("verify", v->path, &err);
		refuse(v, err.msg);
		rc = answer(v, NULL, &err);
	} else {
		rc = check_file(v, f, &err) ? -1 : answer(v, f, &err);
	}
	return rc < 0 ? cmd_fail("verify", v->path, &err) : rc;
}

static int run(int argc, char **argv)
{
	struct verify v = {.out = JOUT_INIT(true), .expect = PCR_EXPECT_INIT};
	struct err err = ERR_INIT;
	int option, rc = -1;

	while ((option = cmd_getopt(argc, argv, "", longs)) != -1 && rc < 0) {
		if (option == CMD_OPT_STOP)
			rc = cmd_opt_status;
		else if (take_option(&v, option, &err))
			rc = cmd_usage_error("verify", "%s", err.msg);
	}
	if (rc < 0 && argc - optind != 1)
		rc = cmd_usage_error("verify", "one EIF is needed");
	if (rc < 0) {
		v.path = argv[optind];
		rc = verify_file(&v);
	}
	jout_free(&v.out);
	pcr_expect_free(&v.expect);
	return rc;
}

const struct cmd cmd_verify = {
	"verify",
	"is this EIF sound, signed as it should be, and the one expected?",
	"Usage: eifgen verify FILE.eif [OPTION…]\n"
	"Strict: any departure from what our writer or AWS's would write is a no, with every reason in `Reasons`.\n"
	"Exit status: 0 yes, 1 no, 2 the file cannot be read.\n\n"
	"      --pcr0 HEX, --pcr1, --pcr2, --pcr8   the register must have this value; repeated: one of these\n"
	"      --record FILE       the registers of a build's record (or of any Measurements JSON) must be these\n"
	"      --require-signed    an unsigned file is a no; --pcr8, --cert-sha384 or --ca say by whom it must be\n"
	"      --cert-sha384 HEX   the signing certificate's SHA-384 fingerprint; repeated: one of these\n"
	"      --ca FILE           the certificate must lead to one of the roots in this PEM file, through those that stand\n"
	"                          behind it in the EIF, and its usage and purpose (if it says any) be to sign code\n"
	"      --at TIME           judge certificate dates then (seconds since 1970 or RFC 3339), not now\n"
	CMD_COMMON_HELP,
	run,
};
