// SPDX-License-Identifier: Apache-2.0
//
// Attestation documents: real ones of real enclaves, judged as their descriptions say, and one of a test PKI for every
// rule, each with one fault, refused for the reason that names it.
#include "pcr/attest_doc.h"

#include "base/cbor.h"
#include "base/hex.h"
#include "base/io.h"
#include "pcr/cert.h"
#include "tests/tools/attest_pki.h"
#include "tests/unit/unit.h"

#include <string.h>

#define NOW 1750000000
static const uint8_t nonce[] = "a nonce of twenty by";
static const uint8_t spki[] = "the key of this very connection";

static void load(const char *name, struct buf *out)
{
	struct err err = ERR_INIT;

	assert_ok(io_slurp(testdata_path(name), 1 << 20, out, &err));
}

static void expect(struct attest_policy *p, unsigned index, uint8_t byte)
{
	struct err err = ERR_INIT;
	uint8_t v[PCR_SIZE];

	memset(v, byte, sizeof(v));
	assert_ok(pcr_expect_add(&p->pcrs, index, v, &err));
}

static void full_policy(struct attest_policy *p, const struct buf *root)
{
	*p = (struct attest_policy){.root = root->data,
				    .root_len = root->len,
				    .at = NOW,
				    .nonce = {nonce, sizeof(nonce)},
				    .spki = {spki, sizeof(spki)}};
	expect(p, 0, 0x10);
	expect(p, 1, 0x11);
	expect(p, 2, 0x12);
	expect(p, 8, 0x18);
}

static const char *const reasons[PKI_FAULTS] = {
	[PKI_SOUND] = "",
	[PKI_OTHER_ROOT] = "does not begin with the pinned root",
	[PKI_FORGED_CHAIN] = "cabundle[1]: its signature is not by the certificate above it",
	[PKI_BUNDLE_ORDER] = "cabundle[1]: its issuer is not the certificate above it",
	[PKI_BUNDLE_SHORT] = "certificate: its issuer is not the certificate above it",
	[PKI_EXPIRED_LINK] = "cabundle[2]: the certificate expired on",
	[PKI_FUTURE_LINK] = "cabundle[2]: the certificate is not valid before",
	[PKI_PATH_LENGTH] = "cabundle[2]: its path length 0 is too short",
	[PKI_NOT_CA] = "cabundle[2]: it is no CA",
	[PKI_NO_CERT_SIGN] = "cabundle[2]: it may not sign certificates",
	[PKI_CRITICAL_EXTENSION] = "cabundle[2]: an extension is broken, or critical and unknown",
	[PKI_NAME_CONSTRAINTS] = "cabundle[2]: its extension nameConstraints would have to be heeded",
	[PKI_NAME_CONSTRAINTS_MILD] = "cabundle[2]: its extension nameConstraints would have to be heeded",
	[PKI_POLICY_CONSTRAINTS] = "cabundle[2]: its extension policyConstraints would have to be heeded",
	[PKI_DOUBLE_EXTENSION] = "cabundle[2]: an extension is broken",
	[PKI_SPELLED_CURVE] = "cabundle[2]: its key is not on P-384",
	[PKI_LEAF_PURPOSE] = "certificate: its extension extendedKeyUsage would have to be heeded",
	[PKI_SHA256_LINK] = "cabundle[2]: it is not signed by ECDSA with SHA-384",
	[PKI_OTHER_NAME] = "cabundle[2]: its issuer is not the certificate above it",
	[PKI_LINK_P256] = "cabundle[2]: its key is not on P-384",
	[PKI_LEAF_P256] = "algorithm -7, not ES384",
	[PKI_LEAF_IS_CA] = "certificate: it is a CA",
	[PKI_LEAF_NO_SIGNING] = "certificate: it may not sign documents",
	[PKI_CERT_TRAILING] = "certificate: not a certificate in DER",
	[PKI_SIGNATURE_SHORT] = "signature of 95 bytes, not 96",
	[PKI_SIGNATURE_OTHER_KEY] = "the signature is not that of the certificate's key",
	[PKI_PAYLOAD_CHANGED] = "the signature is not that of the certificate's key",
	[PKI_TRAILING] = "bytes after the end",
	[PKI_PAYLOAD_TRAILING] = "bytes after the end",
	[PKI_DUPLICATE_FIELD] = "a field stands twice",
	[PKI_DUPLICATE_PCR] = "PCR15 stands twice",
	[PKI_INDEFINITE] = "indefinite length",
	[PKI_NOT_MINIMAL] = "not in its shortest form",
	[PKI_UNPROTECTED] = "headers beside the algorithm",
	[PKI_ES256] = "algorithm -7, not ES384",
	[PKI_MISSING_FIELD] = "timestamp is missing",
	[PKI_EMPTY_BUNDLE] = "cabundle: empty",
	[PKI_DIGEST_NAME] = "digest: not SHA384",
	[PKI_PCR_ABSENT] = "PCR0 is absent",
	[PKI_PCR_ZERO] = "PCR0 is all zero",
	[PKI_PCR_SHORT] = "PCR0 is not of 48 bytes",
	[PKI_PCR_OTHER] = "PCR0 is 1010",
	[PKI_NONCE_OTHER] = "nonce is another",
	[PKI_NONCE_ABSENT] = "nonce is absent",
	[PKI_BINDING_OTHER] = "not bound to this connection's key",
	[PKI_TOO_OLD] = "timestamp 14400 s old",
	[PKI_TOO_NEW] = "timestamp 3600 s ahead",
};

