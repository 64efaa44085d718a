// SPDX-License-Identifier: Apache-2.0
//
// The cutting. Line by line:
//
//   # directive=value        only before anything else: `escape` is ours, `syntax` and `check` the builder's; another
//                            name is a comment, and ends them
//   # comment, empty line    skipped, between the lines of an instruction too
//   WORD rest \              one escape character, then nothing but blanks: the next line belongs to it
//   RUN <<EOF …              RUN, COPY and ADD, behind ONBUILD too: each word <<NAME, <<-NAME, <<"NAME" takes whole
//                            lines up to one that is NAME
#include "eifgen/dockerfile.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "layerfs/json.h"

#include <string.h>
#include <strings.h>

struct scan {
	const char *text;
	size_t n, at;
	unsigned line; // of `at`
	char escape;
	bool open; // the text ended behind a continuation mark
};

struct span {
	const char *p;
	size_t n;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
	while (s.n && (is_blank(s.p[s.n - 1]) || s.p[s.n - 1] == '\r' || s.p[s.n - 1] == '\n'))
		s.n--;
	while (s.n && is_blank(*s.p)) {
		s.p++;
		s.n--;
	}
	return s;
}

// The next line with its line feed; false at the end.
static bool next_line(struct scan *s, struct span *line)
{
	const char *p = s->text + s->at, *end = s->at < s->n ? memchr(p, '\n', s->n - s->at) : NULL;

	if (s->at >= s->n)
		return false;
	*line = (struct span){p, end ? (size_t)(end - p) + 1 : s->n - s->at};
	s->at += line->n;
	s->line++;
	return true;
}

static int fail(unsigned line, struct err *err, const char *what)
{
	return err_set(err, ERR_INPUT, "line %u: %s", line, what);
}

// ---- parser directives ----------------------------------------------------------------------------------------------
static bool is_named(struct span s, const char *name)
{
	return s.n == strlen(name) && !strncasecmp(s.p, name, s.n);
}

// `# name=value`. False if the line is no directive, which ends them.
static bool take_directive(struct span line, struct span *name, struct span *value)
{
	const char *eq;

	line = trim(line);
	if (!line.n || *line.p != '#')
		return false;
	line = trim((struct span){line.p + 1, line.n - 1});
	eq = memchr(line.p, '=', line.n);
	if (!eq)
		return false;
	*name = trim((struct span){line.p, (size_t)(eq - line.p)});
	*value = trim((struct span){eq + 1, line.n - (size_t)(eq - line.p) - 1});
	return value->n && (is_named(*name, "escape") || is_named(*name, "syntax") || is_named(*name, "check"));
}

static int take_directives(struct scan *s, struct err *err)
{
	struct span line, name, value;
	struct scan ahead = *s;
	bool seen[3] = {false};

	while (next_line(&ahead, &line) && take_directive(line, &name, &value)) {
		bool *had = &seen[is_named(name, "escape") ? 0 : is_named(name, "syntax") ? 1 : 2];

		if (*had)
			return fail(ahead.line - 1, err, "a parser directive stands there twice");
		*had = true;
		if (is_named(name, "escape")) {
			if (value.n != 1 || (*value.p != '\\' && *value.p != '`'))
				return fail(ahead.line - 1, err, "the escape directive takes \\ or `");
			s->escape = *value.p;
		}
		s->at = ahead.at;
		s->line = ahead.line;
	}
	return 0;
}

// ---- heredocs -------------------------------------------------------------------------------------------------------
struct heredoc {
	char name[256];
	bool strip; // <<-: leading tabs do not count
};

// The end of the word at p. Heredoc marks are read as a shell reads words, whatever the escape directive says.
static const char *word_end(const char *p)
{
	for (char quote = 0; *p && (quote || !is_blank(*p)); p++) {
		if (*p == '\\' && p[1] && quote != '\'')
			p++;
		else if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
	}
	return p;
}

// Whether the word from p to end is [DIGITS]<<NAME or [DIGITS]<<-NAME. NAME is what is left of it without its quotes.
static bool take_heredoc(const char *p, const char *end, struct heredoc *h)
{
	size_t n = 0;

	p += strspn(p, "0123456789");
	if (end - p < 3 || p[0] != '<' || p[1] != '<')
		return false;
	p += 2;
	h->strip = *p == '-';
	for (p += h->strip; p < end; p++) {
		if (*p == '<' || n == sizeof(h->name) - 1)
			return false;
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '"' || *p == '\'')
			continue;
		h->name[n++] = *p;
	}
	h->name[n] = 0;
	return n > 0;
}

// The next heredoc mark in args at or after *at.
static bool next_heredoc(const char *args, size_t *at, struct heredoc *h)
{
	const char *p = args + *at + strspn(args + *at, " \t");
	bool found = false;

	while (*p && !found) {
		const char *end = word_end(p);

		found = take_heredoc(p, end, h);
		p = end + strspn(end, " \t");
	}
	*at = (size_t)(p - args);
	return found;
}

static int skip_heredocs(struct scan *s, const char *args, unsigned first, struct err *err)
{
	struct heredoc h;
	struct span line;
	size_t at = 0;

	while (next_heredoc(args, &at, &h)) {
		bool closed = false;

		while (!closed && next_line(s, &line)) {
			size_t n = line.n;

			while (n && (line.p[n - 1] == '\n' || line.p[n - 1] == '\r'))
				n--;
			for (; h.strip && n && *line.p == '\t'; n--)
				line.p++;
			closed = n == strlen(h.name) && !memcmp(line.p, h.name, n);
		}
		if (!closed)
			return fail(first, err, "a heredoc has no end");
	}
	return 0;
}

