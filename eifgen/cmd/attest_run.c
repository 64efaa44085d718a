// SPDX-License-Identifier: Apache-2.0
//
// From options to a judged document: the nonce is made, the host asked (or the file read), the policy filled, and every
// check run. What is neither given nor waived here is refused by attest_verify, so this cannot forget one.
#include "eifgen/cmd/attest_run.h"

#include "base/hex.h"
#include "base/io.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/time_option.h"
#include "eifgen/expect_file.h"
#include "pcr/cert.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONCE_SIZE = 20, // of those we make: 40 hex digits fit one DNS label
	ROOT_FILE_MAX = 1 << 20,
	TIMEOUT = 20, // seconds
};

static int take_nonce(struct attest *a, struct err *err)
{
	size_t n = strlen(optarg);

	if (n < 2 || n % 2 || n / 2 > ATTEST_NONCE_MAX || hex_decode(optarg, n, a->nonce, n / 2))
		return err_set(err, ERR_USAGE, "--nonce: 1 to %d bytes in hex", ATTEST_NONCE_MAX);
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

int attest_take_option(struct attest *a, int option, struct err *err)
{
	switch (option) {
	case ATTEST_OPT_DOCUMENT:
		a->document = optarg;
		return 0;
	case ATTEST_OPT_RECORD:
		return expect_add_file(&a->policy.pcrs, optarg, err);
	case ATTEST_OPT_AT:
		a->at_text = optarg;
		return 0;
	case ATTEST_OPT_ROOT:
		a->root_path = optarg;
		return 0;
	case ATTEST_OPT_NONCE:
		return take_nonce(a, err);
	case ATTEST_OPT_NO_NONCE:
		a->no_nonce = true;
		return 0;
	case ATTEST_OPT_NAME:
		a->name = optarg;
		return 0;
	case ATTEST_OPT_JSON:
		a->json = true;
		return 0;
	case ATTEST_OPT_MAX_AGE:
		return take_max_age(a, err);
	default:
		return pcr_expect_add_hex(&a->policy.pcrs, (unsigned)(option - ATTEST_OPT_PCR), optarg, err);
	}
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

int attest_prepare(struct attest *a, struct err *err)
{
	return time_option(a->at_text, &a->policy.at, err) || load_root(a, err) ? -1 : 0;
}

int attest_run(struct attest *a, struct err *err)
{
	if (a->document ? get_from_file(a, err) : get_from_host(a, err))
		return -1;
	// The clock is read behind the conversation, which may take its time: a document made meanwhile is not of the
	// future.
	return time_option(a->at_text, &a->policy.at, err) ? -1 : judge(a, err);
}

const char *attest_source(const struct attest *a)
{
	return a->document ? "file" : a->answer.from_cert ? "certificate" : "well-known";
}

// What a yes rests on, sentence by sentence where it is less than everything.
int attest_put_limits(const struct attest *a, struct buf *out, struct err *err)
{
	if (a->root_path && buf_printf(out, err, "  by the root in %s, which is not Amazon's\n", a->root_path))
		return -1;
	if (a->no_nonce && buf_add_str(out, "  fresh by its timestamp alone: no nonce was held against it\n", err))
		return -1;
	if (a->document && buf_add_str(out, "  of no connection: whoever has the document can show it\n", err))
		return -1;
	return 0;
}

void attest_put_policy(const struct attest *a, struct jout *o)
{
	jout_open(o, "Policy", '{');
	jout_open(o, "Registers", '[');
	for (unsigned i = 0; i < PCR_COUNT; i++) {
		char name[16];

		snprintf(name, sizeof(name), "PCR%u", i);
		if (pcr_expect_has(&a->policy.pcrs, i))
			jout_str(o, NULL, name);
	}
	jout_close(o, ']');
	jout_str(o, "Root", a->root_path); // null: Amazon's
	jout_bool(o, "Nonce", !a->no_nonce);
	jout_bool(o, "Connection", !a->document);
	jout_close(o, '}');
}

void attest_clear(struct attest *a)
{
	attest_doc_free(&a->doc);
	buf_free(&a->answer.doc);
	buf_free(&a->answer.spki);
	buf_free(&a->root);
	pcr_expect_free(&a->policy.pcrs);
}
