// SPDX-License-Identifier: Apache-2.0
//
// Every rule of the entropy table against one file that it must name and one, as like as possible, that it must not.
// The paths of the apt, dpkg and ldconfig rows are those of the six files known to differ between two real builds with
// `apt-get install`; the contents here, and the other rows, are written by hand after the formats.
#include "layerfs/entropy.h"

#include "base/buf.h"
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

#define S(text) text, sizeof(text) - 1
#define ZIP(time, date) S("PK\3\4\24\0\0\0\0\0" time date "crcccsiz\0uuuu\1\0\0\0a")
#define AR(when) S("!<arch>\n" "a.o/            " when "0     0     100644  2         `\nxx")

static const struct {
	const char *rule, *yes_path, *yes;
	size_t yes_len;
	const char *no_path, *no;
	size_t no_len;
} cases[] = {
	{"apt-pkgcache", "var/cache/apt/pkgcache.bin", S("x"), "var/lib/dpkg/status", S("x")},
	{"ldconfig-aux-cache", "var/cache/ldconfig/aux-cache", S("x"), "etc/ld.so.cache", S("x")},
	{"apt-log", "var/log/apt/history.log", S("Start-Date: 2026-11-21  10:00:00\n"), "var/lib/apt/extended_states", S("x")},
	{"dpkg-log", "var/log/dpkg.log", S("2026-11-21 10:00:00 startup\n"), "var/lib/dpkg/info/bash.list", S("/.\n")},
	{"package-log", "var/log/dnf.rpm.log", S("x"), "usr/lib/dnf", S("x")},
	{"apt-lists", "var/lib/apt/lists/deb.example_InRelease", S("x"), "var/lib/apt/lists/lock", S("")},
	{"apt-archives", "var/cache/apt/archives/a_1_amd64.deb", S("x"), "srv/a_1_amd64.deb", S("x")},
	{"debconf-old", "var/cache/debconf/config.dat-old", S("x"), "var/cache/debconf/config.dat", S("x")},
	{"apk-scripts", "lib/apk/db/scripts.tar", S("x"), "lib/apk/db/triggers", S("x")},
	{"apk-virtual", "lib/apk/db/installed", S("C:Q1\nP:.deps\nV:20261121.100000\nA:noarch\n"), "lib/apk/db/installed",
	 S("C:Q1\nP:musl\nV:1.2.4-r2\nA:x86_64\nV:20230506-r0\n")},
	{"apk-cache", "var/cache/apk/APKINDEX.0.tar.gz", S("x"), "etc/apk/world", S("x")},
	{"rpm-db", "var/lib/rpm/rpmdb.sqlite", S("x"), "usr/lib/rpm/macros", S("x")},
	{"dnf-state", "var/lib/dnf/history.sqlite", S("x"), "etc/dnf/dnf.conf", S("x")},
	{"machine-id", "etc/machine-id", S("3f2a\n"), "etc/machine-id", S("")},
	{"ssh-host-key", "etc/ssh/ssh_host_rsa_key", S("x"), "etc/ssh/ssh_config", S("x")},
	{"snakeoil-key", "etc/ssl/private/ssl-cert-snakeoil.key", S("x"), "etc/ssl/certs/ca-certificates.crt", S("x")},
	{"random-seed", "var/lib/systemd/random-seed", S("x"), "var/lib/systemd/catalog", S("x")},
	{"shadow-date", "etc/shadow", S("root:*:0:0:99999:7:::\napp:!:20778::::::\n"), "etc/shadow",
	 S("root:*::0:99999:7:::\napp:!:0::::::")},
	{"pyc-stamp", "usr/lib/python3/__pycache__/a.cpython-311.pyc", S("\xa7\r\r\n\0\0\0\0\x10\x20\x30\x65\7\0\0\0rest"),
	 "usr/lib/python3/__pycache__/a.cpython-311.pyc", S("\xa7\r\r\n\1\0\0\0\x10\x20\x30\x65\7\0\0\0rest")},
	{"git-dir", "src/.git/index", S("x"), "src/.gitignore", S("x")},
	{"user-cache", "root/.cache/pip/http/a", S("x"), "root/.config/a", S("x")},
	{"npm-state", "root/.npm/_logs/x.log", S("x"), "app/node_modules/a/index.js", S("x")},
	{"history", "root/.bash_history", S("x"), "root/.bashrc", S("x")},
	{"fontconfig-cache", "var/cache/fontconfig/a.cache-7", S("x"), "etc/fonts/fonts.conf", S("x")},
	{"man-cache", "var/cache/man/index.db", S("x"), "usr/share/man/man1/ls.1", S("x")},
	{"icon-cache", "usr/share/icons/hicolor/icon-theme.cache", S("x"), "usr/share/icons/hicolor/index.theme", S("x")},
	{"java-keystore", "etc/ssl/certs/java/cacerts", S("\xfe\xed\xfe\xed\0\0"), "etc/ssl/certs/java/cacerts", S("text")},
	{"login-record", "var/log/wtmp", S("x"), "var/log/wtmp", S("")},
	{"log", "var/log/app/app.log", S("x"), "var/log/README", S("")},
	{"tmp-leftover", "tmp/x", S(""), "srv/tmpl", S("")},
	{"run-leftover", "run/lock/x", S(""), "usr/lib/run", S("")},
	{"docker-injected", "etc/hostname", S("3fa\n"), "etc/hostname", S("")},
	{"editor-leftover", "srv/.DS_Store", S("x"), "srv/DS_Store", S("x")},
	{"pip-record", "usr/lib/a-1.dist-info/direct_url.json", S("{}"), "usr/lib/a-1.dist-info/RECORD", S("x")},
	{"coverage-data", "srv/a.gcda", S("x"), "srv/a.gcno", S("x")},
	{"build-log", "src/a/config.log", S("x"), "src/a/config.h", S("x")},
	{"zip-times", "srv/a.jar", ZIP("\x10\x20", "\x30\x40"), "srv/a.jar", ZIP("\0\0", "\x21\0")},
	{"ar-times", "usr/lib/a.a", AR("1700000000  "), "usr/lib/a.a", AR("0           ")},
	{"gzip-time", "srv/a.gz", S("\x1f\x8b\x08\0\1\2\3\4\0\3"), "srv/a.gz", S("\x1f\x8b\x08\0\0\0\0\0\0\3")},
};

