// SPDX-License-Identifier: Apache-2.0
//
// Reading keeps each member's bytes as they stand, because the protected header is signed over as it is stored, minimal
// or not. Verification takes r || s apart by the length that the key's curve demands, before OpenSSL sees any of it.
#include "pcr/cose.h"

#include "base/cbor.h"

#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <string.h>

enum {
	TAG_SIGN1 = 18,
	HEADER_ALG = 1,
	PART_MAX = 1 << 20, // bytes of one member; real ones are a few thousand
	HEADERS_MAX = 64,   // entries of the protected map that are held against each other for duplicates
};

static const struct cose_alg algs[] = {
	{COSE_ES256, NID_X9_62_prime256v1, "P-256", 32, 32, EVP_sha256},
	{COSE_ES384, NID_secp384r1, "P-384", 48, 48, EVP_sha384},
	{COSE_ES512, NID_secp521r1, "P-521", 66, 64, EVP_sha512},
};

const struct cose_alg *cose_alg_of_id(int64_t id)
{
	for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
		if (algs[i].id == id)
			return &algs[i];
	return NULL;
}

const struct cose_alg *cose_alg_of_key(EVP_PKEY *key, struct err *err)
{
	char group[80] = "";

	if (!EVP_PKEY_is_a(key, "EC")) {
		const char *type = EVP_PKEY_get0_type_name(key);

		err_set(err, ERR_UNSUPPORTED,
			"a key of type %s: only EC keys on P-256, P-384 and P-521 can sign an EIF",
			type ? type : "unknown");
		return NULL;
	}
	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL)) {
		int nid = OBJ_sn2nid(group);

		if (nid == NID_undef)
			nid = EC_curve_nist2nid(group);
		for (size_t i = 0; i < sizeof(algs) / sizeof(*algs); i++)
			if (algs[i].nid == nid)
				return &algs[i];
	}
	err_set(err, ERR_UNSUPPORTED, "a key on curve %s: only P-256, P-384 and P-521 can sign an EIF",
		*group ? group : "of its own");
	return NULL;
}

// ---- reading -------------------------------------------------------------------------------------------------------

static int read_member(struct cbor_reader *r, enum cose_form form, struct buf *out, const char *what, struct err *err)
{
	struct cbor_item item;
	int rc;

	out->max = PART_MAX;
	if (cbor_peek(r, &item, err))
		return err_prefix(err, "%s: ", what);
	if (form == COSE_FORM_EIF && item.type == CBOR_ARRAY)
		rc = cbor_read_ints(r, out, err);
	else
		rc = cbor_read_string(r, CBOR_BYTES, out, err);
	return rc ? err_prefix(err, "%s: ", what) : 0;
}

struct header_key { // where a key's encoded bytes stand
	const uint8_t *p;
	size_t n;
	struct cbor_item item;
};

