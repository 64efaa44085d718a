// SPDX-License-Identifier: Apache-2.0
//
// HTTP(S) for the registry client and the Docker socket, over libcurl: one exchange at a time, its body pulled by the
// reader. Policy lives here, so that no caller can forget it:
//   - TLS is verified. Plain HTTP goes to loopback, to a unix socket, or where the user said --plain-http.
//   - `authorization` goes to the host of the request's own URL; a redirect to another scheme, host or port loses it.
//   - A redirect from https to http is refused, so is a user name inside a URL.
//   - Nothing is read from the environment (libcurl would: proxies), no cookies, no .netrc.
//   - A peer that neither sends nor takes anything for HTTP_IDLE_SECONDS (or the settings' idle_seconds) is given up,
//     and so is one that moves fewer than HTTP_SPEED_MIN bytes a second while it is waited for so long.
// Private to layerfs.
#ifndef LAYERFS_HTTP_H
#define LAYERFS_HTTP_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	HTTP_IDLE_SECONDS = 60,
	HTTP_SPEED_MIN = 1024, // slower than any line that images come over; a gigabyte takes twelve days at this
	HTTP_REDIRECTS_MAX = 5,
};

struct http_settings {
	const char *tls_ca;	 // PEM file trusted in place of the system's; NULL: the system's
	bool plain_http;	 // http:// is fine for every host
	const char *proxy;	 // for https, all hosts but no_proxy's and loopback; NULL: none
	const char *http_proxy;	 // for http likewise
	const char *no_proxy;	 // libcurl's CURLOPT_NOPROXY; NULL: none
	const char *unix_socket; // all connections go there; NULL: to the URL's host
	unsigned idle_seconds;	 // of each exchange, from its beginning on; 0: HTTP_IDLE_SECONDS
};

struct http_request {
	const char *method;	       // "GET", "HEAD", "POST", "PUT"
	const char *url;
	const char *const *headers;    // "Name: value", NULL-terminated; may be NULL
	const char *authorization;     // value of the Authorization header, or NULL
	const void *body; // with POST and PUT: body_size bytes, or, if NULL and body_fd >= 0, that many of the file
	int body_fd;
	uint64_t body_size;
};

// One exchange. http_open sends the request, follows redirects of GET and HEAD, and returns when the head of the
// response is there, whatever its status. On failure ERR_IO with errnum EAGAIN if another try may help (a cut
// connection, a timeout), EPROTO if the peer spoke no TLS, 0 if not; ERR_INPUT if a URL is refused.
// A stream belongs to one thread at a time; different streams may run at once over one settings.
struct http_stream;
int http_open(const struct http_settings *set, const struct http_request *req, struct http_stream **out,
	      struct err *err);
void http_free(struct http_stream *s);
CLEANUP_DEFINE(struct http_stream, cleanup_http, http_free)
#define _cleanup_http_ _cleanup_(cleanup_httpp)

long http_status(const struct http_stream *s);
// The i-th header of that name, or NULL. Borrowed until the next call on s.
const char *http_header(struct http_stream *s, const char *name, size_t i);
// The target of the link with rel="next" in a Link header (RFC 8288 3): the caller's, or NULL if there is none.
// ERR_INPUT if the header cannot be read.
int http_link_next(const char *line, char **out, struct err *err);
// Where the response says that the next page of a list is, resolved: the caller's, or NULL after the last.
int http_next_page(const struct http_settings *set, struct http_stream *s, char **out, struct err *err);
int64_t http_retry_after(struct http_stream *s); // seconds, 0 if not said
const char *http_url(const struct http_stream *s); // where redirects led

// Another limit for what is still to come (0: HTTP_IDLE_SECONDS), for a peer that may be long about its first bytes
// only.
void http_set_idle(struct http_stream *s, unsigned seconds);
// Some bytes of the body; 0 at its end; -1 as http_open.
ssize_t http_read(struct http_stream *s, void *p, size_t n, struct err *err);
// All of it, appended to out: ERR_LIMIT past max.
int http_read_all(struct http_stream *s, size_t max, struct buf *out, struct err *err);

// Sleeps for the attempt-th pause between tries (0, 1, …): 200 ms doubled each time, or `retry_after` seconds if that
// is more. -1 with ERR_LIMIT if that is past what we wait for.
int http_back_off(unsigned attempt, int64_t retry_after, struct err *err);

// Percent-encodes all but unreserved characters (RFC 3986 2.3). The caller's.
char *http_escape(const char *text, struct err *err);
// `location` resolved against `base`. ERR_INPUT if it is none, or if plain HTTP or a user name in it is not allowed.
char *http_resolve(const struct http_settings *set, const char *base, const char *location, struct err *err);
bool http_same_origin(const char *a, const char *b); // scheme, host and port
bool http_is_loopback(const char *host); // localhost, 127.0.0.0/8, [::1]; what follows (:port, /path) is not looked at

#endif
