// SPDX-License-Identifier: Apache-2.0
//
// libcurl pushes, our readers pull: each stream has a multi handle with one transfer in it, which runs only while the
// reader waits. What libcurl delivers meanwhile collects in `in`; past PENDING_MAX the transfer is paused, so a slow
// reader holds the peer back through TCP and memory stays small.
//
//   http_open ─ perform until the head is complete ─ redirect? again ─► http_read ─ perform until bytes or the end
//
// Silence is measured by adding up the waits that brought nothing. A peer that is never quite silent is measured by
// what came while it was waited for, and for how long, by libcurl's clock: the reader's own time is not the peer's.
#include "layerfs/http.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/curl_api.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

enum {
	PENDING_MAX = 256 << 10, // bytes that wait for the reader before the transfer is paused
	HEAD_MAX = 256 << 10,	 // bytes of all response headers
	CONNECT_SECONDS = 30,
	BACK_OFF_MS = 200,
	WAIT_MAX_SECONDS = 30, // the longest Retry-After that is obeyed
	QUOTE_MAX = 400,
};

struct http_stream {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	char *url;
	struct buf in;	   // received, from in_pos on not yet read
	size_t in_pos;
	size_t head_bytes;
	bool head_done, done, paused;
	unsigned idle_max; // seconds
	uint64_t received; // of the body
	uint64_t waited;   // microseconds since the speed was looked at
	uint64_t moved;	   // bytes until then, both ways
	CURLcode result;   // once done
	const uint8_t *body;
	int body_fd;
	uint64_t body_left, body_off;
	char message[CURL_ERROR_SIZE];
};

// ---- callbacks -----------------------------------------------------------------------------------------------------
static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct http_stream *s = ctx;

	n *= size;
	s->head_bytes += n;
	if (s->head_bytes > HEAD_MAX)
		return 0;
	if (n <= 2 && (*p == '\r' || *p == '\n') && http_status(s) >= 200) // the empty line, and not of a 1xx
		s->head_done = true;
	return n;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http_stream *s = ctx;

	n *= size;
	if (s->in.len - s->in_pos >= PENDING_MAX) {
		s->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	s->received += n;
	return buf_add(&s->in, p, n, NULL) ? 0 : n;
}

static size_t on_upload(char *p, size_t size, size_t n, void *ctx)
{
	struct http_stream *s = ctx;

	n *= size;
	if (n > s->body_left)
		n = (size_t)s->body_left;
	if (s->body)
		memcpy(p, s->body + s->body_off, n);
	else if (n && io_pread_full(s->body_fd, p, n, s->body_off, NULL))
		return CURL_READFUNC_ABORT;
	s->body_off += n;
	s->body_left -= n;
	return n;
}

// ---- running -------------------------------------------------------------------------------------------------------
static bool worth_another_try(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_PARTIAL_FILE:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return true;
	default:
		return false;
	}
}

static int curl_failed(const struct http_stream *s, CURLcode code, struct err *err)
{
	const char *text = *s->message ? s->message : curl->easy_strerror(code);
	char q[QUOTE_MAX];

	err_set(err, code == CURLE_OUT_OF_MEMORY ? ERR_MEMORY : ERR_IO, "HTTP: %s",
		err_quote(text, strlen(text), q, sizeof(q))); // the text may hold what the peer sent
	if (err && worth_another_try(code))
		err->errnum = EAGAIN;
	else if (err && code == CURLE_SSL_CONNECT_ERROR)
		err->errnum = EPROTO;
	return -1;
}

static void note_end(struct http_stream *s)
{
	CURLMsg *m;
	int left;

	while ((m = curl->multi_info_read(s->multi, &left)))
		if (m->msg == CURLMSG_DONE) {
			s->done = true;
			s->result = m->data.result;
		}
}

static int give_up(struct err *err, const char *what, unsigned seconds)
{
	err_set(err, ERR_IO, "HTTP: %s for %u seconds", what, seconds);
	if (err)
		err->errnum = EAGAIN;
	return -1;
}

static uint64_t elapsed(const struct http_stream *s)
{
	curl_off_t us = 0;

	curl->easy_getinfo(s->easy, CURLINFO_TOTAL_TIME_T, &us);
	return us > 0 ? (uint64_t)us : 0;
}

static uint64_t bytes_moved(const struct http_stream *s)
{
	return s->head_bytes + s->received + s->body_off;
}