static bool same_key(const struct header_key *a, const struct header_key *b)
{
	if (a->item.type == b->item.type && (a->item.type == CBOR_UINT || a->item.type == CBOR_NINT))
		return a->item.value == b->item.value; // also when one of them is not minimal
	return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

static int read_header_key(struct cbor_reader *r, struct header_key *keys, size_t count, struct err *err)
{
	struct header_key *k = &keys[count];

	if (count == HEADERS_MAX)
		return err_set(err, ERR_INPUT, "more than %d headers", HEADERS_MAX);
	k->p = r->p;
	if (cbor_peek(r, &k->item, err) || cbor_skip(r, err))
		return -1;
	k->n = (size_t)(r->p - k->p);
	for (size_t i = 0; i < count; i++)
		if (same_key(&keys[i], k))
			return err_set(err, ERR_INPUT, "the same header twice");
	return 0;
}

static int parse_protected(struct cose_sign1 *c, unsigned flags, struct err *err)
{
	struct header_key keys[HEADERS_MAX];
	struct cbor_seq seq = {0, false};
	struct cbor_reader r;
	bool has_alg = false;
	size_t count = 0;
	int more;

	cbor_reader_init(&r, c->protected.data, c->protected.len, flags);
	if (cbor_get_map(&r, &seq, err))
		return -1;
	for (; (more = cbor_seq_next(&r, &seq, err)) > 0; count++) {
		if (read_header_key(&r, keys, count, err))
			return -1;
		if (keys[count].item.type == CBOR_UINT && keys[count].item.value == HEADER_ALG) {
			if (cbor_get_int(&r, &c->alg, err))
				return err_prefix(err, "algorithm: ");
			has_alg = true;
		} else {
			c->extra_protected = true;
			if (cbor_skip(&r, err))
				return -1;
		}
	}
	if (more < 0 || cbor_end(&r, err))
		return -1;
	return has_alg ? 0 : err_set(err, ERR_INPUT, "no algorithm");
}

static int parse_unprotected(struct cose_sign1 *c, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq = {0, false};
	int more;

	if (cbor_get_map(r, &seq, err))
		return -1;
	while ((more = cbor_seq_next(r, &seq, err)) > 0) {
		c->unprotected = true;
		if (cbor_skip(r, err) || cbor_skip(r, err))
			return -1;
	}
	return more;
}

static int parse_members(struct cose_sign1 *c, struct cbor_reader *r, enum cose_form form, struct err *err)
{
	struct cbor_seq seq = {0, false};
	struct cbor_item item;

	if (cbor_peek(r, &item, err))
		return -1;
	if (item.type == CBOR_TAG) {
		if (item.value != TAG_SIGN1)
			return err_set(err, ERR_INPUT, "CBOR tag %llu, not 18", (unsigned long long)item.value);
		c->tagged = true;
		if (cbor_next(r, &item, err))
			return -1;
	}
	if (cbor_get_array(r, &seq, err))
		return -1;
	if (!seq.indefinite && seq.left != 4)
		return err_set(err, ERR_INPUT, "%llu members, not 4", (unsigned long long)seq.left);
	if (read_member(r, form, &c->protected, "protected header", err))
		return -1;
	if (parse_protected(c, r->flags, err))
		return err_prefix(err, "protected header: ");
	if (parse_unprotected(c, r, err))
		return err_prefix(err, "unprotected header: ");
	if (read_member(r, form, &c->payload, "payload", err) || read_member(r, form, &c->signature, "signature", err))
		return -1;
	if (seq.indefinite && cbor_seq_next(r, &seq, err) != 0)
		return err_set(err, ERR_INPUT, "more than 4 members");
	return cbor_end(r, err);
}

int cose_sign1_parse(struct cose_sign1 *out, const void *p, size_t n, enum cose_form form, struct err *err)
{
	struct cbor_reader r;

	cbor_reader_init(&r, p, n, form == COSE_FORM_EIF ? CBOR_LENIENT : CBOR_STRICT);
	if (!parse_members(out, &r, form, err))
		return 0;
	cose_sign1_free(out);
	return err_prefix(err, "COSE_Sign1: ");
}

void cose_sign1_free(struct cose_sign1 *c)
{
	buf_free(&c->protected);
	buf_free(&c->payload);
	buf_free(&c->signature);
	*c = (struct cose_sign1)COSE_SIGN1_INIT;
}

// ---- what is signed ------------------------------------------------------------------------------------------------

static int sig_structure(const void *protected, size_t protected_len, const void *payload, size_t payload_len,
			 struct buf *out, struct err *err)
{
	if (cbor_put_array(out, 4, err) || cbor_put_text(out, "Signature1", err) ||
	    cbor_put_bytes(out, protected, protected_len, err) || cbor_put_bytes(out, NULL, 0, err) ||
	    cbor_put_bytes(out, payload, payload_len, err))
		return -1;
	return 0;
}

static int put_protected(const struct cose_alg *alg, struct buf *out, struct err *err)
{
	if (cbor_put_map(out, 1, err) || cbor_put_uint(out, HEADER_ALG, err) || cbor_put_int(out, alg->id, err))
		return -1;
	return 0;
}

int cose_to_be_signed(const struct cose_alg *alg, const void *payload, size_t n, struct buf *tbs, uint8_t *digest,
		      struct err *err)
{
	_cleanup_buf_ struct buf header = BUF_INIT(0);
	size_t start = tbs->len;

	if (put_protected(alg, &header, err) || sig_structure(header.data, header.len, payload, n, tbs, err))
		return -1;
	if (digest && !EVP_Digest(tbs->data + start, tbs->len - start, digest, NULL, alg->md(), NULL))
		return err_set(err, ERR_MEMORY, "the digest failed in OpenSSL");
	return 0;
}

int cose_sign1_write(const struct cose_alg *alg, const void *payload, size_t n, const uint8_t *signature,
		     struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf header = BUF_INIT(0);

	if (put_protected(alg, &header, err) || cbor_put_array(out, 4, err) ||
	    cbor_put_bytes(out, header.data, header.len, err) || cbor_put_map(out, 0, err) ||
	    cbor_put_bytes(out, payload, n, err) || cbor_put_bytes(out, signature, 2 * alg->n, err))
		return -1;
	return 0;
}

// ---- verification --------------------------------------------------------------------------------------------------

// DER of r || s, which OpenSSL's EVP interface wants. The caller frees *der with OPENSSL_free. Length, or -1.
static int der_signature(const struct cose_alg *alg, const uint8_t *rs, uint8_t **der, struct err *err)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(rs, (int)alg->n, NULL), *s = BN_bin2bn(rs + alg->n, (int)alg->n, NULL);
	int len = -1;

	*der = NULL;
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL; // taken
		len = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return len > 0 ? len : err_nomem(err);
}

