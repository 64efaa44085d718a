// SPDX-License-Identifier: Apache-2.0
//
// One certificate maker, one document maker; a fault changes one thing in either. Everything is aborted on a failure of
// OpenSSL's, since a test without its PKI has nothing to say.
#include "tests/tools/attest_pki.h"

#include "base/cbor.h"
#include "pcr/cert.h"
#include "pcr/cose.h"
#include "pcr/openssl_old.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR = 3600, DAY = 24 * HOUR };

static const char *const names[PKI_FAULTS] = {
	"sound", "other-root", "forged-chain", "bundle-order", "bundle-short", "expired-link", "future-link",
	"path-length", "not-ca", "no-cert-sign", "critical-extension", "name-constraints",
	"name-constraints-mild", "policy-constraints", "double-extension", "spelled-curve", "sha256-link", "other-name", "link-p256",
	"leaf-p256", "leaf-is-ca", "leaf-no-signing", "leaf-purpose", "cert-trailing", "signature-short", "signature-other-key",
	"payload-changed", "trailing", "payload-trailing", "duplicate-field", "duplicate-pcr", "indefinite",
	"not-minimal", "unprotected", "es256", "missing-field", "empty-bundle", "digest-name", "pcr-absent",
	"pcr-zero", "pcr-short", "pcr-other", "nonce-other", "nonce-absent", "binding-other", "too-old",
	"too-new",
};

const char *pki_fault_name(enum pki_fault f)
{
	return names[f];
}

enum pki_fault pki_fault_by_name(const char *name)
{
	int i = 0;

	while (i < PKI_FAULTS && strcmp(names[i], name) != 0)
		i++;
	return (enum pki_fault)i;
}

static void must(int ok)
{
	if (!ok)
		abort();
}

struct cert_spec {
	const char *name, *issuer_name; // common names
	EVP_PKEY *key, *issuer_key;
	int64_t from, to;
	const char *constraints, *usage;
	bool odd_extension; // a critical one that nobody knows
	int more;	    // one more extension, its NID; 0: none
	const char *more_value;
	const EVP_MD *md;
};

static void add_ext(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

static void add_odd_extension(X509 *cert)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext;

	must(oid && value && ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5\0", 2));
	ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
	must(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
}

static void set_name(X509_NAME *name, const char *cn)
{
	must(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Test", -1, -1, 0) &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0));
}

static X509 *make_cert(const struct cert_spec *s)
{
	static long serial;
	X509 *cert = X509_new();

	must(cert && X509_set_version(cert, X509_VERSION_3) &&
	     ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial) &&
	     ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)s->from) &&
	     ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)s->to) && X509_set_pubkey(cert, s->key));
	set_name(X509_get_subject_name(cert), s->name);
	set_name(X509_get_issuer_name(cert), s->issuer_name);
	if (s->constraints)
		add_ext(cert, NID_basic_constraints, s->constraints);
	if (s->usage)
		add_ext(cert, NID_key_usage, s->usage);
	if (s->odd_extension)
		add_odd_extension(cert);
	if (s->more)
		add_ext(cert, s->more, s->more_value);
	must(X509_sign(cert, s->issuer_key, s->md));
	return cert;
}

static X509 *make_root(EVP_PKEY *key, int64_t now)
{
	return make_cert(&(struct cert_spec){.name = "aws.nitro-enclaves",
					     .issuer_name = "aws.nitro-enclaves",
					     .key = key,
					     .issuer_key = key,
					     .from = now - 3650LL * DAY,
					     .to = now + 20 * 365LL * DAY,
					     .constraints = "critical,CA:TRUE",
					     .usage = "critical,digitalSignature,keyCertSign,cRLSign",
					     .md = EVP_sha384()});
}

int pki_make(struct pki *p, int64_t now, struct err *err)
{
	(void)err;
	p->now = now;
	p->root_key = EVP_EC_gen("P-384");
	must(p->root_key != NULL);
	p->root = make_root(p->root_key, now);
	memset(p->pcrs, 0, sizeof(p->pcrs));
	for (int i = 0; i <= 8; i++)
		if (i <= 4 || i == 8)
			memset(p->pcrs[i], 0x10 + i, sizeof(p->pcrs[i]));
	return 0;
}

