// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 framing: what is taken, what is refused and with which status, and that nothing depends on how the bytes
// were cut.
#include "runtime/common/http1.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct http1_head head;

static int request(const char *s)
{
	size_t scanned = 0;

	return http1_parse_request(s, strlen(s), &scanned, &head);
}

static int response(const char *s, bool for_head)
{
	size_t scanned = 0;

	return http1_parse_response(s, strlen(s), &scanned, for_head, &head);
}

static bool span_is(struct http1_span s, const char *want)
{
	return s.n == strlen(want) && !memcmp(s.p, want, s.n);
}

START_TEST(test_http1_parse_request_plain_get)
{
	const char *s = "GET /a?b=c HTTP/1.1\r\nHost: x.example:80\r\nX-Empty:\r\nX:  two words \t\r\n\r\nGET";

	ck_assert_int_eq(request(s), (int)strlen(s) - 3);
	ck_assert(span_is(head.method, "GET") && span_is(head.target, "/a?b=c") && span_is(head.path, "/a?b=c"));
	ck_assert(span_is(head.host, "x.example:80"));
	ck_assert_int_eq(head.body, HTTP1_NONE);
	ck_assert(head.keep_alive && !head.upgrade && !head.expect_continue);
	ck_assert_uint_eq(head.n_fields, 3);
	ck_assert(span_is(head.fields[2].value, "two words") && span_is(head.fields[1].value, ""));
}
END_TEST

