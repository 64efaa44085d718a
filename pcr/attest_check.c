// SPDX-License-Identifier: Apache-2.0
//
// The checks of an attestation document (facts/runtime.md 3.5). The path is walked by hand from the pinned root down,
// each link held against every rule: with five certificates of one shape that is shorter to read, and stricter, than
// telling a general path builder what not to accept. What OpenSSL puts in its error queue meanwhile is taken out again:
// the caller's TLS stack looks there, too.
//
//   root (pinned) -> cabundle[1] -> … -> cabundle[n-1] -> certificate
//   pathLen of a CA >= number of CAs between it and the leaf
#include "pcr/attest_doc.h"

#include "pcr/cert.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>

// DER that is one certificate and nothing more.
static X509 *cert_of(const void *der, size_t n, struct err *err)
{
	const unsigned char *at = der;
	X509 *cert = d2i_X509(NULL, &at, (long)n);

	if (cert && at == (const unsigned char *)der + n)
		return cert;
	X509_free(cert);
	err_set(err, ERR_MISMATCH, "not a certificate in DER");
	return NULL;
}

// RFC 5280 4.2: what a critical extension says must be heeded, and here that is done for two of them. OpenSSL knows
// some more (name and policy constraints, extended key usage), but it heeds those in a path builder that this is not.
static int check_extensions(X509 *cert, struct err *err)
{
	if (X509_get_extension_flags(cert) & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		return err_set(err, ERR_MISMATCH, "an extension is broken, or critical and unknown");
	for (int i = 0; i < X509_get_ext_count(cert); i++) {
		X509_EXTENSION *ext = X509_get_ext(cert, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));

		if (nid == NID_basic_constraints || nid == NID_key_usage)
			continue;
		if (X509_EXTENSION_get_critical(ext) || nid == NID_name_constraints)
			return err_set(err, ERR_MISMATCH, "its extension %s would have to be heeded, and is not here",
				       OBJ_nid2sn(nid));
	}
	return 0;
}

// RFC 5480 2.1.1: a curve is named. One that is spelled out may equal P-384 for us and not for others.
static bool is_named_p384(EVP_PKEY *key)
{
	struct err why = ERR_INIT;
	const struct cose_alg *alg = key ? cose_alg_of_key(key, &why) : NULL;
	int spelled_out = 0;

	if (alg)
		EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelled_out);
	return alg && alg->nid == NID_secp384r1 && !spelled_out;
}

// What every certificate of the path must be, whatever its place.
static int check_shape(X509 *cert, int64_t at, struct err *err)
{
	if (!is_named_p384(X509_get0_pubkey(cert)))
		return err_set(err, ERR_MISMATCH, "its key is not on P-384");
	if (X509_get_signature_nid(cert) != NID_ecdsa_with_SHA384)
		return err_set(err, ERR_MISMATCH, "it is not signed by ECDSA with SHA-384");
	if (X509_get_version(cert) != X509_VERSION_3)
		return err_set(err, ERR_MISMATCH, "it is not of version 3");
	return check_extensions(cert, err) ? -1 : cert_check_dates(cert, at, err);
}

static int check_ca(X509 *cert, long cas_below, struct err *err)
{
	uint32_t flags = X509_get_extension_flags(cert);
	long path_len = X509_get_pathlen(cert);

	if (!(flags & EXFLAG_BCONS) || !(flags & EXFLAG_CA))
		return err_set(err, ERR_MISMATCH, "it is no CA");
	if (path_len >= 0 && path_len < cas_below)
		return err_set(err, ERR_MISMATCH, "its path length %ld is too short for %ld CAs below it", path_len,
			       cas_below);
	if (!(flags & EXFLAG_KUSAGE) || !(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN))
		return err_set(err, ERR_MISMATCH, "it may not sign certificates");
	return 0;
}

static int check_leaf(X509 *cert, struct err *err)
{
	uint32_t flags = X509_get_extension_flags(cert);

	if (flags & EXFLAG_CA)
		return err_set(err, ERR_MISMATCH, "it is a CA");
	if (!(flags & EXFLAG_KUSAGE) || !(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE))
		return err_set(err, ERR_MISMATCH, "it may not sign documents");
	return 0;
}

