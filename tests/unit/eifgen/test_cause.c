// SPDX-License-Identifier: Apache-2.0
//
// Verdicts on pairs of bytes: each class with a pair that has it, and a pair that differs in one more respect and so
// must not get it.
#include "eifgen/cause.h"

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
	memcpy(p, b->p + off, n);
	return (ssize_t)n;
}

#define S(text) text, sizeof(text) - 1
#define ZIP(time, body) S("PK\3\4\24\0\0\0\0\0" time "\x21\x50" "crcccsiz\0uuuu\1\0\0\0a" body)
#define AR(when, body) S("!<arch>\n" "a.o/            " when "0     0     100644  2         `\n" body)
#define ELF_PAD "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ELF(id, tail) S(ELF_PAD "\4\0\0\0\24\0\0\0\3\0\0\0GNU\0" id tail)

static const struct {
	const char *cause;
	const char *a;
	size_t a_len;
	const char *b;
	size_t b_len;
} cases[] = {
	{"zip-times", ZIP("\1\1", "x"), ZIP("\2\2", "x")},
	{"content", ZIP("\1\1", "x"), ZIP("\2\2", "y")},
	{"ar-times", AR("1700000000  ", "xx"), AR("1700000001  ", "xx")},
	{"content", AR("1700000000  ", "xx"), AR("1700000001  ", "xy")},
	{"gzip-time", S("\x1f\x8b\x08\0\1\2\3\4\0\3restrest"), S("\x1f\x8b\x08\0\5\6\7\x08\0\3restrest")},
	{"build-id", ELF("01234567890123456789", "t"), ELF("abcdefghijabcdefghij", "t")},
	{"content", ELF("01234567890123456789", "t"), ELF("abcdefghijabcdefghij", "u")},
	{"embedded-date", S("built 2026-11-21 10:00:01\n"), S("built 2026-11-22 09:59:59\n")},
	{"embedded-date", S("Sat Nov 21 10:00:01 UTC 2026"), S("Sun Dec  6 10:00:01 UTC 2026")},
	{"embedded-date", S("stamp=1795302483;"), S("stamp=1795304734;")},
	{"embedded-date", S("on 2026-11-21;"), S("on 2026-11-22;")},
	{"embedded-date", S("on 2026-10-21;"), S("on 2026-11-21;")},
	{"embedded-date", S("at 10:00:01"), S("at 10:00:02")},
	{"embedded-date", S("Nov 21"), S("Nov  6")},
	{"embedded-date", S("pid 7 on 20261121"), S("pid 8 on 20261122")},
	{"number", S("pid 17\n"), S("pid 18\n")},
	{"number", S("1.2.3, since 2020-01-02 10:00:00\n"), S("1.2.4, since 2020-01-02 10:00:00\n")},
	{"number", S("bash 5.2.15-2 (Mar 2020)\n"), S("bash 5.2.15-3 (Mar 2020)\n")},
	{"number", S("1:2.4"), S("1:3.4")},
	{"content", S("pid 17 a\n"), S("pid 18 b\n")},
	{"random-id", S("id 0a1b2c3d4e5f\n"), S("id ffffaaaa00001\n")},
	{"random-id", S("dir /tmp/tmpAbC_x\n"), S("dir /tmp/tmpxyz123\n")},
	{"build-path", S("prefix=/home/alice/src\n"), S("prefix=/srv/ci/work\n")},
	{"reordered", S("b\na\nc\n"), S("c\nb\na\n")},
	{"content", S("b\na\nc\n"), S("c\nb\nd\n")},
	{"content", S(""), S("x")},
};

static struct cause judge(unsigned what, size_t i)
{
	struct bytes a = {cases[i].a, cases[i].a_len}, b = {cases[i].b, cases[i].b_len};
	struct entropy_file fa = {read_bytes, &a, a.n}, fb = {read_bytes, &b, b.n};
	struct cause c = {NULL, NULL, NULL};
	struct err err = ERR_INIT;

	assert_ok(cause_judge("srv/file", what, &fa, &fb, &c, &err));
	return c;
}

START_TEST(test_cause_judge_bytes_give_their_class)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cause c = judge(DIFF_CONTENT, i);

		ck_assert_msg(!strcmp(c.id, cases[i].cause), "case %zu: %s, not %s", i, c.id, cases[i].cause);
		ck_assert(c.text[0] && c.remedy[0]);
	}
}
END_TEST

