// SPDX-License-Identifier: Apache-2.0
//
// Two passes over a bounded prefix: the records are joined into one handshake message (copied, at most 16 KiB on the
// stack), then the message is walked with a cursor whose every step is checked. Nothing is decided on a part of a
// hello.
#include "runtime/common/tls_hello.h"

#include "base/be.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { RECORD_HEAD = 5, HANDSHAKE_HEAD = 4, CLIENT_HELLO = 1, EXT_SERVER_NAME = 0 };
enum { RECORD_CHANGE_CIPHER = 0x14, RECORD_ALERT, RECORD_HANDSHAKE, RECORD_DATA };
enum { FRAGMENT_MAX = 1 << 14 }; // RFC 8446 5.1

struct cursor {
	const uint8_t *p;
	size_t n;
};

static bool take(struct cursor *c, size_t n, struct cursor *out)
{
	if (n > c->n)
		return false;
	*out = (struct cursor){c->p, n};
	c->p += n;
	c->n -= n;
	return true;
}

// A vector behind its length of `width` bytes (1 or 2).
static bool take_vector(struct cursor *c, unsigned width, struct cursor *out)
{
	struct cursor len;

	return take(c, width, &len) && take(c, width == 1 ? len.p[0] : get_be16(len.p), out);
}

// Joins the fragments of the first handshake message into out. Returns its length, 0 with *verdict if there is none
// yet.
static size_t join_records(struct cursor in, uint8_t out[TLS_HELLO_MAX], enum tls_hello *verdict)
{
	size_t len = 0, want = HANDSHAKE_HEAD;

	while (len < want) {
		struct cursor head, body;

		*verdict = TLS_HELLO_MORE;
		if (!take(&in, RECORD_HEAD, &head))
			return 0;
		size_t n = get_be16(head.p + 3);

		*verdict = TLS_HELLO_BAD;
		if (head.p[0] != RECORD_HANDSHAKE || head.p[1] != 3 || n == 0 || n > FRAGMENT_MAX)
			return 0;
		size_t here = n < in.n ? n : in.n;

		if (!take(&in, here, &body) || here > TLS_HELLO_MAX - len)
			return 0;
		memcpy(out + len, body.p, here);
		len += here;
		if (len >= HANDSHAKE_HEAD) {
			want = HANDSHAKE_HEAD + (get_be32(out) & 0xffffff);
			if (out[0] != CLIENT_HELLO || want > TLS_HELLO_MAX)
				return 0;
		}
		if (here < n && len < want) {
			*verdict = TLS_HELLO_MORE;
			return 0;
		}
	}
	return want;
}

static enum tls_hello read_server_name(struct cursor ext, char name[HOSTNAME_MAX + 1])
{
	struct cursor list, type, host;

	// One entry of type host_name: no other type exists, and a second of the same is forbidden.
	if (!take_vector(&ext, 2, &list) || ext.n || !take(&list, 1, &type) || type.p[0] != 0 ||
	    !take_vector(&list, 2, &host) || list.n)
		return TLS_HELLO_BAD;
	return hostname_normalise((const char *)host.p, host.n, name, NULL) < 0 ? TLS_HELLO_BAD : TLS_HELLO_NAME;
}

static enum tls_hello read_hello(struct cursor in, char name[HOSTNAME_MAX + 1])
{
	struct cursor skip, extensions, type, body;
	enum tls_hello found = TLS_HELLO_NO_NAME;

	if (!take(&in, 2 + 32, &skip) || !take_vector(&in, 1, &skip) || !take_vector(&in, 2, &skip) ||
	    !take_vector(&in, 1, &skip))
		return TLS_HELLO_BAD;
	if (in.n == 0)
		return TLS_HELLO_NO_NAME; // a hello without extensions, as TLS 1.0 wrote them
	if (!take_vector(&in, 2, &extensions) || in.n)
		return TLS_HELLO_BAD;
	while (extensions.n) {
		if (!take(&extensions, 2, &type) || !take_vector(&extensions, 2, &body))
			return TLS_HELLO_BAD;
		if (get_be16(type.p) != EXT_SERVER_NAME)
			continue;
		if (found != TLS_HELLO_NO_NAME)
			return TLS_HELLO_BAD; // twice: readers differ on which one counts
		found = read_server_name(body, name);
		if (found == TLS_HELLO_BAD)
			return found;
	}
	return found;
}

// Six bytes with the type of a handshake, alert or change of cipher record: are they one? By their shape, for there are
// servers that take any version there (RFC 8446 5.1: to be ignored for all purposes), and a gate must not be pickier.
static bool begins_tls(const uint8_t b[RECORD_HEAD + 1])
{
	const uint8_t first = b[RECORD_HEAD]; // of the fragment, or of the next record when this one is empty

	if (b[1] == 3)
		return true;
	if (get_be16(b + 3) == 0)
		return first >= RECORD_CHANGE_CIPHER && first <= RECORD_DATA;
	return first == 1 || (b[0] == RECORD_ALERT && first == 2); // ClientHello, change_cipher_spec; warning, fatal
}

enum tls_hello tls_hello_read(const void *p, size_t n, char name[HOSTNAME_MAX + 1])
{
	const uint8_t *b = p;
	uint8_t message[TLS_HELLO_MAX];
	enum tls_hello verdict;

	name[0] = '\0';
	if (n == 0)
		return TLS_HELLO_MORE;
	if (b[0] < RECORD_CHANGE_CIPHER || b[0] > RECORD_HANDSHAKE)
		return TLS_HELLO_NOT;
	if (n <= RECORD_HEAD)
		return TLS_HELLO_MORE;
	if (!begins_tls(b))
		return TLS_HELLO_NOT;
	// An alert or a change of cipher: no client begins with one, but there are servers that drop it and read on, so
	// a hello behind it would go by unread. A version that no client writes is there to look like something else.
	if (b[0] != RECORD_HANDSHAKE || b[1] != 3)
		return TLS_HELLO_BAD;
	size_t len = join_records((struct cursor){b, n}, message, &verdict);

	if (len == 0)
		return verdict == TLS_HELLO_MORE && n >= TLS_HELLO_MAX ? TLS_HELLO_BAD : verdict;
	verdict = read_hello((struct cursor){message + HANDSHAKE_HEAD, len - HANDSHAKE_HEAD}, name);
	if (verdict != TLS_HELLO_NAME)
		name[0] = '\0'; // the part of a name that broke a rule, without its end
	return verdict;
}