START_TEST(test_http1_parse_request_forms_of_target)
{
	ck_assert_int_gt(request("GET http://real.example/x HTTP/1.1\r\nHost: other\r\n\r\n"), 0);
	ck_assert(span_is(head.host, "real.example") && span_is(head.path, "/x"));
	ck_assert_int_gt(request("GET HTTPS://real.example HTTP/1.1\r\nHost: real.example\r\n\r\n"), 0);
	ck_assert(span_is(head.path, "/"));
	ck_assert_int_gt(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	ck_assert_int_eq(request("GET * HTTP/1.1\r\nHost: a\r\n\r\n"), -400);
	ck_assert_int_eq(request("GET http://user@h/ HTTP/1.1\r\nHost: a\r\n\r\n"), -400);
	ck_assert_int_eq(request("GET ftp://h/ HTTP/1.1\r\nHost: a\r\n\r\n"), -400);
	ck_assert_int_eq(request("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), -400);
	ck_assert_int_eq(request("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), -501);
	ck_assert_int_eq(request("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"), -501);
	ck_assert_int_eq(request("CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"), -501);
	ck_assert_int_gt(request("\r\nGET / HTTP/1.0\r\n\r\n"), 0);
	ck_assert(!head.keep_alive);
}
END_TEST

START_TEST(test_http1_parse_request_ambiguity_is_refused)
{
#define H "Host: a\r\n"
	static const struct {
		int status;
		const char *text;
	} cases[] = {
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 6\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"},
	    {-400, "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"},
	    {-501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"},
	    {-501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n"},
	    {-501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"},
	    {-501, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
		   "chunked\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n"},
	    {-400, "POST / HTTP/1.1\r\n" H " Transfer-Encoding: chunked\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X: a\n\r\n"},
	    {-400, "GET / HTTP/1.1\n" H "\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X: a\r\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H ": a\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X@: a\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H H "\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
	    {-400, "GET  / HTTP/1.1\r\n" H "\r\n"},
	    {-400, "GET / HTTP/1.1 \r\n" H "\r\n"},
	    {-400, "GET /\r\n" H "\r\n"},
	    {-400, "GET / http/1.1\r\n" H "\r\n"},
	    {-400, "G(T / HTTP/1.1\r\n" H "\r\n"},
	    {-400, " GET / HTTP/1.1\r\n" H "\r\n"},
	    {-400, "GET /#f HTTP/1.1\r\n" H "\r\n"},
	    {-505, "GET / HTTP/2.0\r\n" H "\r\n"},
	    {-505, "GET / HTTP/1.2\r\n" H "\r\n"},
	    {-417, "GET / HTTP/1.1\r\n" H "Expect: something\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "Connection: host\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "Connection: close, Content-Length\r\n\r\n"},
	    {-400, "GET / HTTP/1.1\r\n" H "Connection: a b\r\n\r\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(request(cases[i].text) == cases[i].status, "%d, wanted %d: %s", request(cases[i].text),
			      cases[i].status, cases[i].text);
	ck_assert_int_eq(request("GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n"), 34);
}
END_TEST

START_TEST(test_http1_parse_request_nul_is_refused)
{
	static const char s[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
	size_t scanned = 0;

	ck_assert_int_eq(http1_parse_request(s, sizeof(s) - 1, &scanned, &head), -400);
}
END_TEST

START_TEST(test_http1_parse_request_byte_by_byte_is_the_same)
{
	const char *s = "\r\nPOST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc";
	size_t scanned = 0, n;
	int rc = 0;

	for (n = 0; n <= strlen(s) && rc == 0; n++)
		rc = http1_parse_request(s, n, &scanned, &head);
	ck_assert_int_eq(rc, (int)strlen(s) - 3);
	ck_assert_int_eq((int)n - 1, rc);
	ck_assert_uint_eq(head.length, 3);
	ck_assert(head.expect_continue);
}
END_TEST

START_TEST(test_http1_parse_request_limits)
{
	static char big[HTTP1_HEAD_MAX + 200];
	size_t scanned = 0, at;

	memset(big, 'a', sizeof(big));
	memcpy(big, "GET /", 5);
	ck_assert_int_eq(http1_parse_request(big, HTTP1_TARGET_MAX, &scanned, &head), 0);
	ck_assert_int_eq(http1_parse_request(big, HTTP1_TARGET_MAX + 200, &scanned, &head), -414);
	memcpy(big, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
	scanned = 0;
	ck_assert_int_eq(http1_parse_request(big, HTTP1_HEAD_MAX - 1, &scanned, &head), 0);
	ck_assert_int_eq(http1_parse_request(big, HTTP1_HEAD_MAX, &scanned, &head), -431);
	at = (size_t)sprintf(big, "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < HTTP1_FIELDS_MAX; i++)
		at += (size_t)sprintf(big + at, "X%d: 1\r\n", i);
	sprintf(big + at, "\r\n");
	ck_assert_int_eq(request(big), -431);
}
END_TEST

START_TEST(test_http1_parse_request_hop_fields_are_marked)
{
	ck_assert_int_gt(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, X-Mine\r\nUpgrade: websocket\r\n"
				 "x-mine: 1\r\nTE: trailers\r\nX-Other: 1\r\n\r\n"),
			 0);
	ck_assert(head.upgrade && head.te_trailers);
	for (size_t i = 0; i < head.n_fields; i++)
		ck_assert_int_eq(head.fields[i].hop, !http1_name_is(head.fields[i].name, "host") &&
							 !http1_name_is(head.fields[i].name, "x-other"));
}
END_TEST

START_TEST(test_http1_parse_response_framing)
{
	ck_assert_int_gt(response("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", false), 0);
	ck_assert(head.body == HTTP1_LENGTH && head.keep_alive);
	ck_assert_int_gt(response("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", true), 0);
	ck_assert_int_eq(head.body, HTTP1_NONE);
	ck_assert_int_gt(response("HTTP/1.1 204\r\n\r\n", false), 0);
	ck_assert_int_eq(head.body, HTTP1_NONE);
	ck_assert_int_gt(response("HTTP/1.0 200 OK\r\n\r\n", false), 0);
	ck_assert(head.body == HTTP1_CLOSE && !head.keep_alive);
	ck_assert_int_gt(response("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", false), 0);
	ck_assert_int_eq(head.body, HTTP1_CHUNKED);
	ck_assert_int_eq(response("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", false),
			 -502);
	ck_assert_int_eq(response("HTTP/1.1 200 OK\nContent-Length: 4\n\n", false), -502);
	ck_assert_int_eq(response("HTTP/1.1 2000 OK\r\n\r\n", false), -502);
	ck_assert_int_eq(response("\r\n\r\n", false), -502);
	ck_assert_int_eq(response("HTTP/1.1 099 OK\r\n\r\n", false), -502);
	ck_assert_int_eq(response("HTTP/2 200 OK\r\n\r\n", false), -502);
}
END_TEST

// Decodes all of `s` in pieces of `step`; content into out. Bytes taken, or -1.
static long decode(enum http1_body body, uint64_t length, const char *s, size_t step, char *out)
{
	struct http1_head h = {.body = body, .length = length};
	struct http1_decoder d;
	struct http1_span content;
	size_t at = 0, n = strlen(s);

	http1_decoder_init(&d, &h);
	while (!http1_done(&d) && at < n) {
		size_t k = n - at < step ? n - at : step;
		long took = http1_decode(&d, s + at, k, &content);

		if (took < 0)
			return -1;
		if (content.n)
			memcpy(out, content.p, content.n);
		out += content.n;
		at += (size_t)took;
	}
	*out = '\0';
	return http1_done(&d) ? (long)at : -2;
}

START_TEST(test_http1_decode_chunks_in_pieces_of_any_size)
{
	const char *s =
	    "4\r\nWiki\r\n006;a=\"b\"\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nX-T: 1\r\nY:\r\n\r\nnext";
	char out[100];

	for (size_t step = 1; step < 80; step++) {
		ck_assert_int_eq(decode(HTTP1_CHUNKED, 0, s, step, out), (long)strlen(s) - 4);
		ck_assert_str_eq(out, "Wikipedia in \r\n\r\nchunks.");
	}
	ck_assert_int_eq(decode(HTTP1_LENGTH, 3, "abcdef", 2, out), 3);
	ck_assert_str_eq(out, "abc");
}
END_TEST

START_TEST(test_http1_decode_broken_chunks_are_refused)
{
	static const char *const broken[] = {"\r\n",
					     "g\r\n",
					     "0x4\r\nWiki\r\n0\r\n\r\n",
					     "4\nWiki\r\n0\r\n\r\n",
					     "4 \r\nWiki\r\n",
					     "4\r\nWikiX\r\n",
					     "4\r\nWiki\n0\r\n\r\n",
					     ";a\r\n",
					     "-4\r\nWiki\r\n",
					     "4\r\nWiki\r\r\n",
					     "0\r\nX\r\n\r\n",
					     "0\r\n X: 1\r\n\r\n",
					     "0\r\nX : 1\r\n\r\n",
					     "ffffffffffffffff\r\n",
					     "0000000000000004\r\nWiki",
					     "4;\x01\r\nWiki\r\n",
					     "0\r\nX: 1\n\r\n",
					     "4\r\nWiki\r\n0\r\n\nGET"};
	char out[100];

	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++)
		ck_assert_msg(decode(HTTP1_CHUNKED, 0, broken[i], 100, out) == -1, "taken: %s", broken[i]);
	ck_assert_int_eq(decode(HTTP1_CHUNKED, 0, "4\r\nWi", 100, out), -2);
}
END_TEST

START_TEST(test_http1_sniff_tells_http_from_the_rest)
{
	ck_assert_int_eq(http1_sniff("GET / HTTP/1.1\r\n", 16), 1);
	ck_assert_int_eq(http1_sniff("GET / HTT", 9), 0);
	ck_assert_int_eq(http1_sniff("GET", 3), 0);
	ck_assert_int_eq(http1_sniff("\x16\x03\x01", 3), -1);
	ck_assert_int_eq(http1_sniff("SSH-2.0-OpenSSH_9 x\r\n", 21), -1);
	ck_assert_int_eq(http1_sniff("*1\r\n$4\r\nPING\r\n", 14), -1);
	ck_assert_int_eq(http1_sniff("averyveryveryveryveryverylongfirstword", 38), 0);
	ck_assert_int_eq(http1_sniff("averyveryveryveryveryverylongfirstword\n", 39), -1);
	ck_assert_int_eq(http1_sniff("{\"hello\": 1}\n", 13), -1);
	ck_assert_int_eq(http1_sniff("\0\0\0\x08\x04\xd2\x16\x2f", 8), -1);
	ck_assert_int_eq(http1_sniff("abc\x80", 4), -1);
}
END_TEST

// Protocols whose clients may wait for an answer before they have sent an LF.
START_TEST(test_http1_sniff_tells_what_sends_no_line)
{
	static const struct {
		const char *p;
		size_t n, known; // bytes after which it must be told
	} raw[] = {
#define RAW(s, known) {s, sizeof(s) - 1, known}
	    // LDAP: an anonymous bind, and one with a name and a password, in which there is no NUL
	    RAW("0\x0c\x02\x01\x01`\x07\x02\x01\x03\x04\x00\x80\x00", 2),
	    RAW("0\x1f\x02\x01\x01`\x1a\x02\x01\x03\x04\x09" "cn=reader\x80\x0a" "0123456789", 2),
	    // HL7 in MLLP
	    RAW("\x0bMSH|^~\\&|LAB|A|HIS|B|1||ADT^A01|1|P|2.5\rPID|1\r\x1c\r", 8),
	    // XMPP
	    RAW("<?xml version='1.0'?><stream:stream to='h' xmlns='jabber:client'>", 1),
	    // JSON
	    RAW("{\"id\":1,\"method\":\"m\"}", 1),
	    RAW("[1]", 1),
	    RAW("\"a\"", 1),
	    // MongoDB: a length of 32
	    RAW(" \0\0\0\x01\0\0\0", 2),
#undef RAW
	};

	for (size_t i = 0; i < sizeof(raw) / sizeof(*raw); i++)
		for (size_t k = 0; k <= raw[i].n; k++)
			ck_assert_msg(http1_sniff(raw[i].p, k) == (k < raw[i].known ? 0 : -1), "%zu at %zu", i, k);
}
END_TEST

// What a lenient service would still read as HTTP must not pass for something else.
START_TEST(test_http1_sniff_takes_sloppy_http_for_http)
{
	static const char *const lines[] = {"\r\n\r\nGET / HTTP/1.1\r\n", "\nGET / HTTP/1.1\r\n", "GET\t/\tHTTP/1.1\r\n",
					    "\tGET / HTTP/1.1\r\n",	"GET / HTTP/1.1 \r\n",	   "GET / http/1.1\n",
					    "GET / HTTP/1.10\r\n",		"GET\x0b/admin HTTP/1.1\r\n", "GET\x0c/ HTTP/1.1\r\n",
					    "GET\x1c/ HTTP/1.1\r\n",	"GET\xa0/ HTTP/1.1\r\n",	   "GET\x85/ HTTP/1.1\r\n",
					    "\x0bGET / HTTP/1.1\r\n", "GET /\x02\x80 HTTP/1.1\r\n",
					    "AMETHODOFMORETHANFORTYLETTERSASSOMESERVICESTAKEIT / HTTP/1.1\r\n"};

	char blanks[100];

	memset(blanks, '\n', sizeof(blanks));
	ck_assert_int_eq(http1_sniff(blanks, sizeof(blanks)), 1);
	ck_assert_int_eq(http1_sniff("GET /\0 HTTP/1.1\r\n", 17), 1);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		size_t n = strlen(lines[i]);

		ck_assert_msg(http1_sniff(lines[i], n) == 1, "%zu", i);
		for (size_t k = 0; k < n; k++)
			ck_assert_msg(http1_sniff(lines[i], k) == 0, "%zu at %zu", i, k);
	}
}
END_TEST

UNIT_MAIN("runtime/http1",
	  ADD(test_http1_parse_request_plain_get) ADD(test_http1_parse_request_forms_of_target)
	      ADD(test_http1_parse_request_ambiguity_is_refused) ADD(test_http1_parse_request_nul_is_refused)
		  ADD(test_http1_parse_request_byte_by_byte_is_the_same) ADD(test_http1_parse_request_limits)
		      ADD(test_http1_parse_request_hop_fields_are_marked) ADD(test_http1_parse_response_framing)
			  ADD(test_http1_decode_chunks_in_pieces_of_any_size)
			      ADD(test_http1_decode_broken_chunks_are_refused)
				  ADD(test_http1_sniff_tells_http_from_the_rest)
				  ADD(test_http1_sniff_tells_what_sends_no_line)
				      ADD(test_http1_sniff_takes_sloppy_http_for_http))
