// SPDX-License-Identifier: Apache-2.0
//
// What `attest` and `audit` share: their options and the judgement itself. A command puts ATTEST_LONGS among its
// options and hands values it does not know to attest_take_option.
#ifndef EIFGEN_CMD_ATTEST_RUN_H
#define EIFGEN_CMD_ATTEST_RUN_H

#include "eifgen/attest_fetch.h"
#include "eifgen/json_out.h"
#include "pcr/attest_doc.h"

#include <getopt.h>
#include <stdbool.h>

enum { ATTEST_NONCE_MAX = 256 }; // bytes

struct attest {
	const char *host, *document; // one of them
	const char *name, *at_text, *root_path, *nonce_text;
	bool no_nonce, json;
	uint8_t nonce[ATTEST_NONCE_MAX];
	size_t nonce_len;
	struct attest_policy policy; // pcrs: what is expected
	struct buf root;
	struct attest_answer answer;
	struct attest_doc doc; // once it could be parsed
};

#define ATTEST_INIT {.answer = ATTEST_ANSWER_INIT, .doc = ATTEST_DOC_INIT}

enum {
	ATTEST_OPT_FIRST = 3000,
	ATTEST_OPT_DOCUMENT = ATTEST_OPT_FIRST,
	ATTEST_OPT_RECORD,
	ATTEST_OPT_AT,
	ATTEST_OPT_ROOT,
	ATTEST_OPT_NONCE,
	ATTEST_OPT_NO_NONCE,
	ATTEST_OPT_NAME,
	ATTEST_OPT_JSON,
	ATTEST_OPT_MAX_AGE,
	ATTEST_OPT_PCR, // + n: --pcrN
	ATTEST_OPT_LAST = ATTEST_OPT_PCR + PCR_COUNT - 1,
};

// clang-format off
#define ATTEST_LONGS                                                                                                   \
	{"at", required_argument, NULL, ATTEST_OPT_AT}, {"root", required_argument, NULL, ATTEST_OPT_ROOT},            \
	{"nonce", required_argument, NULL, ATTEST_OPT_NONCE}, {"no-nonce", no_argument, NULL, ATTEST_OPT_NO_NONCE},    \
	{"name", required_argument, NULL, ATTEST_OPT_NAME}, {"json", no_argument, NULL, ATTEST_OPT_JSON},              \
	{"max-age", required_argument, NULL, ATTEST_OPT_MAX_AGE}
// clang-format on
#define ATTEST_HELP                                                                                                    \
	"      --nonce HEX      the nonce that was (or is to be) sent; default: 20 fresh random bytes\n"               \
	"      --no-nonce       take a document without a nonce of ours, such as a cached one\n"                       \
	"      --max-age N      seconds a document may be old (default: 10800)\n"                                      \
	"      --at TIME        judge then (seconds since 1970 or RFC 3339), not now\n"                                \
	"      --name NAME      the cage's host name, where HOST is an address\n"                                      \
	"      --root FILE      trust this root (PEM) in place of Amazon's: for tests\n"

// Takes option `option` (ATTEST_OPT_FIRST to _LAST) with optarg. 0, or -1 with a usage error's text.
int attest_take_option(struct attest *a, int option, struct err *err);
// What can be wrong with the options' values, before anything else is done: --at and --root. Once, before attest_run.
int attest_prepare(struct attest *a, struct err *err);
// Fetches or reads the document and verifies it against a->policy.pcrs. 0: attested. -1: ERR_MISMATCH or ERR_INPUT is
// the answer no, with its reason; anything else is trouble.
int attest_run(struct attest *a, struct err *err);
// Where the document came from: "file", "certificate", "well-known".
const char *attest_source(const struct attest *a);
// What the judgement was to hold the document against, for those who read the answer alone: as a member `Policy` of the
// object that is open, or, where that is less than everything, as lines behind a yes.
void attest_put_policy(const struct attest *a, struct jout *o);
int attest_put_limits(const struct attest *a, struct buf *out, struct err *err);
void attest_clear(struct attest *a);

#endif
