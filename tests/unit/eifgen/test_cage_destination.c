// SPDX-License-Identifier: Apache-2.0
//
// What an element of egress.destinations may be, held against the allowlist of the enclave: it takes everything that is
// taken here, and refuses everything that is refused here save what allows all by accident.
#include "eifgen/cage_destination.h"

#include "runtime/common/allowlist.h"
#include "tests/unit/unit.h"

#include <string.h>

static bool plane_takes(const char *text)
{
	struct err err = ERR_INIT;
	struct allowlist *list = allowlist_new(&err);
	bool takes = list && allowlist_parse(list, text, strlen(text), &err) == 0;

	allowlist_free(list);
	return takes;
}

#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
static const struct {
	const char *text, *fault; // NULL: none
} rows[] = {
	{"example.com", NULL},
	{"example.com.", NULL},
	{"EXAMPLE.com:443", NULL},
	{"a_b.example.com:80-443", NULL},
	{"xn--bcher-kva.de", NULL},
	{"localhost:1", NULL},
	{"*.example.com:65535", NULL},
	{"*.b.com.", NULL},
	{"*", NULL},
	{"*:443", NULL},
	{"192.0.2.4:443", NULL},
	{"10.0.0.0/8:1-2", NULL},
	{"128.0.0.0/1", NULL},
	{"2001:db8::1", NULL},
	{"[2001:db8::]:443", NULL},
	{"[2001:db8::/32]:443", NULL},
	{"::ffff:0:0/96", "written as IPv6"},
	{LABEL63 ".com", NULL},
	{LABEL63 "g.com", "a label of more than 63 bytes"},
	{LABEL63 "." LABEL63 "." LABEL63 "." LABEL63, "longer than 253 bytes"},
	{"foo..com", "an empty label"},
	{".foo.com", "an empty label"},
	{".", "an empty label"},
	{"*..com", "an empty label"},
	{":443", "an empty label"},
	{"-a.com", "a hyphen"},
	{"a-.com", "a hyphen"},
	{"user@foo.com", "no host name holds"},
	{"foo.com:443:44", "no host name holds"},
	{"b\xc3\xbc" "cher.de", "its xn-- form"},
	{"1.2.3", "ends in a number"},
	{"01.2.3.4", "ends in a number"},
	{"*.1.2", "ends in a number"},
	{"foo.com:", "a port that"},
	{"foo.com:0", "a port that"},
	{"foo.com:080", "a port that"},
	{"foo.com:65536", "a port that"},
	{"foo.com:443-80", "a port that"},
	{"foo.com:80-", "a port that"},
	{"foo.com:https", "a port that"},
	{"*:0", "a port that"},
	{"[::1]:", "a port that"},
	{"10.0.0.1/8", "behind its prefix"},
	{"2001:db8::1/32", "behind its prefix"},
	{"10.0.0.0/33", "a prefix that"},
	{"10.0.0.0/", "a prefix that"},
	{"10.0.0.0/08", "a prefix that"},
	{"abc/10", "no address"},
	{"example.com/", "no address"},
	{"[1.2.3.4]", "no IPv6 address"},
	{"[]", "no IPv6 address"},
	{"[::1", "not closed"},
	{"[::1]80", "more than a port"},
	{"::ffff:1.2.3.4", "written as IPv6"},
	{"[::ffff:1.2.3.4]:443", "written as IPv6"},
	{"a.*.com", "a `*`"},
	{"a.com\x01", "no host name holds"},
};

START_TEST(test_cage_destination_fault_is_the_allowlists)
{
	const char *text = rows[_i].text, *fault = cage_destination_fault(text, 1);

	ck_assert_msg(!fault == !rows[_i].fault && (!fault || strstr(fault, rows[_i].fault)), "%s: said: %s", text, fault ? fault : "nothing");
	ck_assert_msg(plane_takes(text) == !fault, "%s: the enclave says otherwise", text);
}
END_TEST

// Every text of up to five of these bytes and words.
START_TEST(test_cage_destination_fault_passes_nothing_that_the_allowlist_refuses)
{
	static const char *const words[] = {"a", ".", "-", "*", ":", "1", "/", "[", "]", "0.0.0.0", "::"};
	enum { N = sizeof(words) / sizeof(words[0]), LONGEST = 5 };
	size_t at[LONGEST] = {0}, taken = 0;

	for (size_t n = 1; n <= LONGEST; n++) {
		for (bool more = true; more;) {
			char text[LONGEST * 8] = "";
			size_t i = 0;

			for (size_t k = 0; k < n; k++)
				strcat(text, words[at[k]]);

			const char *fault = cage_destination_fault(text, 1);

			taken += !fault;
			if (!fault || !strstr(fault, "allows"))
				ck_assert_msg(plane_takes(text) == !fault, "%s: %s", text, fault ? fault : "taken");
			while (i < n && ++at[i] == N)
				at[i++] = 0;
			more = i < n;
		}
	}
	ck_assert_uint_gt(taken, 100);
}
END_TEST

UNIT_MAIN("eifgen/cage_destination",
	  tcase_add_loop_test(tc_, test_cage_destination_fault_is_the_allowlists, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	  ADD(test_cage_destination_fault_passes_nothing_that_the_allowlist_refuses))