// Whether at least HTTP_SPEED_MIN bytes a second came and went in each idle_max seconds that were waited.
static int check_speed(struct http_stream *s, struct err *err)
{
	uint64_t n = bytes_moved(s) - s->moved;

	if (s->waited < (uint64_t)s->idle_max * 1000000)
		return 0;
	if (n < (uint64_t)s->idle_max * HTTP_SPEED_MIN)
		return give_up(err, n ? "next to nothing came" : "nothing came", s->idle_max);
	s->waited = 0;
	s->moved += n;
	return 0;
}

// Lets the peer work, after a wait for it of which libcurl's clock showed `before` at the beginning. 0 or -1.
static int step(struct http_stream *s, bool waited, uint64_t before, struct err *err)
{
	int running;
	uint64_t now;

	if (curl->multi_perform(s->multi, &running))
		return err_set(err, ERR_IO, "HTTP: libcurl failed");
	note_end(s);
	now = elapsed(s);
	if (waited && now > before)
		s->waited += now - before;
	return s->done ? 0 : check_speed(s, err);
}

// Lets the transfer run until bytes of the body wait, or the head is there, or it has ended.
static int run(struct http_stream *s, bool for_body, struct err *err)
{
	uint64_t idle = 0; // milliseconds
	bool waited = false;

	while (!s->done && (for_body ? s->in.len == s->in_pos : !s->head_done)) {
		size_t before = s->in.len + s->head_bytes;
		uint64_t sent = s->body_off;
		int events = 0;
		long wait = 0;

		if (step(s, waited, elapsed(s), err))
			return -1;
		waited = true;
		if (s->done || s->in.len + s->head_bytes != before)
			continue;
		// It would wake up early for timers of its own, and that would not be a second of silence.
		if (curl->multi_timeout(s->multi, &wait) || wait < 0 || wait > 1000)
			wait = 1000;
		if (curl->multi_poll(s->multi, NULL, 0, (int)wait, &events))
			return err_set(err, ERR_IO, "HTTP: libcurl failed");
		idle = events || s->body_off != sent ? 0 : idle + (uint64_t)wait;
		if (idle >= (uint64_t)s->idle_max * 1000)
			return give_up(err, "nothing came", s->idle_max);
	}
	// What came before the failure is the reader's first: the head, then the bytes that wait.
	if (!s->done || s->result == CURLE_OK || (for_body ? s->in.len > s->in_pos : s->head_done))
		return 0;
	return curl_failed(s, s->result, err);
}

// ---- setting up ----------------------------------------------------------------------------------------------------
// easy_setopt takes anything after the option. Each of these takes one type, and refuses options of another kind: their
// numbers tell it (CURLOPTTYPE_… in curl.h).
static bool of_kind(CURLoption o, int kind)
{
	return (int)o - (int)o % (CURLOPTTYPE_OBJECTPOINT - CURLOPTTYPE_LONG) == kind;
}

static CURLcode set_long(CURL *c, CURLoption o, long value)
{
	return of_kind(o, CURLOPTTYPE_LONG) ? curl->easy_setopt(c, o, value) : CURLE_BAD_FUNCTION_ARGUMENT;
}

static CURLcode set_size(CURL *c, CURLoption o, curl_off_t value)
{
	return of_kind(o, CURLOPTTYPE_OFF_T) ? curl->easy_setopt(c, o, value) : CURLE_BAD_FUNCTION_ARGUMENT;
}

static CURLcode set_text(CURL *c, CURLoption o, const char *value)
{
	return of_kind(o, CURLOPTTYPE_STRINGPOINT) ? curl->easy_setopt(c, o, value) : CURLE_BAD_FUNCTION_ARGUMENT;
}

static CURLcode set_list(CURL *c, CURLoption o, struct curl_slist *value)
{
	return of_kind(o, CURLOPTTYPE_SLISTPOINT) ? curl->easy_setopt(c, o, value) : CURLE_BAD_FUNCTION_ARGUMENT;
}

// A callback (those that read and those that write have one type), and that it gets `s`.
static CURLcode set_callback(struct http_stream *s, CURLoption o, curl_write_callback f, CURLoption data)
{
	CURLcode rc = CURLE_OK;

	if (!of_kind(o, CURLOPTTYPE_FUNCTIONPOINT) || !of_kind(data, CURLOPTTYPE_CBPOINT))
		return CURLE_BAD_FUNCTION_ARGUMENT;
	rc |= curl->easy_setopt(s->easy, o, f);
	rc |= curl->easy_setopt(s->easy, data, s);
	return rc;
}

