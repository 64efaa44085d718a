// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 framing (RFC 9112), strict, for a stream that we pass on and must never misread: where two readers could
// disagree on where a message ends, one of them is an attacker's tool, so whatever is ambiguous is refused.
//
//   head:   start-line CRLF *( field-line CRLF ) CRLF        parsed whole, in place, bounded
//   body:   Content-Length bytes | chunks | until close | none     streamed, never held
//
// Refused with 400: Content-Length beside Transfer-Encoding, more than one Content-Length (equal ones too), a bare CR
// or LF, a folded line, blanks before the colon, a byte that no field may hold, an empty or doubled Host,
// Transfer-Encoding in HTTP/1.0. With 501: a transfer coding that is not exactly `chunked`, CONNECT. With 414 / 431: a
// target or head past its limit. With 505: a major version that is not 1. Responses of the service are read by the same
// rules (the answer to the client is then 502).
//
// The parser borrows: spans point into the caller's buffer and live as long as it.
#ifndef RUNTIME_HTTP1_H
#define RUNTIME_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP1_HEAD_MAX = 64 * 1024, // start line and fields
	HTTP1_TARGET_MAX = 16 * 1024,
	HTTP1_FIELDS_MAX = 100,
	HTTP1_METHOD_MAX = 32,
	HTTP1_CHUNK_LINE_MAX = 256, // size and extension; extensions are read over and dropped
	HTTP1_TRAILER_MAX = 8 * 1024,
};

struct http1_span {
	const char *p;
	size_t n;
};

struct http1_field {
	struct http1_span name, value; // value without surrounding blanks
	bool hop;                      // hop-by-hop: its meaning ends at this connection (RFC 9110 7.6.1)
};

enum http1_body { HTTP1_NONE, HTTP1_LENGTH, HTTP1_CHUNKED, HTTP1_CLOSE };

struct http1_head {
	int minor;                // HTTP/1.minor
	struct http1_span method; // requests
	struct http1_span target; // requests: as it stands on the line
	struct http1_span path;   // requests: origin-form of the target ("*" for OPTIONS *)
	struct http1_span host;   // requests: of an absolute target, else of the Host field; empty if neither
	int status;               // responses
	struct http1_span reason;
	struct http1_field fields[HTTP1_FIELDS_MAX];
	size_t n_fields;
	enum http1_body body;
	uint64_t length;      // HTTP1_LENGTH
	bool keep_alive;      // may the connection carry another message after this one
	bool upgrade;         // an Upgrade field named in Connection
	bool expect_continue; // Expect: 100-continue
	bool te_trailers;     // TE: trailers was said
};

// Parses a head at the start of buf[0..n). Returns its length with the final empty line; 0 when more bytes are needed;
// a negative HTTP status (-400, -414, -431, -501, -505; responses: -502) when it is refused. *scanned (0 for a new
// head) remembers how far an earlier call looked, so that a head that comes byte by byte costs no more than one that
// comes whole. One empty line (CRLF) before a request line is read over.
int http1_parse_request(const char *buf, size_t n, size_t *scanned, struct http1_head *head);

// As above for a response; request_is_head and a 2xx to CONNECT are the caller's knowledge: for_head says that the
// request's method was HEAD, so that no body follows.
int http1_parse_response(const char *buf, size_t n, size_t *scanned, bool for_head, struct http1_head *head);

// Could these first bytes of a connection be HTTP/1? 1 yes (the first line that is not empty has "HTTP/" in it, or is
// longer than any), 0 not yet known, -1 no: such a line without it, or a first word that can be no method: with a byte
// that is neither one of a token (RFC 9110 5.6.2) nor a blank to any service, or without a letter, as LDAP's "0" is.
// All else is read as generously as the most lenient service would: what is refused as HTTP must not reach it as
// something else; so blanks of any kind may lead, and after a method any byte may stand, NUL too. Who starts with a
// token and never sends an LF is thus not told from slow HTTP, and wants protocol `tcp`.
int http1_sniff(const char *buf, size_t n);

// The only field of that name, compared without case; NULL if there is none. *count (may be NULL) gets their number.
const struct http1_field *http1_find(const struct http1_head *head, const char *name, size_t *count);
bool http1_name_is(struct http1_span name, const char *want); // without case

// Is `token` one of the comma-separated elements of this field (without case)?
bool http1_has_token(struct http1_span list, const char *token);

// host[:port]: letters, digits, `-._~%!$&'()*+,;=` and brackets of IPv6; no blanks, no path, no user.
bool http1_is_host(struct http1_span host);

// A valid method or field name (token), field value.
bool http1_is_token(const char *p, size_t n);
bool http1_is_value(const char *p, size_t n);

// ---- bodies --------------------------------------------------------------------------------------------------------
enum http1_state {
	HTTP1_S_DATA, // inside LENGTH or CLOSE data
	HTTP1_S_SIZE,
	HTTP1_S_CHUNK,
	HTTP1_S_CHUNK_END,
	HTTP1_S_TRAILER,
	HTTP1_S_DONE,
};

// Reads a body from a stream. Feed it what came; it gives spans of content out.
struct http1_decoder {
	enum http1_body body;
	enum http1_state state;
	uint64_t left;   // of the chunk or of the length
	uint64_t total;  // content bytes given out
	unsigned line;   // bytes of the current chunk-size line or of the trailers
	unsigned digits; // of the chunk size
	bool in_ext, cr, empty_line;
	bool field_name; // trailers: before the colon
};

void http1_decoder_init(struct http1_decoder *d, const struct http1_head *head);

// Takes bytes from p[0..n). Returns how many were taken, or -1 when the framing is broken (400 / 502). At most one span
// of content is given per call in *content (n 0: none); call again with the rest. After HTTP1_S_DONE nothing is taken.
long http1_decode(struct http1_decoder *d, const char *p, size_t n, struct http1_span *content);
static inline bool http1_done(const struct http1_decoder *d)
{
	return d->state == HTTP1_S_DONE;
}
// The stream ended. True if that is where the body ends (CLOSE), which is then done; false: cut.
bool http1_decode_eof(struct http1_decoder *d);

// The line that goes in front of a chunk of n bytes ("1f40\r\n") into out; its length. The data and CRLF follow.
enum { HTTP1_CHUNK_HEAD_MAX = 20 };
size_t http1_chunk_head(char out[HTTP1_CHUNK_HEAD_MAX], size_t n);

// "Not Found" for 404; "Unknown" for what has no phrase here.
const char *http1_reason(int status);

#endif
