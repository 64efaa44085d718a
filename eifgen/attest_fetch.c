// SPDX-License-Identifier: Apache-2.0
//
// One connection, at most one request on it. Everything read is bounded: the certificate by OpenSSL (100 KiB), the
// answer by ATTEST_HTTP_MAX, each wait by the socket's timeouts.
#include "eifgen/attest_fetch.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/attest_http.h"
#include "pcr/attest_doc.h"
#include "pcr/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
	NONCE_MAX = 256,
	LABEL_HEX = 62, // hex digits in one DNS label of at most 63
	SNI_MAX = 255,
};

CLEANUP_DEFINE(SSL, cleanup_ssl, SSL_free)
CLEANUP_DEFINE(SSL_CTX, cleanup_ssl_ctx, SSL_CTX_free)

static int tls_error(struct err *err, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return err_set(err, ERR_IO, "%s: %s", what, reason ? reason : "the connection ended");
}

static int connect_to(const struct attest_target *t, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	struct timeval wait = {.tv_sec = (time_t)t->timeout};
	int fd = -1, last = ECONNREFUSED, rc = getaddrinfo(t->host, t->port, &hints, &list);

	if (rc)
		return err_set(err, ERR_IO, "resolve %s: %s", t->host, gai_strerror(rc));
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)); // connect(2) heeds it too
		if (connect(fd, a->ai_addr, a->ai_addrlen)) {
			last = errno == EINPROGRESS ? ETIMEDOUT : errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd >= 0 ? fd : err_sys(err, last, "connect to %s port %s", t->host, t->port);
}

static bool is_address(const char *host)
{
	uint8_t any[16];

	return inet_pton(AF_INET, host, any) == 1 || inet_pton(AF_INET6, host, any) == 1;
}

static const char *name_of(const struct attest_target *t)
{
	return t->name ? t->name : t->host;
}

static int put_hex(struct buf *b, const struct attest_target *t, bool in_labels, struct err *err)
{
	const uint8_t *p = t->nonce;

	for (size_t i = 0; i < t->nonce_len; i++)
		if ((in_labels && i && i % (LABEL_HEX / 2) == 0 && buf_add_byte(b, '.', err)) ||
		    buf_printf(b, err, "%02x", p[i]))
			return -1;
	return 0;
}

static int set_sni(SSL *ssl, const struct attest_target *t, struct err *err)
{
	_cleanup_buf_ struct buf sni = BUF_INIT(0);
	const char *text;

	if (is_address(name_of(t)))
		return 0; // RFC 6066: no literal addresses; the nonce goes by query then
	if (t->nonce && (put_hex(&sni, t, true, err) || buf_add_str(&sni, ".attest.", err)))
		return -1;
	if (buf_add_str(&sni, name_of(t), err) || !(text = buf_cstr(&sni, err)))
		return -1;
	if (sni.len > SNI_MAX)
		return err_set(err, ERR_USAGE, "host name and nonce together are longer than %d bytes", SNI_MAX);
	return SSL_set_tlsext_host_name(ssl, text) ? 0 : err_nomem(err);
}

static int take_spki(SSL *ssl, struct attest_answer *out, X509 **cert, struct err *err)
{
	unsigned char *der = NULL;
	int n, rc;

	*cert = SSL_get1_peer_certificate(ssl);
	if (!*cert)
		return err_set(err, ERR_INPUT, "the host shows no certificate");
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(*cert), &der);
	if (n <= 0)
		return err_nomem(err);
	rc = buf_add(&out->spki, der, (size_t)n, err);
	OPENSSL_free(der);
	return rc;
}

static int write_all(SSL *ssl, const struct buf *b, struct err *err)
{
	return SSL_write(ssl, b->data, (int)b->len) == (int)b->len ? 0 : tls_error(err, "send the request");
}

static int send_request(SSL *ssl, const struct attest_target *t, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);

	if (buf_add_str(&b, "GET /.well-known/attestation", err))
		return -1;
	if (t->nonce && (buf_add_str(&b, "?nonce=", err) || put_hex(&b, t, false, err)))
		return -1;
	if (buf_printf(&b, err,
		       " HTTP/1.1\r\nHost: %s\r\nUser-Agent: eifgen/" EIFGEN_VERSION
		       "\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
		       name_of(t)))
		return -1;
	return write_all(ssl, &b, err);
}

// Reads until the peer closes; a truncated answer shows itself by its length.
static int read_response(SSL *ssl, struct buf *out, struct err *err)
{
	char block[8192];
	int n;

	while ((n = SSL_read(ssl, block, sizeof(block))) > 0)
		if (buf_add(out, block, (size_t)n, err))
			return -1;
	ERR_clear_error();
	return 0;
}

static int converse(SSL *ssl, const struct attest_target *t, struct attest_answer *out, struct err *err)
{
	_cleanup_buf_ struct buf response = BUF_INIT(ATTEST_HTTP_MAX);
	_cleanup_x509_ X509 *cert = NULL;
	struct err none = ERR_INIT;

	if (SSL_connect(ssl) != 1)
		return tls_error(err, "TLS handshake");
	if (take_spki(ssl, out, &cert, err))
		return -1;
	if (!attest_doc_from_cert(cert, &out->doc, &none)) {
		out->from_cert = true;
		return 0;
	}
	if (send_request(ssl, t, err) || read_response(ssl, &response, err))
		return -1;
	return attest_http_document(&response, &out->doc, err);
}

int attest_fetch(const struct attest_target *t, struct attest_answer *out, struct err *err)
{
	_cleanup_(cleanup_ssl_ctxp) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	_cleanup_(cleanup_sslp) SSL *ssl = NULL;
	_cleanup_close_ int fd = -1;

	if (t->nonce_len > NONCE_MAX)
		return err_set(err, ERR_USAGE, "a nonce of more than %d bytes", NONCE_MAX);
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
		return err_nomem(err);
	// The document is what is verified, against this connection's key.
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	fd = connect_to(t, err);
	if (fd < 0)
		return -1;
	ssl = SSL_new(ctx);
	if (!ssl || !SSL_set_fd(ssl, fd))
		return err_nomem(err);
	if (set_sni(ssl, t, err) || converse(ssl, t, out, err))
		return -1;
	SSL_shutdown(ssl);
	return 0;
}