void pki_free(struct pki *p)
{
	X509_free(p->root);
	EVP_PKEY_free(p->root_key);
}

int pki_root_der(const struct pki *p, struct buf *out, struct err *err)
{
	return cert_der(p->root, out, err);
}

struct chain {
	X509 *certs[PKI_LEVELS];
	EVP_PKEY *keys[PKI_LEVELS];
};

static const struct {
	const char *name;
	int64_t before, after; // seconds of validity around now
	const char *constraints;
} levels[PKI_LEVELS] = {
	{"aws.nitro-enclaves", 0, 0, NULL},
	{"regional.aws.nitro-enclaves", 10 * DAY, 10 * DAY, "critical,CA:TRUE,pathlen:2"},
	{"zonal.aws.nitro-enclaves", 3 * DAY, 3 * DAY, "critical,CA:TRUE,pathlen:1"},
	{"i-0123456789abcdef0.aws.nitro-enclaves", 12 * HOUR, 12 * HOUR, "critical,CA:TRUE,pathlen:0"},
	{"i-0123456789abcdef0-enc0123456789abcdef.aws", 3, 3 * HOUR, "critical,CA:FALSE"},
};

static void add_more(struct cert_spec *s, int nid, const char *value)
{
	s->more = nid;
	s->more_value = value;
}

static void spoil_extensions(struct cert_spec *s, enum pki_fault fault)
{
	if (fault == PKI_CRITICAL_EXTENSION)
		s->odd_extension = true;
	if (fault == PKI_NAME_CONSTRAINTS)
		add_more(s, NID_name_constraints, "critical,permitted;DNS:example.org");
	if (fault == PKI_NAME_CONSTRAINTS_MILD)
		add_more(s, NID_name_constraints, "permitted;DNS:example.org");
	if (fault == PKI_POLICY_CONSTRAINTS)
		add_more(s, NID_policy_constraints, "critical,requireExplicitPolicy:0");
	if (fault == PKI_DOUBLE_EXTENSION)
		add_more(s, NID_key_usage, "critical,keyCertSign");
}

static void spoil_cert(struct cert_spec *s, int level, enum pki_fault fault, int64_t now)
{
	if (level == 2) {
		if (fault == PKI_EXPIRED_LINK)
			s->to = now - 60;
		if (fault == PKI_FUTURE_LINK)
			s->from = now + HOUR;
		if (fault == PKI_NOT_CA)
			s->constraints = "critical,CA:FALSE";
		if (fault == PKI_PATH_LENGTH)
			s->constraints = "critical,CA:TRUE,pathlen:0";
		if (fault == PKI_NO_CERT_SIGN)
			s->usage = "critical,digitalSignature";
		spoil_extensions(s, fault);
		if (fault == PKI_SHA256_LINK)
			s->md = EVP_sha256();
		if (fault == PKI_OTHER_NAME)
			s->issuer_name = "other.aws.nitro-enclaves";
	} else if (level == PKI_LEVELS - 1) {
		if (fault == PKI_LEAF_IS_CA)
			s->constraints = "critical,CA:TRUE";
		if (fault == PKI_LEAF_NO_SIGNING)
			s->usage = "critical,keyEncipherment";
		if (fault == PKI_LEAF_PURPOSE)
			add_more(s, NID_ext_key_usage, "critical,serverAuth");
	}
}

static void make_chain(const struct pki *p, enum pki_fault fault, struct chain *c)
{
	bool forged = fault == PKI_OTHER_ROOT || fault == PKI_FORGED_CHAIN;

	c->keys[0] = forged ? EVP_EC_gen("P-384") : p->root_key;
	must(c->keys[0] && (forged || EVP_PKEY_up_ref(p->root_key)) && X509_up_ref(p->root));
	c->certs[0] = fault == PKI_OTHER_ROOT ? (X509_free(p->root), make_root(c->keys[0], p->now)) : p->root;
	for (int i = 1; i < PKI_LEVELS; i++) {
		struct cert_spec s = {.name = levels[i].name,
				      .issuer_name = levels[i - 1].name,
				      .issuer_key = c->keys[i - 1],
				      .from = p->now - levels[i].before,
				      .to = p->now + levels[i].after,
				      .constraints = levels[i].constraints,
				      .usage = i + 1 < PKI_LEVELS ? "critical,digitalSignature,keyCertSign,cRLSign"
								  : "critical,digitalSignature",
				      .md = EVP_sha384()};

		bool p256 = (fault == PKI_LEAF_P256 && i + 1 == PKI_LEVELS) || (fault == PKI_LINK_P256 && i == 2);

		c->keys[i] = EVP_EC_gen(p256 ? "P-256" : "P-384");
		must(c->keys[i] != NULL);
		if (fault == PKI_SPELLED_CURVE && i == 2)
			must(EVP_PKEY_set_utf8_string_param(c->keys[i], OSSL_PKEY_PARAM_EC_ENCODING, "explicit"));
		s.key = c->keys[i];
		spoil_cert(&s, i, fault, p->now);
		c->certs[i] = make_cert(&s);
	}
}