static const struct entropy_rule *match(const char *path, const char *data, size_t n)
{
	struct bytes b = {data, n};
	struct entropy_file f = {read_bytes, &b, n};
	const struct entropy_rule *rule = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(entropy_match(path, &f, &rule, &err) >= 0, "%s", err.msg);
	return rule;
}

START_TEST(test_entropy_match_each_rule_names_its_positive_and_not_its_negative)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct entropy_rule *yes = match(cases[i].yes_path, cases[i].yes, cases[i].yes_len);
		const struct entropy_rule *no = match(cases[i].no_path, cases[i].no, cases[i].no_len);

		ck_assert_msg(yes && !strcmp(yes->id, cases[i].rule), "%s: %s", cases[i].rule, yes ? yes->id : "none");
		ck_assert_msg(!no || strcmp(no->id, cases[i].rule), "%s names %s", cases[i].rule, cases[i].no_path);
	}
}
END_TEST

START_TEST(test_entropy_rules_each_has_a_case_and_a_remedy)
{
	for (const struct entropy_rule *r = entropy_rules; r->id; r++) {
		size_t found = 0;

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			found += !strcmp(cases[i].rule, r->id);
		ck_assert_msg(found == 1, "rule %s has %zu cases", r->id, found);
		ck_assert(r->remedy[0] && r->cause[0]);
		ck_assert_ptr_eq(entropy_rule_by_id(r->id, strlen(r->id)), r);
	}
}
END_TEST

START_TEST(test_entropy_probe_truncated_file_is_no_match)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t n = 0; n < cases[i].yes_len; n++)
			match(cases[i].yes_path, cases[i].yes, n); // must neither crash nor over-read (ASan)
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

UNIT_MAIN("layerfs/entropy", ADD(test_entropy_match_each_rule_names_its_positive_and_not_its_negative)
	  ADD(test_entropy_rules_each_has_a_case_and_a_remedy) ADD(test_entropy_probe_truncated_file_is_no_match)
	  ADD(test_entropy_glob_stars_respect_slashes) ADD(test_entropy_scrub_parse_words_choose_rules))
