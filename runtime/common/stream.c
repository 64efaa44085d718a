// SPDX-License-Identifier: Apache-2.0
//
// OpenSSL works directly on the descriptor (its socket BIO writes one record, at most 16.4 KiB, at a time, which keeps
// the vsock ceiling by itself). Partial writes and moving buffers are allowed, and its buffers are given back while a
// connection idles: the caller's SSL_CTX sets these modes (see tls.h).
#include "runtime/common/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

struct stream stream_plain(int fd)
{
	enum addr_kind kind = addr_kind_of(fd);

	return (struct stream){
	    .fd = fd, .kind = kind, .write_max = addr_write_max(kind), .read_on = EV_READ, .write_on = EV_WRITE};
}

int stream_start_tls(struct stream *s, SSL *ssl, struct err *err)
{
	s->ssl = ssl;
	if (SSL_set_fd(ssl, s->fd) != 1)
		return err_nomem(err);
	return 0;
}

// In clear a failed write says nothing of what the peer sent before it closed: that is still to be read.
static int read_failed(struct stream *s, int errnum)
{
	s->read_broken = true;
	if (!s->errnum)
		s->errnum = errnum;
	return STREAM_ERROR;
}

static int write_failed(struct stream *s, int errnum)
{
	s->write_broken = true;
	if (!s->errnum)
		s->errnum = errnum;
	return STREAM_ERROR;
}

static int tls_failed(struct stream *s, int errnum)
{
	s->read_broken = true;
	return write_failed(s, errnum);
}

// Turns OpenSSL's verdict on a call that returned rc into ours; *on gets the event to wait for.
static int tls_verdict(struct stream *s, int rc, short *on)
{
	int saved = errno;
	int why = SSL_get_error(s->ssl, rc);

	switch (why) {
	case SSL_ERROR_WANT_READ:
		*on = EV_READ;
		return STREAM_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*on = EV_WRITE;
		return STREAM_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		s->eof = true;
		return STREAM_EOF;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return tls_failed(s, saved ? saved : ECONNRESET);
	default:
		ERR_clear_error();
		return tls_failed(s, 0);
	}
}

static int tls_step(struct stream *s, int (*step)(SSL *))
{
	int rc;

	errno = 0;
	rc = step(s->ssl);
	if (rc == 1) {
		s->read_on = EV_READ;
		return 1;
	}
	rc = tls_verdict(s, rc, &s->read_on);
	return rc == STREAM_EOF ? tls_failed(s, ECONNRESET) : rc;
}

int stream_accept_tls(struct stream *s)
{
	return tls_step(s, SSL_accept);
}

int stream_connect_tls(struct stream *s)
{
	return tls_step(s, SSL_connect);
}

static ssize_t tls_read(struct stream *s, void *p, size_t n)
{
	int rc;

	errno = 0;
	rc = SSL_read(s->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	if (rc > 0) {
		s->read_on = EV_READ;
		return rc;
	}
	return tls_verdict(s, rc, &s->read_on);
}

// A peer with whole ends that reads no more before we have ended our direction has closed both at once. (Once we have,
// its close is due, and tells nothing.) A send of no bytes asks, and sends nothing.
int stream_at_end(struct stream *s)
{
	if (s->whole_ends && s->kind != ADDR_TCP && !s->shut && send(s->fd, "", 0, MSG_NOSIGNAL) < 0)
		return read_failed(s, ECONNRESET);
	s->eof = true;
	return STREAM_EOF;
}

static ssize_t read_once(struct stream *s, void *p, size_t n)
{
	ssize_t r;

	if (s->read_broken)
		return STREAM_ERROR;
	if (s->eof)
		return STREAM_EOF;
	if (s->ssl)
		return tls_read(s, p, n);
	do
		r = read(s->fd, p, n);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return r;
	if (r == 0)
		return stream_at_end(s);
	return errno == EAGAIN || errno == EWOULDBLOCK ? STREAM_AGAIN : read_failed(s, errno);
}

ssize_t stream_read(struct stream *s, void *p, size_t n)
{
	ssize_t r = read_once(s, p, n);

	s->dry = r == STREAM_AGAIN;
	return r;
}

static ssize_t tls_write(struct stream *s, const void *p, size_t n)
{
	int rc;

	errno = 0;
	rc = SSL_write(s->ssl, p, n > INT_MAX ? INT_MAX : (int)n);
	if (rc > 0) {
		s->write_on = EV_WRITE;
		return rc;
	}
	rc = tls_verdict(s, rc, &s->write_on);
	return rc == STREAM_EOF ? write_failed(s, EPIPE) : rc;
}

ssize_t stream_write(struct stream *s, const void *p, size_t n)
{
	ssize_t r;

	if (s->write_broken)
		return STREAM_ERROR;
	if (n > s->write_max)
		n = s->write_max;
	if (s->ssl)
		return tls_write(s, p, n);
	do
		r = write(s->fd, p, n);
	while (r < 0 && errno == EINTR);
	if (r >= 0)
		return r ? r : STREAM_AGAIN;
	// ENOBUFS: a vsock out of credit for small packets; it clears when the peer reads.
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? STREAM_AGAIN : write_failed(s, errno);
}

bool stream_pending(const struct stream *s)
{
	return s->ssl && !s->dry && !s->read_broken && !s->eof && SSL_has_pending(s->ssl);
}

int stream_shutdown(struct stream *s)
{
	if (s->shut)
		return 0;
	if (s->write_broken)
		return STREAM_ERROR;
	if (s->ssl) {
		int rc;

		errno = 0;
		rc = SSL_shutdown(s->ssl); // 0: ours is out, the peer's not yet seen; 1: both
		if (rc < 0) {
			rc = tls_verdict(s, rc, &s->write_on);
			if (rc == STREAM_AGAIN)
				return STREAM_AGAIN;
			if (s->write_broken)
				return STREAM_ERROR;
		}
	}
	s->shut = true;
	if (shutdown(s->fd, SHUT_WR) && errno != ENOTCONN)
		return write_failed(s, errno);
	return 0;
}

short stream_events(const struct stream *s, bool want_read, bool want_write)
{
	return (short)((want_read ? s->read_on : 0) | (want_write ? s->write_on : 0));
}

void stream_abort(struct stream *s)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (s->fd >= 0 && s->kind == ADDR_TCP)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (s->ssl)
		SSL_set_quiet_shutdown(s->ssl, 1);
}

void stream_close(struct stream *s)
{
	if (s->ssl) {
		// A connection that ended without our close_notify must not take its session out of the cache.
		SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(s->ssl);
	}
	s->ssl = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}
