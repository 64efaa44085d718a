// SPDX-License-Identifier: Apache-2.0
//
// A connected byte stream, in clear or under TLS, behind one pair of calls, so that relay and HTTP code do not know
// which they drive. Non-blocking: a call moves what it can and says whether to wait, and stream_events turns "I want
// to read / write" into the events to arm (under TLS either may need the other for a moment).
//
// Two things TLS adds that a pump must respect: bytes may wait decrypted inside the stream while the descriptor looks
// idle (so read until STREAM_AGAIN, or ask stream_pending), and a write that returned STREAM_AGAIN must be repeated
// with the same bytes in front (the buffer may move).
//
// An EOF here is always a clean one: under TLS only close_notify counts, a bare TCP FIN is STREAM_ERROR, since an
// attacker can make the latter (truncation). vsock and unix sockets know no reset: there a stream that was aborted
// looks like one that has ended. Where both ends keep to one rule, that each ends its direction by a half-close and
// closes only when both have ended, a close without one is known for what it is (`whole_ends`).
#ifndef RUNTIME_STREAM_H
#define RUNTIME_STREAM_H

#include "runtime/common/addr.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { STREAM_EOF = 0, STREAM_AGAIN = -1, STREAM_ERROR = -2 };

struct stream {
	int fd;   // owned, -1 when closed
	SSL *ssl; // owned, NULL: in clear
	enum addr_kind kind;
	size_t write_max;               // the largest single write
	short read_on, write_on;        // EV_READ/EV_WRITE: what the last STREAM_AGAIN of each direction waits for
	bool whole_ends;                // the peer keeps to the rule above; set by who made the stream
	bool dry;                       // the last read met STREAM_AGAIN
	bool eof, shut;                 // EOF seen; write side ended
	bool read_broken, write_broken; // an error was seen; under TLS one breaks both
	int errnum;                     // errno of the first error, or 0 for one of TLS
};

#define STREAM_INIT                                                                                                    \
	{                                                                                                              \
		.fd = -1                                                                                               \
	}

// Wraps a connected descriptor (taken).
struct stream stream_plain(int fd);

// Moves a TLS session (taken; its descriptor is set here) over the stream.
int stream_start_tls(struct stream *s, SSL *ssl, struct err *err);

// One step of the server handshake: 1 done, STREAM_AGAIN (arm stream_events(s, true, false)), STREAM_ERROR.
int stream_accept_tls(struct stream *s);
// The same as a client.
int stream_connect_tls(struct stream *s);

// Up to n (> 0) bytes: their number, STREAM_EOF, STREAM_AGAIN or STREAM_ERROR (errnum says why).
ssize_t stream_read(struct stream *s, void *p, size_t n);
// Up to n (> 0) bytes, never more than write_max at once: their number, STREAM_AGAIN or STREAM_ERROR.
ssize_t stream_write(struct stream *s, const void *p, size_t n);
// For who reads the descriptor himself and met its end: STREAM_EOF, or STREAM_ERROR where it was cut.
int stream_at_end(struct stream *s);
// Bytes that stream_read would give without the descriptor becoming readable.
bool stream_pending(const struct stream *s);

// Ends our direction (close_notify and shutdown(SHUT_WR)); what the peer sends can still be read. Idempotent.
// 0, STREAM_AGAIN (call again when writable), STREAM_ERROR.
int stream_shutdown(struct stream *s);

// EV_READ/EV_WRITE bits to arm for what the caller wants to do next.
short stream_events(const struct stream *s, bool want_read, bool want_write);

// Makes the coming close a reset where the kind knows one (TCP RST), so that the peer cannot take a cut stream for a
// finished one.
void stream_abort(struct stream *s);
void stream_close(struct stream *s); // idempotent

#endif
