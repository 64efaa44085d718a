// SPDX-License-Identifier: Apache-2.0
//
// Heads on their way through: requests for the service, responses for clients, HTTP/2 fields turned into a head, API
// keys.
#include "runtime/data-plane/apikey.h"
#include "runtime/data-plane/forward.h"
#include "runtime/data-plane/h2_fields.h"

#include "base/hex.h"
#include "base/io.h"
#include "tests/unit/unit.h"

#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

static struct http1_head head;

static void parse(const char *s)
{
	size_t scanned = 0;

	ck_assert_int_gt(http1_parse_request(s, strlen(s), &scanned, &head), 0);
}

static const char *forwarded(const char *request, enum http1_body framing, const char *client, bool upgrade)
{
	static struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct addr a = {.kind = ADDR_NONE};

	parse(request);
	if (client)
		assert_ok(addr_parse(client, &a, &err));
	buf_free(&out);
	assert_ok(forward_request(&out, &head, framing, &a, true, upgrade, &err));
	return buf_cstr(&out, &err);
}

START_TEST(test_forward_request_is_written_anew)
{
	ck_assert_str_eq(
	    forwarded(
		"POST http://real/p?q HTTP/1.1\r\nHost: other\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n"
		"Connection: keep-alive, x-b\r\nX-B: 1\r\nKeep-Alive: 5\r\nX-Forwarded-Host: e\r\nForwarded: for=e\r\n"
		"x-real-ip: e\r\nAPI-Key: k\r\nTE: trailers\r\n\r\n",
		HTTP1_LENGTH, "tcp:192.0.2.1:5", false),
	    "POST /p?q HTTP/1.1\r\nHost: real\r\nX-A: 1\r\nX-A: 2\r\nTE: trailers\r\nConnection: TE\r\nContent-Length: "
	    "3\r\n"
	    "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1;proto=https\r\n\r\n");
	ck_assert_str_eq(
	    forwarded("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", HTTP1_NONE,
		      "tcp:[2001:db8::1]:5", true),
	    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Forwarded-For: 2001:db8::1\r\n"
	    "X-Forwarded-Proto: https\r\nForwarded: for=\"[2001:db8::1]\";proto=https\r\n\r\n");
}
END_TEST

START_TEST(test_forward_request_of_http10_expects_nothing)
{
	ck_assert_str_eq(forwarded("GET / HTTP/1.0\r\nHost: a\r\nExpect: miracles\r\n\r\n", HTTP1_NONE, NULL, false),
			 "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nForwarded: for=unknown;proto=https\r\n\r\n");
}
END_TEST

// To a service behind CGI or WSGI `-` and `_` of a name are one: X_Forwarded_For would stand in for our own word.
START_TEST(test_forward_request_drops_claims_spelled_with_underscores)
{
	ck_assert_str_eq(forwarded("GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: e\r\nX-Forwarded_Proto: e\r\n"
				   "x_real-ip: e\r\nAPI_Key: e\r\nContent_Length: 7\r\nProxy: http://e\r\n"
				   "X_Mine: 1\r\n\r\n",
				   HTTP1_NONE, "tcp:192.0.2.1:5", false),
			 "GET / HTTP/1.1\r\nHost: a\r\nX_Mine: 1\r\nX-Forwarded-For: 192.0.2.1\r\n"
			 "X-Forwarded-Proto: https\r\nForwarded: for=192.0.2.1;proto=https\r\n\r\n");
}
END_TEST

// Some fold names before they look for the framing: what is framed otherwise for them would be a request of its own.
START_TEST(test_forward_request_drops_framing_spelled_with_underscores)
{
	ck_assert_str_eq(forwarded("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer_Encoding: chunked\r\n"
				   "TRANSFER_ENCODING: chunked\r\nKeep_Alive: 5\r\nProxy_Connection: close\r\n"
				   "Proxy-Connection: close\r\nX-Transfer_Encoding: 1\r\n\r\n",
				   HTTP1_LENGTH, NULL, false),
			 "POST / HTTP/1.1\r\nHost: a\r\nX-Transfer_Encoding: 1\r\nContent-Length: 3\r\n"
			 "X-Forwarded-Proto: https\r\nForwarded: for=unknown;proto=https\r\n\r\n");
}
END_TEST

