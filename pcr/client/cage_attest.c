// SPDX-License-Identifier: Apache-2.0
//
// The client library's face over attest_doc. It fails closed in two ways: the policy begins empty, which attest_verify
// refuses; and a setter that failed leaves the object broken, so that a caller who does not look at its result gets a
// no and not a weaker check.
#include "pcr/client/cage_attest.h"

#include "base/hex.h"
#include "base/mem.h"
#include "pcr/attest_doc.h"
#include "pcr/cert.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

enum { NONCE_MAX = 256, NONCE_FRESH = 20, CERT_MAX = 128 * 1024 }; // 20 bytes: 40 hex digits fit one DNS label

struct cage_attest {
	struct attest_policy policy;
	struct buf nonce, root; // owned copies that the policy points into
	bool broken;
	struct err err;
};

cage_attest *cage_attest_new(void)
{
	struct err err = ERR_INIT;
	struct cage_attest *c = mem_zalloc(1, sizeof(*c), &err);

	if (c)
		err_set(&c->err, ERR_NONE, "nothing was judged yet");
	return c;
}

void cage_attest_free(cage_attest *c)
{
	if (!c)
		return;
	pcr_expect_free(&c->policy.pcrs);
	buf_free(&c->nonce);
	buf_free(&c->root);
	free(c);
}

const char *cage_attest_error(const cage_attest *c)
{
	return c->err.msg;
}

static int broken(struct cage_attest *c)
{
	c->broken = true;
	return -1;
}

static int refuse(struct cage_attest *c, const char *why)
{
	err_set(&c->err, ERR_USAGE, "%s", why);
	return broken(c);
}

int cage_attest_expect_pcr(cage_attest *c, unsigned index, const char *hex)
{
	if (!hex)
		return refuse(c, "an expected PCR that is NULL");
	return pcr_expect_add_hex(&c->policy.pcrs, index, hex, &c->err) ? broken(c) : 0;
}

int cage_attest_set_nonce(cage_attest *c, const void *nonce, size_t n)
{
	if (!nonce || !n || n > NONCE_MAX)
		return refuse(c, "a nonce is 1 to 256 bytes");
	c->nonce.len = 0;
	if (buf_add(&c->nonce, nonce, n, &c->err))
		return broken(c);
	c->policy.nonce = (struct attest_bytes){c->nonce.data, c->nonce.len};
	return 0;
}

int cage_attest_fresh_nonce(cage_attest *c, const char *host, char *name, size_t size)
{
	unsigned char nonce[NONCE_FRESH];
	char hex[2 * NONCE_FRESH + 1];
	int n;

	if (!name || !size)
		return refuse(c, "no place for the server name");
	*name = '\0';
	if (!host || !*host)
		return refuse(c, "a nonce for no host");
	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return refuse(c, "no random bytes");
	n = snprintf(name, size, "%s.attest.%s", hex_encode(nonce, sizeof(nonce), hex), host);
	if (n > 0 && (size_t)n < size)
		return cage_attest_set_nonce(c, nonce, sizeof(nonce));
	*name = '\0'; // half a name would carry half a nonce
	return refuse(c, "a server name that is too long");
}

int cage_attest_waive_nonce(cage_attest *c)
{
	c->policy.waived |= ATTEST_WAIVE_NONCE;
	return 0;
}

int cage_attest_set_max_age(cage_attest *c, long seconds)
{
	if (seconds < 1 || seconds > ATTEST_AGE_MAX)
		return refuse(c, "an age is 1 second to 3 hours");
	c->policy.max_age = seconds;
	return 0;
}

int cage_attest_set_root(cage_attest *c, const void *der, size_t n)
{
	if (!der || !n || n > ATTEST_CERT_MAX)
		return refuse(c, "a root is a certificate of at most 1024 bytes");
	c->root.len = 0;
	if (buf_add(&c->root, der, n, &c->err))
		return broken(c);
	c->policy.root = c->root.data;
	c->policy.root_len = c->root.len;
	return 0;
}

static X509 *peer_cert(struct cage_attest *c, const void *der, size_t n)
{
	const unsigned char *at = der;
	X509 *cert;

	ERR_set_mark();
	cert = der && n && n <= CERT_MAX ? d2i_X509(NULL, &at, (long)n) : NULL;
	ERR_pop_to_mark();
	if (!cert)
		err_set(&c->err, ERR_INPUT, "the peer's certificate cannot be read");
	return cert;
}

static int judge(struct cage_attest *c, const void *doc_bytes, size_t len, X509 *cert, long long now)
{
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
	struct attest_policy policy = c->policy;
	unsigned char *spki = NULL;
	int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki), rc = -1;

	policy.at = now;
	policy.spki = (struct attest_bytes){spki, n > 0 ? (size_t)n : 0};
	if (!attest_doc_parse(&doc, doc_bytes, len, &c->err))
		rc = attest_verify(&doc, &policy, &c->err);
	OPENSSL_free(spki);
	if (rc)
		return 0;
	err_set(&c->err, ERR_NONE, "attested");
	return CAGE_ATTEST_YES;
}

int cage_attest_verify_cert(cage_attest *c, const void *cert_der, size_t n, long long now)
{
	_cleanup_buf_ struct buf doc = BUF_INIT(0);
	_cleanup_x509_ X509 *cert = NULL;

	if (c->broken)
		return 0;
	cert = peer_cert(c, cert_der, n);
	if (!cert || attest_doc_from_cert(cert, &doc, &c->err))
		return 0;
	return judge(c, doc.data, doc.len, cert, now);
}

int cage_attest_verify_document(cage_attest *c, const void *document, size_t document_len, const void *cert_der,
				size_t cert_len, long long now)
{
	_cleanup_x509_ X509 *cert = NULL;

	if (c->broken)
		return 0;
	cert = peer_cert(c, cert_der, cert_len);
	return cert ? judge(c, document ? document : "", document ? document_len : 0, cert, now) : 0;
}
