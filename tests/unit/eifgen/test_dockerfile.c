// SPDX-License-Identifier: Apache-2.0
//
// The Dockerfile reader on each construct: where instructions begin and end, what their words are, and what image
// config comes of them.
#include "eifgen/dockerfile.h"

#include "base/fault.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static struct dockerfile *parse(const char *text)
{
	struct dockerfile *d = NULL;
	struct err err = ERR_INIT;

	assert_ok(dockerfile_parse(text, strlen(text), &d, &err));
	return d;
}

// Instructions as `WORD|args|first line` joined by LF; a JSON list as its strings between <>.
static const char *listing(const char *text)
{
	static char out[8192];
	struct dockerfile *d = parse(text);
	size_t n = 0;

	out[0] = 0;
	for (size_t i = 0; i < d->count; i++) {
		const struct docker_instruction *k = &d->items[i];

		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s|", i ? "\n" : "", k->word);
		if (!k->list)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "%s", k->args);
		for (size_t j = 0; k->list && j < k->count; j++)
			n += (size_t)snprintf(out + n, sizeof(out) - n, "<%s>", k->list[j]);
		n += (size_t)snprintf(out + n, sizeof(out) - n, "|%u", k->line);
	}
	dockerfile_free(d);
	return out;
}

static const struct {
	const char *text, *want;
} cut[] = {
	{"FROM a\nRUN b", "FROM|a|1\nRUN|b|2"},
	{"# c\n\n  from   a  \n\t run b\tc \n", "FROM|a|3\nRUN|b\tc|4"},
	{"FROM a\nRUN b && \\\n    c\n", "FROM|a|1\nRUN|b &&     c|2"},
	{"FROM a\nRUN b && \\  \t\n # comment\n\n  c\nCMD d", "FROM|a|1\nRUN|b &&   c|2\nCMD|d|6"},
	{"# escape=`\nFROM a\nRUN b `\n c \\\nCMD d", "FROM|a|2\nRUN|b  c \\|3\nCMD|d|5"},
	{"# syntax=x/y:1\n# escape=`\nFROM a\nRUN b`\nc", "FROM|a|3\nRUN|bc|4"},
	{"# no directive\n# escape=`\nFROM a\nRUN b \\\n c", "FROM|a|3\nRUN|b  c|4"},
	{"FROM a\r\nRUN b \\\r\n c\r\n", "FROM|a|1\nRUN|b  c|2"},
	{"\xef\xbb\xbf" "FROM a\n", "FROM|a|1"},
	{"FROM a\nCMD [\"b\", \"c, d\", \"\\\"e\\\"\"]\n", "FROM|a|1\nCMD|<b><c, d><\"e\">|2"},
	{"FROM a\nCMD [ \\\n \"b\" ]\n", "FROM|a|1\nCMD|<b>|2"},
	{"FROM a\nCMD []\n", "FROM|a|1\nCMD||2"},
	{"FROM a\nCMD ['b']\n", "FROM|a|1\nCMD|['b']|2"},
	{"FROM a\nRUN <<EOF\nCMD x\n# y\nEOF\nCMD z\n", "FROM|a|1\nRUN|<<EOF|2\nCMD|z|6"},
	{"FROM a\nCOPY <<-\"A\" <<B /x/\n1\n\tA\n2 \\\nB\nCMD z\n", "FROM|a|1\nCOPY|<<-\"A\" <<B /x/|2\nCMD|z|7"},
	{"FROM a\nRUN echo \"<<EOF\" <<<x\nCMD z\n", "FROM|a|1\nRUN|echo \"<<EOF\" <<<x|2\nCMD|z|3"},
	{"FROM a\nENV X=<<EOF\nCMD z\n", "FROM|a|1\nENV|X=<<EOF|2\nCMD|z|3"},
	{"FROM a\nONBUILD RUN b\n", "FROM|a|1\nONBUILD|RUN b|2"},
	{"FROM a\nONBUILD RUN <<EOF\nCMD x\nEOF\nCMD z\n", "FROM|a|1\nONBUILD|RUN <<EOF|2\nCMD|z|5"},
	{"FROM a\nRUN cat <<END-OF.IT <<'B C'\nCMD x\nEND-OF.IT\nCMD y\nB C\nCMD z", "FROM|a|1\nRUN|cat <<END-OF.IT <<'B C'|2\nCMD|z|7"},
	{"FROM a\nRUN echo $((1<<20)) x<<y \\' 3<<E\nCMD y\nE\nCMD z", "FROM|a|1\nRUN|echo $((1<<20)) x<<y \\' 3<<E|2\nCMD|z|5"},
	{"FROM a\nRUN [\"cat\", \"<<E\"]\nCMD z", "FROM|a|1\nRUN|<cat><<<E>|2\nCMD|z|3"},
	{"# version=1\n# escape=`\nFROM a\nRUN b \\\n c", "FROM|a|3\nRUN|b  c|4"},
	{"# check=skip=all\n# Escape = `\nFROM a\nRUN b`\nc", "FROM|a|3\nRUN|bc|4"},
	{"# escape=\nFROM a\nRUN b \\\n c", "FROM|a|2\nRUN|b  c|3"},
	{"FROM a\nRUN echo b \\\\\nCMD z", "FROM|a|1\nRUN|echo b \\\\|2\nCMD|z|3"},
};

