// SPDX-License-Identifier: Apache-2.0
//
// Credential files, helpers, challenges; and the URL rules beside them.
#include "layerfs/http.h"
#include "layerfs/registry_auth.h"

#include "tests/unit/layerfs/image_fixture.h"

static char authfile[300];

static void put_auth(const char *text)
{
	snprintf(authfile, sizeof(authfile), "%s/auth-XXXXXX", scratch_root());
	int fd = mkstemp(authfile);
	ck_assert_int_ge(fd, 0);
	close(fd);
	put_text(scratch_root(), authfile + strlen(scratch_root()) + 1, text);
}

static void find(const char *host, const char *repo, const char *user, const char *secret)
{
	struct registry_options opt = {.authfile = authfile};
	struct credentials c;
	struct err err = ERR_INIT;

	assert_ok(credentials_find(&opt, host, repo, &c, &err));
	if (!user)
		ck_assert_msg(!c.user && !c.identity, "%s/%s: %s", host, repo, c.user);
	else
		ck_assert_msg(c.user && !strcmp(c.user, user) && !strcmp(c.secret, secret), "%s/%s: %s", host, repo, c.user);
	credentials_clear(&c);
}

START_TEST(test_credentials_find_longest_key_wins)
{
	// base64 of a:1, b:2, c:3, d:4 and e:with:colon
	put_auth("{\"auths\":{\"r.example\":{\"auth\":\"YTox\"},\"r.example/team\":{\"auth\":\"Yjoy\"},"
		 "\"r.example/team/app\":{\"auth\":\"Yzoz\"},\"https://index.docker.io/v1/\":{\"auth\":\"ZDo0\"},"
		 "\"r.example:5000\":{\"auth\":\"ZTp3aXRoOmNvbG9u\"},\"empty.example\":{}}}");
	find("r.example", "x", "a", "1");
	find("r.example", "teams", "a", "1");
	find("r.example", "team", "b", "2");
	find("r.example", "team/x", "b", "2");
	find("r.example", "team/app", "c", "3");
	find("r.example:5000", "team/app", "e", "with:colon");
	find("docker.io", "library/x", "d", "4");
	find("example", "x", NULL, NULL);
	find("r.example:1", "x", NULL, NULL);
	find("empty.example", "x", NULL, NULL);
}
END_TEST

static const struct {
	const char *text, *says;
} bad[] = {
	{"", "ends early"},
	{"{\"auths\":[]}", "no object"},
	{"{\"auths\":{\"r.example\":{\"auth\":\"!!!!\"}}}", "no base64"},
	{"{\"auths\":{\"r.example\":{\"auth\":\"YTo\"}}}", "no base64"},
	{"{\"auths\":{\"r.example\":{\"auth\":\"YWFh\"}}}", "no user"},
	{"{\"auths\":{\"r.example\":{\"auth\":\"YQA6\"}}}", "no user"},
	{"{\"auths\":{\"r.example\":{\"auth\":5}}}", "no string"},
};

START_TEST(test_credentials_find_malformed_file_is_named)
{
	struct registry_options opt = {.authfile = authfile};
	struct credentials c;
	struct err err = ERR_INIT;

	put_auth(bad[_i].text);
	ck_assert_msg(credentials_find(&opt, "r.example", "x", &c, &err) == -1, "%s passed", bad[_i].text);
	ck_assert_msg(strstr(err.msg, bad[_i].says) && strstr(err.msg, authfile), "%s: %s", bad[_i].text, err.msg);
	credentials_clear(&c);
}
END_TEST

START_TEST(test_credentials_find_absent_files_are_passed_over)
{
	const char *const files[] = {"/nowhere/auth.json", authfile, NULL};
	struct registry_options opt = {.authfiles = files};
	struct credentials c;
	struct err err = ERR_INIT;

	put_auth("{\"auths\":{\"r.example\":{\"auth\":\"YTox\",\"identitytoken\":\"tok\"}}}");
	assert_ok(credentials_find(&opt, "r.example", "x", &c, &err));
	ck_assert_str_eq(c.user, "a");
	ck_assert_str_eq(c.identity, "tok");
	credentials_clear(&c);
	opt.authfile = "/nowhere/auth.json";
	ck_assert_int_eq(credentials_find(&opt, "r.example", "x", &c, &err), -1);
}
END_TEST

static int helper(void *ctx, const char *name, const char *server, struct buf *out, struct err *err)
{
	if (!strcmp(name, "broken"))
		return err_set(err, ERR_IO, "it died");
	return buf_printf(out, err, "{\"ServerURL\":\"%s\",\"Username\":\"%s\",\"Secret\":\"%s\"}", server,
			  (const char *)ctx, name);
}

