// SPDX-License-Identifier: Apache-2.0
//
// Every rule of the entropy table against files of real double builds: what differed between two builds of one
// Dockerfile, which it must name in both, and what was the same, as like as possible, which it must not. The fixtures
// and how they were made stand in testdata/scan; SCAN_FIXTURES names another directory of that form (tests/long makes
// one). The rules of apk are the exception: no apk is packaged for Debian, so theirs are written by hand after the
// formats.
#include "layerfs/entropy.h"

#include "base/buf.h"
#include "base/io.h"
#include "tests/unit/layerfs/scan_fixtures.h"
#include "tests/unit/unit.h"

#include <string.h>

struct bytes {
	const char *p;
	size_t n;
};

static ssize_t read_bytes(void *ctx, uint64_t off, void *p, size_t n, struct err *err)
{
	struct bytes *b = ctx;

	(void)err;
	if (off >= b->n)
		return 0;
	if (n > b->n - off)
		n = b->n - off;
	if (n > 7)
		n = 7; // short reads: a probe must loop
	memcpy(p, b->p + off, n);
	return (ssize_t)n;
}

// Rules whose cause no package of Debian can make, and further paths of rules that have real fixtures.
#define S(text) text, sizeof(text) - 1
static const struct {
	const char *rule, *yes_path, *yes;
	size_t yes_len;
	const char *no_path, *no;
	size_t no_len;
} by_hand[] = {
	{"apk-scripts", "lib/apk/db/scripts.tar", S("x"), "lib/apk/db/triggers", S("x")},
	{"apk-virtual", "lib/apk/db/installed", S("C:Q1\nP:.deps\nV:20261121.100000\nA:noarch\n"), "lib/apk/db/installed",
	 S("C:Q1\nP:musl\nV:1.2.4-r2\nA:x86_64\nV:20230506-r0\n")},
	{"apk-cache", "var/cache/apk/APKINDEX.0.tar.gz", S("x"), "etc/apk/world", S("x")},
	{"package-log", "var/log/yum.log", S("x"), "usr/lib/yum", S("x")},
	{"ssh-host-key", "etc/dropbear/dropbear_rsa_host_key", S("x"), "etc/dropbear/banner", S("x")},
	{"random-seed", "var/lib/urandom/random-seed", S("x"), "var/lib/urandom", S("x")},
	{"history", "home/app/.python_history", S("x"), "home/app/.profile", S("x")},
	{"editor-leftover", "srv/.DS_Store", S("x"), "srv/DS_Store", S("x")},
	{"java-keystore", "etc/ssl/certs/java/cacerts", S("\xfe\xed\xfe\xed\0\0"), "etc/ssl/certs/java/cacerts", S("text")},
	{"docker-injected", "etc/hosts", S("127.0.0.1\tlocalhost\n172.17.0.2\t4f6e0c1b2a3d\n"), "etc/hosts",
	 // Alpine's
	 S("# all alike\n127.0.0.1\tlocalhost localhost.localdomain\n::1 localhost ip6-localhost # 10.0.0.1\n")},
	{"docker-injected", "etc/resolv.conf", S("nameserver 10.0.0.1"), "etc/hostname", S("localhost\n")},
	{"machine-id", "etc/machine-id", S("0123456789abcdef0123456789abcdef\n"), "etc/machine-id", S("uninitialized\n")},
	{"pyc-stamp", "usr/lib/python2.7/a.pyc", S("\x03\xf3\r\n\1\2\3\4cccccccc"), "usr/lib/python2.7/a.pyc",
	 S("\x03\xf3\r\n\0\0\0\0cccccccc")}, // no flags before 3.7: the time follows the magic
	{"pyc-stamp", "usr/lib/python3.6/a.pyc", S("\x33\x0d\r\n\1\2\3\4\5\0\0\0cccc"), "usr/lib/python3.11/a.pyc",
	 S("\xa7\x0d\r\n\1\0\0\0hashhash")},
	{"npm-state", "app/node_modules/.cache/a", S("x"), "app/node_modules/a/index.js", S("x")},
};
static const char *const unmade[] = {"apk-scripts", "apk-virtual", "apk-cache", NULL};

static const struct entropy_rule *match(const char *path, const char *data, size_t n)
{
	struct bytes b = {data, n};
	struct entropy_file f = {read_bytes, &b, n};
	const struct entropy_rule *rule = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(entropy_match(path, &f, &rule, &err) >= 0, "%s", err.msg);
	return rule;
}

static const char *named(const char *path, const struct buf *b)
{
	const struct entropy_rule *r = match(path, b->data ? (const char *)b->data : "", b->len);

	return r ? r->id : "none";
}

START_TEST(test_entropy_match_real_builds_are_named_by_their_rule)
{
	struct fixtures f;

	fixtures_load(&f);
	for (size_t i = 0; i < f.count; i++) {
		const struct fixture *x = &f.list[i];

		if (!x->positive || !entropy_rule_by_id(x->rule, strlen(x->rule)))
			continue; // build-date is no rule of the table: eifgen/test_scan
		for (int k = 0; k < 2; k++)
			ck_assert_msg(!strcmp(named(x->path[k], &x->data[k]), x->rule), "build %d: %s is %s, not %s", k + 1,
				      x->path[k], named(x->path[k], &x->data[k]), x->rule);
		ck_assert_msg(strcmp(x->path[0], x->path[1]) || strcmp(x->sha256[0], x->sha256[1]), "%s: both builds have it alike",
			      x->path[0]);
	}
	fixtures_free(&f);
}
END_TEST