START_TEST(test_dockerfile_parse_cuts)
{
	ck_assert_str_eq(listing(cut[_i].text), cut[_i].want);
}
END_TEST

START_TEST(test_dockerfile_parse_places_are_whole_lines)
{
	static const char text[] = "# c\nFROM a\nRUN <<E\nx\nE\n\nCMD b";
	struct dockerfile *d = parse(text);

	ck_assert_uint_eq(d->count, 3);
	ck_assert_uint_eq(d->items[1].start, 11);
	ck_assert_int_eq(memcmp(text + d->items[1].start, "RUN <<E\nx\nE\n", d->items[1].end - d->items[1].start), 0);
	ck_assert_uint_eq(d->items[2].end, strlen(text));
	dockerfile_free(d);
}
END_TEST

static const struct {
	const char *text, *message;
} refused[] = {
	{"", "no instruction"},
	{"# only\n", "no instruction"},
	{"\\\n", "line 1: a continuation of nothing"},
	{"FROM a\nRUN <<EOF\nx\n", "line 2: a heredoc has no end"},
	{"FROM a\n=x y\n", "line 2: an instruction's word is letters alone"},
	{"# escape=x\nFROM a\n", "line 1: the escape directive"},
	{"# escape=`\n# syntax=x\n# escape=`\nFROM a\n", "line 3: a parser directive stands there twice"},
	{"RUN x\n", "line 1: RUN before the first FROM"},
	{"FROM a b c\n", "line 1: FROM wants"},
	{"FROM\n", "line 1: FROM wants"},
	{"ARG X\nFROM ${X}\n", "line 2: FROM names no image"},
	{"FROM a\nCPOY a b\n", "line 2: unknown instruction CPOY"},
	{"FROM a\nENV X\n", "line 2: ENV wants"},
	{"FROM a\nENV A=1 B\n", "line 2: ENV wants NAME=VALUE"},
	{"FROM a\nENV A='x\n", "line 2: a single quote has no end"},
	{"FROM a\nENV A=${B\n", "line 2: ${ has no }"},
	{"FROM a\nENV A=${B:?why-it-is}\n", "line 2: a variable that is needed has no value: \"why-it-is\""},
	{"FROM a\nENV A=${B=x}\n", "line 2: a substitution that"},
	{"FROM a\nENV A=${B:#x}\n", "line 2: a substitution that"},
	{"FROM a\nENV A=${}\n", "line 2: bad substitution"},
	{"FROM a\nENV A=${B/x}\n", "line 2: ${NAME/ has no second /"},
	{"FROM a\nENV A=${B-${B-${B-${B-${B-${B-${B-${B-${B-x}}}}}}}}}\n", "line 2: substitutions more than 8 deep"},
	{"FROM a\nEXPOSE http\n", "line 2: EXPOSE wants"},
	{"FROM a\nSHELL sh\n", "line 2: SHELL wants"},
	{"FROM a\nWORKDIR $NONE\n", "line 2: WORKDIR wants"},
};