static void free_chain(struct chain *c)
{
	for (int i = 0; i < PKI_LEVELS; i++) {
		X509_free(c->certs[i]);
		EVP_PKEY_free(c->keys[i]);
	}
}

static void put_cert(struct buf *b, X509 *cert, bool trailing)
{
	_cleanup_buf_ struct buf der = BUF_INIT(0);
	struct err err = ERR_INIT;

	must(!cert_der(cert, &der, &err));
	if (trailing)
		must(!buf_add_byte(&der, 0, &err));
	must(!cbor_put_bytes(b, der.data, der.len, &err));
}

static void put_pcrs(struct buf *b, const struct pki *p, enum pki_fault fault)
{
	struct err err = ERR_INIT;
	int absent = fault == PKI_PCR_ABSENT, doubled = fault == PKI_DUPLICATE_PCR;

	must(!cbor_put_map(b, (uint64_t)(16 - absent + doubled), &err));
	for (int i = absent; i < 16; i++) {
		uint8_t v[48];

		memcpy(v, p->pcrs[i], sizeof(v));
		if (i == 0 && fault == PKI_PCR_ZERO)
			memset(v, 0, sizeof(v));
		if (i == 0 && fault == PKI_PCR_OTHER)
			v[47] ^= 1;
		must(!cbor_put_uint(b, (uint64_t)i, &err) &&
		     !cbor_put_bytes(b, v, i == 0 && fault == PKI_PCR_SHORT ? 32 : 48, &err));
	}
	if (doubled)
		must(!cbor_put_uint(b, 15, &err) &&
		     !cbor_put_bytes(b, "................................................", 48, &err));
}

static void put_bundle(struct buf *b, const struct chain *c, enum pki_fault fault)
{
	struct err err = ERR_INIT;
	int order[4] = {0, 1, 2, 3}, count = 4;

	if (fault == PKI_BUNDLE_ORDER) {
		order[1] = 2;
		order[2] = 1;
	}
	if (fault == PKI_BUNDLE_SHORT)
		count = 3;
	if (fault == PKI_EMPTY_BUNDLE)
		count = 0;
	must(!cbor_put_array(b, (uint64_t)count, &err));
	for (int i = 0; i < count; i++)
		put_cert(b, c->certs[order[i]], false);
}

static void put_optional(struct buf *b, const char *key, const void *p, size_t n)
{
	struct err err = ERR_INIT;

	must(!cbor_put_text(b, key, &err) && !(p ? cbor_put_bytes(b, p, n, &err) : cbor_put_null(b, &err)));
}

struct content {
	const void *nonce, *user_data;
	size_t nonce_len, user_data_len;
};

