// SPDX-License-Identifier: Apache-2.0
//
// Control frames: what the enclave writes the host reads, masks and logs; what breaks a rule is refused.
#include "runtime/common/ctl_frame.h"

#include "base/be.h"
#include "base/cbor.h"
#include "runtime/common/log.h"
#include "runtime/control-plane/ctl_server.h"
#include "runtime/control-plane/probe.h"
#include "tests/unit/unit.h"

#include <string.h>

// The reader at the first entry of a transactions frame.
static struct cbor_reader entries_of(const struct buf *frame)
{
	struct cbor_reader r;
	struct cbor_seq seq;
	struct err err = ERR_INIT;
	const char *p;
	size_t n;

	ck_assert_int_eq(ctl_head_read(frame->data, &err), (long)(frame->len - CTL_HEAD));
	cbor_reader_init(&r, frame->data + CTL_HEAD, frame->len - CTL_HEAD, CBOR_STRICT);
	assert_ok(cbor_get_map(&r, &seq, &err));
	assert_ok(cbor_get_text(&r, &p, &n, &err));
	assert_ok(cbor_get_text(&r, &p, &n, &err));
	ck_assert(cbor_text_is(p, n, "transactions"));
	assert_ok(cbor_get_text(&r, &p, &n, &err));
	assert_ok(cbor_get_array(&r, &seq, &err));
	return r;
}

START_TEST(test_ctl_transaction_line_secrets_are_masked)
{
	static const struct ctl_header request[] = {{"Accept", "*/*"}, {"Authorization", "Bearer s3cret"},
						    {"X-Mine", "1"}, {"Cookie", "s3cret"}, {"x-other", "s3cret"}};
	static const struct ctl_header response[] = {{"content-type", "text/\"plain\""}};
	static const char *const trusted[] = {"x-m*"};
	const struct ctl_transaction t = {.id = "00ff", .time_ms = 1700000000123, .kind = "http", .method = "GET",
					  .target = "/a/b?key=s3cret#s3cret", .remote = "192.0.2.1", .status = 200,
					  .elapsed_us = 1500, .bytes_in = 1, .bytes_out = 2, .request_headers = request,
					  .request_header_count = 5, .response_headers = response,
					  .response_header_count = 1};
	const struct ctl_server_options o = {.name = "my \"cage\"", .trusted_headers = trusted, .trusted_count = 1};
	struct buf frame = BUF_INIT(0), line = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(ctl_put_transactions(&frame, &t, 1, &err));
	struct cbor_reader r = entries_of(&frame);

	assert_ok(ctl_transaction_line(&o, &r, &line, &err));
	ck_assert(cbor_at_end(&r));
	ck_assert_str_eq(buf_cstr(&line, &err),
			 "{\"event\":\"transaction\",\"cage\":\"my \\\"cage\\\"\",\"id\":\"00ff\",\"time_ms\":1700000000123,"
			 "\"kind\":\"http\",\"method\":\"GET\",\"target\":\"/a/b\",\"remote\":\"192.0.2.1\",\"status\":200,"
			 "\"elapsed_us\":1500,\"bytes_in\":1,\"bytes_out\":2,\"decrypted\":0,"
			 "\"request_headers\":[[\"Accept\",\"*/*\"],[\"Authorization\",\"***\"],[\"X-Mine\",\"1\"],"
			 "[\"Cookie\",\"***\"],[\"x-other\",\"***\"]],"
			 "\"response_headers\":[[\"content-type\",\"text/\\\"plain\\\"\"]]}\n");
	buf_free(&frame);
	buf_free(&line);
}
END_TEST

static long line_of(const struct ctl_transaction *t, struct buf *line)
{
	const struct ctl_server_options o = {.name = "cage"};
	struct buf frame = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(ctl_put_transactions(&frame, t, 1, &err));
	struct cbor_reader r = entries_of(&frame);
	long rc = ctl_transaction_line(&o, &r, line, &err);

	ck_assert(rc < 0 || cbor_at_end(&r));
	buf_free(&frame);
	return rc;
}

// A line of more than PIPE_BUF bytes could block the plane on a log that nobody reads.
START_TEST(test_ctl_transaction_line_is_never_longer_than_a_log_line)
{
	char value[1000];
	struct ctl_header headers[60];
	struct ctl_transaction t = {.id = "00ff", .kind = "http", .request_headers = headers, .request_header_count = 60,
				    .response_headers = headers, .response_header_count = 60};
	struct buf line = BUF_INIT(0);
	struct err err = ERR_INIT;

	memset(value, '\1', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 60; i++)
		headers[i] = (struct ctl_header){i == 58 ? value : "Accept", "text/html, text/plain; q=0.5, */*; q=0.125"};
	assert_ok(line_of(&t, &line));
	ck_assert_uint_le(line.len, LOG_LINE_MAX);
	ck_assert_uint_gt(line.len, LOG_LINE_MAX - 1024);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&line, &err), "]],\"response_headers\":[],\"cut\":true}\n"));
	line.len = 0;
	t = (struct ctl_transaction){.id = value};
	ck_assert_int_eq(line_of(&t, &line), -1);
	buf_free(&line);
}
END_TEST