static int check_issued(X509 *cert, X509 *issuer, struct err *err)
{
	if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
		return err_set(err, ERR_MISMATCH, "its issuer is not the certificate above it");
	if (X509_verify(cert, X509_get0_pubkey(issuer)) != 1)
		return err_set(err, ERR_MISMATCH, "its signature is not by the certificate above it");
	return 0;
}

// Certificate i of the path (0: root, count - 1: leaf) under `issuer` (NULL for the root).
static int check_link(X509 *cert, X509 *issuer, size_t i, size_t count, int64_t at, struct err *err)
{
	if (check_shape(cert, at, err) || (issuer && check_issued(cert, issuer, err)))
		return -1;
	return i + 1 == count ? check_leaf(cert, err) : check_ca(cert, (long)(count - i) - 2, err);
}

// Says which certificate of the path err is about.
static int name_link(size_t i, size_t count, struct err *err)
{
	if (i + 1 == count)
		return err_prefix(err, "certificate: ");
	return i ? err_prefix(err, "cabundle[%zu]: ", i) : err_prefix(err, "root: ");
}

static int walk_path(const struct attest_doc *doc, const void *root, size_t root_len, int64_t at, struct err *err)
{
	_cleanup_x509_ X509 *above = NULL;
	size_t count = doc->bundle_count + 1;

	if (!root || !root_len)
		return err_set(err, ERR_USAGE, "no root to trust");
	if (doc->bundle[0].n != root_len || memcmp(doc->bundle[0].p, root, root_len) != 0)
		return err_set(err, ERR_MISMATCH, "the bundle does not begin with the pinned root");
	for (size_t i = 0; i < count; i++) {
		const struct attest_bytes *der = i + 1 == count ? &doc->certificate : &doc->bundle[i];
		_cleanup_x509_ X509 *cert = i ? cert_of(der->p, der->n, err) : cert_of(root, root_len, err);

		if (!cert || check_link(cert, above, i, count, at, err))
			return name_link(i, count, err);
		X509_free(above);
		above = steal_ptr(&cert);
	}
	return 0;
}

int attest_check_chain(const struct attest_doc *doc, const void *root, size_t root_len, int64_t at, struct err *err)
{
	int rc;

	ERR_set_mark();
	rc = walk_path(doc, root, root_len, at, err);
	ERR_pop_to_mark();
	return rc;
}

static int check_signature(const struct attest_doc *doc, struct err *err)
{
	_cleanup_x509_ X509 *leaf = cert_of(doc->certificate.p, doc->certificate.n, err);
	EVP_PKEY *key = leaf ? X509_get0_pubkey(leaf) : NULL;
	struct err why = ERR_INIT;

	if (!leaf)
		return err_prefix(err, "certificate: ");
	if (!key)
		return err_set(err, ERR_MISMATCH, "certificate: no public key that can be read");
	if (!cose_sign1_verify(&doc->cose, key, &why))
		return 0;
	return err_set(err, why.class == ERR_MEMORY ? ERR_MEMORY : ERR_MISMATCH, "signature: %s", why.msg);
}

int attest_check_signature(const struct attest_doc *doc, struct err *err)
{
	int rc;

	ERR_set_mark();
	rc = check_signature(doc, err);
	ERR_pop_to_mark();
	return rc;
}

int attest_check_time(const struct attest_doc *doc, int64_t at, int64_t max_age, int64_t leeway, struct err *err)
{
	int64_t made = (int64_t)(doc->timestamp_ms / 1000);

	if (max_age <= 0)
		return err_set(err, ERR_USAGE, "no age that a document may have");
	if (made > at && made - at > leeway)
		return err_set(err, ERR_MISMATCH, "timestamp %lld s ahead of our clock", (long long)(made - at));
	if (made < at && at - made > max_age)
		return err_set(err, ERR_MISMATCH, "timestamp %lld s old, more than %lld", (long long)(at - made),
			       (long long)max_age);
	return 0;
}

int attest_check_not_debug(const struct attest_doc *doc, struct err *err)
{
	for (unsigned i = 0; i <= 2; i++) {
		const struct attest_bytes *v = &doc->pcrs[i];
		uint8_t any = 0;

		if (!v->p || v->n != PCR_SIZE)
			return err_set(err, ERR_MISMATCH, "PCR%u is %s", i, v->p ? "not of 48 bytes" : "absent");
		for (size_t k = 0; k < v->n; k++)
			any |= v->p[k];
		if (!any)
			return err_set(err, ERR_MISMATCH, "PCR%u is all zero: an enclave in debug mode", i);
	}
	return 0;
}