START_TEST(test_attest_verify_each_fault_is_refused_for_its_reason)
{
	struct err err = ERR_INIT;
	struct pki pki;
	_cleanup_buf_ struct buf root = BUF_INIT(0);

	assert_ok(pki_make(&pki, NOW, &err));
	assert_ok(pki_root_der(&pki, &root, &err));
	for (int fault = 0; fault < PKI_FAULTS; fault++) {
		_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
		_cleanup_buf_ struct buf bytes = BUF_INIT(0);
		struct attest_policy policy;
		struct err why = ERR_INIT;

		full_policy(&policy, &root);
		assert_ok(
		    pki_document(&pki, (enum pki_fault)fault, nonce, sizeof(nonce), spki, sizeof(spki), &bytes, &err));
		int rc = attest_doc_parse(&doc, bytes.data, bytes.len, &why) || attest_verify(&doc, &policy, &why);
		ck_assert_msg((rc == 0) == (fault == PKI_SOUND), "%s: %s", pki_fault_name((enum pki_fault)fault),
			      why.msg);
		ck_assert_ptr_nonnull(reasons[fault]);
		ck_assert_msg(strstr(why.msg, reasons[fault]) != NULL, "%s: %s", pki_fault_name((enum pki_fault)fault),
			      why.msg);
		ck_assert_msg(fault == PKI_SOUND || why.class == ERR_MISMATCH || why.class == ERR_INPUT, "%s",
			      pki_fault_name((enum pki_fault)fault));
		pcr_expect_free(&policy.pcrs);
	}
	pki_free(&pki);
}
END_TEST

