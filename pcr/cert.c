// SPDX-License-Identifier: Apache-2.0
//
// Certificates through OpenSSL. PEM_read_bio_X509 walks over blocks of other kinds to the first certificate, which is
// what AWS's reader does too; its passphrase callback always declines, so that an encrypted block is an error and never
// a prompt on somebody's terminal.
#include "pcr/cert.h"

#include "base/utf8.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

enum { SECURITY_LEVEL = 2 }; // of a path to a CA: 112 bits, which SHA-1 and 1024 bits of RSA do not give

static int no_passphrase(char *out, int size, int rwflag, void *ctx)
{
	(void)out;
	(void)size;
	(void)rwflag;
	(void)ctx;
	return -1;
}

X509 *cert_from_pem(const void *p, size_t n, struct err *err)
{
	BIO *bio = n <= INT_MAX ? BIO_new_mem_buf(p ? p : "", (int)n) : NULL;
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (!cert)
		err_set(err, ERR_INPUT, "no certificate in PEM form");
	return cert;
}

bool cert_text_has_private_key(const void *p, size_t n)
{
	static const char mark[] = "PRIVATE KEY-----";

	return n && memmem(p, n, mark, sizeof(mark) - 1) != NULL;
}

int cert_der(X509 *cert, struct buf *out, struct err *err)
{
	unsigned char *der = NULL;
	int n = i2d_X509(cert, &der), rc;

	if (n <= 0)
		return err_nomem(err);
	rc = buf_add(out, der, (size_t)n, err);
	OPENSSL_free(der);
	return rc;
}

static int seconds_of(const ASN1_TIME *t, int64_t *seconds, struct err *err)
{
	struct tm tm;

	if (!t || !ASN1_TIME_to_tm(t, &tm))
		return err_set(err, ERR_INPUT, "a date of the certificate cannot be read");
	*seconds = timegm(&tm);
	return 0;
}

int cert_lifetime(X509 *cert, int64_t *not_before, int64_t *not_after, struct err *err)
{
	return seconds_of(X509_get0_notBefore(cert), not_before, err) ||
			       seconds_of(X509_get0_notAfter(cert), not_after, err)
		       ? -1
		       : 0;
}

int cert_check_dates(X509 *cert, int64_t at, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	int64_t from = 0, to = 0;

	if (cert_lifetime(cert, &from, &to, err))
		return -1;
	if (at >= from && at <= to)
		return 0;
	if (cert_date_text(at < from ? X509_get0_notBefore(cert) : X509_get0_notAfter(cert), &text, err) ||
	    !buf_cstr(&text, err))
		return -1;
	return err_set(err, ERR_MISMATCH, "the certificate %s %s", at < from ? "is not valid before" : "expired on",
		       (const char *)text.data);
}

int cert_sha384(X509 *cert, uint8_t out[48], struct err *err)
{
	return X509_digest(cert, EVP_sha384(), out, NULL) ? 0 : err_nomem(err);
}

// Every certificate of a PEM text, or NULL; how many may be 0.
static STACK_OF(X509) *all_certs(const struct buf *text)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *bio = text->len <= INT_MAX ? BIO_new_mem_buf(text->data ? (void *)text->data : "", (int)text->len) : NULL;
	X509 *cert;

	while (all && bio && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
		if (!sk_X509_push(all, cert)) {
			X509_free(cert);
			break;
		}
	BIO_free(bio);
	ERR_clear_error();
	return all;
}

// May this certificate sign something that is no TLS handshake? RFC 5280 4.2.1.3 and 4.2.1.12: usage and purpose bind
// where they stand.
static int check_purpose(X509 *cert, struct err *err)
{
	if (!(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE)) // all bits are set where none stands
		return err_set(err, ERR_MISMATCH, "the certificate's key usage allows no signatures");
	if (!(X509_get_extended_key_usage(cert) & (XKU_CODE_SIGN | XKU_ANYEKU)))
		return err_set(err, ERR_MISMATCH, "the certificate is for other purposes than signing code");
	return 0;
}

static int check_path(X509_STORE_CTX *ctx, X509 *cert, int64_t at, struct err *err)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);

	X509_VERIFY_PARAM_set_time(param, (time_t)at);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	if (X509_verify_cert(ctx) != 1)
		return err_set(err, ERR_MISMATCH, "the certificate does not lead to the CA: %s",
			       X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	return check_purpose(cert, err);
}