START_TEST(test_entropy_match_what_real_builds_make_alike_is_not_named)
{
	struct fixtures f;

	fixtures_load(&f);
	for (size_t i = 0; i < f.count; i++) {
		const struct fixture *x = &f.list[i];

		if (x->positive)
			continue;
		ck_assert_msg(strcmp(named(x->path[0], &x->data[0]), x->rule), "%s names %s", x->rule, x->path[0]);
		ck_assert_str_eq(x->path[0], x->path[1]);
		ck_assert_str_eq(x->sha256[0], x->sha256[1]);
	}
	fixtures_free(&f);
}
END_TEST

START_TEST(test_entropy_match_by_hand_names_the_positive_and_not_the_negative)
{
	for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++) {
		const struct entropy_rule *yes = match(by_hand[i].yes_path, by_hand[i].yes, by_hand[i].yes_len);
		const struct entropy_rule *no = match(by_hand[i].no_path, by_hand[i].no, by_hand[i].no_len);

		ck_assert_msg(yes && !strcmp(yes->id, by_hand[i].rule), "%s: %s", by_hand[i].rule, yes ? yes->id : "none");
		ck_assert_msg(!no || strcmp(no->id, by_hand[i].rule), "%s names %s", by_hand[i].rule, by_hand[i].no_path);
	}
}
END_TEST

static size_t count_rows(const struct fixtures *f, const char *rule, bool positive)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		n += f->list[i].positive == positive && !strcmp(f->list[i].rule, rule);
	return n;
}

START_TEST(test_entropy_rules_each_has_real_fixtures_and_a_remedy)
{
	struct fixtures f;

	fixtures_load(&f);
	for (const struct entropy_rule *r = entropy_rules; r->id; r++) {
		size_t yes = count_rows(&f, r->id, true), no = count_rows(&f, r->id, false);
		bool made = true;

		for (int i = 0; unmade[i]; i++)
			made = made && strcmp(unmade[i], r->id);
		ck_assert_msg(made ? yes && no : !yes && !no, "rule %s has %zu positive and %zu negative fixtures", r->id, yes, no);
		ck_assert(r->remedy[0] && r->cause[0]);
		ck_assert_ptr_eq(entropy_rule_by_id(r->id, strlen(r->id)), r);
	}
	fixtures_free(&f);
}
END_TEST

START_TEST(test_entropy_probe_truncated_file_is_no_crash)
{
	struct fixtures f;

	fixtures_load(&f);
	for (size_t i = 0; i < f.count; i++)
		for (size_t n = 0; n < f.list[i].data[0].len; n++)
			match(f.list[i].path[0], (const char *)f.list[i].data[0].data, n); // must not over-read (ASan)
	for (size_t i = 0; i < sizeof(by_hand) / sizeof(by_hand[0]); i++)
		for (size_t n = 0; n < by_hand[i].yes_len; n++)
			match(by_hand[i].yes_path, by_hand[i].yes, n);
	fixtures_free(&f);
}
END_TEST

START_TEST(test_entropy_glob_stars_respect_slashes)
{
	ck_assert(entropy_glob("a/*", "a/b"));
	ck_assert(!entropy_glob("a/*", "a/b/c"));
	ck_assert(entropy_glob("a/**", "a/b/c"));
	ck_assert(!entropy_glob("a/**", "a"));
	ck_assert(entropy_glob("**.pyc", "x/y/z.pyc"));
	ck_assert(!entropy_glob("**.pyc", "x/y/z.pycx"));
	ck_assert(entropy_glob("**/*.swp", "a/b/.c.swp"));
	ck_assert(!entropy_glob("**/*.swp", "a.swp"));
	ck_assert(entropy_glob("x|a?c|y", "abc"));
	ck_assert(!entropy_glob("a?c", "a/c"));
	ck_assert(entropy_glob("a/**/b*c", "a/1/2/bxbyc"));
	ck_assert(!entropy_glob("a/**/b*c", "a/1/2/bx/yd"));
	ck_assert(entropy_glob("", ""));
}
END_TEST

START_TEST(test_entropy_scrub_parse_words_choose_rules)
{
	struct err err = ERR_INIT;
	uint64_t set = 0, all = 0, safe = 0;

	assert_ok(entropy_scrub_parse("apt-log,dpkg-log", &set, &err));
	ck_assert_int_eq(__builtin_popcountll(set), 2);
	assert_ok(entropy_scrub_parse("all", &all, &err));
	assert_ok(entropy_scrub_parse("safe", &safe, &err));
	ck_assert_uint_eq(safe & all, safe);
	ck_assert_uint_ne(safe, all);
	ck_assert_int_eq(entropy_scrub_parse("apt-log,nope", &set, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	ck_assert_int_eq(entropy_scrub_parse("rpm-db", &set, &err), -1);
	ck_assert_int_eq(entropy_scrub_parse("", &set, &err), -1);
}
END_TEST

UNIT_MAIN("layerfs/entropy", ADD(test_entropy_match_real_builds_are_named_by_their_rule)
	  ADD(test_entropy_match_what_real_builds_make_alike_is_not_named)
	  ADD(test_entropy_match_by_hand_names_the_positive_and_not_the_negative)
	  ADD(test_entropy_rules_each_has_real_fixtures_and_a_remedy) ADD(test_entropy_probe_truncated_file_is_no_crash)
	  ADD(test_entropy_glob_stars_respect_slashes) ADD(test_entropy_scrub_parse_words_choose_rules))
