// SPDX-License-Identifier: Apache-2.0
//
// One connection, at most one request on it. Everything read is bounded: the certificate by OpenSSL (100 KiB), the
// answer by ATTEST_HTTP_MAX, each wait by the target's timeout, and all of them together by a timer that runs from the
// handshake on: a host that sends a byte now and then would else hold its caller for weeks.
#include "eifgen/attest_fetch.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/attest_http.h"
#include "pcr/attest_doc.h"
#include "pcr/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>

enum {
	WHOLE = 3, // times the target's timeout: what handshake and answer may take together
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

// getaddrinfo takes the low sixteen bits of any number.
static bool is_port(const char *text)
{
	size_t n = strlen(text);

	return n && n <= 5 && strspn(text, "0123456789") == n && atoi(text) >= 1 && atoi(text) <= UINT16_MAX;
}

static int connect_to(const struct attest_target *t, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
	struct timeval wait = {.tv_sec = (time_t)t->timeout};
	int fd = -1, last = ECONNREFUSED, rc;

	if (!is_port(t->port))
		return err_set(err, ERR_USAGE, "%s is no port", *t->port ? t->port : "nothing");
	rc = getaddrinfo(t->host, t->port, &hints, &list);
	if (rc)
		return err_set(err, ERR_IO, "resolve %s: %s", t->host, gai_strerror(rc));
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)); // connect(2) heeds it too
		if (connect(fd, a->ai_addr, a->ai_addrlen) || fcntl(fd, F_SETFL, O_NONBLOCK)) {
			last = errno == EINPROGRESS ? ETIMEDOUT : errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd >= 0 ? fd : err_sys(err, last, "connect to %s port %s", t->host, t->port);
}

// ---- the conversation ----------------------------------------------------------------------------------------------

struct talk {
	const struct attest_target *target;
	SSL *ssl;
	int fd, timer;
};

enum turn { TURN_READY, TURN_SILENT, TURN_OVER, TURN_LATE };

// An operation of OpenSSL's gave rc <= 0: waits until it can be tried again. SILENT: the peer says nothing; OVER: the
// connection has ended; LATE: the timer has run out, and err says so.
static enum turn wait_turn(const struct talk *t, int rc, struct err *err)
{
	int why = SSL_get_error(t->ssl, rc), ready;
	struct pollfd p[2] = {{.fd = t->fd, .events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN},
			      {.fd = t->timer, .events = POLLIN}};

	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		return TURN_OVER;
	do
		ready = poll(p, 2, (int)t->target->timeout * 1000);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return TURN_SILENT;
	if (!p[1].revents)
		return TURN_READY;
	err_set(err, ERR_IO, "the host is too slow: %u s, and no end", WHOLE * t->target->timeout);
	return TURN_LATE;
}

static int failed_turn(enum turn turn, const char *what, struct err *err)
{
	if (turn == TURN_LATE)
		return err_prefix(err, "%s: ", what);
	if (turn == TURN_SILENT)
		return err_set(err, ERR_IO, "%s: the host says nothing", what);
	return tls_error(err, what);
}

static int shake_hands(const struct talk *t, struct err *err)
{
	enum turn turn = TURN_READY;
	int rc;

	while (ERR_clear_error(), (rc = SSL_connect(t->ssl)) != 1)
		if ((turn = wait_turn(t, rc, err)) != TURN_READY)
			return failed_turn(turn, "TLS handshake", err);
	return 0;
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

static int write_all(const struct talk *t, const struct buf *b, struct err *err)
{
	enum turn turn;
	int rc;

	while (ERR_clear_error(), (rc = SSL_write(t->ssl, b->data, (int)b->len)) <= 0)
		if ((turn = wait_turn(t, rc, err)) != TURN_READY)
			return failed_turn(turn, "send the request", err);
	return 0; // a whole request: SSL_MODE_ENABLE_PARTIAL_WRITE is not set
}

static int send_request(const struct talk *t, struct err *err)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	const char *name = name_of(t->target);
	bool bare = strchr(name, ':') && *name != '['; // an IPv6 address, in brackets here (RFC 3986 3.2.2)

	if (buf_add_str(&b, "GET /.well-known/attestation", err))
		return -1;
	if (t->target->nonce && (buf_add_str(&b, "?nonce=", err) || put_hex(&b, t->target, false, err)))
		return -1;
	if (buf_printf(&b, err,
		       " HTTP/1.1\r\nHost: %s%s%s\r\nUser-Agent: eifgen/" EIFGEN_VERSION
		       "\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
		       bare ? "[" : "", name, bare ? "]" : ""))
		return -1;
	return write_all(t, &b, err);
}

// Reads until the peer closes or falls silent; a truncated answer shows itself by its length.
static int read_response(const struct talk *t, struct buf *out, struct err *err)
{
	enum turn turn = TURN_READY;
	char block[8192];

	while (turn == TURN_READY) {
		int n;

		ERR_clear_error();
		n = SSL_read(t->ssl, block, sizeof(block));
		if (n <= 0)
			turn = wait_turn(t, n, err);
		else if (buf_add(out, block, (size_t)n, err))
			return -1;
	}
	ERR_clear_error();
	return turn == TURN_LATE ? -1 : 0;
}

static int converse(const struct talk *t, struct attest_answer *out, struct err *err)
{
	_cleanup_buf_ struct buf response = BUF_INIT(ATTEST_HTTP_MAX);
	_cleanup_x509_ X509 *cert = NULL;
	struct err none = ERR_INIT;

	if (shake_hands(t, err) || take_spki(t->ssl, out, &cert, err))
		return -1;
	if (!attest_doc_from_cert(cert, &out->doc, &none)) {
		out->from_cert = true;
		return 0;
	}
	if (send_request(t, err) || read_response(t, &response, err))
		return -1;
	return attest_http_document(&response, &out->doc, err);
}

static int start_timer(unsigned seconds, struct err *err)
{
	struct itimerspec when = {.it_value.tv_sec = (time_t)seconds};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd >= 0 && !timerfd_settime(fd, 0, &when, NULL))
		return fd;
	err_sys(err, errno, "start a timer");
	cleanup_closep(&fd);
	return -1;
}

int attest_fetch(const struct attest_target *t, struct attest_answer *out, struct err *err)
{
	_cleanup_(cleanup_ssl_ctxp) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	_cleanup_(cleanup_sslp) SSL *ssl = NULL;
	_cleanup_close_ int fd = -1, timer = -1;

	if (t->nonce_len > NONCE_MAX)
		return err_set(err, ERR_USAGE, "a nonce of more than %d bytes", NONCE_MAX);
	if (!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION))
		return err_nomem(err);
	// The document is what is verified, against this connection's key.
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	fd = connect_to(t, err);
	if (fd < 0)
		return -1;
	timer = start_timer(WHOLE * t->timeout, err);
	if (timer < 0)
		return -1;
	ssl = SSL_new(ctx);
	if (!ssl || !SSL_set_fd(ssl, fd))
		return err_nomem(err);
	if (set_sni(ssl, t, err) || converse(&(struct talk){t, ssl, fd, timer}, out, err))
		return -1;
	SSL_shutdown(ssl);
	return 0;
}
