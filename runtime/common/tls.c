// SPDX-License-Identifier: Apache-2.0
//
// Keys are parsed out of secret memory by a memory BIO, so that no libc or OpenSSL file buffer ever holds a copy.
#include "runtime/common/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

// Forward secrecy and AEAD; TLS 1.3's own suites are all that already.
#define CIPHERS_1_2                                                                                                    \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"                     \
	"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
enum { CHAIN_MAX = 8 }; // certificates after the leaf

const char *tls_reason(char *out, size_t cap)
{
	unsigned long code = ERR_get_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	out[0] = '\0';
	if (text)
		strncat(out, text, cap - 1);
	return out;
}

static int tls_err(struct err *err, const char *what)
{
	char why[128];

	return err_set(err, ERR_INPUT, "%s: %s", what, *tls_reason(why, sizeof(why)) ? why : "refused");
}

int tls_init(struct err *err)
{
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT | OPENSSL_INIT_LOAD_SSL_STRINGS,
			     NULL) != 1)
		return tls_err(err, "unable to start OpenSSL");
	return 0;
}

static int use_chain(SSL_CTX *ctx, const struct secret *pem, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *cert = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
	int n = 0;

	if (!cert || SSL_CTX_use_certificate(ctx, cert) != 1) {
		X509_free(cert);
		BIO_free(bio);
		return tls_err(err, "certificate");
	}
	X509_free(cert);
	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		if (++n > CHAIN_MAX || SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
			X509_free(cert);
			BIO_free(bio);
			return err_set(err, ERR_INPUT, "certificate: more than %d behind the leaf, or a broken one",
				       CHAIN_MAX);
		}
	}
	BIO_free(bio);
	ERR_clear_error(); // the end of the file is how the loop ends
	return 0;
}

static int use_key(SSL_CTX *ctx, const struct secret *pem, struct err *err)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	char no_passphrase[] = "";
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, no_passphrase) : NULL;
	int rc = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return rc ? 0 : tls_err(err, "private key");
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
		   unsigned in_len, void *arg)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1";
	bool h2 = (enum tls_alpn)(uintptr_t)arg == TLS_ALPN_HTTP;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, h2 ? both : both + 3, h2 ? 12 : 9, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		// RFC 7301 3.2: no_application_protocol
		return h2 ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int set_up(SSL_CTX *ctx)
{
	static const unsigned char context[] = "eifgen";

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
				     SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); // tickets alone
	SSL_CTX_set_max_early_data(ctx, 0);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(ctx, CIPHERS_1_2) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 &&
	       SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1) == 1;
}

SSL_CTX *tls_server_new(const struct secret *chain, const struct secret *key, enum tls_alpn alpn, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || !set_up(ctx)) {
		tls_err(err, "unable to make a TLS context");
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (alpn != TLS_ALPN_NONE)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, (void *)(uintptr_t)alpn);
	if (use_chain(ctx, chain, err) || use_key(ctx, key, err)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

SSL *tls_server_session(SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl)
		SSL_set_accept_state(ssl);
	return ssl;
}

bool tls_is_h2(const SSL *ssl)
{
	const unsigned char *name;
	unsigned n;

	SSL_get0_alpn_selected(ssl, &name, &n);
	return n == 2 && !memcmp(name, "h2", 2);
}
