// SPDX-License-Identifier: Apache-2.0
//
// Every path ends in attach(): a signature, whoever made it, becomes a COSE message that is parsed and verified with
// the certificate's key as a reader would, and only then a section. So a faulty token, a key that does not match or an
// error of ours cannot write an image that nobody accepts.
#include "pcr/signer.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/mem.h"
#include "pcr/cert.h"
#include "pcr/eif_sig.h"
#include "pcr/openssl_old.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

enum {
	FILE_MAX = 1 << 20,   // a certificate file
	SECRET_MAX = 1 << 16, // a key's or a passphrase's
	DER_SIGNATURE_MAX = 256,
};

struct passphrase {
	const char *text; // or NULL
	bool asked;
};

static int give_passphrase(char *out, int size, int rwflag, void *ctx)
{
	struct passphrase *p = ctx;
	size_t n = p->text ? strlen(p->text) : 0;

	(void)rwflag;
	p->asked = true;
	if (!p->text || n > (size_t)size)
		return -1;
	memcpy(out, p->text, n);
	return (int)n;
}

static bool is_uri(const char *key)
{
	return !strncmp(key, "pkcs11:", strlen("pkcs11:"));
}

static void wipe(struct buf *b)
{
	if (b->data)
		OPENSSL_cleanse(b->data, b->cap);
	buf_free(b);
}
#define _cleanup_wipe_ __attribute__((cleanup(wipe)))

// A whole file into one allocation: a buffer that grew would leave copies behind.
static int slurp_secret(const char *path, struct buf *out, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, err);
	ssize_t n;

	if (fd < 0 || buf_reserve(out, SECRET_MAX + 1, err))
		return -1;
	n = io_read(fd, out->data, SECRET_MAX + 1, err);
	if (n < 0)
		return err_prefix(err, "%s: ", path);
	if (n > SECRET_MAX)
		return err_set(err, ERR_LIMIT, "%s: more than %d bytes", path, SECRET_MAX);
	out->len = (size_t)n;
	return 0;
}

static EVP_PKEY *key_from_pem(const char *path, const char *passphrase, struct err *err)
{
	_cleanup_wipe_ struct buf text = BUF_INIT(0);
	struct passphrase pass = {passphrase, false};
	EVP_PKEY *key = NULL;
	BIO *bio;

	if (slurp_secret(path, &text, err))
		return NULL;
	bio = BIO_new_mem_buf(text.data, (int)text.len);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &pass);
	BIO_free(bio);
	ERR_clear_error();
	if (key)
		return key;
	if (pass.asked && !passphrase)
		err_set(err, ERR_INPUT, "%s: the key is encrypted: give --passphrase-file", path);
	else if (pass.asked)
		err_set(err, ERR_INPUT, "%s: the passphrase does not open the key", path);
	else
		err_set(err, ERR_INPUT, "%s: no private key in PEM form", path);
	return NULL;
}

static int read_passphrase(const char *path, struct buf *out, const char **text, struct err *err)
{
	size_t n = 0;

	*text = NULL;
	if (!path)
		return 0;
	if (slurp_secret(path, out, err))
		return -1;
	while (n < out->len && out->data[n] != '\r' && out->data[n] != '\n')
		n++;
	if (memchr(out->data, 0, n))
		return err_set(err, ERR_INPUT, "%s: a NUL in the passphrase", path);
	out->data[n] = '\0'; // there is room: out->len is below what was reserved
	*text = (char *)out->data;
	return 0;
}

static int open_cert(struct signer *s, const struct signer_options *opt, struct err *err)
{
	EVP_PKEY *public;

	if (io_slurp(opt->cert, FILE_MAX, &s->cert_text, err))
		return -1;
	if (cert_text_has_private_key(s->cert_text.data, s->cert_text.len))
		return err_set(err, ERR_INPUT,
			       "%s: a private key stands in the certificate file and would be published", opt->cert);
	s->cert = cert_from_pem(s->cert_text.data, s->cert_text.len, err);
	if (!s->cert)
		return err_prefix(err, "%s: ", opt->cert);
	public = X509_get0_pubkey(s->cert);
	if (!public)
		return err_set(err, ERR_UNSUPPORTED, "%s: a public key of a kind that OpenSSL does not know",
			       opt->cert);
	s->alg = cose_alg_of_key(public, err);
	if (!s->alg || cert_check_dates(s->cert, opt->at, err))
		return err_prefix(err, "%s: ", opt->cert);
	return 0;
}

// What of a key's name may be said: a URI's query can hold a PIN.
static int name_length(const char *key)
{
	return (int)(is_uri(key) ? strcspn(key, "?") : strlen(key));
}

