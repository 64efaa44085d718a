// SPDX-License-Identifier: Apache-2.0
//
// The image configuration: absent, null and empty members; and what is no configuration.
#include "layerfs/config.h"

#include "tests/unit/layerfs/image_fixture.h"

#define ID "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FS ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" ID "\"]}"
#define HEAD "{\"architecture\":\"amd64\",\"os\":\"linux\""

static int parse(const char *text, struct image_config *c, size_t *count, struct err *err)
{
	char (*ids)[DIGEST_TEXT_MAX] = NULL;
	int rc = config_parse(text, strlen(text), 1 << 20, c, &ids, count, err);

	free(ids);
	return rc;
}

START_TEST(test_config_parse_absent_null_and_empty_are_told_apart)
{
	struct err err = ERR_INIT;
	struct image_config c;
	size_t count;

	assert_ok(parse(HEAD ",\"config\":{\"Entrypoint\":[],\"Cmd\":null}" FS "}", &c, &count, &err));
	ck_assert(c.has_entrypoint && !c.has_cmd);
	ck_assert(c.entrypoint_count == 0 && !c.entrypoint && !c.env && !c.variant && !c.created);
	ck_assert(!c.ports && c.port_count == 0);
	ck_assert_str_eq(c.user, "");
	ck_assert_str_eq(c.working_dir, "");
	ck_assert_uint_eq(count, 1);
	config_clear(&c);
	assert_ok(parse(HEAD ",\"config\":null" FS "}", &c, &count, &err));
	config_clear(&c);
	assert_ok(parse(HEAD ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}", &c, &count, &err));
	ck_assert_uint_eq(count, 0);
	config_clear(&c);
}
END_TEST

START_TEST(test_config_parse_all_members_are_read)
{
	struct err err = ERR_INIT;
	struct image_config c;
	size_t count;

	assert_ok(parse(HEAD ",\"variant\":\"v3\",\"created\":\"2026-01-01T00:00:00Z\",\"history\":[{\"empty_layer\":true}],"
			"\"config\":{\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\",\"b\"],\"Env\":[\"X=\xc3\xa9\"],\"User\":\"1:2\","
			"\"WorkingDir\":\"/w\",\"ExposedPorts\":{\"8080/tcp\":{},\"53/udp\":{}},\"Labels\":{\"env\":\"1\",\"Env\":\"2\"}}" FS "}", &c, &count, &err));
	ck_assert_str_eq(c.variant, "v3");
	ck_assert_str_eq(c.created, "2026-01-01T00:00:00Z");
	ck_assert_str_eq(c.entrypoint[0], "/e");
	ck_assert_uint_eq(c.cmd_count, 2);
	ck_assert_str_eq(c.env[0], "X=\xc3\xa9");
	ck_assert_str_eq(c.user, "1:2");
	ck_assert_str_eq(c.working_dir, "/w");
	ck_assert_uint_eq(c.port_count, 2);
	ck_assert_str_eq(c.ports[0], "8080/tcp");
	ck_assert_str_eq(c.ports[1], "53/udp");
	config_clear(&c);
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
	{"[]", "not a JSON object"},
	{"{}", "\"architecture\" is missing"},
	{"{\"architecture\":\"amd64\"" FS "}", "\"os\" is missing"},
	{HEAD "}", "\"rootfs\" is missing"},
	{HEAD ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[5]}}", "diff_ids[0] is no string"},
	{HEAD ",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" ID "\",\"sha256:1\"]}}", "diff_ids[1]: "},
	{HEAD ",\"rootfs\":{\"type\":\"other\",\"diff_ids\":[]}}", "\"layers\""},
	{HEAD ",\"config\":{\"Cmd\":\"/bin/sh\"}" FS "}", "config: key \"Cmd\" is no list"},
	{HEAD ",\"config\":{\"ExposedPorts\":[\"80/tcp\"]}" FS "}", "ExposedPorts"},
	{HEAD ",\"config\":{\"Env\":[1]}" FS "}", "config: key \"Env\": element 0"},
	{HEAD ",\"config\":{\"Cmd\":[],\"cmd\":[]}" FS "}", "only in case"},
	{HEAD ",\"config\":{\"User\":\"a\\u0000b\"}" FS "}", "\\u0000"},
};

START_TEST(test_config_parse_unsound_texts_are_refused)
{
	struct err err = ERR_INIT;
	struct image_config c;
	size_t count;

	ck_assert_msg(parse(bad[_i].text, &c, &count, &err) == -1, "%s passed", bad[_i].text);
	ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%s: %s", bad[_i].text, err.msg);
	config_clear(&c);
}
END_TEST

#define LOOP(name, table) tcase_add_loop_test(tc_, name, 0, sizeof(table) / sizeof(*(table)));

UNIT_MAIN("layerfs/config",
	  ADD(test_config_parse_absent_null_and_empty_are_told_apart) ADD(test_config_parse_all_members_are_read)
	  LOOP(test_config_parse_unsound_texts_are_refused, bad))