START_TEST(test_dockerfile_refused_with_the_line)
{
	const char *text = refused[_i].text;
	struct dockerfile *d = NULL;
	struct docker_image image = {.stages = 0};
	const struct docker_build build = {.arch = "amd64"};
	struct err err = ERR_INIT;

	if (dockerfile_parse(text, strlen(text), &d, &err) == 0)
		ck_assert_msg(dockerfile_evaluate(d, &build, &image, &err) == -1, "taken: %s", text);
	dockerfile_free(d);
	ck_assert_msg(strstr(err.msg, refused[_i].message) != NULL, "%s\n  said: %s", text, err.msg);
}
END_TEST

static void join(const struct docker_list *l, char *out, size_t cap)
{
	size_t n = 0;

	out[0] = 0;
	for (size_t i = 0; i < l->count && n < cap; i++)
		n += (size_t)snprintf(out + n, cap - n, "<%s>", l->item[i]);
}

// `entrypoint;cmd;env;user;workdir;expose;base`
static const char *image_of(const char *text, const struct docker_image *base)
{
	static const char *const args[] = {"GIVEN=from the line"};
	const struct docker_build build = {.args = args, .arg_count = 1, .arch = "arm64", .base = base};
	static char out[4096];
	char e[512], c[512], v[1024], x[256];
	struct dockerfile *d = parse(text);
	struct docker_image i = {.stages = 0};
	struct err err = ERR_INIT;

	assert_ok(dockerfile_evaluate(d, &build, &i, &err));
	join(&i.entrypoint, e, sizeof(e));
	join(&i.cmd, c, sizeof(c));
	join(&i.env, v, sizeof(v));
	join(&i.expose, x, sizeof(x));
	snprintf(out, sizeof(out), "%s;%s;%s;%s;%s;%s;%s", e, c, v, i.user, i.workdir, x, i.base);
	docker_image_clear(&i);
	dockerfile_free(d);
	return out;
}

