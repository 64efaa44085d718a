// SPDX-License-Identifier: Apache-2.0
//
// Version 3, a random serial of 127 bits, subject equal to issuer, basicConstraints CA:FALSE and keyUsage
// digitalSignature (both critical), ecdsa-with-SHA384. Enclaves check none of this but the dates; verifiers with a CA
// bundle do.
#include "pcr/cert_new.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "pcr/cert.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { DAY = 86400, DAYS_MAX = 36500, SERIAL_SIZE = 16 };

static int add_attribute(X509_NAME *name, char *text, struct err *err)
{
	char *equals = strchr(text, '=');

	while (*text == ' ')
		text++;
	if (!equals || equals == text || !equals[1])
		return err_set(err, ERR_USAGE, "subject: \"%s\" is not NAME=VALUE", text);
	*equals = '\0';
	if (!X509_NAME_add_entry_by_txt(name, text, MBSTRING_UTF8, (unsigned char *)equals + 1, -1, -1, 0)) {
		ERR_clear_error();
		return err_set(err, ERR_USAGE, "subject: no attribute %s with that value", text);
	}
	return 0;
}

static int set_subject(X509 *cert, const char *subject, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(subject, err);
	X509_NAME *name = X509_NAME_new();
	char *rest = copy, *part;
	int rc = copy && name ? 0 : err_nomem(err);

	while (!rc && (part = strsep(&rest, ",")))
		rc = add_attribute(name, part, err);
	if (!rc && (!X509_set_subject_name(cert, name) || !X509_set_issuer_name(cert, name)))
		rc = err_nomem(err);
	X509_NAME_free(name);
	return rc;
}

static bool set_serial(X509 *cert)
{
	unsigned char random[SERIAL_SIZE];
	BIGNUM *n;
	bool ok;

	if (RAND_bytes(random, sizeof(random)) != 1)
		return false;
	random[0] = (unsigned char)((random[0] & 0x7f) | 0x40); // positive, and always 16 bytes
	n = BN_bin2bn(random, sizeof(random), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
	BN_free(n);
	return ok;
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

static bool fill(X509 *cert, EVP_PKEY *key, const struct cert_request *req)
{
	time_t from = (time_t)req->from, to = (time_t)(req->from + (int64_t)req->days * DAY);

	return X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
	       ASN1_TIME_set(X509_getm_notBefore(cert), from) && ASN1_TIME_set(X509_getm_notAfter(cert), to) &&
	       X509_set_pubkey(cert, key) && add_extension(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(cert, NID_subject_key_identifier, "hash") && X509_sign(cert, key, EVP_sha384());
}

static int add_pem(BIO *bio, bool written, struct buf *out, struct err *err)
{
	char *text;
	long n = BIO_get_mem_data(bio, &text);

	return written && n > 0 ? buf_add(out, text, (size_t)n, err) : err_nomem(err);
}

static int write_both(X509 *cert, EVP_PKEY *key, struct buf *key_pem, struct buf *cert_pem, struct err *err)
{
	BIO *k = BIO_new(BIO_s_secmem()), *c = BIO_new(BIO_s_mem());
	int rc = k && c ? 0 : err_nomem(err);

	if (!rc)
		rc = add_pem(k, PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL) == 1, key_pem, err);
	if (!rc)
		rc = add_pem(c, PEM_write_bio_X509(c, cert) == 1, cert_pem, err);
	BIO_free(k);
	BIO_free(c);
	return rc;
}

int cert_new(const struct cert_request *req, struct buf *key_pem, struct buf *cert_pem, struct err *err)
{
	_cleanup_pkey_ EVP_PKEY *key = NULL;
	_cleanup_x509_ X509 *cert = NULL;

	if (!req->days || req->days > DAYS_MAX)
		return err_set(err, ERR_USAGE, "days: 1 to %d", DAYS_MAX);
	key = EVP_EC_gen("P-384");
	cert = X509_new();
	if (!key || !cert)
		return err_nomem(err);
	if (set_subject(cert, req->subject, err))
		return -1;
	if (!fill(cert, key, req)) {
		ERR_clear_error();
		return err_set(err, ERR_MEMORY, "the certificate could not be made by OpenSSL");
	}
	return write_both(cert, key, key_pem, cert_pem, err);
}
