// SPDX-License-Identifier: Apache-2.0
//
// DNS queries read and replies written: the bytes of each, odd names, EDNS, and messages that must not be answered.
#include "runtime/common/dns_wire.h"

#include "base/be.h"
#include "tests/unit/unit.h"

#include <string.h>

struct msg {
	uint8_t b[600];
	size_t n;
};

static struct msg query(const char *wire_name, size_t name_len, unsigned type)
{
	struct msg m = {{0x12, 0x34, 0x01, 0x00, 0, 1}, DNS_HEADER_LEN};

	memcpy(m.b + m.n, wire_name, name_len);
	m.n += name_len;
	put_be16(m.b + m.n, (uint16_t)type);
	put_be16(m.b + m.n + 2, DNS_CLASS_IN);
	m.n += 4;
	return m;
}

static void add_opt(struct msg *m, unsigned version)
{
	uint8_t opt[11] = {0, 0, DNS_OPT, 0x10, 0, 0, (uint8_t)version};

	memcpy(m->b + m->n, opt, sizeof(opt));
	m->n += sizeof(opt);
	put_be16(m->b + 10, (uint16_t)(get_be16(m->b + 10) + 1));
}

#define NAME "\3Api\7eXample\3com"
#define Q(type) query(NAME, sizeof(NAME), type)

START_TEST(test_dns_query_read_plain_is_folded)
{
	struct msg m = Q(DNS_A);
	struct dns_query q;
	enum dns_rcode rcode;

	ck_assert_int_eq(dns_query_read(m.b, m.n, &q, &rcode), DNS_PARSED_QUERY);
	ck_assert_uint_eq(q.id, 0x1234);
	ck_assert(q.has_name);
	ck_assert_str_eq(q.name, "api.example.com");
	ck_assert_uint_eq(q.qtype, DNS_A);
	ck_assert_uint_eq(q.qclass, DNS_CLASS_IN);
	ck_assert(!q.edns);
}
END_TEST