int attest_check_pcrs(const struct attest_doc *doc, const struct pcr_expect *expect, struct err *err)
{
	if (!expect->count)
		return err_set(err, ERR_USAGE, "no PCR is expected");
	for (unsigned i = 0; i < PCR_COUNT; i++)
		if (pcr_expect_check(expect, i, doc->pcrs[i].p, doc->pcrs[i].n, err))
			return -1;
	return 0;
}

static int check_bytes(const struct attest_bytes *have, const void *want, size_t n, const char *name, struct err *err)
{
	if (!want || !n)
		return err_set(err, ERR_USAGE, "no %s is expected", name);
	if (!have->p)
		return err_set(err, ERR_MISMATCH, "%s is absent", name);
	if (have->n != n || memcmp(have->p, want, n) != 0)
		return err_set(err, ERR_MISMATCH, "%s is another", name);
	return 0;
}

int attest_check_nonce(const struct attest_doc *doc, const void *nonce, size_t n, struct err *err)
{
	return check_bytes(&doc->nonce, nonce, n, "nonce", err);
}

int attest_check_user_data(const struct attest_doc *doc, const void *data, size_t n, struct err *err)
{
	return check_bytes(&doc->user_data, data, n, "user_data", err);
}

int attest_check_public_key(const struct attest_doc *doc, const void *key, size_t n, struct err *err)
{
	return check_bytes(&doc->public_key, key, n, "public_key", err);
}

int attest_check_binding(const struct attest_doc *doc, const void *spki, size_t n, struct err *err)
{
	struct err why = ERR_INIT;

	if (!spki || !n)
		return err_set(err, ERR_USAGE, "no TLS key is given that the document should be bound to");
	if (!attest_check_user_data(doc, spki, n, &why) || !attest_check_public_key(doc, spki, n, &why))
		return 0;
	return err_set(err, ERR_MISMATCH, "the document is not bound to this connection's key");
}

// A thing is either given or waived.
static int need(bool given, bool waived, const char *what, struct err *err)
{
	if (given == waived)
		return err_set(err, ERR_USAGE,
			       given ? "%s is given and waived at once" : "%s is neither given nor waived", what);
	return 0;
}

static int check_policy(const struct attest_policy *p, struct err *err)
{
	if (need(p->pcrs.count > 0, p->waived & ATTEST_WAIVE_PCRS, "an expected PCR", err) ||
	    need(p->nonce.p && p->nonce.n, p->waived & ATTEST_WAIVE_NONCE, "a nonce", err) ||
	    need(p->spki.p && p->spki.n, p->waived & ATTEST_WAIVE_BINDING, "the connection's key", err))
		return -1;
	return 0;
}

int attest_verify(const struct attest_doc *doc, const struct attest_policy *p, struct err *err)
{
	int64_t made = (int64_t)(doc->timestamp_ms / 1000);
	int64_t at = p->waived & ATTEST_WAIVE_AGE ? made : p->at;
	const void *root = p->root ? p->root : attest_aws_root;
	size_t root_len = p->root ? p->root_len : attest_aws_root_len;

	if (check_policy(p, err) ||
	    attest_check_time(doc, at, p->max_age ? p->max_age : ATTEST_AGE_MAX, ATTEST_LEEWAY, err))
		return -1;
	if (made > at)
		at = made; // our clock is behind within the leeway: a leaf made just now is valid
	if (attest_check_chain(doc, root, root_len, at, err) || attest_check_signature(doc, err) ||
	    attest_check_not_debug(doc, err))
		return -1;
	if (!(p->waived & ATTEST_WAIVE_PCRS) && attest_check_pcrs(doc, &p->pcrs, err))
		return -1;
	if (!(p->waived & ATTEST_WAIVE_NONCE) && attest_check_nonce(doc, p->nonce.p, p->nonce.n, err))
		return -1;
	if (!(p->waived & ATTEST_WAIVE_BINDING) && attest_check_binding(doc, p->spki.p, p->spki.n, err))
		return -1;
	return p->user_data.p ? attest_check_user_data(doc, p->user_data.p, p->user_data.n, err) : 0;
}
