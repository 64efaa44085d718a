// SPDX-License-Identifier: Apache-2.0
//
// The egress request and reply: round trips, every prefix, and each rule broken once.
#include "runtime/common/egress_frame.h"

#include "base/be.h"
#include "tests/unit/unit.h"

#include <string.h>

static size_t make(uint8_t *out, const char *name, const char *addr, uint16_t port, const char *data)
{
	struct egress_request req = {.port = port, .data = (const uint8_t *)data, .data_len = strlen(data)};

	strcpy(req.name, name);
	if (*addr)
		ck_assert_int_eq(ip_parse(addr, strlen(addr), &req.addr), 0);
	return egress_request_write(&req, out);
}

START_TEST(test_egress_request_read_every_prefix_waits)
{
	static const struct {
		const char *name, *addr, *data;
	} cases[] = {{"api.example.com", "", "hello"}, {"", "1.2.3.4", ""}, {"", "2001:db8::1", "x"}};

	for (size_t i = 0; i < 3; i++) {
		uint8_t b[EGRESS_REQUEST_MAX];
		size_t n = make(b, cases[i].name, cases[i].addr, 443, cases[i].data);
		struct egress_request req;
		struct err err = ERR_INIT;
		char text[IP_TEXT_MAX];

		for (size_t k = 0; k < n; k++)
			ck_assert_int_eq(egress_request_read(b, k, &req, &err), 0);
		b[n] = 'z';
		ck_assert_int_eq(egress_request_read(b, n + 1, &req, &err), (long)n);
		ck_assert_str_eq(req.name, cases[i].name);
		ck_assert_uint_eq(req.port, 443);
		ck_assert_uint_eq(req.data_len, strlen(cases[i].data));
		ck_assert_mem_eq(req.data, cases[i].data, req.data_len);
		if (*cases[i].addr)
			ck_assert_str_eq(ip_format(&req.addr, text), cases[i].addr);
		else
			ck_assert_uint_eq(req.addr.len, 0);
	}
}
END_TEST

START_TEST(test_egress_request_write_largest_fits)
{
	static uint8_t b[EGRESS_REQUEST_MAX], data[EGRESS_DATA_MAX];
	struct egress_request req = {.port = 1, .data = data, .data_len = sizeof(data)}, back;
	struct err err = ERR_INIT;

	memset(req.name, 'a', HOSTNAME_MAX);
	for (size_t i = 63; i < HOSTNAME_MAX; i += 64)
		req.name[i] = '.';
	size_t n = egress_request_write(&req, b);

	ck_assert_uint_le(n, sizeof(b));
	ck_assert_int_eq(egress_request_read(b, n, &back, &err), (long)n);
	ck_assert_str_eq(back.name, req.name);
}
END_TEST

START_TEST(test_egress_request_read_broken_is_refused)
{
	static const struct {
		unsigned off;
		uint8_t byte;
		const char *says;
	} cases[] = {
	    {0, 'X', "magic"},	      {3, '2', "magic"},	 {4, 1, "past the limit"}, {7, 99, "sum of its fields"},
	    {8, 2, "type 2"},	      {9, 4, "either a name or"}, {9, 5, "address of 5"},   {12, 0, "either a name or"},
	    {12, 254, "name of 254"}, {13, 'A', "normal form"},	 {14, ' ', "no host name"}, {22, 0x7f, "first data"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t b[EGRESS_REQUEST_MAX];
		size_t n = make(b, "a.example", "", 443, "data");
		struct egress_request req;
		struct err err = ERR_INIT;

		b[cases[i].off] = cases[i].byte;
		ck_assert_msg(egress_request_read(b, n, &req, &err) == -1, "byte %u", cases[i].off);
		ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "byte %u: %s", cases[i].off, err.msg);
		ck_assert_int_eq(err.class, ERR_INPUT);
	}
}
END_TEST

START_TEST(test_egress_request_read_port_zero_and_dot_are_refused)
{
	uint8_t b[EGRESS_REQUEST_MAX];
	struct egress_request req;
	struct err err = ERR_INIT;
	size_t n = make(b, "a.example", "", 443, "");

	put_be16(b + 10, 0);
	ck_assert_int_eq(egress_request_read(b, n, &req, &err), -1);
	n = make(b, "a.example.", "", 443, "");
	ck_assert_int_eq(egress_request_read(b, n, &req, &err), -1);
	ck_assert_int_eq(egress_request_read("GET / HTTP/1.1", 3, &req, &err), -1);
}
END_TEST

START_TEST(test_egress_request_read_mapped_address_is_refused)
{
	uint8_t b[EGRESS_REQUEST_MAX];
	struct egress_request req;
	struct err err = ERR_INIT;
	size_t n = make(b, "", "2001:db8::1", 443, "x");
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};

	memcpy(b + EGRESS_REQUEST_HEAD, mapped, sizeof(mapped)); // ::ffff:10.0.0.1, which is 10.0.0.1
	ck_assert_int_eq(egress_request_read(b, n, &req, &err), -1);
	ck_assert_str_eq(err.msg, "egress request: the address is not in its normal form");
	ck_assert_int_eq(err.class, ERR_INPUT);
}
END_TEST

START_TEST(test_egress_reply_round_trip_every_status)
{
	uint8_t b[EGRESS_REPLY_LEN];
	enum egress_status status;
	struct err err = ERR_INIT;

	for (unsigned s = 0; s < EGRESS_STATUS_COUNT; s++) {
		egress_reply_write(s, b);
		assert_ok(egress_reply_read(b, &status, &err));
		ck_assert_uint_eq(status, s);
		ck_assert_str_ne(egress_status_name(s), "unknown");
	}
	ck_assert_str_eq(egress_status_name(EGRESS_STATUS_COUNT), "unknown");
	for (unsigned i = 0; i < EGRESS_REPLY_LEN; i++) {
		egress_reply_write(EGRESS_BUSY, b);
		b[i] ^= 0x40;
		ck_assert_int_eq(egress_reply_read(b, &status, &err), -1);
	}
}
END_TEST

UNIT_MAIN("runtime/egress_frame",
	  ADD(test_egress_request_read_every_prefix_waits) ADD(test_egress_request_write_largest_fits)
	      ADD(test_egress_request_read_broken_is_refused)
		  ADD(test_egress_request_read_port_zero_and_dot_are_refused)
		      ADD(test_egress_request_read_mapped_address_is_refused)
			  ADD(test_egress_reply_round_trip_every_status))
