// SPDX-License-Identifier: Apache-2.0
//
// Strict JSON: what the scanner refuses, what it lets through, what the getters say.
#include "layerfs/json.h"

#include "tests/unit/unit.h"

#include <string.h>

enum { MAX = 1 << 20 };

static int parse(const char *text, size_t n, struct err *err)
{
	cJSON *v = NULL;
	int rc = json_parse(text, n, MAX, &v, err);

	cJSON_Delete(v);
	return rc;
}

static const char *const good[] = {
	"{}", "[]", "0", "-0", "-1.5e+3", "true", "null", "\"\"", " \t\r\n[ 1 , 2 ]\n", "{\"a\":{\"b\":[{},[],1]},\"c\":null}",
	"\"\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
	"[100000000000000000000000000000000000000000000000000000000000]", "1e999", "[{\"a\":1},{\"a\":2}]", "{\"a\":1,\"A\":2}",
};

START_TEST(test_json_parse_good_texts_pass)
{
	struct err err = ERR_INIT;

	if (parse(good[_i], strlen(good[_i]), &err))
		ck_abort_msg("%s: %s", good[_i], err.msg);
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
	{"", "ends early"},
	{" ", "ends early"},
	{"{", "ends early"},
	{"[1", "ends early"},
	{"[1,", "ends early"},
	{"[1,]", "value was expected"},
	{"[,1]", "value was expected"},
	{"{\"a\"}", "':' was expected"},
	{"{\"a\":}", "value was expected"},
	{"{\"a\":1,}", "key was expected"},
	{"{a:1}", "key was expected"},
	{"[1}", "end of the list"},
	{"{\"a\":1]", "end of the list"},
	{"]", "value was expected"},
	{"{} {}", "after the end"},
	{"1 2", "after the end"},
	{"01", "malformed number"},
	{"+1", "value was expected"},
	{".5", "value was expected"},
	{"1.", "malformed number"},
	{"1e", "malformed number"},
	{"-", "malformed number"},
	{"[1000000000000000000000000000000000000000000000000000000000000]", "more than 60"},
	{"0.00000000000000000000000000000000000000000000000000000000001", "more than 60"},
	{"NaN", "value was expected"},
	{"tru", "unknown word"},
	{"'a'", "value was expected"},
	{"\"a", "ends in a string"},
	{"\"a\\", "ends in a string"},
	{"\"\\x41\"", "unknown escape"},
	{"\"\\u00\"", "four hex digits"},
	{"\"\\u0000\"", "\\u0000"},
	{"\"\\ud800\"", "lone surrogate"},
	{"\"\\ud800\\u0041\"", "lone surrogate"},
	{"\"\\udc00\"", "lone surrogate"},
	{"\"\n\"", "control character"},
	{"\"\xff\"", "not UTF-8"},
	{"\"\xc0\x80\"", "not UTF-8"},
	{"\"\xed\xa0\x80\"", "not UTF-8"},
	{"\"\xf4\x90\x80\x80\"", "not UTF-8"},
	{"\"\xe2\x82\"", "not UTF-8"},
	{"\xef\xbb\xbf{}", "value was expected"},
	{"{\"a\":1,\"b\":2,\"a\":3}", "key \"a\" twice"},
	{"[[{\"a\":1,\"\\u0061\":3}]]", "key \"a\" twice"},
	{"/*x*/1", "value was expected"},
};

START_TEST(test_json_parse_bad_texts_are_refused_with_reason)
{
	struct err err = ERR_INIT;

	ck_assert_msg(parse(bad[_i].text, strlen(bad[_i].text), &err) == -1, "%s passed", bad[_i].text);
	ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%s: %s", bad[_i].text, err.msg);
	ck_assert_int_eq(err.class, ERR_INPUT);
}
END_TEST

START_TEST(test_json_parse_nul_byte_is_refused)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(parse("{}\0", 3, &err), -1);
	ck_assert_int_eq(parse("\"a\0b\"", 5, &err), -1);
}
END_TEST

START_TEST(test_json_parse_depth_is_capped)
{
	struct err err = ERR_INIT;
	char text[2 * (JSON_DEPTH_MAX + 1)];

	memset(text, '[', JSON_DEPTH_MAX);
	memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
	assert_ok(parse(text, 2 * (size_t)JSON_DEPTH_MAX, &err));
	memset(text, '[', JSON_DEPTH_MAX + 1);
	memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
	ck_assert_int_eq(parse(text, sizeof(text), &err), -1);
	ck_assert(strstr(err.msg, "too deeply") != NULL);
}
END_TEST