static int open_key(struct signer *s, const struct signer_options *opt, struct err *err)
{
	_cleanup_wipe_ struct buf secret = BUF_INIT(0);
	const char *pass = NULL;

	if (read_passphrase(opt->passphrase_file, &secret, &pass, err))
		return -1;
	if (is_uri(opt->key)) {
		s->key = key_from_pkcs11(opt->key, pass, err);
		if (!s->key)
			err_prefix(err, "pkcs11: ");
	} else {
		s->key = key_from_pem(opt->key, pass, err);
	}
	if (!s->key)
		return -1;
	if (!cose_alg_of_key(s->key, err))
		return err_prefix(err, "%.*s: ", name_length(opt->key), opt->key);
	if (EVP_PKEY_eq(s->key, X509_get0_pubkey(s->cert)) != 1)
		return err_set(err, ERR_MISMATCH, "the key %.*s is not that of the certificate %s",
			       name_length(opt->key), opt->key, opt->cert);
	s->token = !key_is_local(s->key);
	return 0;
}

int signer_open(const struct signer_options *opt, struct signer **out, struct err *err)
{
	_cleanup_signer_ struct signer *s = mem_zalloc(1, sizeof(*s), err);

	if (!s || open_cert(s, opt, err) || (opt->key && open_key(s, opt, err)))
		return -1;
	*out = steal_ptr(&s);
	return 0;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	buf_free(&s->cert_text);
	X509_free(s->cert);
	EVP_PKEY_free(s->key);
	free(s);
}

int signer_pcr8(const struct signer *s, uint8_t out[PCR_SIZE], struct err *err)
{
	_cleanup_buf_ struct buf der = BUF_INIT(0);

	return cert_der(s->cert, &der, err) || pcr8_of_der(der.data, der.len, out, err) ? -1 : 0;
}

static int attach(const struct signer *s, const struct buf *payload, const uint8_t *rs, struct buf *section,
		  struct err *err)
{
	_cleanup_cose_ struct cose_sign1 c = COSE_SIGN1_INIT;
	_cleanup_buf_ struct buf message = BUF_INIT(0), out = BUF_INIT(0);

	if (cose_sign1_write(s->alg, payload->data, payload->len, rs, &message, err) ||
	    cose_sign1_parse(&c, message.data, message.len, COSE_FORM_STRICT, err) ||
	    cose_sign1_verify(&c, X509_get0_pubkey(s->cert), err) ||
	    eif_sig_write(s->cert_text.data, s->cert_text.len, message.data, message.len, &out, err))
		return -1;
	if (out.len > EIF_SIG_MAX)
		return err_set(err, ERR_LIMIT,
			       "the signature section would have %zu bytes, more than %d: the certificate file "
			       "is too long",
			       out.len, EIF_SIG_MAX);
	return buf_add(section, out.data, out.len, err);
}

// A signature by the token's own ways: DER, over the bytes.
static int sign_in_token(const struct signer *s, const struct buf *tbs, uint8_t *rs, struct err *err)
{
	uint8_t der[DER_SIGNATURE_MAX];
	size_t len = sizeof(der);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int ok = md && EVP_DigestSignInit(md, NULL, s->alg->md(), NULL, s->key) == 1 &&
		 EVP_DigestSign(md, der, &len, tbs->data, tbs->len) == 1;

	EVP_MD_CTX_free(md);
	ERR_clear_error();
	if (!ok)
		return err_set(err, ERR_INPUT, "the token refused to sign");
	return cose_signature_from_any(s->alg, der, len, rs, err);
}

int signer_section(const struct signer *s, const uint8_t pcr0[PCR_SIZE], struct buf *section, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT(0), tbs = BUF_INIT(0);
	uint8_t digest[EVP_MAX_MD_SIZE], rs[COSE_SIGNATURE_MAX];

	if (!s->key)
		return err_set(err, ERR_USAGE, "no key to sign with");
	if (eif_sig_payload(pcr0, &payload, err) ||
	    cose_to_be_signed(s->alg, payload.data, payload.len, &tbs, digest, err))
		return -1;
	if (s->token ? sign_in_token(s, &tbs, rs, err) : ecdsa_sign_rfc6979(s->key, s->alg, digest, rs, err))
		return -1;
	return attach(s, &payload, rs, section, err);
}

int signer_detached(const struct signer *s, const uint8_t pcr0[PCR_SIZE], struct buf *tbs, uint8_t *digest,
		    struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT(0);

	if (eif_sig_payload(pcr0, &payload, err))
		return -1;
	return cose_to_be_signed(s->alg, payload.data, payload.len, tbs, digest, err);
}

int signer_attach(const struct signer *s, const uint8_t pcr0[PCR_SIZE], const void *signature, size_t len,
		  struct buf *section, struct err *err)
{
	_cleanup_buf_ struct buf payload = BUF_INIT(0);
	uint8_t rs[COSE_SIGNATURE_MAX];

	if (cose_signature_from_any(s->alg, signature, len, rs, err) || eif_sig_payload(pcr0, &payload, err))
		return -1;
	return attach(s, &payload, rs, section, err);
}
