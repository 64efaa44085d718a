// SPDX-License-Identifier: Apache-2.0
//
// First the end of the head is looked for (an empty line, every line ended by CRLF), then the whole head is parsed at
// once: no state survives between bytes, so there is no state to get wrong.
#include "runtime/common/http1.h"

#include <string.h>
#include <strings.h>

// ---- characters ----------------------------------------------------------------------------------------------------
static bool is_tchar(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

// Visible, blank, tab, or above ASCII (RFC 9110 5.5, obs-text).
static bool is_value_char(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

bool http1_is_token(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_tchar((unsigned char)p[i]))
			return false;
	return n > 0;
}

bool http1_is_value(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_value_char((unsigned char)p[i]))
			return false;
	return true;
}

bool http1_name_is(struct http1_span name, const char *want)
{
	return strlen(want) == name.n && !strncasecmp(name.p, want, name.n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct http1_span trim(const char *p, size_t n)
{
	while (n && is_blank(*p))
		p++, n--;
	while (n && is_blank(p[n - 1]))
		n--;
	return (struct http1_span){p, n};
}

// Cuts the next element off a comma-separated list; false at its end. Empty elements are read over.
static bool next_element(struct http1_span *list, struct http1_span *element)
{
	while (list->n) {
		const char *comma = memchr(list->p, ',', list->n);
		size_t n = comma ? (size_t)(comma - list->p) : list->n;
		size_t skip = comma ? n + 1 : n;

		*element = trim(list->p, n);
		list->p += skip;
		list->n -= skip;
		if (element->n)
			return true;
	}
	return false;
}

bool http1_has_token(struct http1_span list, const char *token)
{
	struct http1_span e;

	while (next_element(&list, &e))
		if (http1_name_is(e, token))
			return true;
	return false;
}

const struct http1_field *http1_find(const struct http1_head *head, const char *name, size_t *count)
{
	const struct http1_field *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < head->n_fields; i++)
		if (http1_name_is(head->fields[i].name, name)) {
			if (!found)
				found = &head->fields[i];
			n++;
		}
	if (count)
		*count = n;
	return found;
}

// ---- the end of the head -------------------------------------------------------------------------------------------
// Length of the head with its empty line, 0 if not yet there, -1 at a bare CR or LF. `from` is where to begin; it is
// moved on to the start of the line that is still open.
static long find_end(const char *buf, size_t n, size_t *from)
{
	size_t at = *from;

	for (;;) {
		const char *lf = at < n ? memchr(buf + at, '\n', n - at) : NULL;
		size_t line;

		if (!lf) {
			*from = at;
			return 0;
		}
		line = (size_t)(lf - buf) - at; // with its CR
		if (line == 0 || lf[-1] != '\r' || memchr(buf + at, '\r', line - 1))
			return -1;
		at += line + 1;
		if (line == 1)
			return (long)at;
	}
}

// ---- fields --------------------------------------------------------------------------------------------------------
static int parse_field(const char *line, size_t n, struct http1_head *h)
{
	const char *colon = memchr(line, ':', n);
	struct http1_field *f = &h->fields[h->n_fields];

	// A line that begins with a blank (a folded one) has no token before its colon either.
	if (!colon || !http1_is_token(line, (size_t)(colon - line)))
		return -400;
	if (h->n_fields == HTTP1_FIELDS_MAX)
		return -431;
	f->name = (struct http1_span){line, (size_t)(colon - line)};
	f->value = trim(colon + 1, n - f->name.n - 1);
	f->hop = false;
	if (!http1_is_value(f->value.p, f->value.n))
		return -400;
	h->n_fields++;
	return 0;
}

// Lines from p to the empty one at `end`.
static int parse_fields(const char *p, const char *end, struct http1_head *h)
{
	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));
		int rc = parse_field(p, (size_t)(lf - p) - 1, h);

		if (rc)
			return rc;
		p = lf + 1;
	}
	return 0;
}

// Digits only, below 2^63, so that sums with it cannot wrap.
static int parse_length(struct http1_span v, uint64_t *out)
{
	uint64_t n = 0;

	if (v.n == 0 || v.n > 18)
		return -1;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return -1;
		n = n * 10 + (uint64_t)(v.p[i] - '0');
	}
	*out = n;
	return 0;
}

