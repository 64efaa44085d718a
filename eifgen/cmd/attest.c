// SPDX-License-Identifier: Apache-2.0
//
// `eifgen attest`: what runs there? A document, fetched over TLS or read from a file, verified fully and compared with the
// registers that are expected. For people by default, for scripts with --json.
#include "base/hex.h"
#include "base/io.h"
#include "eifgen/attest_fetch.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/time_option.h"
#include "eifgen/expect_file.h"
#include "eifgen/json_out.h"
#include "epoch/epoch.h"
#include "pcr/attest_doc.h"
#include "pcr/cert.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONCE_SIZE = 20,  // of those we make: 40 hex digits fit one DNS label
	NONCE_MAX = 256,
	ROOT_FILE_MAX = 1 << 20,
	TIMEOUT = 20,
};

struct attest {
	const char *host, *document, *name, *at_text, *root_path, *nonce_text;
	bool no_nonce, json;
	uint8_t nonce[NONCE_MAX];
	size_t nonce_len;
	struct attest_policy policy;
	struct buf root;
	struct attest_answer answer;
	struct attest_doc doc;
};

enum { OPT_DOCUMENT = 256, OPT_RECORD, OPT_AT, OPT_ROOT, OPT_NONCE, OPT_NO_NONCE, OPT_NAME, OPT_JSON, OPT_MAX_AGE,
       OPT_PCR }; // OPT_PCR + n: --pcrN

static const struct option fixed_options[] = {{"document", required_argument, NULL, OPT_DOCUMENT},
					      {"record", required_argument, NULL, OPT_RECORD},
					      {"at", required_argument, NULL, OPT_AT},
					      {"root", required_argument, NULL, OPT_ROOT},
					      {"nonce", required_argument, NULL, OPT_NONCE},
					      {"no-nonce", no_argument, NULL, OPT_NO_NONCE},
					      {"name", required_argument, NULL, OPT_NAME},
					      {"json", no_argument, NULL, OPT_JSON},
					      {"max-age", required_argument, NULL, OPT_MAX_AGE}};
enum { FIXED_COUNT = sizeof(fixed_options) / sizeof(*fixed_options) };

static int take_nonce(struct attest *a, struct err *err)
{
	size_t n = strlen(optarg);

	if (n < 2 || n % 2 || n / 2 > NONCE_MAX || hex_decode(optarg, n, a->nonce, n / 2))
		return err_set(err, ERR_USAGE, "--nonce: 1 to %d bytes in hex", NONCE_MAX);
	a->nonce_text = optarg;
	a->nonce_len = n / 2;
	return 0;
}

static int take_max_age(struct attest *a, struct err *err)
{
	char *end;

	a->policy.max_age = strtol(optarg, &end, 10);
	if (*optarg < '1' || *optarg > '9' || *end || a->policy.max_age > 100LL * 365 * 86400)
		return err_set(err, ERR_USAGE, "--max-age: seconds, not %s", optarg);
	return 0;
}

static int take_option(struct attest *a, int option, struct err *err)
{
	switch (option) {
	case OPT_DOCUMENT:
		a->document = optarg;
		return 0;
	case OPT_RECORD:
		return expect_add_file(&a->policy.pcrs, optarg, err);
	case OPT_AT:
		a->at_text = optarg;
		return 0;
	case OPT_ROOT:
		a->root_path = optarg;
		return 0;
	case OPT_NONCE:
		return take_nonce(a, err);
	case OPT_NO_NONCE:
		a->no_nonce = true;
		return 0;
	case OPT_NAME:
		a->name = optarg;
		return 0;
	case OPT_JSON:
		a->json = true;
		return 0;
	case OPT_MAX_AGE:
		return take_max_age(a, err);
	default:
		return pcr_expect_add_hex(&a->policy.pcrs, (unsigned)(option - OPT_PCR), optarg, err);
	}
}

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
		longs[FIXED_COUNT + i] = (struct option){names[i], required_argument, NULL, OPT_PCR + i};
	}
	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (take_option(a, option, &err))
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

static int load_root(struct attest *a, struct err *err)
{
	_cleanup_buf_ struct buf pem = BUF_INIT(0);
	_cleanup_x509_ X509 *cert = NULL;

	if (!a->root_path)
		return 0;
	cmd_say("warning: TRUSTING THE ROOT in %s, NOT Amazon's: what this attests is worth no more than that file",
		a->root_path);
	if (io_slurp(a->root_path, ROOT_FILE_MAX, &pem, err))
		return -1;
	cert = cert_from_pem(pem.data, pem.len, err);
	if (!cert || cert_der(cert, &a->root, err))
		return err_prefix(err, "%s: ", a->root_path);
	a->policy.root = a->root.data;
	a->policy.root_len = a->root.len;
	return 0;
}

