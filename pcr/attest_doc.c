// SPDX-License-Identifier: Apache-2.0
//
// The form of a document: strict CBOR all the way, every field's type and limits, no key twice, nothing behind the end.
// Unknown keys are passed over (AWS signs the map, so it may add some), known ones must stand exactly once.
#include "pcr/attest_doc.h"

#include "base/cbor.h"
#include "base/hex.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
	FIELDS_MAX = 32, // keys of the payload's map; nine are known
	HASH_SIZES = 3,
};

typedef int field_reader(struct attest_doc *doc, struct cbor_reader *r, struct err *err);

static int read_module_id(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	const char *text;
	size_t n = 0;

	if (cbor_get_text(r, &text, &n, err))
		return -1;
	if (!n || n > ATTEST_MODULE_ID_MAX)
		return err_set(err, ERR_INPUT, "%zu bytes", n);
	for (size_t i = 0; i < n; i++) // it is printed as it stands
		if (text[i] < 0x20 || text[i] > 0x7e)
			return err_set(err, ERR_INPUT, "no printable ASCII");
	doc->module_id = (struct attest_bytes){(const uint8_t *)text, n};
	return 0;
}

static int read_digest(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	const char *text;
	size_t n = 0;

	(void)doc;
	if (cbor_get_text(r, &text, &n, err))
		return -1;
	return cbor_text_is(text, n, "SHA384") ? 0 : err_set(err, ERR_INPUT, "not SHA384");
}

static int read_timestamp(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	if (cbor_get_uint(r, INT64_MAX, &doc->timestamp_ms, err))
		return -1;
	return doc->timestamp_ms ? 0 : err_set(err, ERR_INPUT, "zero");
}

static int read_pcrs(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	static const size_t sizes[HASH_SIZES] = {32, 48, 64};
	struct cbor_seq seq = {0, false};
	size_t count = 0;
	int more;

	if (cbor_get_map(r, &seq, err))
		return -1;
	for (; (more = cbor_seq_next(r, &seq, err)) > 0; count++) {
		struct attest_bytes v = {NULL, 0};
		uint64_t i = 0;

		if (cbor_get_uint(r, PCR_COUNT - 1, &i, err) || cbor_get_bytes(r, &v.p, &v.n, err))
			return -1;
		if (doc->pcrs[i].p)
			return err_set(err, ERR_INPUT, "PCR%llu stands twice", (unsigned long long)i);
		if (v.n != sizes[0] && v.n != sizes[1] && v.n != sizes[2])
			return err_set(err, ERR_INPUT, "PCR%llu has %zu bytes", (unsigned long long)i, v.n);
		doc->pcrs[i] = v;
	}
	return more < 0 ? -1 : count ? 0 : err_set(err, ERR_INPUT, "empty");
}

static int read_cert(struct cbor_reader *r, struct attest_bytes *out, struct err *err)
{
	if (cbor_get_bytes(r, &out->p, &out->n, err))
		return -1;
	return out->n && out->n <= ATTEST_CERT_MAX ? 0 : err_set(err, ERR_INPUT, "a certificate of %zu bytes", out->n);
}

static int read_certificate(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	return read_cert(r, &doc->certificate, err);
}

static int read_bundle(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq = {0, false};
	int more;

	if (cbor_get_array(r, &seq, err))
		return -1;
	while ((more = cbor_seq_next(r, &seq, err)) > 0) {
		if (doc->bundle_count == ATTEST_BUNDLE_MAX)
			return err_set(err, ERR_INPUT, "more than %d certificates", ATTEST_BUNDLE_MAX);
		if (read_cert(r, &doc->bundle[doc->bundle_count++], err))
			return -1;
	}
	return more < 0 ? -1 : doc->bundle_count ? 0 : err_set(err, ERR_INPUT, "empty");
}

static int read_optional(struct cbor_reader *r, struct attest_bytes *out, struct err *err)
{
	if (cbor_take_null(r))
		return 0;
	if (cbor_get_bytes(r, &out->p, &out->n, err))
		return -1;
	return out->n <= ATTEST_FIELD_MAX ? 0 : err_set(err, ERR_INPUT, "%zu bytes", out->n);
}

static int read_public_key(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	return read_optional(r, &doc->public_key, err);
}

static int read_user_data(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	return read_optional(r, &doc->user_data, err);
}

static int read_nonce(struct attest_doc *doc, struct cbor_reader *r, struct err *err)
{
	return read_optional(r, &doc->nonce, err);
}

