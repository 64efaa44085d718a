// SPDX-License-Identifier: Apache-2.0
//
// Verdicts on pairs of bytes: each class with a pair that has it, and a pair that differs in one more respect and so
// must not get it.
#include "eifgen/cause.h"

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
	{"number", S("pid 17\n"), S("pid 18\n")},
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

START_TEST(test_cause_judge_attributes_alone_are_told_apart)
{
	static const struct {
		unsigned what;
		const char *id;
	} rows[] = {
		{DIFF_MTIME, "timestamp"},	  {DIFF_MTIME | DIFF_INO, "timestamp"}, {DIFF_MODE | DIFF_MTIME, "mode-or-owner"},
		{DIFF_OWNER, "mode-or-owner"},	  {DIFF_INO, "inode-numbers"},		{DIFF_ORDER, "order"},
		{DIFF_LINKS | DIFF_INO, "links"}, {DIFF_TARGET, "symlink-target"},	{DIFF_TYPE, "type"},
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
	  ADD(test_cause_judge_attributes_alone_are_told_apart))