// HOST, HOST:PORT, [IPv6]:PORT, or a bare IPv6 address. Both results point into `text`, which is cut in place.
static void split_host(char *text, const char **host, const char **port)
{
	char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');

	*port = "443";
	*host = text;
	if (*text == '[' && bracket) {
		*bracket = '\0';
		*host = text + 1;
		if (bracket[1] == ':')
			*port = bracket + 2;
	} else if (colon && strchr(text, ':') == colon) {
		*colon = '\0';
		*port = colon + 1;
	}
}

static int get_from_host(struct attest *a, struct err *err)
{
	char text[512];
	struct attest_target t = {.name = a->name, .timeout = TIMEOUT};

	if (strlen(a->host) >= sizeof(text))
		return err_set(err, ERR_USAGE, "a host name that long does not exist");
	snprintf(text, sizeof(text), "%s", a->host);
	split_host(text, &t.host, &t.port);
	if (!a->no_nonce && !a->nonce_text) {
		if (RAND_bytes(a->nonce, NONCE_SIZE) != 1)
			return err_set(err, ERR_MEMORY, "no random bytes from OpenSSL");
		a->nonce_len = NONCE_SIZE;
	}
	if (!a->no_nonce) {
		t.nonce = a->nonce;
		t.nonce_len = a->nonce_len;
	}
	if (attest_fetch(&t, &a->answer, err))
		return -1;
	a->policy.spki = (struct attest_bytes){a->answer.spki.data, a->answer.spki.len};
	return 0;
}

// A document by itself: nothing says which connection it belongs to, and a nonce only if the caller knows it.
static int get_from_file(struct attest *a, struct err *err)
{
	if (io_slurp(a->document, ATTEST_DOC_MAX, &a->answer.doc, err))
		return -1;
	a->policy.waived |= ATTEST_WAIVE_BINDING;
	if (!a->nonce_text) {
		a->no_nonce = true;
		cmd_warn(NULL, "a document by itself, without --nonce: it may be an old one, shown by anybody");
	}
	return 0;
}

static int judge(struct attest *a, struct err *err)
{
	if (a->no_nonce)
		a->policy.waived |= ATTEST_WAIVE_NONCE;
	else
		a->policy.nonce = (struct attest_bytes){a->nonce, a->nonce_len};
	if (attest_doc_parse(&a->doc, a->answer.doc.data ? (void *)a->answer.doc.data : "", a->answer.doc.len, err))
		return -1;
	return attest_verify(&a->doc, &a->policy, err);
}

static const char *source_of(const struct attest *a)
{
	return a->document ? "file" : a->answer.from_cert ? "certificate" : "well-known";
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
	jout_str(o, "Source", source_of(a));
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
	if (buf_printf(out, err, "attested: %s (document from the %s, made %s by %.*s)\n", what, source_of(a),
		       seconds <= UINT32_MAX ? epoch_rfc3339((uint32_t)seconds, time) : "later than 2106",
		       (int)a->doc.module_id.n, (const char *)a->doc.module_id.p))
		return -1;
	for (unsigned i = 0; i < PCR_COUNT; i++) {
		char hex[2 * PCR_SIZE + 1];

		if (pcr_expect_has(&a->policy.pcrs, i) &&
		    buf_printf(out, err, "  PCR%u %s as expected\n", i, hex_encode(a->doc.pcrs[i].p, PCR_SIZE, hex)))
			return -1;
	}
	return 0;
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
	const char *object = a->document ? a->document : a->host;
	struct err err = ERR_INIT;
	int rc;

	if (time_option(a->at_text, &a->policy.at, &err) || load_root(a, &err))
		return cmd_fail("attest", object, &err);
	rc = a->document ? get_from_file(a, &err) : get_from_host(a, &err);
	if (!rc)
		rc = judge(a, &err);
	if (!rc)
		return print_answer(a, NULL);
	if (err.class == ERR_MISMATCH || err.class == ERR_INPUT)
		return print_answer(a, err.msg);
	return cmd_fail("attest", object, &err);
}

static int run(int argc, char **argv)
{
	struct attest a = {.answer = ATTEST_ANSWER_INIT, .doc = ATTEST_DOC_INIT};
	int rc = parse(argc, argv, &a);

	rc = rc ? rc - 1 : attest(&a);
	attest_doc_free(&a.doc);
	buf_free(&a.answer.doc);
	buf_free(&a.answer.spki);
	buf_free(&a.root);
	pcr_expect_free(&a.policy.pcrs);
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
	"      --nonce HEX      the nonce that was (or is to be) sent; default: 20 fresh random bytes\n"
	"      --no-nonce       take a document without a nonce of ours, such as a cached one\n"
	"      --max-age N      seconds a document may be old (default: 10800)\n"
	"      --at TIME        judge then (seconds since 1970 or RFC 3339), not now\n"
	"      --name NAME      the cage's host name, where HOST is an address\n"
	"      --root FILE      trust this root (PEM) in place of Amazon's: for tests\n"
	"      --json           one JSON object, with all that the document says\n",
	run,
};