// Decides where the body ends from Content-Length and Transfer-Encoding (RFC 9112 6).
static int decide_framing(struct http1_head *h)
{
	size_t n_len, n_te;
	const struct http1_field *len = http1_find(h, "content-length", &n_len);
	const struct http1_field *te = http1_find(h, "transfer-encoding", &n_te);

	h->body = HTTP1_NONE;
	if (n_len > 1 || (len && te) || (te && h->minor == 0))
		return -400;
	if (te) {
		if (n_te > 1 || te->value.n == 0)
			return -400;
		if (!http1_name_is(te->value, "chunked"))
			return -501;
		h->body = HTTP1_CHUNKED;
	} else if (len) {
		if (parse_length(len->value, &h->length))
			return -400;
		h->body = HTTP1_LENGTH;
	}
	return 0;
}

// Fields that say what a message is may not be declared hop-by-hop: that would be a way to make the next reader miss
// them.
static bool may_not_be_hop(struct http1_span name)
{
	static const char *const names[] = {"host",   "content-length",  "authorization", "api-key",     "cookie",
					    "expect", "x-forwarded-for", "forwarded",     "content-type"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (http1_name_is(name, names[i]))
			return true;
	return false;
}

static void mark_hop(struct http1_head *h, struct http1_span name)
{
	for (size_t i = 0; i < h->n_fields; i++)
		if (h->fields[i].name.n == name.n && !strncasecmp(h->fields[i].name.p, name.p, name.n))
			h->fields[i].hop = true;
}

static int read_connection(struct http1_head *h)
{
	bool close = false, keep = false, upgrade = false;
	struct http1_span list, e;

	for (size_t i = 0; i < h->n_fields; i++) {
		if (!http1_name_is(h->fields[i].name, "connection"))
			continue;
		list = h->fields[i].value;
		while (next_element(&list, &e)) {
			if (!http1_is_token(e.p, e.n) || may_not_be_hop(e))
				return -400;
			close |= http1_name_is(e, "close");
			keep |= http1_name_is(e, "keep-alive");
			upgrade |= http1_name_is(e, "upgrade");
			mark_hop(h, e);
		}
	}
	h->keep_alive = !close && (h->minor >= 1 || keep);
	h->upgrade = upgrade && h->minor >= 1 && http1_find(h, "upgrade", NULL) != NULL;
	return 0;
}

static void mark_hop_fields(struct http1_head *h)
{
	static const char *const names[] = {"connection", "keep-alive",        "proxy-connection", "te",
					    "trailer",    "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		mark_hop(h, (struct http1_span){names[i], strlen(names[i])});
}

// ---- requests ------------------------------------------------------------------------------------------------------
static bool is_target_char(unsigned char c)
{
	return c > 0x20 && c != 0x7f && c != '#';
}

bool http1_is_host(struct http1_span h)
{
	for (size_t i = 0; i < h.n; i++) {
		unsigned char c = (unsigned char)h.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		      (c && strchr("-._~%!$&'()*+,;=[]:", c))))
			return false;
	}
	return h.n > 0 && h.n <= 255 + 6;
}

static bool has_prefix(struct http1_span s, const char *lower)
{
	size_t n = strlen(lower);

	return s.n >= n && !strncasecmp(s.p, lower, n);
}

// absolute-form: host and path out of http://host/path (RFC 9112 3.2.2: it wins over the Host field).
static int split_absolute(struct http1_head *h)
{
	size_t scheme = has_prefix(h->target, "http://") ? 7 : has_prefix(h->target, "https://") ? 8 : 0, i;

	if (!scheme)
		return -400;
	for (i = scheme; i < h->target.n && h->target.p[i] != '/' && h->target.p[i] != '?'; i++)
		;
	h->host = (struct http1_span){h->target.p + scheme, i - scheme};
	h->path = (struct http1_span){h->target.p + i, h->target.n - i};
	if (h->path.n == 0)
		h->path = (struct http1_span){"/", 1};
	return h->path.p[0] == '/' && http1_is_host(h->host) ? 0 : -400;
}