START_TEST(test_json_parse_size_is_capped)
{
	struct err err = ERR_INIT;
	cJSON *v = NULL;

	ck_assert_int_eq(json_parse("[1]", 3, 2, &v, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_ptr_null(v);
}
END_TEST

static cJSON *doc(const char *text)
{
	struct err err = ERR_INIT;
	cJSON *v = NULL;

	assert_ok(json_parse(text, strlen(text), MAX, &v, &err));
	return v;
}

START_TEST(test_json_get_types_and_absence)
{
	struct err err = ERR_INIT;
	cJSON *v = doc("{\"s\":\"x\",\"n\":5,\"neg\":-5,\"f\":1.5,\"big\":9007199254740993,\"b\":true,\"z\":null,\"a\":[1]}");
	const char *s = "default";
	uint64_t u = 7;
	int64_t i = 0;
	bool b = false;
	const cJSON *c = NULL;

	assert_ok(json_get_string(v, "s", JSON_REQUIRED, &s, &err));
	ck_assert_str_eq(s, "x");
	s = "default";
	assert_ok(json_get_string(v, "z", JSON_OPTIONAL, &s, &err));
	assert_ok(json_get_string(v, "none", JSON_OPTIONAL, &s, &err));
	ck_assert_str_eq(s, "default");
	ck_assert_int_eq(json_get_string(v, "none", JSON_REQUIRED, &s, &err), -1);
	ck_assert_str_eq(err.msg, "key \"none\" is missing");
	ck_assert_int_eq(json_get_string(v, "n", JSON_OPTIONAL, &s, &err), -1);
	ck_assert_str_eq(err.msg, "key \"n\" is no string");
	assert_ok(json_get_u64(v, "n", JSON_REQUIRED, &u, &err));
	ck_assert_uint_eq(u, 5);
	assert_ok(json_get_u64(v, "none", JSON_OPTIONAL, &u, &err));
	ck_assert_uint_eq(u, 5);
	ck_assert_int_eq(json_get_u64(v, "neg", JSON_REQUIRED, &u, &err), -1);
	assert_ok(json_get_i64(v, "neg", JSON_REQUIRED, &i, &err));
	ck_assert_int_eq(i, -5);
	ck_assert_int_eq(json_get_u64(v, "f", JSON_REQUIRED, &u, &err), -1);
	ck_assert_int_eq(json_get_u64(v, "big", JSON_REQUIRED, &u, &err), -1);
	assert_ok(json_get_bool(v, "b", JSON_REQUIRED, &b, &err));
	ck_assert(b);
	assert_ok(json_get_array(v, "a", JSON_REQUIRED, &c, &err));
	ck_assert_int_eq(json_get_object(v, "a", JSON_REQUIRED, &c, &err), -1);
	ck_assert_int_eq(json_get_string(c, "a", JSON_REQUIRED, &s, &err), -1);
	cJSON_Delete(v);
}
END_TEST

START_TEST(test_json_get_key_in_other_case_is_refused)
{
	struct err err = ERR_INIT;
	cJSON *v = doc("{\"layers\":[],\"Layers\":[1]}");
	const cJSON *c = NULL;

	ck_assert_int_eq(json_get_array(v, "layers", JSON_REQUIRED, &c, &err), -1);
	ck_assert(strstr(err.msg, "only in case") != NULL);
	cJSON_Delete(v);
}
END_TEST

START_TEST(test_json_get_strings_copies_and_refuses_others)
{
	struct err err = ERR_INIT;
	cJSON *v = doc("{\"a\":[\"x\",\"\"],\"e\":[],\"z\":null,\"m\":[\"x\",1]}");
	char **items = NULL;
	size_t n = 9;
	bool present = false;

	assert_ok(json_get_strings(v, "a", &items, &n, &present, &err));
	ck_assert(present && n == 2 && !strcmp(items[0], "x") && !strcmp(items[1], ""));
	json_strings_free(items, n);
	assert_ok(json_get_strings(v, "e", &items, &n, &present, &err));
	ck_assert(present && n == 0 && !items);
	assert_ok(json_get_strings(v, "z", &items, &n, &present, &err));
	ck_assert(!present && n == 0 && !items);
	ck_assert_int_eq(json_get_strings(v, "m", &items, &n, NULL, &err), -1);
	ck_assert_str_eq(err.msg, "key \"m\": element 1 is no string");
	cJSON_Delete(v);
}
END_TEST

START_TEST(test_json_add_quoted_escapes_what_it_must)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf b = BUF_INIT(0);

	assert_ok(json_add_quoted(&b, "a\"\\\n\x7f\xc3\xa9/", &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "\"a\\\"\\\\\\u000a\x7f\xc3\xa9/\"");
}
END_TEST

#define LOOP(name, table) tcase_add_loop_test(tc_, name, 0, sizeof(table) / sizeof(*(table)));

UNIT_MAIN("layerfs/json",
	  LOOP(test_json_parse_good_texts_pass, good) LOOP(test_json_parse_bad_texts_are_refused_with_reason, bad)
	  ADD(test_json_parse_nul_byte_is_refused) ADD(test_json_parse_depth_is_capped)
	  ADD(test_json_parse_size_is_capped) ADD(test_json_get_types_and_absence)
	  ADD(test_json_get_key_in_other_case_is_refused) ADD(test_json_get_strings_copies_and_refuses_others)
	  ADD(test_json_add_quoted_escapes_what_it_must))