START_TEST(test_ctl_transaction_line_key_twice_is_refused)
{
	static const char bytes[] = "\xa2\x62id\x61x\x62id\x61y";
	const struct ctl_server_options o = {.name = NULL};
	struct buf line = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct cbor_reader r;

	cbor_reader_init(&r, bytes, sizeof(bytes) - 1, CBOR_STRICT);
	ck_assert_int_eq(ctl_transaction_line(&o, &r, &line, &err), -1);
	buf_free(&line);
}
END_TEST

START_TEST(test_ctl_transaction_line_odd_entry_is_refused)
{
	static const struct {
		const char *bytes;
		size_t n;
	} cases[] = {
	    {"\x80", 1},			      // no map
	    {"\xa1\x66secret\x61x", 9},		      // an unknown key
	    {"\xa1\x66status\x61x", 9},		      // a text for a number
	    {"\xa1\x62id\x01", 5},		      // a number for a text
	    {"\xa1\x6frequest_headers\x81\x81\x61x", 20}, // a header that is no pair
	    {"\xa2\x62id\x61x", 6},		      // cut
	};
	const struct ctl_server_options o = {.name = NULL};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf line = BUF_INIT(0);
		struct err err = ERR_INIT;
		struct cbor_reader r;

		cbor_reader_init(&r, cases[i].bytes, cases[i].n, CBOR_STRICT);
		ck_assert_msg(ctl_transaction_line(&o, &r, &line, &err) == -1, "case %zu", i);
		ck_assert_int_eq(strncmp(err.msg, "transaction: ", 13), 0);
		buf_free(&line);
	}
}
END_TEST

START_TEST(test_ctl_head_read_other_magic_or_length_is_error)
{
	uint8_t head[CTL_HEAD] = "CTL1";
	struct err err = ERR_INIT;

	ck_assert_int_eq(ctl_head_read(head, &err), 0);
	put_be32(head + 4, CTL_BODY_MAX);
	ck_assert_int_eq(ctl_head_read(head, &err), CTL_BODY_MAX);
	put_be32(head + 4, CTL_BODY_MAX + 1);
	ck_assert_int_eq(ctl_head_read(head, &err), -1);
	put_be32(head + 4, 0);
	head[3] = '2';
	ck_assert_int_eq(ctl_head_read(head, &err), -1);
}
END_TEST

START_TEST(test_ctl_put_request_has_exact_bytes)
{
	struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(ctl_put_request(&b, "time", &err));
	ck_assert_uint_eq(b.len, 17);
	ck_assert_mem_eq(b.data, "CTL1\0\0\0\x09\xa1\x62op\x64time", 17);
	buf_free(&b);
}
END_TEST

START_TEST(test_ctl_json_to_cbor_values_match)
{
	struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	static const char *const bad[] = {"", "[]", "1", "{", "{} x", "{\"a\":1.5}", "{\"a\":1e300}", "{\"a\":9007199254740994}"};

	assert_ok(ctl_json_to_cbor("{\"b\":[1,-2,true,null],\"a\":{\"x\":\"\\u00e4\"}}", &b, &err));
	ck_assert_uint_eq(b.len, 16);
	ck_assert_mem_eq(b.data, "\xa2\x61" "b\x84\x01\x21\xf5\xf6\x61" "a\xa1\x61x\x62\xc3\xa4", 16);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b.len = 0;
		ck_assert_msg(ctl_json_to_cbor(bad[i], &b, &err) == -1, "%s", bad[i]);
	}
	buf_free(&b);
}
END_TEST

START_TEST(test_probe_parse_table_matches)
{
	static const struct {
		const char *reply;
		unsigned status;
		const char *body;
	} cases[] = {
	    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 200, "{}"},
	    {"HTTP/1.0 503 x\r\n\r\n", 503, ""},
	    {"HTTP/1.1 200 OK\r\n", 0, NULL},
	    {"HTTP/2 200\r\n\r\n", 0, NULL},
	    {"HTTP/1.1 2x0 OK\r\n\r\n", 0, NULL},
	    {"HTTP/1.1_200 OK\r\n\r\n", 0, NULL},
	    {"", 0, NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *body = NULL;
		size_t n = 0;

		ck_assert_uint_eq(probe_parse(cases[i].reply, strlen(cases[i].reply), &body, &n), cases[i].status);
		if (cases[i].body)
			ck_assert_str_eq(body, cases[i].body);
	}
}
END_TEST

UNIT_MAIN("runtime/ctl",
	  ADD(test_ctl_transaction_line_secrets_are_masked)
	  ADD(test_ctl_transaction_line_is_never_longer_than_a_log_line)
	  ADD(test_ctl_transaction_line_key_twice_is_refused) ADD(test_ctl_transaction_line_odd_entry_is_refused)
	      ADD(test_ctl_head_read_other_magic_or_length_is_error) ADD(test_ctl_put_request_has_exact_bytes)
		  ADD(test_ctl_json_to_cbor_values_match) ADD(test_probe_parse_table_matches))