static const struct {
	const char *name;
	field_reader *read;
	bool needed;
} fields[] = {
	{"module_id", read_module_id, true},	     {"digest", read_digest, true},
	{"timestamp", read_timestamp, true},	     {"pcrs", read_pcrs, true},
	{"certificate", read_certificate, true}, {"cabundle", read_bundle, true},
	{"public_key", read_public_key, false},  {"user_data", read_user_data, false},
	{"nonce", read_nonce, false},
};
enum { FIELD_COUNT = sizeof(fields) / sizeof(*fields) };

static int read_field(struct attest_doc *doc, struct cbor_reader *r, struct attest_bytes *keys, size_t count,
		      bool seen[FIELD_COUNT], struct err *err)
{
	const char *key;
	size_t n = 0;

	if (count == FIELDS_MAX)
		return err_set(err, ERR_INPUT, "more than %d fields", FIELDS_MAX);
	if (cbor_get_text(r, &key, &n, err))
		return -1;
	for (size_t i = 0; i < count; i++)
		if (keys[i].n == n && !memcmp(keys[i].p, key, n))
			return err_set(err, ERR_INPUT, "a field stands twice");
	keys[count] = (struct attest_bytes){(const uint8_t *)key, n};
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (!cbor_text_is(key, n, fields[i].name))
			continue;
		seen[i] = true;
		return fields[i].read(doc, r, err) ? err_prefix(err, "%s: ", fields[i].name) : 0;
	}
	return cbor_skip(r, err);
}

static int parse_payload(struct attest_doc *doc, struct err *err)
{
	struct attest_bytes keys[FIELDS_MAX];
	bool seen[FIELD_COUNT] = {false};
	struct cbor_seq seq = {0, false};
	struct cbor_reader r;
	int more;

	cbor_reader_init(&r, doc->cose.payload.data, doc->cose.payload.len, CBOR_STRICT);
	if (cbor_get_map(&r, &seq, err))
		return -1;
	for (size_t count = 0; (more = cbor_seq_next(&r, &seq, err)) > 0; count++)
		if (read_field(doc, &r, keys, count, seen, err))
			return -1;
	if (more < 0 || cbor_end(&r, err))
		return -1;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (fields[i].needed && !seen[i])
			return err_set(err, ERR_INPUT, "%s is missing", fields[i].name);
	return 0;
}

static int parse(struct attest_doc *doc, const void *p, size_t n, struct err *err)
{
	if (n > ATTEST_DOC_MAX)
		return err_set(err, ERR_INPUT, "%zu bytes, more than %d", n, ATTEST_DOC_MAX);
	if (cose_sign1_parse(&doc->cose, p, n, COSE_FORM_STRICT, err))
		return -1;
	if (doc->cose.alg != COSE_ES384)
		return err_set(err, ERR_INPUT, "algorithm %lld, not ES384", (long long)doc->cose.alg);
	if (doc->cose.extra_protected || doc->cose.unprotected)
		return err_set(err, ERR_INPUT, "headers beside the algorithm");
	return parse_payload(doc, err);
}

int attest_doc_parse(struct attest_doc *doc, const void *p, size_t n, struct err *err)
{
	if (!parse(doc, p, n, err))
		return 0;
	attest_doc_free(doc);
	return err_prefix(err, "attestation document: ");
}

void attest_doc_free(struct attest_doc *doc)
{
	cose_sign1_free(&doc->cose);
	*doc = (struct attest_doc)ATTEST_DOC_INIT;
}

// A DNS name whose labels up to some dot are hex that begins as a COSE_Sign1 does (84, or d2 84 with the tag).
static int doc_from_name(const char *name, size_t n, struct buf *out, struct err *err)
{
	const char *dot = memchr(name, '.', n);
	size_t len = dot ? (size_t)(dot - name) : 0;

	if (len < 128 || len / 2 > ATTEST_DOC_MAX || (strncmp(name, "84", 2) != 0 && strncasecmp(name, "d284", 4) != 0))
		return err_set(err, ERR_INPUT, "no document");
	if (buf_reserve(out, len / 2, err) || hex_decode(name, len, out->data + out->len, len / 2))
		return err_set(err, ERR_INPUT, "a document in the certificate that is not hex");
	out->len += len / 2;
	return 0;
}

int attest_doc_from_cert(X509 *cert, struct buf *out, struct err *err)
{
	GENERAL_NAMES *names;
	int rc = -1;

	ERR_set_mark();
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	ERR_pop_to_mark();
	for (int i = 0; rc && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		struct err why = ERR_INIT;

		if (name->type == GEN_DNS)
			rc = doc_from_name((const char *)ASN1_STRING_get0_data(name->d.dNSName),
					   (size_t)ASN1_STRING_length(name->d.dNSName), out, &why);
	}
	GENERAL_NAMES_free(names);
	return rc ? err_set(err, ERR_INPUT, "no attestation document in the certificate") : 0;
}