static void put_payload(struct buf *b, const struct pki *p, const struct chain *c, enum pki_fault fault,
			const struct content *in)
{
	struct err err = ERR_INIT;
	int64_t made = fault == PKI_TOO_OLD ? p->now - 4 * HOUR : fault == PKI_TOO_NEW ? p->now + HOUR : p->now;
	bool missing = fault == PKI_MISSING_FIELD, doubled = fault == PKI_DUPLICATE_FIELD;

	if (fault == PKI_INDEFINITE)
		must(!buf_add_byte(b, 0xbf, &err));
	else if (fault == PKI_NOT_MINIMAL)
		must(!buf_add(b, "\xb8\x09", 2, &err));
	else
		must(!cbor_put_map(b, (uint64_t)(9 - missing + doubled), &err));
	must(!cbor_put_text(b, "module_id", &err) &&
	     !cbor_put_text(b, "i-0123456789abcdef0-enc0123456789abcdef", &err));
	must(!cbor_put_text(b, "digest", &err) &&
	     !cbor_put_text(b, fault == PKI_DIGEST_NAME ? "SHA256" : "SHA384", &err));
	if (!missing)
		must(!cbor_put_text(b, "timestamp", &err) && !cbor_put_uint(b, (uint64_t)made * 1000 + 7, &err));
	must(!cbor_put_text(b, "pcrs", &err));
	put_pcrs(b, p, fault);
	must(!cbor_put_text(b, "certificate", &err));
	put_cert(b, c->certs[PKI_LEVELS - 1], fault == PKI_CERT_TRAILING);
	must(!cbor_put_text(b, "cabundle", &err));
	put_bundle(b, c, fault);
	put_optional(b, "public_key", NULL, 0);
	if (doubled)
		put_optional(b, "public_key", NULL, 0);
	put_optional(b, "user_data", fault == PKI_BINDING_OTHER ? "another key" : in->user_data,
		     fault == PKI_BINDING_OTHER ? 11 : in->user_data_len);
	put_optional(b, "nonce", fault == PKI_NONCE_ABSENT ? NULL : fault == PKI_NONCE_OTHER ? "other" : in->nonce,
		     fault == PKI_NONCE_OTHER ? 5 : in->nonce_len);
	if (fault == PKI_INDEFINITE)
		must(!buf_add_byte(b, 0xff, &err));
	if (fault == PKI_PAYLOAD_TRAILING)
		must(!buf_add_byte(b, 0, &err));
}

static void spoil_message(struct buf *m, enum pki_fault fault)
{
	struct err err = ERR_INIT;

	if (fault == PKI_TRAILING)
		must(!buf_add_byte(m, 0, &err));
	if (fault == PKI_SIGNATURE_SHORT) { // 58 60 <96> becomes 58 5f <95>
		m->len--;
		m->data[m->len - 96] = 0x5f;
	}
	if (fault == PKI_PAYLOAD_CHANGED) { // a digit of the module id
		uint8_t *at = memmem(m->data, m->len, "enc0123", 7);

		must(at != NULL);
		at[3] = '9';
	}
	if (fault == PKI_UNPROTECTED) { // the empty map behind 84 44 a1013822 becomes {1: 1}
		_cleanup_buf_ struct buf rest = BUF_INIT(0);

		must(m->len > 7 && m->data[6] == 0xa0 && !buf_add(&rest, m->data + 7, m->len - 7, &err));
		m->len = 6;
		must(!buf_add(m, "\xa1\x01\x01", 3, &err) && !buf_add(m, rest.data, rest.len, &err));
	}
}

int pki_document(const struct pki *p, enum pki_fault fault, const void *nonce, size_t nonce_len, const void *user_data,
		 size_t user_data_len, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT(0), message = BUF_INIT(0), tbs = BUF_INIT(0);
	const struct cose_alg *alg =
	    cose_alg_of_id(fault == PKI_LEAF_P256 || fault == PKI_ES256 ? COSE_ES256 : COSE_ES384);
	struct content in = {nonce, user_data, nonce_len, user_data_len};
	uint8_t digest[EVP_MAX_MD_SIZE], rs[2 * COSE_SIGNATURE_MAX];
	struct chain c;
	EVP_PKEY *key;

	make_chain(p, fault, &c);
	put_payload(&payload, p, &c, fault, &in);
	key = fault == PKI_SIGNATURE_OTHER_KEY ? c.keys[3] : c.keys[PKI_LEVELS - 1];
	must(!cose_to_be_signed(alg, payload.data, payload.len, &tbs, digest, err));
	if (fault != PKI_ES256) // a P-384 key under an ES256 header: any bytes will do
		must(!ecdsa_sign_rfc6979(key, alg, digest, rs, err));
	else
		memset(rs, 1, sizeof(rs));
	must(!cose_sign1_write(alg, payload.data, payload.len, rs, &message, err));
	spoil_message(&message, fault);
	free_chain(&c);
	return buf_add(out, message.data, message.len, err);
}