int cose_sign1_verify(const struct cose_sign1 *c, EVP_PKEY *key, struct err *err)
{
	_cleanup_buf_ struct buf tbs = BUF_INIT(0);
	const struct cose_alg *alg = cose_alg_of_key(key, err);
	EVP_MD_CTX *md;
	uint8_t *der;
	int len, ok;

	if (!alg)
		return -1;
	if (c->alg != alg->id)
		return err_set(err, ERR_INPUT, "algorithm %lld does not go with a %s key", (long long)c->alg,
			       alg->curve);
	if (c->signature.len != 2 * alg->n)
		return err_set(err, ERR_INPUT, "signature of %zu bytes, not %zu", c->signature.len, 2 * alg->n);
	if (sig_structure(c->protected.data, c->protected.len, c->payload.data, c->payload.len, &tbs, err))
		return -1;
	len = der_signature(alg, c->signature.data, &der, err);
	if (len < 0)
		return -1;
	ERR_set_mark();
	md = EVP_MD_CTX_new();
	ok = md && EVP_DigestVerifyInit(md, NULL, alg->md(), NULL, key) == 1 &&
	     EVP_DigestVerify(md, der, (size_t)len, tbs.data, tbs.len) == 1;
	EVP_MD_CTX_free(md);
	ERR_pop_to_mark();
	OPENSSL_free(der);
	return ok ? 0 : err_set(err, ERR_MISMATCH, "the signature is not that of the certificate's key");
}

int cose_signature_from_any(const struct cose_alg *alg, const void *p, size_t len, uint8_t out[COSE_SIGNATURE_MAX],
			    struct err *err)
{
	const unsigned char *at = p;
	ECDSA_SIG *sig;
	int ok;

	if (len == 2 * alg->n) {
		memcpy(out, p, len);
		return 0;
	}
	ERR_set_mark();
	sig = len < 1024 ? d2i_ECDSA_SIG(NULL, &at, (long)len) : NULL;
	ok = sig && at == (const unsigned char *)p + len &&
	     BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)alg->n) >= 0 &&
	     BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + alg->n, (int)alg->n) >= 0;
	ECDSA_SIG_free(sig);
	ERR_pop_to_mark();
	if (!ok)
		return err_set(err, ERR_INPUT, "neither r and s of %zu bytes nor a DER signature on %s", 2 * alg->n,
			       alg->curve);
	return 0;
}