static int split_target(struct http1_head *h)
{
	for (size_t i = 0; i < h->target.n; i++)
		if (!is_target_char((unsigned char)h->target.p[i]))
			return -400;
	h->path = h->target;
	if (h->target.n == 0)
		return -400;
	// We are no forward proxy; and a service that took the method by any target would turn a connection that is
	// shared with other clients into a tunnel.
	if (h->method.n == 7 && !memcmp(h->method.p, "CONNECT", 7))
		return -501;
	if (h->target.p[0] == '/')
		return 0;
	if (h->target.n == 1 && h->target.p[0] == '*')
		return http1_name_is(h->method, "OPTIONS") ? 0 : -400;
	return split_absolute(h);
}

// "METHOD SP target SP HTTP/1.x", single blanks.
static int parse_request_line(const char *p, size_t n, struct http1_head *h)
{
	const char *sp = memchr(p, ' ', n < HTTP1_METHOD_MAX + 1 ? n : HTTP1_METHOD_MAX + 1), *sp2;

	if (!sp || !http1_is_token(p, (size_t)(sp - p)))
		return -400;
	h->method = (struct http1_span){p, (size_t)(sp - p)};
	sp++;
	n -= (size_t)(sp - p);
	sp2 = memchr(sp, ' ', n);
	if (!sp2)
		return -400;
	h->target = (struct http1_span){sp, (size_t)(sp2 - sp)};
	n -= h->target.n + 1;
	sp2++;
	if (n != 8 || memcmp(sp2, "HTTP/", 5) || sp2[5] < '0' || sp2[5] > '9' || sp2[6] != '.' || sp2[7] < '0' ||
	    sp2[7] > '9')
		return -400;
	if (sp2[5] != '1' || sp2[7] > '1')
		return -505;
	h->minor = sp2[7] - '0';
	if (h->target.n > HTTP1_TARGET_MAX)
		return -414;
	return split_target(h);
}

static int check_host(struct http1_head *h)
{
	size_t n;
	const struct http1_field *host = http1_find(h, "host", &n);

	if (n > 1 || (n == 0 && h->minor >= 1) || (host && !http1_is_host(host->value)))
		return -400;
	if (host && h->host.n == 0)
		h->host = host->value;
	return 0;
}

static int read_expect(struct http1_head *h)
{
	size_t n;
	const struct http1_field *expect = http1_find(h, "expect", &n);
	const struct http1_field *te = http1_find(h, "te", NULL);

	h->te_trailers = te && http1_has_token(te->value, "trailers");
	if (h->minor == 0)
		mark_hop(h, (struct http1_span){"expect", 6}); // RFC 9110 10.1.1: as if it were not there
	if (!expect || h->minor == 0)
		return 0;
	if (n > 1 || !http1_name_is(expect->value, "100-continue"))
		return -417;
	h->expect_continue = true;
	return 0;
}

// What an unfinished head already says about itself: a first line or a head past its limit, a byte that cannot be.
static int judge_unfinished(const char *buf, size_t n)
{
	if (n >= HTTP1_HEAD_MAX)
		return -431;
	if (n > HTTP1_TARGET_MAX + HTTP1_METHOD_MAX + 16 && !memchr(buf, '\n', n))
		return -414;
	return 0;
}

int http1_parse_request(const char *buf, size_t n, size_t *scanned, struct http1_head *h)
{
	const char *start = buf, *lf;
	long end;
	int rc;

	if (n >= 2 && buf[0] == '\r' && buf[1] == '\n')
		start += 2;
	else if (n == 1 && buf[0] == '\r')
		return 0;
	if (*scanned < (size_t)(start - buf))
		*scanned = (size_t)(start - buf);
	end = find_end(buf, n, scanned);
	if (end < 0)
		return -400;
	if (end == 0)
		return judge_unfinished(buf, n);
	if (end > HTTP1_HEAD_MAX)
		return -431;
	h->n_fields = 0;
	h->host = (struct http1_span){NULL, 0};
	h->expect_continue = h->upgrade = h->te_trailers = false;
	h->length = 0;
	h->status = 0;
	lf = memchr(start, '\n', (size_t)(buf + end - start));
	rc = parse_request_line(start, (size_t)(lf - start) - 1, h);
	if (!rc)
		rc = parse_fields(lf + 1, buf + end - 2, h);
	if (!rc)
		rc = check_host(h);
	if (!rc)
		rc = decide_framing(h);
	if (!rc)
		rc = read_connection(h);
	if (!rc)
		rc = read_expect(h);
	mark_hop_fields(h);
	return rc ? rc : (int)end;
}

