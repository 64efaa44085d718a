// SPDX-License-Identifier: Apache-2.0
//
// JSON in and out as the reference's library has it (facts/eif-format.md 5.2).
#include "eifgen/json_value.h"

#include "tests/unit/unit.h"

#include <string.h>

// The compact form of `in` with sorted keys, or the error's text.
static const char *normal(const char *in, unsigned depth, enum jdoc_rounding rounding)
{
	static char out[8192];
	_cleanup_jdoc_ struct jdoc d = JDOC_INIT;
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	struct err err = ERR_INIT;
	size_t n = strlen(in);
	char *exact = malloc(n ? n : 1); // no NUL behind it: ASan sees a read past the end

	memcpy(exact, in, n);
	const char *text = jdoc_parse(&d, exact, n, depth, rounding, &err) || jdoc_write(&d, d.nodes, true, &o, &err)
				   ? NULL
				   : jout_text(&o, &err);
	snprintf(out, sizeof(out), "%s", text ? text : err.msg);
	free(exact);
	return out;
}

static const struct {
	const char *in, *out;
} rows[] = {
	{"1e3", "1000.0"},
	{"0.00001", "0.00001"},
	{"0.000001", "1e-6"},
	{"123e-7", "0.0000123"},
	{"5e15", "5000000000000000.0"},
	{"1e16", "1e16"},
	{"123456789012345680.0", "1.2345678901234568e17"},
	{"1.5e300", "1.5e300"},
	{"-0", "-0.0"},
	{"-0.0", "-0.0"},
	{"0e5", "0.0"},
	{"1e-400", "0.0"},
	{"5e-324", "5e-324"},
	{"18446744073709551615", "18446744073709551615"},
	{"18446744073709551616", "1.8446744073709552e19"},
	{"-9223372036854775808", "-9223372036854775808"},
	{"-9223372036854775809", "-9.223372036854776e18"},
	{"12.34", "12.34"},
	{"{\"b\":1,\"a\":{\"z\":[],\"\":{}},\"b\":2}", "{\"a\":{\"\":{},\"z\":[]},\"b\":2}"},
	{"{\"a\":1,\"a\\u0000\":2,\"\xc3\xa9\":3,\"Z\":4}", "{\"Z\":4,\"a\":1,\"a\\u0000\":2,\"\xc3\xa9\":3}"},
	{" [ true , false , null ] ", "[true,false,null]"},
	{"\"\\u00e9\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\u001f\x7f\"", "\"\xc3\xa9\xf0\x9f\x98\x80/\\b\\f\\n\\r\\t\\u001f\x7f\""},
};

START_TEST(test_jdoc_write_values_take_the_reference_form)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ck_assert_str_eq(normal(rows[i].in, 127, JDOC_EXACT), rows[i].out);
		ck_assert_str_eq(normal(rows[i].in, 127, JDOC_AS_REFERENCE), rows[i].out);
	}
}
END_TEST

START_TEST(test_jdoc_parse_rounding_is_the_reference_s_or_exact)
{
	ck_assert_str_eq(normal("31.245270191439438", 1, JDOC_AS_REFERENCE), "31.24527019143944");
	ck_assert_str_eq(normal("31.245270191439438", 1, JDOC_EXACT), "31.245270191439438");
	ck_assert_str_eq(normal("122.416294033786585", 1, JDOC_AS_REFERENCE), "122.4162940337866");
}
END_TEST

START_TEST(test_jdoc_parse_broken_text_is_refused)
{
	static const char *const bad[] = {
		"", " ", "nul", "01", "1.", ".5", "-", "1e", "1e+", "+1", "NaN", "[1,]", "[", "{", "{\"a\"}", "{\"a\":}", "{,}", "\"",
		"\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\x01\"", "\"\xff\"", "\"\\x\"",
		"\xef\xbb\xbfnull", "1 2", "1e309", "-1e309", "1e99999999999999999999", "{1:2}", "'a'", "\"\\"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_msg(!strncmp(normal(bad[i], 127, JDOC_EXACT), "JSON at byte", 12), "%s", bad[i]);
		ck_assert_msg(!strncmp(normal(bad[i], 127, JDOC_AS_REFERENCE), "JSON at byte", 12), "%s", bad[i]);
	}
	ck_assert_str_eq(normal("0e99999999999999999999", 1, JDOC_AS_REFERENCE), "0.0");
}
END_TEST

START_TEST(test_jdoc_parse_depth_is_the_caller_s)
{
	ck_assert_str_eq(normal("[[1]]", 2, JDOC_EXACT), "[[1]]");
	ck_assert_ptr_nonnull(strstr(normal("[[1]]", 1, JDOC_EXACT), "nested too deeply"));
	ck_assert_str_eq(normal("[[],[]]", 2, JDOC_EXACT), "[[],[]]");
}
END_TEST

START_TEST(test_jout_pretty_layout_is_two_blanks)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;

	jout_open(&o, NULL, '{');
	jout_str(&o, "a", "x: \xff");
	jout_open(&o, "b", '[');
	jout_uint(&o, NULL, 1);
	jout_hex(&o, NULL, "\xab", 1);
	jout_close(&o, ']');
	jout_open(&o, "c", '{');
	jout_close(&o, '}');
	jout_str(&o, "d", NULL);
	jout_close(&o, '}');
	ck_assert_str_eq(jout_text(&o, &err), "{\n  \"a\": \"x: \xef\xbf\xbd\",\n  \"b\": [\n    1,\n    \"ab\"\n  ],\n"
					      "  \"c\": {},\n  \"d\": null\n}\n");
}
END_TEST

UNIT_MAIN("eifgen/json_value", ADD(test_jdoc_write_values_take_the_reference_form)
	ADD(test_jdoc_parse_rounding_is_the_reference_s_or_exact) ADD(test_jdoc_parse_broken_text_is_refused)
	ADD(test_jdoc_parse_depth_is_the_caller_s) ADD(test_jout_pretty_layout_is_two_blanks))