static const struct {
	const char *text, *want;
} evaluated[] = {
	{"FROM a\nCMD b c", ";</bin/sh><-c><b c>;;;;;a"},
	{"FROM a\nCMD [\"b\"]\nENTRYPOINT [\"e\"]", "<e>;<b>;;;;;a"},
	{"FROM a\nSHELL [\"/bin/ash\", \"-ec\"]\nENTRYPOINT x $Y", "</bin/ash><-ec><x $Y>;;;;;;a"},
	{"FROM a\nENV A=1 B=\"two words\" C='$A' D=$A\nENV A=2\nENV E=${A} F=${Z:-\"q r\"} G=${A:+y}${Z:+n}",
	 ";;<A=2><B=two words><C=$A><D=><E=2><F=q r><G=y>;;;;a"},
	{"FROM a\nENV A the rest  of it\nENV B \"x\\\"y\" \\$A", ";;<A=the rest  of it><B=x\"y $A>;;;;a"},
	{"FROM a\nENV A=1 A=$A B=a\\ b", ";;<A=><B=a b>;;;;a"},
	{"ARG V=12\nFROM a:$V\nARG V\nARG W=w-$V\nENV X=$W", ";;<X=w-12>;;;;a:12"},
	{"ARG GIVEN=default\nFROM a\nENV X=$GIVEN\nARG GIVEN\nENV Y=$GIVEN", ";;<X=><Y=from the line>;;;;a"},
	{"FROM a\nARG X=arg\nENV X=env\nUSER $X", ";;<X=env>;env;;;a"},
	{"FROM a\nUSER app:grp\nWORKDIR /a/b\nWORKDIR ../c/./d\nEXPOSE 80 443/tcp 53/udp",
	 ";;;app:grp;/a/c/d;<80/tcp><443/tcp><53/udp>;a"},
	{"FROM a\nWORKDIR x\nWORKDIR ../..", ";;;;/;;a"},
	{"FROM a AS one\nUSER u\nCMD [\"c\"]\nENV K=1\nFROM b\nCMD [\"last\"]", ";<last>;;;;;b"},
	{"FROM a AS one\nONBUILD ENV K=1 L=$K\nONBUILD user u\nENV M=1\nFROM one\nENV N=$K\nCMD [\"c\"]", ";<c>;<M=1><K=1><L=><N=1>;u;;;a"},
	{"FROM a AS one\nONBUILD USER u\nFROM one AS two\nFROM two\nCMD [\"c\"]", ";<c>;;u;;;a"},
	{"FROM a AS one\nONBUILD USER u\nFROM b\nCMD [\"c\"]", ";<c>;;;;;b"},
	{"# escape=`\nFROM a AS one\nONBUILD WORKDIR c:\\dir\nFROM one\nCMD [\"c\"]", ";<c>;;;/c:\\dir;;a"},
	{"FROM a AS one\nUSER u\nCMD [\"c\"]\nENV K=1\nFROM ONE\nENTRYPOINT [\"e\"]", "<e>;;<K=1>;u;;;a"},
	{"FROM a\nENV V=1.2.3-x E=\nENV A=${V%.*} B=${V%%.*} C=${V#*.} D=${V##*.} F=${V/./-} G=${V//./_} H=${V//[.]/_} I=${V%\\.*}",
	 ";;<V=1.2.3-x><E=><A=1.2><B=1><C=2.3-x><D=3-x><F=1-2.3-x><G=1_2_3-x><H=1.2.3-x><I=1.2>;;;;a"},
	{"FROM a\nENV V=a*b E=\nENV A=${V#a\\*} B=${V#?} C=${V%\"*b\"}|${V/\\*/\"}\"} D=${E-x}${N-y}${E:-z} F=${E+x}${N+y}${V?no} G=${N#x}${V/q/r}",
	 ";;<V=a*b><E=><A=b><B=*b><C=a*|a}b><D=yz><F=xa*b><G=a*b>;;;;a"},
	{"FROM a\nENV A=$$ B=$? C=x$ D=\"${N:-a}b}\" E=${N:-'}'}", ";;<A=><B=><C=x$><D=ab}><E=}>;;;;a"},
	{"FROM a\nENV PATH=/app:$PATH", ";;<PATH=/app:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin>;;;;a"},
	{"FROM a AS one\nARG X=1\nSHELL [\"/bin/ash\", \"-c\"]\nFROM one\nENV Y=$X\nCMD c", ";</bin/ash><-c><c>;<Y=1>;;;;a"},
	{"FROM a AS one\nARG X=1\nSHELL [\"/bin/ash\", \"-c\"]\nFROM b\nENV Y=$X\nCMD c", ";</bin/sh><-c><c>;<Y=>;;;;b"},
	{"FROM a AS one-arm64\nUSER u\nFROM one-$TARGETARCH\nENV X=$TARGETOS\nARG TARGETOS BUILDPLATFORM\nENV Y=$TARGETOS Z=$BUILDPLATFORM",
	 ";;<X=><Y=linux><Z=linux/arm64>;u;;;a"},
	{"FROM a AS one\nONBUILD RUN <<E\nx\nE\nONBUILD USER u\nFROM one\nCMD [\"c\"]", ";<c>;;u;;;a"},
	{"FROM a\nEXPOSE 80/TCP 127.0.0.1:8080:81 5000-5003/Udp", ";;;;;<80/tcp><81/tcp><5000-5003/udp>;a"},
	{"FROM a\nENV N=NAME E=\nENV $N=1 ${N}_2=$N X$E=y \"Q R\"=q\nENV $N$N the rest\nENV $E=none",
	 ";;<N=NAME><E=><NAME=1><NAME_2=NAME><X=y><Q R=q><NAMENAME=the rest><=none>;;;;a"},
	{"FROM a\nARG N=NAME\nARG $N=1 B=$NAME\nENV X=$NAME$B", ";;<X=1>;;;;a"},
	{"ARG A=1 B=$A\nFROM a:$B", ";;;;;;a:1"},
	{"FROM a\nENV V=aXbXc\nENV A=${V%X*} B=${V%%X**} C=${V#*X} D=${V##**X} E=${V/b?/-} F=${V//X/} G=${V%%*} H=${V%*} I=${V/***/-}",
	 ";;<V=aXbXc><A=aXb><B=a><C=bXc><D=c><E=aX-c><F=abc><G=><H=aXbXc><I=->;;;;a"},
	{"FROM --platform=linux/amd64 a as x\nFROM scratch\nCOPY --from=x / /", ";;;;;;scratch"},
};