// ---- instructions ---------------------------------------------------------------------------------------------------
// Appends one physical line without its continuation mark. True if another line follows.
static bool add_piece(const struct scan *s, struct span line, struct buf *out, struct err *err, int *rc)
{
	size_t n = line.n;
	bool more;

	while (n && (line.p[n - 1] == '\n' || line.p[n - 1] == '\r' || is_blank(line.p[n - 1])))
		n--;
	more = n && line.p[n - 1] == s->escape && (n == 1 || line.p[n - 2] != s->escape); // two are one that is meant
	*rc = buf_add(out, line.p, n - more, err);
	return more && !*rc;
}

// One logical line into `out`, heredocs skipped. `line` is its first physical line.
static int logical_line(struct scan *s, struct span line, struct buf *out, struct err *err)
{
	int rc;

	while (add_piece(s, line, out, err, &rc)) {
		struct span bare;

		do {
			if (!next_line(s, &line)) {
				s->open = true;
				return rc;
			}
			bare = trim(line);
		} while (!bare.n || *bare.p == '#');
	}
	return rc;
}

// Whether heredocs may stand behind the instruction, ONBUILD's own being the one that counts.
static bool has_heredocs(const struct docker_instruction *i)
{
	static const char *const words[] = {"RUN", "COPY", "ADD"};
	const char *word = !strcmp(i->word, "ONBUILD") ? i->args : i->word;
	size_t n = strcspn(word, " \t");

	for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (is_named((struct span){word, n}, words[k]))
			return !i->list;
	return false;
}

// The strings of a JSON form; a text in brackets that is no JSON list of strings is the shell form, as Docker takes it.
static int take_list(struct docker_instruction *i, struct err *err)
{
	_cleanup_json_ cJSON *root = NULL;
	const cJSON *item;
	struct err not_json = ERR_INIT;
	const char *args = i->args;

	if (*args != '[' || json_parse(args, strlen(args), DOCKERFILE_MAX, &root, &not_json))
		return 0;
	cJSON_ArrayForEach(item, root)
		if (!cJSON_IsString(item))
			return 0;
	i->list = mem_zalloc((size_t)cJSON_GetArraySize(root), sizeof(*i->list), err);
	if (!i->list)
		return -1;
	cJSON_ArrayForEach(item, root)
	{
		i->list[i->count] = mem_strdup(item->valuestring, err);
		if (!i->list[i->count++])
			return -1;
	}
	return 0;
}

// Splits a logical line into word and arguments.
static int take_words(struct docker_instruction *i, struct buf *logical, struct err *err)
{
	struct span all = {"", 0};
	size_t n = 0;

	if (logical->len)
		all = trim((struct span){(const char *)logical->data, logical->len});
	if (!all.n)
		return fail(i->line, err, "a continuation of nothing");

	while (n < all.n && !is_blank(all.p[n]))
		n++;
	struct span rest = trim((struct span){all.p + n, all.n - n});

	i->word = mem_dup(all.p, n, err);
	i->args = i->word ? mem_dup(rest.p, rest.n, err) : NULL;
	if (!i->args)
		return -1;
	for (char *p = i->word; *p; p++) {
		if (!((*p | 32) >= 'a' && (*p | 32) <= 'z'))
			return fail(i->line, err, "an instruction's word is letters alone");
		*p = (char)(*p & ~32);
	}
	return take_list(i, err);
}

static int take_instruction(struct scan *s, struct dockerfile *d, struct span line, struct err *err)
{
	_cleanup_buf_ struct buf logical = BUF_INIT(DOCKERFILE_MAX);
	struct docker_instruction *i;

	if (d->count == DOCKERFILE_INSTRUCTIONS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d instructions", DOCKERFILE_INSTRUCTIONS_MAX);
	if (mem_grow(&d->items, &d->cap, d->count, sizeof(*d->items), err))
		return -1;
	i = &d->items[d->count++];
	*i = (struct docker_instruction){.start = (size_t)(line.p - s->text), .line = s->line - 1};
	if (logical_line(s, line, &logical, err) || take_words(i, &logical, err))
		return -1;
	if (has_heredocs(i) && skip_heredocs(s, i->args, i->line, err))
		return -1;
	i->end = s->at;
	return 0;
}

static int parse(struct scan *s, struct dockerfile *d, struct err *err)
{
	struct span line;

	if (take_directives(s, err))
		return -1;
	d->escape = s->escape;
	while (next_line(s, &line)) {
		struct span bare = trim(line);

		if (bare.n && *bare.p != '#' && take_instruction(s, d, line, err))
			return -1;
	}
	d->open = s->open;
	return d->count ? 0 : err_set(err, ERR_INPUT, "it holds no instruction");
}

int dockerfile_parse(const void *text, size_t n, struct dockerfile **out, struct err *err)
{
	_cleanup_(dockerfile_freep) struct dockerfile *d = mem_zalloc(1, sizeof(*d), err);
	struct scan s = {.text = text, .n = n, .line = 1, .escape = '\\'};

	if (!d)
		return -1;
	if (n > DOCKERFILE_MAX)
		return err_set(err, ERR_LIMIT, "more than %d bytes", DOCKERFILE_MAX);
	if (n && memchr(text, 0, n))
		return err_set(err, ERR_INPUT, "it holds a NUL byte");
	if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		s.at = 3;
	if (parse(&s, d, err))
		return -1;
	*out = steal_ptr(&d);
	return 0;
}

void dockerfile_free(struct dockerfile *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->count; i++) {
		free(d->items[i].word);
		free(d->items[i].args);
		json_strings_free(d->items[i].list, d->items[i].count);
	}
	free(d->items);
	free(d);
}
