// SPDX-License-Identifier: Apache-2.0
//
// The name table: one address a name for life, no address for two names, no reuse when full.
#include "runtime/data-plane/names.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

START_TEST(test_names_assign_many_are_distinct_and_stay)
{
	enum { COUNT = 5000 };
	struct err err = ERR_INIT;
	struct names *t = names_new(COUNT, &err);
	static struct ip_addr addrs[COUNT];
	char name[32];

	for (int round = 0; round < 2; round++)
		for (int i = 0; i < COUNT; i++) {
			struct ip_addr ip;

			snprintf(name, sizeof(name), "h%d.example", i);
			ck_assert_int_eq(names_assign(t, name, &ip), 0);
			ck_assert(names_in_range(&ip));
			ck_assert_uint_ge(ip.bytes[1], 128);
			ck_assert(ip.bytes[3] != 0 && ip.bytes[3] != 255);
			if (round)
				ck_assert_mem_eq(&ip, &addrs[i], sizeof(ip));
			addrs[i] = ip;
			ck_assert_str_eq(names_find(t, &ip), name);
		}
	ck_assert_uint_eq(names_count(t), COUNT);
	names_free(t);
}
END_TEST

START_TEST(test_names_assign_full_table_refuses_new_keeps_old)
{
	struct err err = ERR_INIT;
	struct names *t = names_new(2, &err);
	struct ip_addr a, b, c;

	ck_assert_int_eq(names_assign(t, "a.example", &a), 0);
	ck_assert_int_eq(names_assign(t, "b.example", &b), 0);
	ck_assert_int_eq(names_assign(t, "c.example", &c), -1);
	ck_assert_int_eq(names_assign(t, "a.example", &c), 0);
	ck_assert_mem_eq(&a, &c, sizeof(a));
	ck_assert_str_eq(names_find(t, &b), "b.example");
	names_free(t);
}
END_TEST

START_TEST(test_names_assign_two_tables_agree)
{
	struct err err = ERR_INIT;
	struct names *t = names_new(8, &err), *u = names_new(64, &err);
	struct ip_addr a, b;

	names_assign(t, "x.example", &a);
	names_assign(u, "y.example", &b);
	names_assign(u, "x.example", &b);
	ck_assert_mem_eq(&a, &b, sizeof(a));
	names_free(t);
	names_free(u);
}
END_TEST

START_TEST(test_names_find_unknown_is_null)
{
	static const char *const texts[] = {"127.0.0.1", "127.127.255.255", "127.128.0.1", "128.0.0.1", "::1"};
	struct err err = ERR_INIT;
	struct names *t = names_new(1, &err);
	struct ip_addr ip;

	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(ip_parse(texts[i], strlen(texts[i]), &ip), 0);
		ck_assert_ptr_null(names_find(t, &ip));
		ck_assert(names_in_range(&ip) == (i == 2));
	}
	names_free(t);
	names_free(NULL);
}
END_TEST

UNIT_MAIN("runtime/names",
	  ADD(test_names_assign_many_are_distinct_and_stay) ADD(test_names_assign_full_table_refuses_new_keeps_old)
	      ADD(test_names_assign_two_tables_agree) ADD(test_names_find_unknown_is_null))