START_TEST(test_dockerfile_evaluate_gives_the_config)
{
	ck_assert_str_eq(image_of(evaluated[_i].text, NULL), evaluated[_i].want);
}
END_TEST

START_TEST(test_dockerfile_evaluate_begins_with_the_base_config)
{
	struct docker_image base = {.user = (char *)"u", .workdir = (char *)"/w"};
	struct err err = ERR_INIT;

	assert_ok(docker_list_add(&base.entrypoint, "be", &err));
	assert_ok(docker_list_add(&base.cmd, "bc", &err));
	assert_ok(docker_list_add(&base.env, "P=1", &err));
	assert_ok(docker_list_add(&base.shell, "/bin/bash", &err));
	ck_assert_str_eq(image_of("FROM a\nCMD c", &base), "<be>;</bin/bash><c>;<P=1>;u;/w;;a");
	ck_assert_str_eq(image_of("FROM a\nWORKDIR x", &base), "<be>;<bc>;<P=1>;u;/w/x;;a");
	ck_assert_str_eq(image_of("FROM a\nENTRYPOINT [\"n\"]", &base), "<n>;;<P=1>;u;/w;;a");
	ck_assert_str_eq(image_of("FROM a\nCMD [\"n\"]", &base), "<be>;<n>;<P=1>;u;/w;;a");
	ck_assert_str_eq(image_of("FROM scratch\nCMD [\"n\"]", &base), ";<n>;;;;;scratch");
	docker_list_clear(&base.entrypoint);
	docker_list_clear(&base.cmd);
	docker_list_clear(&base.env);
	docker_list_clear(&base.shell);
}
END_TEST

