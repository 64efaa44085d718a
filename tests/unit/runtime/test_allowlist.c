// SPDX-License-Identifier: Apache-2.0
//
// The one table that says what the allowlist's grammar means, for both sides; and host names and Punycode below it.
#include "runtime/common/allowlist.h"

#include "runtime/common/hostname.h"
#include "runtime/common/punycode.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct allowlist *list_of(const char *text)
{
	struct err err = ERR_INIT;
	struct allowlist *list = allowlist_new(&err);

	ck_assert_ptr_nonnull(list);
	ck_assert_msg(allowlist_parse(list, text, strlen(text), &err) == 0, "%s: %s", text, err.msg);
	return list;
}

START_TEST(test_allowlist_allows_name_table_matches)
{
	static const struct {
		const char *list, *name;
		unsigned port;
		bool allowed;
	} cases[] = {
	    {"", "example.com", 443, false},
	    {" \n ", "example.com", 443, false},
	    {"example.com", "example.com", 443, true},
	    {"example.com", "example.com", 1, true},
	    {"example.com", "example.com", 65535, true},
	    {"example.com", "example.com", 0, false},
	    {"example.com", "example.com.", 443, true},
	    {"Example.COM.", "eXample.com", 443, true},
	    {"example.com", "www.example.com", 443, false},
	    {"example.com", "example.com..", 443, false},
	    {"example.com", "example.co", 443, false},
	    {"example.com", "", 443, false},
	    {"example.com:443", "example.com", 443, true},
	    {"example.com:443", "example.com", 80, false},
	    {"example.com:443", "example.com", 444, false},
	    {"example.com:8000-8100", "example.com", 8000, true},
	    {"example.com:8000-8100", "example.com", 8100, true},
	    {"example.com:8000-8100", "example.com", 8101, false},
	    {"example.com:80,example.com:443", "example.com", 443, true},
	    {"*.example.com", "example.com", 443, false},
	    {"*.example.com", "a.example.com", 443, true},
	    {"*.example.com", "a.b.c.example.com", 443, true},
	    {"*.example.com", "notexample.com", 443, false},
	    {"*.example.com", ".example.com", 443, false},
	    {"*.example.com:443", "a.example.com", 80, false},
	    {"*.EXAMPLE.com.", "A.example.COM", 80, true},
	    {"*", "anything.at.all", 9, true},
	    {"*", "a", 9, true},
	    {"*", "not a name", 9, false},
	    {"*:443", "example.com", 443, true},
	    {"*:443", "example.com", 80, false},
	    {"*", "93.184.216.34", 443, false},
	    {"0.0.0.0/0", "example.com", 443, false},
	    {" a.example ,\tb.example\n c.example \n", "c.example", 443, true},
	    {"xn--bcher-kva.example", "xn--bcher-kva.example", 443, true},
	    {"xn--bcher-kva.example", "b\xc3\xbc"
				       "cher.example",
	     443, false},
	    {"_sip._tcp.example.com", "_sip._tcp.example.com", 5060, true},
	    {"localhost", "localhost", 443, true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct allowlist *list = list_of(cases[i].list);

		ck_assert_msg(allowlist_allows_name(list, cases[i].name, strlen(cases[i].name),
						    (uint16_t)cases[i].port) == cases[i].allowed,
			      "list \"%s\", name \"%s\", port %u", cases[i].list, cases[i].name, cases[i].port);
		allowlist_free(list);
	}
}
END_TEST

START_TEST(test_allowlist_allows_addr_table_matches)
{
	static const struct {
		const char *list, *addr;
		unsigned port;
		bool allowed;
	} cases[] = {
	    {"", "8.8.8.8", 53, false},
	    {"*", "8.8.8.8", 53, false},
	    {"8.8.8.8", "8.8.8.8", 53, true},
	    {"8.8.8.8", "8.8.8.9", 53, false},
	    {"8.8.8.8:53", "8.8.8.8", 853, false},
	    {"8.8.8.0/24:53", "8.8.8.255", 53, true},
	    {"8.8.8.0/24", "8.8.9.0", 53, false},
	    {"0.0.0.0/0", "1.2.3.4", 1, true},
	    {"0.0.0.0/0", "2001:db8::1", 1, false},
	    {"8.8.8.8", "::ffff:8.8.8.8", 53, true},
	    {"2001:db8::/32", "2001:db8:ffff::1", 443, true},
	    {"2001:db8::/32", "2001:db9::1", 443, false},
	    {"[2001:db8::1]:443", "2001:db8::1", 443, true},
	    {"[2001:db8::1]:443", "2001:db8::1", 80, false},
	    {"[2001:db8::/32]:443", "2001:db8::1", 443, true},
	    {"[2001:db8::1]", "2001:db8::1", 80, true},
	    {"::/0", "2001:db8::1", 443, true},
	    {"::/0", "1.2.3.4", 443, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct allowlist *list = list_of(cases[i].list);
		struct ip_addr ip;

		ck_assert_int_eq(ip_parse(cases[i].addr, strlen(cases[i].addr), &ip), 0);
		ck_assert_msg(allowlist_allows_addr(list, &ip, (uint16_t)cases[i].port) == cases[i].allowed,
			      "list \"%s\", address %s, port %u", cases[i].list, cases[i].addr, cases[i].port);
		allowlist_free(list);
	}
}
END_TEST

START_TEST(test_allowlist_parse_bad_entry_is_error)
{
	static const struct {
		const char *list, *says;
	} cases[] = {
	    {",", "empty entry"},
	    {"a.example,", "empty entry"},
	    {"a.example,,b.example", "empty entry"},
	    {"a.example\n\nb.example", "empty entry"},
	    {"a b.example", "no host name holds"},
	    {"**", "`*` stands alone"},
	    {"*example.com", "`*` stands alone"},
	    {"a.*.com", "`*` stands alone"},
	    {"*.*.com", "`*` stands alone"},
	    {"*.", "is empty"},
	    {".example.com", "empty label"},
	    {"a..example", "empty label"},
	    {"-a.example", "hyphen"},
	    {"a.example:", "a port is"},
	    {"a.example:0", "a port is"},
	    {"a.example:65536", "a port is"},
	    {"a.example:0443", "a port is"},
	    {"a.example:+443", "a port is"},
	    {"a.example:443-", "LOW-HIGH"},
	    {"a.example:443-80", "LOW-HIGH"},
	    {"https://a.example", "a port is"},
	    {"1.2.3", "ends in a number"},
	    {"1.2.3.256", "ends in a number"},
	    {"10.0.0.1/8", "past its prefix"},
	    {"10.0.0.0/33", "prefix length"},
	    {"10.0.0.0/", "prefix length"},
	    {"10.0.0.0/08", "prefix length"},
	    {"a.example/8", "no address"},
	    {"2001:db8::1/32", "past its prefix"},
	    {"::ffff:1.2.3.4", "v4-mapped"},
	    {"[::1", "`[` without `]`"},
	    {"[::1]443", "after `]`"},
	    {"[1.2.3.4]:443", "IPv6 address"},
	    {"[a.example]:443", "IPv6 address"},
	    {"[]:443", "IPv6 address"},
	    {"b\xc3\xbc" "cher.example", "xn--bcher-kva.example"},
	    {"*.\xe4\xbe\x8b\xe5\xad\x90.example", "xn--fsqu00a.example"},
	    {"\xff.example", "neither ASCII nor UTF-8"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct allowlist *list = allowlist_new(&err);

		ck_assert_msg(allowlist_parse(list, cases[i].list, strlen(cases[i].list), &err) == -1, "%s",
			      cases[i].list);
		ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s: %s", cases[i].list, err.msg);
		ck_assert_int_eq(err.class, ERR_INPUT);
		allowlist_free(list);
	}
}
END_TEST

START_TEST(test_allowlist_add_past_cap_is_limit)
{
	struct err err = ERR_INIT;
	struct allowlist *list = allowlist_new(&err);

	for (int i = 0; i < ALLOWLIST_ENTRIES_MAX; i++)
		assert_ok(allowlist_add(list, "a.example", 9, &err));
	ck_assert_int_eq(allowlist_add(list, "a.example", 9, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_uint_eq(allowlist_count(list), ALLOWLIST_ENTRIES_MAX);
	allowlist_free(list);
}
END_TEST

START_TEST(test_allowlist_exact_name_other_kinds_are_null)
{
	struct allowlist *list = list_of("A.example,*.b.example,*,10.0.0.0/8");

	ck_assert_str_eq(allowlist_exact_name(list, 0), "a.example");
	for (size_t i = 1; i < 4; i++)
		ck_assert_ptr_null(allowlist_exact_name(list, i));
	ck_assert(allowlist_knows_name(list, "x", 1));
	allowlist_free(list);
	allowlist_free(NULL);
}
END_TEST

START_TEST(test_hostname_normalise_lengths_at_limit)
{
	char name[300], out[HOSTNAME_MAX + 1];
	struct err err = ERR_INIT;

	memset(name, 'a', sizeof(name));
	ck_assert_int_eq(hostname_normalise(name, 63, out, NULL), 0);
	ck_assert_int_eq(hostname_normalise(name, 64, out, &err), -1);
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	ck_assert_int_eq(hostname_normalise(name, 253, out, NULL), 0);
	ck_assert_int_eq(hostname_normalise(name, 254, out, NULL), -1);
	name[253] = '.';
	ck_assert_int_eq(hostname_normalise(name, 254, out, NULL), 0);
	ck_assert_uint_eq(strlen(out), 253);
	ck_assert_int_eq(hostname_normalise(".", 1, out, NULL), -1);
	ck_assert_int_eq(hostname_normalise("a\0b", 3, out, NULL), -1);
}
END_TEST

// RFC 3492 section 7.1: (B) Chinese simplified, (L) Japanese with ASCII, and German.
START_TEST(test_punycode_name_rfc_samples_match)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8\x8d\xe8\xaf\xb4\xe4\xb8\xad\xe6\x96\x87",
	     "xn--ihqwcrb4cv8a8dqg056pqjye"},
	    {"3\xe5\xb9\xb4" "b\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab\xe5\x85\x88\xe7\x94\x9f", "xn--3b-ww4c5e180e575a65lsy2b"},
	    {"www.M\xc3\xbcnchen.de", "www.xn--mnchen-3ya.de"},
	    {"plain.example", "plain.example"},
	    {"", ""},
	};
	char out[128];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_int_eq(punycode_name(cases[i].in, strlen(cases[i].in), out, sizeof(out)), 0);
		ck_assert_str_eq(out, cases[i].out);
	}
	ck_assert_int_eq(punycode_name("\xc3\xbc", 2, out, 7), -1);
	ck_assert_int_eq(punycode_name("\xc3\xbc", 2, out, 8), 0);
	ck_assert_int_eq(punycode_name("\xc0\x80", 2, out, sizeof(out)), -1);
	ck_assert_int_eq(punycode_name("\xed\xa0\x80", 3, out, sizeof(out)), -1);
	ck_assert_int_eq(punycode_name("\xc3", 1, out, sizeof(out)), -1);
}
END_TEST

UNIT_MAIN("runtime/allowlist",
	  ADD(test_allowlist_allows_name_table_matches) ADD(test_allowlist_allows_addr_table_matches)
	      ADD(test_allowlist_parse_bad_entry_is_error) ADD(test_allowlist_add_past_cap_is_limit)
		  ADD(test_allowlist_exact_name_other_kinds_are_null) ADD(test_hostname_normalise_lengths_at_limit)
		      ADD(test_punycode_name_rfc_samples_match))