static int add_header(struct http_stream *s, const char *line, struct err *err)
{
	struct curl_slist *more = curl->slist_append(s->headers, line);

	if (!more)
		return err_nomem(err);
	s->headers = more;
	return 0;
}

static int add_headers(struct http_stream *s, const struct http_request *req, bool authorize, struct err *err)
{
	_cleanup_free_ char *line = NULL;

	for (size_t i = 0; req->headers && req->headers[i]; i++)
		if (add_header(s, req->headers[i], err))
			return -1;
	if (add_header(s, "User-Agent: eifgen/" EIFGEN_VERSION, err) || add_header(s, "Expect:", err))
		return -1;
	if (!authorize || !req->authorization)
		return 0;
	line = mem_printf(err, "Authorization: %s", req->authorization);
	return line ? add_header(s, line, err) : -1;
}

// The proxy for a URL, "" for none (NULL would let libcurl ask the environment). Loopback is never reached through one.
static const char *choose_proxy(const struct http_settings *set, const char *url)
{
	const char *host = strstr(url, "://");
	const char *proxy = !strncmp(url, "https:", 6) ? set->proxy : set->http_proxy;

	return proxy && !set->unix_socket && host && !http_is_loopback(host + 3) ? proxy : "";
}

static CURLcode set_policy(CURL *c, const struct http_settings *set, const char *url)
{
	CURLcode rc = CURLE_OK;

	rc |= set_text(c, CURLOPT_PROTOCOLS_STR, "http,https");
	rc |= set_long(c, CURLOPT_FOLLOWLOCATION, 0);
	rc |= set_long(c, CURLOPT_NOSIGNAL, 1);
	rc |= set_long(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	rc |= set_long(c, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	rc |= set_long(c, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	rc |= set_long(c, CURLOPT_SSL_VERIFYPEER, 1);
	rc |= set_long(c, CURLOPT_SSL_VERIFYHOST, 2);
	rc |= set_text(c, CURLOPT_PROXY, choose_proxy(set, url));
	rc |= set_long(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1); // a proxy's head is not the response's
	rc |= set_text(c, CURLOPT_NOPROXY, set->no_proxy ? set->no_proxy : "");
	if (set->tls_ca) {
		rc |= set_text(c, CURLOPT_CAINFO, set->tls_ca);
		rc |= set_text(c, CURLOPT_CAPATH, NULL);
	}
	if (set->unix_socket)
		rc |= set_text(c, CURLOPT_UNIX_SOCKET_PATH, set->unix_socket);
	return rc;
}

static CURLcode set_request(struct http_stream *s, const struct http_request *req)
{
	CURL *c = s->easy;
	CURLcode rc = CURLE_OK;

	rc |= set_text(c, CURLOPT_URL, s->url);
	rc |= set_list(c, CURLOPT_HTTPHEADER, s->headers);
	rc |= curl->easy_setopt(c, CURLOPT_ERRORBUFFER, s->message);
	rc |= set_callback(s, CURLOPT_HEADERFUNCTION, on_header, CURLOPT_HEADERDATA);
	rc |= set_callback(s, CURLOPT_WRITEFUNCTION, on_body, CURLOPT_WRITEDATA);
	if (!strcmp(req->method, "HEAD")) {
		rc |= set_long(c, CURLOPT_NOBODY, 1);
	} else if (strcmp(req->method, "GET")) {
		s->body = req->body;
		s->body_fd = req->body_fd;
		s->body_left = req->body_size;
		rc |= set_long(c, CURLOPT_UPLOAD, 1);
		rc |= set_size(c, CURLOPT_INFILESIZE_LARGE, (curl_off_t)req->body_size);
		rc |= set_callback(s, CURLOPT_READFUNCTION, on_upload, CURLOPT_READDATA);
		rc |= set_text(c, CURLOPT_CUSTOMREQUEST, req->method);
	}
	return rc;
}

// One exchange without redirects, up to the end of the head.
static int exchange(const struct http_settings *set, const struct http_request *req, const char *url, bool authorize,
		    struct http_stream **out, struct err *err)
{
	_cleanup_http_ struct http_stream *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return -1;
	s->url = mem_strdup(url, err);
	http_set_idle(s, set->idle_seconds);
	if (!s->url || add_headers(s, req, authorize, err))
		return -1;
	s->easy = curl->easy_init();
	s->multi = curl->multi_init();
	if (!s->easy || !s->multi)
		return err_nomem(err);
	if (set_policy(s->easy, set, url) || set_request(s, req) || curl->multi_add_handle(s->multi, s->easy))
		return err_set(err, ERR_IO, "HTTP: libcurl refuses its options");
	if (run(s, false, err))
		return -1;
	if (!s->head_done)
		return curl_failed(s, s->result == CURLE_OK ? CURLE_GOT_NOTHING : s->result, err);
	*out = steal_ptr(&s);
	return 0;
}

int http_open(const struct http_settings *set, const struct http_request *req, struct http_stream **out,
	      struct err *err)
{
	bool follows = !strcmp(req->method, "GET") || !strcmp(req->method, "HEAD");
	_cleanup_free_ char *url = NULL;

	if (curl_load(err))
		return -1;
	url = http_resolve(set, req->url, req->url, err);
	if (!url)
		return -1;
	for (int hops = 0; hops <= HTTP_REDIRECTS_MAX; hops++) {
		_cleanup_http_ struct http_stream *s = NULL;
		const char *to;
		char *next;

		if (exchange(set, req, url, http_same_origin(url, req->url), &s, err))
			return -1;
		to = http_header(s, "Location", 0);
		if (!follows || http_status(s) / 100 != 3 || http_status(s) == 304 || !to) {
			*out = steal_ptr(&s);
			return 0;
		}
		next = http_resolve(set, url, to, err);
		if (!next)
			return -1;
		free(url);
		url = next;
	}
	return err_set(err, ERR_INPUT, "HTTP: more than %d redirects", HTTP_REDIRECTS_MAX);
}

void http_free(struct http_stream *s)
{
	if (!s)
		return;
	if (s->multi && s->easy)
		curl->multi_remove_handle(s->multi, s->easy);
	curl->easy_cleanup(s->easy);
	curl->multi_cleanup(s->multi);
	curl->slist_free_all(s->headers);
	buf_free(&s->in);
	free(s->url);
	free(s);
}

// ---- the response --------------------------------------------------------------------------------------------------
long http_status(const struct http_stream *s)
{
	long status = 0;

	curl->easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

const char *http_header(struct http_stream *s, const char *name, size_t i)
{
	struct curl_header *h;

	return curl->easy_header(s->easy, name, i, CURLH_HEADER, -1, &h) ? NULL : h->value;
}

int64_t http_retry_after(struct http_stream *s)
{
	curl_off_t seconds = 0;

	curl->easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &seconds);
	return seconds > 0 ? seconds : 0;
}

void http_set_idle(struct http_stream *s, unsigned seconds)
{
	s->idle_max = seconds ? seconds : HTTP_IDLE_SECONDS;
	s->waited = 0;
	s->moved = bytes_moved(s);
}

const char *http_url(const struct http_stream *s)
{
	return s->url;
}

ssize_t http_read(struct http_stream *s, void *p, size_t n, struct err *err)
{
	if (s->in.len == s->in_pos) {
		s->in.len = s->in_pos = 0;
		if (s->paused) {
			s->paused = false;
			curl->easy_pause(s->easy, CURLPAUSE_CONT);
		}
		if (run(s, true, err))
			return -1;
	}
	if (n > s->in.len - s->in_pos)
		n = s->in.len - s->in_pos;
	if (n)
		memcpy(p, s->in.data + s->in_pos, n);
	s->in_pos += n;
	return (ssize_t)n;
}

int http_read_all(struct http_stream *s, size_t max, struct buf *out, struct err *err)
{
	size_t start = out->len;

	for (;;) {
		ssize_t n;

		if (buf_reserve(out, 16384, err))
			return -1;
		n = http_read(s, out->data + out->len, 16384, err);
		if (n <= 0)
			return (int)n;
		out->len += (size_t)n;
		if (out->len - start > max)
			return err_set(err, ERR_LIMIT, "HTTP: the answer is longer than %zu bytes", max);
	}
}

int http_back_off(unsigned attempt, int64_t retry_after, struct err *err)
{
	int ms = BACK_OFF_MS << (attempt < 6 ? attempt : 6);

	if (retry_after > WAIT_MAX_SECONDS)
		return err_set(err, ERR_LIMIT, "the server asks to wait %lld seconds; at most %d are waited",
			       (long long)retry_after, WAIT_MAX_SECONDS);
	if (retry_after * 1000 > ms)
		ms = (int)retry_after * 1000;
	poll(NULL, 0, ms);
	return 0;
}