START_TEST(test_dockerfile_parse_says_whether_the_end_is_open)
{
	static const struct {
		const char *text;
		bool open;
	} rows[] = {{"FROM a\nENV A=b \\", true}, {"FROM a\nENV A=b \\\n\n# c\n", true}, {"FROM a\nENV A=b \\\\\n", false}, {"FROM a\n", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dockerfile *d = parse(rows[i].text);

		ck_assert_int_eq(d->open, rows[i].open);
		dockerfile_free(d);
	}
}
END_TEST

// A text of `count` times `part` behind `head`, and `tail`.
static char *repeated(const char *head, const char *part, size_t count, const char *tail)
{
	size_t n = strlen(part);
	char *text = malloc(strlen(head) + count * n + strlen(tail) + 1), *p = text;

	ck_assert_ptr_nonnull(text);
	p = stpcpy(p, head);
	for (size_t i = 0; i < count; i++)
		p = stpcpy(p, part);
	strcpy(p, tail);
	return text;
}

// What a pattern costs is its length by that of the value: the suite's time limit holds it, for stars in a row and
// apart.
START_TEST(test_dockerfile_evaluate_pattern_takes_no_time)
{
	static const char *const parts[] = {"*", "*?", "*a", "?*"}, *const forms[] = {"%", "%%", "#", "##", "/", "//"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
			char head[64], *value = repeated("FROM a\nENV V=", "a", 512, ""), *text, *all;

			snprintf(head, sizeof(head), "\nENV W=${V%s", forms[k]);
			text = repeated(head, parts[i], 511 / strlen(parts[i]), forms[k][0] == '/' ? "X/y}" : "X}");
			all = repeated(value, text, 1, "");
			ck_assert_ptr_nonnull(strstr(image_of(all, NULL), "<W=aaaa"));
			free(value);
			free(text);
			free(all);
		}
}
END_TEST

// A file of short words that ask for much each: long values, patterns from variables, hosts of variables, stages.
START_TEST(test_dockerfile_evaluate_cost_is_limited)
{
	static const struct {
		const char *head, *part;
	} rows[] = {
		{"FROM a\nENV V=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nENV V=$V$V$V$V$V$V$V$V\nENV X=", "${V%$V}"},
		{"FROM a\nENV V=aaaaaaaaaaaaaaaa\nENV V=$V$V$V$V$V$V$V$V\nENV V=$V$V$V$V$V$V$V$V\nENV V=$V$V$V$V$V$V$V$V\nENV X=", "${U:+$V}"},
		{"FROM a\nENV V=aaaaaaaaaaaaaaaa\nENV V=$V$V$V$V$V$V$V$V\nENV V=$V$V$V$V$V$V$V$V\nENV V=$V$V$V$V$V$V$V$V\nENV", " A=$V"},
		{"FROM a\nENV V=aaaaaaaaaaaaaaaa\nENV V=$V$V$V$V$V$V$V$V\nENV V=$V$V$V$V$V$V$V$V\nENV V=$V$V$V$V$V$V$V$V", "\nUSER u"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = repeated(rows[i].head, rows[i].part, i == 3 ? 19000 : 500000, "\n");
		struct dockerfile *d = parse(text);
		struct docker_image image = {.stages = 0};
		const struct docker_build build = {.arch = "amd64"};
		struct err err = ERR_INIT;

		ck_assert_int_eq(dockerfile_evaluate(d, &build, &image, &err), -1);
		ck_assert_int_eq(err.class, ERR_LIMIT);
		dockerfile_free(d);
		free(text);
	}
}
END_TEST

static int fail_at;
static bool fail_nth_alloc(enum fault_point p)
{
	return p == FAULT_ALLOC && --fail_at == 0;
}

// Without memory for a word there is no image, and not one without that word.
START_TEST(test_dockerfile_evaluate_without_memory_is_never_another_image)
{
	static const char text[] = "ARG V=1 W=2\nFROM a:$V AS one\nARG X=$V Y\nENV A=1 B=2\nENV C the rest\nFROM one\nUSER u";
	const struct docker_build build = {.arch = "amd64"};
	struct dockerfile *d = parse(text);
	int n = 0, rc;

	do {
		struct docker_image i = {.stages = 0};
		struct err err = ERR_INIT;
		char v[256];

		fail_at = ++n;
		base_fault_hook = fail_nth_alloc;
		rc = dockerfile_evaluate(d, &build, &i, &err);
		base_fault_hook = NULL;
		if (rc) {
			ck_assert_msg(err.class == ERR_MEMORY, "allocation %d: %s", n, err.msg);
			continue;
		}
		join(&i.env, v, sizeof(v));
		ck_assert_msg(!strcmp(v, "<A=1><B=2><C=the rest>") && !strcmp(i.base, "a:1"), "allocation %d: %s", n, v);
		docker_image_clear(&i);
	} while (rc || fail_at <= 0);
	ck_assert_int_gt(n, 50);
	dockerfile_free(d);
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(tc_, test, 0, (int)(sizeof(table) / sizeof(table[0])));
UNIT_MAIN("eifgen/dockerfile", LOOP(test_dockerfile_parse_cuts, cut)
	  ADD(test_dockerfile_parse_places_are_whole_lines)
	  ADD(test_dockerfile_parse_says_whether_the_end_is_open)
	  LOOP(test_dockerfile_refused_with_the_line, refused)
	  LOOP(test_dockerfile_evaluate_gives_the_config, evaluated)
	  ADD(test_dockerfile_evaluate_pattern_takes_no_time)
	  ADD(test_dockerfile_evaluate_without_memory_is_never_another_image)
	  ADD(test_dockerfile_evaluate_cost_is_limited)
	  ADD(test_dockerfile_evaluate_begins_with_the_base_config))