START_TEST(test_attest_verify_nothing_can_be_left_out_by_omission)
{
	struct err err = ERR_INIT;
	struct pki pki;
	_cleanup_buf_ struct buf root = BUF_INIT(0), bytes = BUF_INIT(0);
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
	struct attest_policy p;

	assert_ok(pki_make(&pki, NOW, &err));
	assert_ok(pki_root_der(&pki, &root, &err));
	assert_ok(pki_document(&pki, PKI_SOUND, nonce, sizeof(nonce), spki, sizeof(spki), &bytes, &err));
	assert_ok(attest_doc_parse(&doc, bytes.data, bytes.len, &err));
	full_policy(&p, &root);
	assert_ok(attest_verify(&doc, &p, &err));

	struct attest_policy less = p;
	less.nonce.n = 0;
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	less.waived = ATTEST_WAIVE_NONCE;
	assert_ok(attest_verify(&doc, &less, &err));
	less.nonce = p.nonce; // given and waived at once
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	less = p;
	less.spki.p = NULL;
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	less.waived = ATTEST_WAIVE_BINDING;
	assert_ok(attest_verify(&doc, &less, &err));
	less = p;
	less.pcrs = (struct pcr_expect)PCR_EXPECT_INIT;
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "PCR"));
	ck_assert_int_eq(attest_check_pcrs(&doc, &less.pcrs, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	less.waived = ATTEST_WAIVE_PCRS;
	assert_ok(attest_verify(&doc, &less, &err));
	less = p;
	less.root = NULL; // AWS's root did not sign this
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	less = p;
	less.at = NOW + ATTEST_AGE_MAX + 1;
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	less.at = NOW - ATTEST_LEEWAY; // our clock is a minute behind
	assert_ok(attest_verify(&doc, &less, &err));
	less.at = NOW - ATTEST_LEEWAY - 2;
	ck_assert_int_eq(attest_verify(&doc, &less, &err), -1);
	pcr_expect_free(&p.pcrs);
	pki_free(&pki);
}
END_TEST

START_TEST(test_attest_aws_root_has_the_published_fingerprint)
{
	uint8_t digest[32];
	char hex[65];

	EVP_Digest(attest_aws_root, attest_aws_root_len, digest, NULL, EVP_sha256(), NULL);
	ck_assert_str_eq(hex_encode(digest, 32, hex),
			 "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b");
}
END_TEST

// PCR0 of testdata/attestation/production.json.
#define PRODUCTION_PCR0                                                                                                \
	"f4d48b81a460c9916d1e685119074bf24660afd3e34fae9fca0a0d28d9d5599936332687e6f66fc890ac8cf150142d8b"

START_TEST(test_attest_verify_a_real_document_holds_at_its_time_and_not_today)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf bytes = BUF_INIT(0);
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
	struct attest_policy p = {.at = 1665651482, .waived = ATTEST_WAIVE_NONCE | ATTEST_WAIVE_BINDING};

	load("attestation/production.doc", &bytes);
	assert_ok(attest_doc_parse(&doc, bytes.data, bytes.len, &err));
	ck_assert_uint_eq(doc.timestamp_ms, 1665651482136);
	ck_assert_uint_eq(doc.bundle_count, 4);
	ck_assert(doc.nonce.n == 256 && !doc.user_data.p && !doc.public_key.p);
	assert_ok(pcr_expect_add_hex(&p.pcrs, 0, PRODUCTION_PCR0, &err));
	assert_ok(attest_verify(&doc, &p, &err));
	p.at += 12 * 3600;
	ck_assert_int_eq(attest_verify(&doc, &p, &err), -1);
	p.max_age = 1 << 30; // even if the age were fine, the leaf has expired
	ck_assert_int_eq(attest_verify(&doc, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "expired on"));
	p.waived |= ATTEST_WAIVE_AGE;
	assert_ok(attest_verify(&doc, &p, &err));
	expect(&p, 8, 1);
	ck_assert_int_eq(attest_verify(&doc, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "PCR8"));
	pcr_expect_free(&p.pcrs);
}
END_TEST

START_TEST(test_attest_verify_a_debug_document_is_refused_for_its_zeros)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf bytes = BUF_INIT(0);
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
	struct attest_policy p = {
		.waived = ATTEST_WAIVE_NONCE | ATTEST_WAIVE_BINDING | ATTEST_WAIVE_AGE | ATTEST_WAIVE_PCRS};

	load("attestation/debug-mode.doc", &bytes);
	assert_ok(attest_doc_parse(&doc, bytes.data, bytes.len, &err));
	ck_assert(doc.user_data.n == 13 && !memcmp(doc.user_data.p, "hello, world!", 13));
	assert_ok(attest_check_signature(&doc, &err));
	assert_ok(attest_check_chain(&doc, attest_aws_root, attest_aws_root_len, 1665582606, &err));
	ck_assert_int_eq(attest_verify(&doc, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "debug mode"));
}
END_TEST