// ---- responses -----------------------------------------------------------------------------------------------------
// "HTTP/1.x SP 3DIGIT SP reason"; the blank before an absent reason may be missing, as many servers have it.
static int parse_status_line(const char *p, size_t n, struct http1_head *h)
{
	if (n < 12 || memcmp(p, "HTTP/1.", 7) || (p[7] != '0' && p[7] != '1') || p[8] != ' ')
		return -502;
	h->minor = p[7] - '0';
	h->status = 0;
	for (int i = 9; i < 12; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -502;
		h->status = h->status * 10 + (p[i] - '0');
	}
	if (h->status < 100 || h->status > 599 || (n > 12 && p[12] != ' '))
		return -502;
	h->reason = n > 13 ? (struct http1_span){p + 13, n - 13} : (struct http1_span){"", 0};
	return http1_is_value(h->reason.p, h->reason.n) ? 0 : -502;
}

int http1_parse_response(const char *buf, size_t n, size_t *scanned, bool for_head, struct http1_head *h)
{
	long end = find_end(buf, n, scanned);
	const char *lf;

	if (end < 0 || end > HTTP1_HEAD_MAX || (end == 0 && n >= HTTP1_HEAD_MAX))
		return -502;
	if (end == 0)
		return 0;
	h->n_fields = 0;
	h->length = 0;
	h->host = h->method = h->target = h->path = (struct http1_span){NULL, 0};
	h->expect_continue = h->upgrade = h->te_trailers = false;
	lf = memchr(buf, '\n', (size_t)end);
	if (lf == buf + 1 || parse_status_line(buf, (size_t)(lf - buf) - 1, h) ||
	    parse_fields(lf + 1, buf + end - 2, h) || decide_framing(h) || read_connection(h))
		return -502;
	mark_hop_fields(h);
	// RFC 9110 8.6: these have none. One that is there all the same ends here: a reader might wait for content.
	if (h->status / 100 == 1 || h->status == 204)
		mark_hop(h, (struct http1_span){"content-length", 14});
	if (h->status / 100 == 1 || h->status == 204 || h->status == 304 || for_head)
		h->body = HTTP1_NONE;
	else if (h->body == HTTP1_NONE)
		h->body = HTTP1_CLOSE;
	if (h->body == HTTP1_CLOSE)
		h->keep_alive = false;
	return (int)end;
}

// Is there "HTTP/" in the line, in any case?
static bool names_http(const char *p, size_t n)
{
	for (; n >= 5; p++, n--)
		if (!strncasecmp(p, "http/", 5))
			return true;
	return false;
}

enum { SNIFF_BLANKS_MAX = 64 }; // more in front of a first word are a way to tire us out

// What some reader of request lines takes for a blank: RFC 9112 3 names HTAB, VT, FF, CR and SP, and who splits text of
// Latin-1 takes the separators, NEL and NBSP too.
static bool is_sloppy_blank(char c)
{
	unsigned char u = (unsigned char)c;

	return (u >= '\t' && u <= '\r') || (u >= 0x1c && u <= ' ') || u == 0x85 || u == 0xa0;
}

int http1_sniff(const char *buf, size_t n)
{
	size_t start = 0, end;
	bool letter = false;
	const char *lf;

	while (start < n && is_sloppy_blank(buf[start]))
		start++;
	if (start > SNIFF_BLANKS_MAX)
		return 1;
	// The first word tells other protocols early, which may never send an LF: a method is a token with a letter in
	// it. Its length tells nothing: there is none for methods that every service keeps to.
	for (end = start; end < n && !is_sloppy_blank(buf[end]); end++) {
		if (!is_tchar((unsigned char)buf[end]))
			return -1;
		letter |= (buf[end] | 0x20) >= 'a' && (buf[end] | 0x20) <= 'z';
	}
	if (end < n && end > start && !letter)
		return -1;
	lf = memchr(buf + start, '\n', n - start);
	if (!lf)
		return n - start > HTTP1_TARGET_MAX ? 1 : 0;
	return names_http(buf + start, (size_t)(lf - buf) - start) ? 1 : -1;
}