static int verify_chain(X509 *cert, STACK_OF(X509) *others, STACK_OF(X509) *roots, int64_t at, struct err *err)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = store && ctx;
	int rc;

	for (int i = 0; ok && i < sk_X509_num(roots); i++)
		ok = X509_STORE_add_cert(store, sk_X509_value(roots, i));
	ok = ok && X509_STORE_CTX_init(ctx, store, cert, others);
	rc = ok ? check_path(ctx, cert, at, err) : err_nomem(err);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return rc;
}

int cert_check_chain(X509 *cert, const struct buf *file, const struct buf *ca, int64_t at, struct err *err)
{
	STACK_OF(X509) *others = all_certs(file), *roots = all_certs(ca);
	int rc;

	if (!others || !roots)
		rc = err_nomem(err);
	else if (!sk_X509_num(roots))
		rc = err_set(err, ERR_USAGE, "no certificate in the CA file");
	else
		rc = verify_chain(cert, others, roots, at, err);
	sk_X509_pop_free(others, X509_free);
	sk_X509_pop_free(roots, X509_free);
	return rc;
}

int cert_date_text(const ASN1_TIME *t, struct buf *out, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;
	int rc;

	if (!bio)
		return err_nomem(err);
	ERR_set_mark();
	ASN1_TIME_print(bio, t); // an unreadable time prints as "Bad time value", as it does for AWS's reader
	n = BIO_get_mem_data(bio, &text);
	rc = buf_add(out, text, n > 0 ? (size_t)n : 0, err);
	BIO_free(bio);
	ERR_pop_to_mark();
	return rc;
}

const char *cert_algorithm_name(X509 *cert)
{
	const X509_ALGOR *alg;
	const ASN1_OBJECT *oid;
	const char *name;

	X509_get0_signature(NULL, &alg, cert);
	X509_ALGOR_get0(&oid, NULL, NULL, alg);
	name = OBJ_nid2ln(OBJ_obj2nid(oid));
	return name ? name : "undefined";
}

int cert_signature_text(X509 *cert, struct buf *out, struct err *err)
{
	const ASN1_BIT_STRING *sig;

	X509_get0_signature(&sig, NULL, cert);
	for (int i = 0; i < ASN1_STRING_length(sig); i++)
		if (buf_printf(out, err, "%s%02X", i ? ":" : "", ASN1_STRING_get0_data(sig)[i]))
			return -1;
	return 0;
}

// A scalar as Rust's {:?} of a string writes it, less its double quotes.
static int add_debug_char(struct buf *out, const uint8_t *p, size_t len, uint32_t c, struct err *err)
{
	switch (c) {
	case '"':
		return buf_add_str(out, "\\", err); // \" with the quote stripped
	case '\\':
		return buf_add_str(out, "\\\\", err);
	case '\n':
		return buf_add_str(out, "\\n", err);
	case '\r':
		return buf_add_str(out, "\\r", err);
	case '\t':
		return buf_add_str(out, "\\t", err);
	case 0:
		return buf_add_str(out, "\\0", err);
	default:
		if (c < 0x20 || (c >= 0x7f && c < 0xa0))
			return buf_printf(out, err, "\\u{%x}", (unsigned)c);
		return buf_add(out, p, len, err);
	}
}

static int add_debug_text(struct buf *out, const uint8_t *p, size_t n, struct err *err)
{
	while (n) {
		uint32_t c = 0;
		size_t len = utf8_next(p, n, &c);

		if (!len)
			return err_set(err, ERR_INPUT, "an attribute of the issuer's name is not UTF-8");
		if (add_debug_char(out, p, len, c, err))
			return -1;
		p += len;
		n -= len;
	}
	return 0;
}

int cert_issuer_attribute(X509 *cert, int i, struct buf *name, struct buf *value, struct err *err)
{
	X509_NAME_ENTRY *e = X509_NAME_get_entry(X509_get_issuer_name(cert), i);
	const ASN1_OBJECT *oid = X509_NAME_ENTRY_get_object(e);
	unsigned char *utf8 = NULL;
	char text[128];
	int n, rc;

	OBJ_obj2txt(text, sizeof(text), oid, 0); // the long name, or the dotted OID
	if (buf_add_str(name, text, err))
		return -1;
	n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(e));
	if (n < 0)
		return err_set(err, ERR_INPUT, "an attribute of the issuer's name cannot be read");
	rc = add_debug_text(value, utf8, (size_t)n, err);
	OPENSSL_free(utf8);
	return rc;
}