START_TEST(test_attest_doc_from_cert_a_real_cage_is_bound_to_its_key)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf pem = BUF_INIT(0), bytes = BUF_INIT(0), broken = BUF_INIT(0);
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
	struct attest_policy p = {.at = 1674047239, .waived = ATTEST_WAIVE_NONCE};
	unsigned char *key = NULL;

	load("attestation/cage-certificate.pem", &pem);
	_cleanup_x509_ X509 *cert = cert_from_pem(pem.data, pem.len, &err);
	assert_ok(attest_doc_from_cert(cert, &bytes, &err));
	ck_assert_uint_eq(bytes.len, 4775);
	assert_ok(attest_doc_parse(&doc, bytes.data, bytes.len, &err));
	int n = i2d_PUBKEY(X509_get0_pubkey(cert), &key);
	p.spki = (struct attest_bytes){key, (size_t)n};
	assert_ok(pcr_expect_add_hex(
	    &p.pcrs, 0,
	    "d265a83faa7b4fa0d73b82b6d06253e894445922937d0ee5a74fe4891da9817611a71e71b98e5329232902de3cf419af", &err));
	assert_ok(attest_verify(&doc, &p, &err));
	key[n - 1] ^= 1;
	ck_assert_int_eq(attest_verify(&doc, &p, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "not bound"));
	OPENSSL_free(key);
	pcr_expect_free(&p.pcrs);

	load("eif/inputs/p384.cert.pem", &broken);
	_cleanup_x509_ X509 *plain = cert_from_pem(broken.data, broken.len, &err);
	bytes.len = 0;
	ck_assert_int_eq(attest_doc_from_cert(plain, &bytes, &err), -1);
}
END_TEST

// A document whose fields have these sizes, signed by nobody: parsing looks at its form alone.
struct shape {
	const char *module_id;
	uint64_t timestamp, pcr_index;
	size_t pcr, pcrs, certificate, bundle, user_data;
};

static const struct shape largest = {"i-1", 1, 31, 64, 1, ATTEST_CERT_MAX, ATTEST_BUNDLE_MAX, ATTEST_FIELD_MAX};

static void put_text_and(struct buf *b, const char *key, const void *bytes, size_t n)
{
	struct err err = ERR_INIT;

	assert_ok(cbor_put_text(b, key, &err));
	assert_ok(cbor_put_bytes(b, bytes, n, &err));
}

static int parse_shape(const struct shape *s, int tag, struct err *why)
{
	static const uint8_t zeros[4096];
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf p = BUF_INIT(0), m = BUF_INIT(0);
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;

	assert_ok(cbor_put_map(&p, 7, &err));
	assert_ok(cbor_put_text(&p, "module_id", &err));
	assert_ok(cbor_put_text(&p, s->module_id, &err));
	assert_ok(cbor_put_text(&p, "digest", &err));
	assert_ok(cbor_put_text(&p, "SHA384", &err));
	assert_ok(cbor_put_text(&p, "timestamp", &err));
	assert_ok(cbor_put_uint(&p, s->timestamp, &err));
	assert_ok(cbor_put_text(&p, "pcrs", &err));
	assert_ok(cbor_put_map(&p, s->pcrs, &err));
	for (size_t i = 0; i < s->pcrs; i++) {
		assert_ok(cbor_put_uint(&p, s->pcr_index - i, &err));
		assert_ok(cbor_put_bytes(&p, zeros, s->pcr, &err));
	}
	put_text_and(&p, "certificate", zeros, s->certificate);
	assert_ok(cbor_put_text(&p, "cabundle", &err));
	assert_ok(cbor_put_array(&p, s->bundle, &err));
	for (size_t i = 0; i < s->bundle; i++)
		assert_ok(cbor_put_bytes(&p, zeros, i ? 1 : s->certificate, &err));
	put_text_and(&p, "user_data", zeros, s->user_data);
	if (tag)
		assert_ok(buf_add_byte(&m, (uint8_t)tag, &err));
	assert_ok(cose_sign1_write(cose_alg_of_id(COSE_ES384), p.data, p.len, zeros, &m, &err));
	return attest_doc_parse(&doc, m.data, m.len, why);
}