START_TEST(test_cause_judge_path_rule_comes_before_bytes)
{
	struct bytes a = {"1", 1}, b = {"2", 1};
	struct entropy_file fa = {read_bytes, &a, 1}, fb = {read_bytes, &b, 1};
	struct err err = ERR_INIT;
	struct cause c;

	assert_ok(cause_judge("var/log/dpkg.log", DIFF_CONTENT, &fa, &fb, &c, &err));
	ck_assert_str_eq(c.id, "dpkg-log");
	assert_ok(cause_judge("var/log/dpkg.log", DIFF_ADDED, NULL, &fb, &c, &err));
	ck_assert_str_eq(c.id, "dpkg-log");
	assert_ok(cause_judge("usr/bin/x", DIFF_REMOVED, &fa, NULL, &c, &err));
	ck_assert_str_eq(c.id, "removed");
}
END_TEST

// A rule that speaks of a stamp inside a file is the cause only if nothing but the stamp differs.
START_TEST(test_cause_judge_rule_of_a_stamp_is_held_against_the_bytes)
{
#define PYC(stamp, code) S("\x6f\x0d\x0d\x0a\0\0\0\0" stamp "\x10\0\0\0" code)
#define PYC_HASHED(flags) S("\x6f\x0d\x0d\x0a" flags "\0\0\0hashhashcode")
#define PYC_OLD(stamp, code) S("\x33\x0d\x0d\x0a" stamp "\x10\0\0\0code" code)
	static const struct {
		const char *path, *cause;
		struct bytes a, b;
	} rows[] = {
		{"srv/a.jar", "zip-times", {ZIP("\1\1", "x")}, {ZIP("\2\2", "x")}},
		{"srv/a.jar", "content", {ZIP("\1\1", "x")}, {ZIP("\2\2", "y")}},
		{"usr/lib/a.a", "ar-times", {AR("1700000000  ", "xx")}, {AR("1700000001  ", "xx")}},
		{"usr/lib/a.a", "content", {AR("1700000000  ", "xx")}, {AR("1700000001  ", "xy")}},
		{"srv/a.gz", "content", {S("\x1f\x8b\x08\0\1\2\3\4\0\3restrest")}, {S("\x1f\x8b\x08\0\1\2\3\4\0\3bestbest")}},
		{"srv/a.pyc", "pyc-stamp", {PYC("aaaa", "code")}, {PYC("bbbb", "code")}},
		{"srv/a.pyc", "content", {PYC("aaaa", "code")}, {PYC("bbbb", "mode")}},
		{"usr/lib/a.a", "number", {AR("1700000000  ", "v1")}, {AR("1700000000  ", "v2")}},
		{"usr/lib/a.a", "embedded-date", {AR("1700000000  ", "v1")}, {AR("1700000001  ", "v2")}},
		{"srv/a.jar", "number", {ZIP("\1\1", "v1")}, {ZIP("\1\1", "v2")}},
		{"srv/a.pyc", "number", {PYC("aaaa", "v1")}, {PYC("aaaa", "v2")}},
		{"srv/a.pyc", "content", {PYC("aaaa", "v1")}, {PYC("bbbb", "v2")}},
		{"srv/a.pyc", "content", {PYC_HASHED("\1")}, {PYC_HASHED("\3")}},
		{"srv/a.pyc", "pyc-stamp", {PYC_OLD("aaaa", "x")}, {PYC_OLD("bbbb", "x")}},
		{"srv/a.pyc", "content", {PYC_OLD("aaaa", "x")}, {PYC_OLD("bbbb", "y")}},
		{"srv/notes.txt", "embedded-date", {S("ok\r\n2024 release\n")}, {S("ok\r\n2025 release\n")}},
		{"etc/shadow", "shadow-date", {S("a:*:20001:0:::::\n")}, {S("a:*:20002:0:::::\n")}},
		{"etc/shadow", "content", {S("a:$y$xx:20001:0:::::\n")}, {S("a:$y$yy:20001:0:::::\n")}},
		{"lib/apk/db/installed", "apk-virtual", {S("P:.b\nV:20261121.101010\n")}, {S("P:.b\nV:20261122.101010\n")}},
		{"lib/apk/db/installed", "content", {S("P:.b\nV:20261121.101010\n")}, {S("P:.c\nV:20261121.101010\n")}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bytes a = rows[i].a, b = rows[i].b;
		struct entropy_file fa = {read_bytes, &a, a.n}, fb = {read_bytes, &b, b.n};
		struct err err = ERR_INIT;
		struct cause c;

		assert_ok(cause_judge(rows[i].path, DIFF_CONTENT, &fa, &fb, &c, &err));
		ck_assert_msg(!strcmp(c.id, rows[i].cause), "row %zu: %s, not %s", i, c.id, rows[i].cause);
		assert_ok(cause_judge(rows[i].path, DIFF_ADDED, NULL, &fb, &c, &err));
		ck_assert_msg(!strcmp(c.id, "added"), "row %zu: %s, not added", i, c.id);
	}
}
END_TEST

START_TEST(test_cause_judge_dates_beside_other_numbers_are_not_called_alone)
{
	static const struct bytes a = {S("pid 7 on 2026-11-21")}, b[] = {{S("pid 7 on 2026-11-22")}, {S("pid 8 on 2026-11-22")}};

	for (size_t i = 0; i < 2; i++) {
		struct bytes x = a, y = b[i];
		struct entropy_file fa = {read_bytes, &x, x.n}, fb = {read_bytes, &y, y.n};
		struct err err = ERR_INIT;
		struct cause c;

		assert_ok(cause_judge("srv/file", DIFF_CONTENT, &fa, &fb, &c, &err));
		ck_assert_str_eq(c.id, "embedded-date");
		ck_assert_int_eq(!strncmp(c.text, "only dates", 10), i == 0);
	}
}
END_TEST

// Past the size that is looked into, no rule is believed that speaks of a stamp.
START_TEST(test_cause_judge_large_file_has_no_stamp)
{
	struct bytes a = {ZIP("\1\1", "x")}, b = {ZIP("\2\2", "x")};
	struct entropy_file fa = {read_bytes, &a, CAUSE_READ_MAX}, fb = {read_bytes, &b, CAUSE_READ_MAX};
	struct err err = ERR_INIT;
	struct cause c;

	assert_ok(cause_judge("srv/a.jar", DIFF_CONTENT, &fa, &fb, &c, &err));
	ck_assert_str_eq(c.id, "zip-times");
	fb.size++;
	assert_ok(cause_judge("srv/a.jar", DIFF_CONTENT, &fa, &fb, &c, &err));
	ck_assert_str_eq(c.id, "content");
	assert_ok(cause_judge("var/log/dpkg.log", DIFF_CONTENT, &fa, &fb, &c, &err));
	ck_assert_str_eq(c.id, "dpkg-log");
}
END_TEST

// What two real builds wrote differently (testdata/scan): diff names the rule that scan names.
START_TEST(test_cause_judge_real_builds_give_the_rule)
{
	struct fixtures f;
	size_t judged = 0;

	fixtures_load(&f);
	for (size_t i = 0; i < f.count; i++) {
		const struct fixture *x = &f.list[i];
		struct bytes a = {(const char *)x->data[0].data, x->data[0].len}, b = {(const char *)x->data[1].data, x->data[1].len};
		struct entropy_file fa = {read_bytes, &a, a.n}, fb = {read_bytes, &b, b.n};
		struct err err = ERR_INIT;
		struct cause c;

		if (!x->positive || strcmp(x->path[0], x->path[1]) || !entropy_rule_by_id(x->rule, strlen(x->rule)))
			continue;
		assert_ok(cause_judge(x->path[0], DIFF_CONTENT, &fa, &fb, &c, &err));
		ck_assert_msg(!strcmp(c.id, x->rule), "%s: %s, not %s", x->path[0], c.id, x->rule);
		judged++;
	}
	ck_assert_uint_gt(judged, 30);
	fixtures_free(&f);
}
END_TEST

START_TEST(test_cause_judge_attributes_alone_are_told_apart)
{
	static const struct {
		unsigned what;
		const char *id;
	} rows[] = {
		{DIFF_MTIME, "timestamp"},	  {DIFF_MTIME | DIFF_INO, "timestamp"}, {DIFF_MODE | DIFF_MTIME, "mode-or-owner"},
		{DIFF_OWNER, "mode-or-owner"},	  {DIFF_INO, "inode-numbers"},		{DIFF_ORDER, "order"},
		{DIFF_LINKS | DIFF_INO, "links"}, {DIFF_TARGET, "symlink-target"},	{DIFF_TYPE, "type"},
		// bytes that differ and are not given: nothing is said of them but that
		{DIFF_CONTENT | DIFF_MTIME, "content"}, {DIFF_CONTENT | DIFF_SIZE | DIFF_MODE, "content"},
		{DIFF_SIZE | DIFF_LINKS, "content"},
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cause c;

		assert_ok(cause_judge("x", rows[i].what, NULL, NULL, &c, &err));
		ck_assert_str_eq(c.id, rows[i].id);
	}
}
END_TEST

UNIT_MAIN("eifgen/cause", ADD(test_cause_judge_bytes_give_their_class) ADD(test_cause_judge_path_rule_comes_before_bytes)
	  ADD(test_cause_judge_rule_of_a_stamp_is_held_against_the_bytes)
	  ADD(test_cause_judge_dates_beside_other_numbers_are_not_called_alone)
	  ADD(test_cause_judge_large_file_has_no_stamp)
	  ADD(test_cause_judge_real_builds_give_the_rule) ADD(test_cause_judge_attributes_alone_are_told_apart))
