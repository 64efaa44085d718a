// SPDX-License-Identifier: Apache-2.0
//
// Address classes at the edges of every block, embedded IPv4, prefixes, text.
#include "runtime/common/addrclass.h"

#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <string.h>

static struct ip_addr ip_of(const char *text)
{
	struct ip_addr ip;

	ck_assert_msg(ip_parse(text, strlen(text), &ip) == 0, "%s", text);
	return ip;
}

START_TEST(test_ip_classify_table_matches)
{
	static const struct {
		const char *text;
		enum ip_class class;
	} cases[] = {
	    {"0.0.0.0", IP_UNSPECIFIED},       {"0.255.255.255", IP_UNSPECIFIED}, {"1.0.0.0", IP_GLOBAL},
	    {"9.255.255.255", IP_GLOBAL},      {"10.0.0.0", IP_PRIVATE},	  {"10.255.255.255", IP_PRIVATE},
	    {"11.0.0.0", IP_GLOBAL},	       {"100.63.255.255", IP_GLOBAL},	  {"100.64.0.0", IP_SHARED},
	    {"100.127.255.255", IP_SHARED},    {"100.128.0.0", IP_GLOBAL},	  {"127.0.0.1", IP_LOOPBACK},
	    {"127.255.255.255", IP_LOOPBACK},  {"128.0.0.0", IP_GLOBAL},	  {"169.253.255.255", IP_GLOBAL},
	    {"169.254.0.1", IP_LINK_LOCAL},    {"169.254.169.254", IP_METADATA},  {"169.254.169.253", IP_METADATA},
	    {"169.254.169.252", IP_LINK_LOCAL}, {"169.254.170.2", IP_METADATA},	  {"169.255.0.0", IP_GLOBAL},
	    {"172.15.255.255", IP_GLOBAL},     {"172.16.0.0", IP_PRIVATE},	  {"172.31.255.255", IP_PRIVATE},
	    {"172.32.0.0", IP_GLOBAL},	       {"192.0.0.170", IP_RESERVED},	  {"192.0.1.0", IP_GLOBAL},
	    {"192.0.2.1", IP_DOCUMENTATION},   {"192.88.99.1", IP_RESERVED},	  {"192.168.0.1", IP_PRIVATE},
	    {"192.169.0.0", IP_GLOBAL},	       {"198.17.255.255", IP_GLOBAL},	  {"198.18.0.0", IP_BENCHMARK},
	    {"198.19.255.255", IP_BENCHMARK},  {"198.20.0.0", IP_GLOBAL},	  {"198.51.100.7", IP_DOCUMENTATION},
	    {"203.0.113.7", IP_DOCUMENTATION}, {"223.255.255.255", IP_GLOBAL},	  {"224.0.0.1", IP_MULTICAST},
	    {"239.255.255.255", IP_MULTICAST}, {"240.0.0.0", IP_RESERVED},	  {"255.255.255.255", IP_RESERVED},
	    {"8.8.8.8", IP_GLOBAL},	       {"::", IP_UNSPECIFIED},		  {"::1", IP_LOOPBACK},
	    {"::2", IP_UNSPECIFIED},	       {"::127.0.0.1", IP_LOOPBACK},	  {"::8.8.8.8", IP_RESERVED},
	    {"::ffff:127.0.0.1", IP_LOOPBACK}, {"::ffff:169.254.169.254", IP_METADATA}, {"::ffff:8.8.8.8", IP_GLOBAL},
	    {"::ffff:0:8.8.8.8", IP_RESERVED}, {"64:ff9b::8.8.8.8", IP_GLOBAL},	  {"64:ff9b::10.0.0.1", IP_PRIVATE},
	    {"64:ff9b::169.254.169.254", IP_METADATA}, {"64:ff9b:1::8.8.8.8", IP_PRIVATE}, {"100::1", IP_RESERVED},
	    {"2001::1", IP_RESERVED},	       {"2001:2::1", IP_BENCHMARK},	  {"2001:1ff::1", IP_RESERVED},
	    {"2001:200::1", IP_GLOBAL},	       {"2001:db8::1", IP_DOCUMENTATION}, {"2001:4860:4860::8888", IP_GLOBAL},
	    {"2002:7f00:1::", IP_LOOPBACK},    {"2002:808:808::", IP_RESERVED},	  {"2606:4700::1111", IP_GLOBAL},
	    {"3fff::1", IP_DOCUMENTATION},     {"3fff:1000::1", IP_GLOBAL},	  {"4000::1", IP_RESERVED},
	    {"5f00::1", IP_RESERVED},	       {"fbff::1", IP_RESERVED},	  {"fc00::1", IP_PRIVATE},
	    {"fd00:ec2::254", IP_METADATA},    {"fdff::1", IP_PRIVATE},		  {"fe80::1", IP_LINK_LOCAL},
	    {"febf::1", IP_LINK_LOCAL},	       {"fec0::1", IP_PRIVATE},		  {"ff02::1", IP_MULTICAST},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip_addr ip = ip_of(cases[i].text);

		ck_assert_msg(ip_classify(&ip) == cases[i].class, "%s is %s, wanted %s", cases[i].text,
			      ip_class_name(ip_classify(&ip)), ip_class_name(cases[i].class));
	}
}
END_TEST