START_TEST(test_attest_doc_parse_each_limit_is_the_last_that_passes)
{
	static const struct {
		struct shape shape;
		const char *reason;
	} rows[] = {
		{{"", 1, 31, 64, 1, 9, 1, 1}, "module_id: 0 bytes"},
		{{"i-1\x1b[2J", 1, 31, 64, 1, 9, 1, 1}, "module_id: no printable ASCII"},
		{{"i-1\xc2\x9b", 1, 31, 64, 1, 9, 1, 1}, "module_id: no printable ASCII"},
		{{"i-1", 0, 31, 64, 1, 9, 1, 1}, "timestamp: zero"},
		{{"i-1", 1ull << 63, 31, 64, 1, 9, 1, 1}, "timestamp: "},
		{{"i-1", 1, 32, 64, 1, 9, 1, 1}, "pcrs: "},
		{{"i-1", 1, 31, 49, 1, 9, 1, 1}, "pcrs: PCR31 has 49 bytes"},
		{{"i-1", 1, 31, 0, 1, 9, 1, 1}, "pcrs: PCR31 has 0 bytes"},
		{{"i-1", 1, 31, 64, 0, 9, 1, 1}, "pcrs: empty"},
		{{"i-1", 1, 31, 64, 1, 0, 1, 1}, "certificate: a certificate of 0 bytes"},
		{{"i-1", 1, 31, 64, 1, ATTEST_CERT_MAX + 1, 1, 1}, "certificate: a certificate of 1025 bytes"},
		{{"i-1", 1, 31, 64, 1, 9, 0, 1}, "cabundle: empty"},
		{{"i-1", 1, 31, 64, 1, 9, ATTEST_BUNDLE_MAX + 1, 1}, "cabundle: more than 16 certificates"},
		{{"i-1", 1, 31, 64, 1, 9, 1, ATTEST_FIELD_MAX + 1}, "user_data: 1025 bytes"},
	};
	struct err err = ERR_INIT;

	assert_ok(parse_shape(&largest, 0, &err));
	assert_ok(parse_shape(&largest, 0xd2, &err)); // tag 18, a COSE_Sign1
	ck_assert_int_eq(parse_shape(&largest, 0xd1, &err), -1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err why = ERR_INIT;

		ck_assert_int_eq(parse_shape(&rows[i].shape, 0, &why), -1);
		ck_assert_msg(strstr(why.msg, rows[i].reason) != NULL, "row %zu: %s", i, why.msg);
		ck_assert_int_eq(why.class, ERR_INPUT);
	}
}
END_TEST

START_TEST(test_attest_check_chain_the_root_has_dates_too)
{
	struct err err = ERR_INIT;
	struct pki pki;
	_cleanup_buf_ struct buf root = BUF_INIT(0), bytes = BUF_INIT(0);
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;

	assert_ok(pki_make(&pki, NOW, &err));
	assert_ok(pki_root_der(&pki, &root, &err));
	assert_ok(pki_document(&pki, PKI_SOUND, nonce, sizeof(nonce), spki, sizeof(spki), &bytes, &err));
	assert_ok(attest_doc_parse(&doc, bytes.data, bytes.len, &err));
	assert_ok(attest_check_chain(&doc, root.data, root.len, NOW, &err));
	ck_assert_int_eq(attest_check_chain(&doc, root.data, root.len, NOW + 21LL * 365 * 86400, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "root: the certificate expired"));
	ck_assert_int_eq(attest_check_chain(&doc, root.data, 0, NOW, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	pki_free(&pki);
}
END_TEST

START_TEST(test_attest_doc_parse_every_cut_is_refused)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf bytes = BUF_INIT(0);

	load("attestation/production.doc", &bytes);
	for (size_t n = 0; n < bytes.len; n++) {
		struct attest_doc doc = ATTEST_DOC_INIT;
		uint8_t *exact = malloc(n ? n : 1);

		memcpy(exact, bytes.data, n);
		if (attest_doc_parse(&doc, exact, n, &err) != -1)
			ck_abort_msg("cut at %zu", n);
		free(exact);
	}
}
END_TEST

UNIT_MAIN("pcr/attest", ADD(test_attest_verify_each_fault_is_refused_for_its_reason)
			    ADD(test_attest_verify_nothing_can_be_left_out_by_omission)
				ADD(test_attest_aws_root_has_the_published_fingerprint)
				    ADD(test_attest_verify_a_real_document_holds_at_its_time_and_not_today)
					ADD(test_attest_verify_a_debug_document_is_refused_for_its_zeros)
					    ADD(test_attest_doc_from_cert_a_real_cage_is_bound_to_its_key)
						ADD(test_attest_doc_parse_each_limit_is_the_last_that_passes)
						    ADD(test_attest_check_chain_the_root_has_dates_too)
							ADD(test_attest_doc_parse_every_cut_is_refused))