START_TEST(test_credentials_find_helpers_are_asked)
{
	struct registry_options opt = {.authfile = authfile, .run_helper = helper, .helper_ctx = (void *)"me"};
	struct credentials c;
	struct err err = ERR_INIT;

	put_auth("{\"auths\":{\"r.example\":{\"auth\":\"YTox\"},\"s.example\":{}},\"credHelpers\":{\"r.example\":\"one\","
		 "\"b.example\":\"broken\",\"e.example\":\"../evil\"},\"credsStore\":\"store\"}");
	assert_ok(credentials_find(&opt, "r.example", "x", &c, &err));
	ck_assert_str_eq(c.user, "me");
	ck_assert_str_eq(c.secret, "one");
	credentials_clear(&c);
	assert_ok(credentials_find(&opt, "s.example", "x", &c, &err));
	ck_assert_str_eq(c.secret, "store");
	credentials_clear(&c);
	opt.helper_ctx = (void *)"<token>";
	assert_ok(credentials_find(&opt, "r.example", "x", &c, &err));
	ck_assert_str_eq(c.identity, "one");
	ck_assert_ptr_null(c.user);
	credentials_clear(&c);
	ck_assert_int_eq(credentials_find(&opt, "b.example", "x", &c, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "credential helper broken: it died"));
	ck_assert_int_eq(credentials_find(&opt, "e.example", "x", &c, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "helper's name"));
}
END_TEST

START_TEST(test_credentials_basic_is_base64)
{
	struct credentials c = {.user = (char *)"user", .secret = (char *)"p:w"};
	struct err err = ERR_INIT;
	char *text = credentials_basic(&c, &err);

	ck_assert_str_eq(text, "Basic dXNlcjpwOnc=");
	free(text);
}
END_TEST

START_TEST(test_challenge_parse_reads_schemes_and_parameters)
{
	struct challenge c = {0};
	struct err err = ERR_INIT;

	assert_ok(challenge_parse("Bearer realm=\"https://a.example/t?x=1,2\", service=\"q\\\"uo\",scope=a", &c, &err));
	ck_assert(c.bearer && !c.basic);
	ck_assert_str_eq(c.realm, "https://a.example/t?x=1,2");
	ck_assert_str_eq(c.service, "q\"uo");
	challenge_clear(&c);
	assert_ok(challenge_parse("Negotiate, basic realm=\"x\", bearer REALM=y", &c, &err));
	ck_assert(c.bearer && c.basic);
	ck_assert_str_eq(c.realm, "y");
	challenge_clear(&c);
	// RFC 9110 11.2: blanks around the equals sign are to be taken, though never sent.
	assert_ok(challenge_parse("Negotiate aGVsbG8==, Bearer\trealm = \"https://b.example/t\" , service\t=  s", &c, &err));
	ck_assert(c.bearer && !c.basic);
	ck_assert_str_eq(c.realm, "https://b.example/t");
	ck_assert_str_eq(c.service, "s");
	challenge_clear(&c);
	ck_assert_int_eq(challenge_parse("Bearer realm=\"x", &c, &err), -1);
	ck_assert_int_eq(challenge_parse("Bearer realm=\"x\\", &c, &err), -1);
	ck_assert_int_eq(challenge_parse("=x", &c, &err), -1);
	challenge_clear(&c);
}
END_TEST

START_TEST(test_http_resolve_plain_http_stays_on_this_machine)
{
	static const struct {
		const char *base, *location;
		bool plain, ok;
	} rows[] = {
		{"https://r.example/v2/", "https://cdn.example/x", false, true},
		{"https://r.example/v2/", "/v2/x", false, true},
		{"https://r.example/v2/", "http://cdn.example/x", false, false},
		{"https://r.example/v2/", "http://127.0.0.1/x", false, false},
		{"https://r.example/v2/", "http://cdn.example/x", true, false},
		{"http://r.example/v2/", "/x", false, false},
		{"http://r.example/v2/", "/x", true, true},
		{"http://localhost:5/v2/", "/x", false, true},
		{"http://[::1]:5/v2/", "/x", false, true},
		{"http://127.1.2.3:5/v2/", "/x", false, true},
		{"http://127.0.0.1.example/v2/", "/x", false, false},
		{"http://127.0.0.1:5/v2/", "http://r.example/x", false, false},
		{"https://r.example/v2/", "https://user@cdn.example/x", false, false},
		{"https://r.example/v2/", "file:///etc/passwd", false, false},
		{"https://r.example/v2/", "ftp://r.example/", true, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct http_settings set = {.plain_http = rows[i].plain};
		struct err err = ERR_INIT;
		char *url = http_resolve(&set, rows[i].base, rows[i].location, &err);

		ck_assert_msg((url != NULL) == rows[i].ok, "%s -> %s: %s", rows[i].base, rows[i].location, err.msg);
		free(url);
	}
}
END_TEST

START_TEST(test_http_same_origin_compares_scheme_host_and_port)
{
	ck_assert(http_same_origin("https://R.example/a", "https://r.example:443/b"));
	ck_assert(!http_same_origin("https://r.example/", "http://r.example/"));
	ck_assert(!http_same_origin("https://r.example/", "https://r.example:444/"));
	ck_assert(!http_same_origin("https://r.example/", "https://cdn.r.example/"));
	ck_assert(!http_same_origin("https://r.example/", "not a url at all"));
}
END_TEST

#define LOOP(name, table) tcase_add_loop_test(tc_, name, 0, sizeof(table) / sizeof(*(table)));

UNIT_MAIN("layerfs/credentials",
	  ADD(test_credentials_find_longest_key_wins) LOOP(test_credentials_find_malformed_file_is_named, bad)
	  ADD(test_credentials_find_absent_files_are_passed_over) ADD(test_credentials_find_helpers_are_asked)
	  ADD(test_credentials_basic_is_base64) ADD(test_challenge_parse_reads_schemes_and_parameters)
	  ADD(test_http_resolve_plain_http_stays_on_this_machine)
	  ADD(test_http_same_origin_compares_scheme_host_and_port))