START_TEST(test_forward_may_upgrade_refuses_h2c_and_content)
{
	parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	ck_assert(forward_may_upgrade(&head));
	parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket, H2C\r\n\r\n");
	ck_assert(!forward_may_upgrade(&head));
	parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n\r\n");
	ck_assert(!forward_may_upgrade(&head));
	parse("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n");
	ck_assert(!forward_may_upgrade(&head));
	parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n");
	ck_assert(!forward_may_upgrade(&head));
}
END_TEST

static const char *answered(const char *response, int minor, bool close, enum http1_body *framing)
{
	static struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;
	size_t scanned = 0;

	ck_assert_int_gt(http1_parse_response(response, strlen(response), &scanned, false, &head), 0);
	buf_free(&out);
	assert_ok(forward_response(&out, &head, minor, false, close, framing, &err));
	return buf_cstr(&out, &err);
}

START_TEST(test_forward_response_framing_follows_the_client)
{
	const char *chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: 5\r\nX: 1\r\n\r\n";
	enum http1_body f;

	ck_assert_str_eq(answered(chunked, 1, false, &f),
			 "HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
	ck_assert_int_eq(f, HTTP1_CHUNKED);
	ck_assert_str_eq(answered(chunked, 0, true, &f), "HTTP/1.1 200 OK\r\nX: 1\r\nConnection: close\r\n\r\n");
	ck_assert_int_eq(f, HTTP1_CLOSE);
	ck_assert_str_eq(answered("HTTP/1.1 200 OK\r\nContent-Length: 007\r\n\r\n", 0, false, &f),
			 "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n");
	ck_assert_str_eq(answered("HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n", 1, false, &f),
			 "HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n");
	ck_assert_str_eq(answered("HTTP/1.1 200 OK\r\n\r\n", 0, false, &f), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	ck_assert_int_eq(f, HTTP1_CLOSE);
}
END_TEST

// A client that believed the length would take what follows for content.
START_TEST(test_forward_response_without_content_has_no_length)
{
	enum http1_body f;

	ck_assert_str_eq(answered("HTTP/1.1 204 No\r\nContent-Length: 7\r\nX: 1\r\n\r\n", 1, false, &f),
			 "HTTP/1.1 204 No\r\nX: 1\r\n\r\n");
	ck_assert_str_eq(answered("HTTP/1.1 103 Early\r\nContent-Length: 7\r\nLink: l\r\n\r\n", 1, false, &f),
			 "HTTP/1.1 103 Early\r\nLink: l\r\n\r\n");
	ck_assert_int_eq(f, HTTP1_NONE);
}
END_TEST

START_TEST(test_forward_error_is_a_whole_response)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;
	size_t scanned = 0;
	int n;

	assert_ok(forward_error(&out, 503, true, false, &err));
	n = http1_parse_response((char *)out.data, out.len, &scanned, false, &head);
	ck_assert_int_gt(n, 0);
	ck_assert_uint_eq(out.len - (size_t)n, head.length);
	ck_assert(!head.keep_alive);
}
END_TEST

static void field(struct h2_fields *f, const char *name, const char *value)
{
	h2_fields_add(f, (const uint8_t *)name, strlen(name), (const uint8_t *)value, strlen(value));
}

// A request of the four usual fields, with one more; the status that it gets.
static int h2_status(const char *path, const char *authority, const char *name, const char *value)
{
	_cleanup_buf_ struct buf cookie = BUF_INIT(0);
	struct h2_fields f;
	int status;

	h2_fields_init(&f);
	field(&f, ":method", "GET");
	field(&f, ":path", path);
	field(&f, ":authority", authority);
	field(&f, name, value);
	status = h2_fields_head(&f, &head, &cookie, true);
	h2_fields_free(&f);
	return status;
}

START_TEST(test_h2_fields_head_holds_http1_rules)
{
	static char longer[HTTP1_TARGET_MAX + 2];

	ck_assert_int_eq(h2_status("/", "a", "x", "1"), 0);
	ck_assert_int_eq(h2_status("/", "a", "host", "a"), 0);
	ck_assert_int_eq(h2_status("/", "a", "host", "b"), 400);
	ck_assert_int_eq(h2_status("/ HTTP/1.1\r\nX: 1", "a", "x", "1"), 400);
	ck_assert_int_eq(h2_status("/\tx", "a", "x", "1"), 400);
	ck_assert_int_eq(h2_status("", "a", "x", "1"), 400);
	memset(longer, 'a', HTTP1_TARGET_MAX + 1);
	longer[0] = '/';
	ck_assert_int_eq(h2_status(longer, "a", "x", "1"), 414);
	ck_assert_int_eq(h2_status("x", "a", "x", "1"), 400);
	ck_assert_int_eq(h2_status("/", "a b", "x", "1"), 400);
	ck_assert_int_eq(h2_status("/", "", "x", "1"), 400);
	ck_assert_int_eq(h2_status("/", "u@a", "x", "1"), 400);
	ck_assert_int_eq(h2_status("/", "a`b", "x", "1"), 400);
	ck_assert_int_eq(h2_status("/", "a", "x y", "1"), 400);
	ck_assert_int_eq(h2_status("/", "a", "x", "1\r\nY: 2"), 400);
	ck_assert_int_eq(h2_status("/", "a", "content-length", ""), 400);
}
END_TEST

START_TEST(test_h2_fields_head_joins_cookies)
{
	_cleanup_buf_ struct buf cookie = BUF_INIT(0);
	struct h2_fields f;
	const struct http1_field *c;
	size_t count;

	h2_fields_init(&f);
	field(&f, ":method", "CONNECT");
	field(&f, ":path", "/");
	field(&f, ":authority", "a");
	field(&f, "cookie", "a=1");
	field(&f, "te", "trailers");
	field(&f, "cookie", "b=2");
	ck_assert_int_eq(h2_fields_head(&f, &head, &cookie, true), 501);
	c = http1_find(&head, "cookie", &count);
	ck_assert_uint_eq(count, 1);
	ck_assert(c->value.n == 8 && !memcmp(c->value.p, "a=1; b=2", 8));
	for (int i = 0; i < 2 * HTTP1_FIELDS_MAX; i++)
		field(&f, "x", "y");
	ck_assert_int_eq(h2_fields_head(&f, &head, &cookie, true), 431);
	ck_assert(http1_name_is(head.method, "CONNECT")); // a refusal of HEAD must know that it was one
	h2_fields_free(&f);
}
END_TEST

START_TEST(test_apikeys_load_reads_digests_and_refuses_the_rest)
{
	unsigned char digest[SHA512_DIGEST_LENGTH];
	char path[64], text[400], hex[2 * SHA512_DIGEST_LENGTH + 1];
	struct err err = ERR_INIT;
	struct apikeys *k;
	static const char *const bad[] = {"", "# none\n", "abcd\n", "sha512:00\n"};

	SHA512((const unsigned char *)"secret", 6, digest);
	hex_encode(digest, sizeof(digest), hex);
	snprintf(path, sizeof(path), "/tmp/eifgen-test-keys.%d", (int)getpid());
	snprintf(text, sizeof(text), "# one\n\n%s\r\n", hex);
	assert_ok(io_write_file(path, text, strlen(text), &err));
	k = apikeys_load(path, &err);
	ck_assert_msg(k != NULL, "%s", err.msg);
	parse("GET / HTTP/1.1\r\nHost: a\r\nApi-Key: secret\r\n\r\n");
	ck_assert(apikeys_admit(k, &head));
	parse("GET / HTTP/1.1\r\nHost: a\r\nApi-Key: secre\r\n\r\n");
	ck_assert(!apikeys_admit(k, &head));
	apikeys_free(k);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_ok(io_write_file(path, bad[i], strlen(bad[i]), &err));
		ck_assert_ptr_null(apikeys_load(path, &err));
	}
	unlink(path);
}
END_TEST

UNIT_MAIN("runtime/forward",
	  ADD(test_forward_request_is_written_anew) ADD(test_forward_request_of_http10_expects_nothing)
	  ADD(test_forward_request_drops_claims_spelled_with_underscores) ADD(test_forward_may_upgrade_refuses_h2c_and_content)
	  ADD(test_forward_request_drops_framing_spelled_with_underscores)
	      ADD(test_forward_response_framing_follows_the_client)
	      ADD(test_forward_response_without_content_has_no_length) ADD(test_forward_error_is_a_whole_response)
		  ADD(test_h2_fields_head_holds_http1_rules) ADD(test_h2_fields_head_joins_cookies)
		      ADD(test_apikeys_load_reads_digests_and_refuses_the_rest))
