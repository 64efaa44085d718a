// SPDX-License-Identifier: Apache-2.0
//
// Configuration: every type, groups, defaults, and each way in which a map is refused.
#include "runtime/common/config.h"

#include "base/cbor.h"
#include "tests/unit/unit.h"

#include <string.h>

struct sample {
	bool flag;
	uint64_t count;
	char *name;
	struct addr at;
	struct config_list list;
};

#define F(key_, type_, member, ...)                                                                                    \
	{                                                                                                              \
		key_, type_, offsetof(struct sample, member), ##__VA_ARGS__                                            \
	}
static const struct config_field fields[] = {
    F("flag", CONFIG_BOOL, flag, 0, 0, false),       F("group.count", CONFIG_UINT, count, 2, 10, true),
    F("group.name", CONFIG_TEXT, name, 1, 8, false), F("group.deep.at", CONFIG_ADDR, at, 0, 0, false),
    F("list", CONFIG_LIST, list, 0, 3, false),
};
enum { N_FIELDS = sizeof(fields) / sizeof(*fields) };

static int decode(const struct buf *b, struct sample *s, struct err *err)
{
	return config_decode(b->data, b->len, fields, N_FIELDS, s, err);
}

static void put_group(struct buf *b, uint64_t pairs, uint64_t count)
{
	cbor_put_map(b, 2, NULL);
	cbor_put_text(b, "flag", NULL);
	cbor_put_bool(b, true, NULL);
	cbor_put_text(b, "group", NULL);
	cbor_put_map(b, pairs, NULL);
	cbor_put_text(b, "count", NULL);
	cbor_put_uint(b, count, NULL);
}

START_TEST(test_config_decode_all_types_fill_the_struct)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct sample s = {0};

	cbor_put_map(&b, 3, NULL);
	cbor_put_text(&b, "flag", NULL);
	cbor_put_bool(&b, true, NULL);
	cbor_put_text(&b, "group", NULL);
	cbor_put_map(&b, 3, NULL);
	cbor_put_text(&b, "count", NULL);
	cbor_put_uint(&b, 10, NULL);
	cbor_put_text(&b, "name", NULL);
	cbor_put_text(&b, "abc", NULL);
	cbor_put_text(&b, "deep", NULL);
	cbor_put_map(&b, 1, NULL);
	cbor_put_text(&b, "at", NULL);
	cbor_put_text(&b, "tcp:127.0.0.1:80", NULL);
	cbor_put_text(&b, "list", NULL);
	cbor_put_array(&b, 2, NULL);
	cbor_put_text(&b, "x", NULL);
	cbor_put_text(&b, "yy", NULL);
	assert_ok(decode(&b, &s, &err));
	ck_assert(s.flag);
	ck_assert_uint_eq(s.count, 10);
	ck_assert_str_eq(s.name, "abc");
	ck_assert_uint_eq(addr_port(&s.at), 80);
	ck_assert_uint_eq(s.list.n, 2);
	ck_assert_str_eq(s.list.items[1], "yy");
	config_release(fields, N_FIELDS, &s);
	config_release(fields, N_FIELDS, &s);
	ck_assert_ptr_null(s.name);
	// Every cut of it is refused, and leaks nothing.
	for (size_t n = 0; n < b.len; n++) {
		ck_assert_int_eq(config_decode(b.data, n, fields, N_FIELDS, &s, &err), -1);
		config_release(fields, N_FIELDS, &s);
	}
}
END_TEST

static void refused(const struct buf *b, const char *says)
{
	struct err err = ERR_INIT;
	struct sample s = {0};

	ck_assert_int_eq(decode(b, &s, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_msg(strstr(err.msg, says) != NULL, "\"%s\" does not say \"%s\"", err.msg, says);
	config_release(fields, N_FIELDS, &s);
}

START_TEST(test_config_decode_unknown_key_is_refused)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);

	put_group(&b, 2, 5);
	cbor_put_text(&b, "colour", NULL);
	cbor_put_uint(&b, 1, NULL);
	refused(&b, "\"group.colour\" is not known");
}
END_TEST

START_TEST(test_config_decode_key_twice_is_refused)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);

	put_group(&b, 2, 5);
	cbor_put_text(&b, "count", NULL);
	cbor_put_uint(&b, 5, NULL);
	refused(&b, "\"count\" stands twice");
}
END_TEST

START_TEST(test_config_decode_group_twice_is_refused)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);

	cbor_put_map(&b, 2, NULL);
	for (int i = 0; i < 2; i++) {
		cbor_put_text(&b, "group", NULL);
		cbor_put_map(&b, 1, NULL);
		cbor_put_text(&b, i ? "name" : "count", NULL);
		if (i)
			cbor_put_text(&b, "x", NULL);
		else
			cbor_put_uint(&b, 5, NULL);
	}
	refused(&b, "\"group\" stands twice");
}
END_TEST

START_TEST(test_config_decode_out_of_range_is_refused)
{
	_cleanup_buf_ struct buf low = BUF_INIT(0), high = BUF_INIT(0);

	put_group(&low, 1, 1);
	refused(&low, "\"group.count\": less than 2");
	put_group(&high, 1, 11);
	refused(&high, "\"group.count\"");
}
END_TEST

START_TEST(test_config_decode_wrong_type_and_missing_are_refused)
{
	_cleanup_buf_ struct buf wrong = BUF_INIT(0), none = BUF_INIT(0), dotted = BUF_INIT(0), more = BUF_INIT(0);

	cbor_put_map(&wrong, 1, NULL);
	cbor_put_text(&wrong, "flag", NULL);
	cbor_put_uint(&wrong, 1, NULL);
	refused(&wrong, "\"flag\"");
	cbor_put_map(&none, 0, NULL);
	refused(&none, "\"group.count\" is missing");
	cbor_put_map(&dotted, 1, NULL);
	cbor_put_text(&dotted, "group.count", NULL);
	cbor_put_uint(&dotted, 5, NULL);
	refused(&dotted, "is not known");
	put_group(&more, 1, 5);
	cbor_put_uint(&more, 0, NULL);
	refused(&more, "");
}
END_TEST

START_TEST(test_config_load_names_the_file)
{
	struct err err = ERR_INIT;
	struct sample s = {0};

	ck_assert_int_eq(config_load("/nonexistent/config", fields, N_FIELDS, &s, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/config"));
}
END_TEST

UNIT_MAIN("runtime/config",
	  ADD(test_config_decode_all_types_fill_the_struct) ADD(test_config_decode_unknown_key_is_refused)
	      ADD(test_config_decode_key_twice_is_refused) ADD(test_config_decode_group_twice_is_refused)
		  ADD(test_config_decode_out_of_range_is_refused)
		      ADD(test_config_decode_wrong_type_and_missing_are_refused) ADD(test_config_load_names_the_file))