START_TEST(test_ip_parse_odd_text_is_refused)
{
	static const char *const bad[] = {"",	       "1.2.3",	   "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "0x7f.1",
					  "2130706433", "127.1",   " 1.2.3.4",	"1.2.3.4 ", "[::1]",	 "fe80::1%lo",
					  ":::",       "1::2::3", "g::",	"12345::"};
	struct ip_addr ip;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(ip_parse(bad[i], strlen(bad[i]), &ip) == -1, "%s", bad[i]);
	ck_assert_int_eq(ip_parse("1.2.3.4\0", 8, &ip), -1);
}
END_TEST

START_TEST(test_ip_sockaddr_round_trip_is_same)
{
	static const char *const texts[] = {"192.0.2.33", "2001:db8::7", "::"};
	struct sockaddr_storage ss;
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < 3; i++) {
		struct ip_addr ip = ip_of(texts[i]), back;

		ck_assert_uint_eq(ip_to_sockaddr(&ip, 443, &ss),
				  ip.len == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		ck_assert_int_eq(ip_from_sockaddr((struct sockaddr *)&ss, &back), 0);
		ck_assert_mem_eq(&ip, &back, sizeof(ip));
		ck_assert_str_eq(ip_format(&back, text), texts[i]);
	}
	ss.ss_family = AF_UNIX;
	struct ip_addr ip;
	ck_assert_int_eq(ip_from_sockaddr((struct sockaddr *)&ss, &ip), -1);
	ck_assert_int_eq(ip_from_bytes("12345", 5, &ip), -1);
}
END_TEST

START_TEST(test_ip_in_prefix_uneven_bits_compares_bits)
{
	struct ip_addr net = ip_of("10.32.0.0"), in = ip_of("10.63.255.255"), out = ip_of("10.64.0.0");
	struct ip_addr six = ip_of("::");

	ck_assert(ip_in_prefix(&in, &net, 11));
	ck_assert(!ip_in_prefix(&out, &net, 11));
	ck_assert(ip_in_prefix(&out, &net, 0));
	ck_assert(!ip_in_prefix(&six, &net, 0));
	ck_assert(ip_in_prefix(&net, &net, 32));
	ck_assert(!ip_in_prefix(&in, &net, 32));
}
END_TEST

UNIT_MAIN("runtime/addrclass", ADD(test_ip_classify_table_matches) ADD(test_ip_parse_odd_text_is_refused)
	  ADD(test_ip_sockaddr_round_trip_is_same) ADD(test_ip_in_prefix_uneven_bits_compares_bits))