START_TEST(test_dns_reply_write_address_has_exact_bytes)
{
	static const uint8_t want[] = {0x12, 0x34, 0x85, 0x80, 0,   1,	 0,   1,   0,	0,   0,	 0,  3, 'A', 'p', 'i', 7,
				       'e',  'X',  'a',	 'm',  'p', 'l', 'e', 3,   'c', 'o', 'm', 0, 0, 1,   0,	  1,   0xc0,
				       12,   0,	   1,	 0,    1,   0,	 0,   0,   5,	0,   4,	 127, 128, 0, 1};
	struct msg m = Q(DNS_A);
	struct dns_query q;
	enum dns_rcode rcode;
	struct ip_addr ip = {4, {127, 128, 0, 1}};
	uint8_t out[DNS_REPLY_MAX];

	dns_query_read(m.b, m.n, &q, &rcode);
	ck_assert_uint_eq(dns_reply_write(&q, DNS_NOERROR, &ip, 5, out), sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

START_TEST(test_dns_reply_write_edns_query_has_opt)
{
	struct msg m = Q(DNS_AAAA);
	struct dns_query q;
	enum dns_rcode rcode;
	uint8_t out[DNS_REPLY_MAX];

	add_opt(&m, 0);
	ck_assert_int_eq(dns_query_read(m.b, m.n, &q, &rcode), DNS_PARSED_QUERY);
	ck_assert(q.edns);
	size_t n = dns_reply_write(&q, DNS_NXDOMAIN, NULL, 0, out);

	ck_assert_uint_eq(n, DNS_HEADER_LEN + sizeof(NAME) + 4 + 11);
	ck_assert_uint_eq(get_be16(out + 2), 0x8583);
	ck_assert_uint_eq(get_be16(out + 10), 1);
	ck_assert_uint_eq(get_be16(out + n - 10), DNS_OPT);
}
END_TEST

START_TEST(test_dns_query_read_edns_version_is_badvers)
{
	struct msg m = Q(DNS_A);
	struct dns_query q;
	enum dns_rcode rcode;
	uint8_t out[DNS_REPLY_MAX];

	add_opt(&m, 1);
	ck_assert_int_eq(dns_query_read(m.b, m.n, &q, &rcode), DNS_PARSED_REPLY);
	ck_assert_int_eq(rcode, DNS_BADVERS);
	size_t n = dns_reply_write(&q, rcode, NULL, 0, out);

	ck_assert_uint_eq(out[n - 6], 1);
	ck_assert_uint_eq(out[3] & 0xf, 0);
}
END_TEST

START_TEST(test_dns_query_read_no_query_is_ignored)
{
	struct msg m = Q(DNS_A);
	struct dns_query q;
	enum dns_rcode rcode;

	for (size_t n = 0; n < DNS_HEADER_LEN; n++)
		ck_assert_int_eq(dns_query_read(m.b, n, &q, &rcode), DNS_PARSED_IGNORE);
	m.b[2] |= 0x80;
	ck_assert_int_eq(dns_query_read(m.b, m.n, &q, &rcode), DNS_PARSED_IGNORE);
}
END_TEST

static void assert_rcode(const struct msg *m, enum dns_rcode want, int line)
{
	struct dns_query q;
	enum dns_rcode rcode;
	uint8_t out[DNS_REPLY_MAX];

	ck_assert_msg(dns_query_read(m->b, m->n, &q, &rcode) == DNS_PARSED_REPLY, "line %d", line);
	ck_assert_msg(rcode == want, "line %d: rcode %d", line, rcode);
	ck_assert_uint_le(dns_reply_write(&q, rcode, NULL, 0, out), sizeof(out));
}

START_TEST(test_dns_query_read_faulty_is_answered)
{
	struct msg m = Q(DNS_A);

	for (size_t n = DNS_HEADER_LEN; n < m.n; n++) {
		struct msg cut = m;

		cut.n = n;
		assert_rcode(&cut, DNS_FORMERR, __LINE__);
	}
	struct msg two = m, none = m, answers = m, notify = m, trailing = m, crowd = m, opts = m, record = m;

	two.b[5] = 2;
	assert_rcode(&two, DNS_FORMERR, __LINE__);
	none.b[5] = 0;
	assert_rcode(&none, DNS_FORMERR, __LINE__);
	answers.b[7] = 1;
	assert_rcode(&answers, DNS_FORMERR, __LINE__);
	notify.b[2] |= 0x20;
	assert_rcode(&notify, DNS_NOTIMP, __LINE__);
	trailing.n++;
	assert_rcode(&trailing, DNS_FORMERR, __LINE__);
	crowd.b[10] = 1;
	assert_rcode(&crowd, DNS_FORMERR, __LINE__);
	add_opt(&opts, 0);
	add_opt(&opts, 0);
	assert_rcode(&opts, DNS_FORMERR, __LINE__);
	record.b[11] = 1;
	assert_rcode(&record, DNS_FORMERR, __LINE__);
	m.b[DNS_HEADER_LEN] = 0xc0; // a pointer in the question
	assert_rcode(&m, DNS_FORMERR, __LINE__);
}
END_TEST

START_TEST(test_dns_query_read_odd_names_are_no_host_names)
{
	static const struct {
		const char *wire;
		size_t n;
	} cases[] = {{"\0", 1}, {"\3a.b\3com", 9}, {"\3a\0b\3com", 9}, {"\1*\3com", 7}, {"\2\xc3\xbc\3com", 8}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct msg m = query(cases[i].wire, cases[i].n, DNS_A);
		struct dns_query q;
		enum dns_rcode rcode;

		ck_assert_int_eq(dns_query_read(m.b, m.n, &q, &rcode), DNS_PARSED_QUERY);
		ck_assert_msg(!q.has_name, "case %zu: %s", i, q.name);
	}
}
END_TEST

START_TEST(test_dns_query_read_longest_name_fits)
{
	char wire[300];
	struct dns_query q;
	enum dns_rcode rcode;
	size_t n = 0;

	for (int i = 0; i < 4; i++) {
		size_t len = i < 3 ? 63 : 61;

		wire[n++] = (char)len;
		memset(wire + n, 'a', len);
		n += len;
	}
	wire[n++] = '\0'; // 255 bytes
	struct msg m = query(wire, n, DNS_A);

	ck_assert_uint_eq(n, DNS_QNAME_MAX);
	ck_assert_int_eq(dns_query_read(m.b, m.n, &q, &rcode), DNS_PARSED_QUERY);
	ck_assert_uint_eq(strlen(q.name), HOSTNAME_MAX);
	wire[192] = 62;
	wire[n - 1] = 'a';
	wire[n++] = '\0';
	m = query(wire, n, DNS_A);
	assert_rcode(&m, DNS_FORMERR, __LINE__);
}
END_TEST

UNIT_MAIN("runtime/dns_wire",
	  ADD(test_dns_query_read_plain_is_folded) ADD(test_dns_reply_write_address_has_exact_bytes)
	      ADD(test_dns_reply_write_edns_query_has_opt) ADD(test_dns_query_read_edns_version_is_badvers)
		  ADD(test_dns_query_read_no_query_is_ignored) ADD(test_dns_query_read_faulty_is_answered)
		      ADD(test_dns_query_read_odd_names_are_no_host_names) ADD(test_dns_query_read_longest_name_fits))
