// SPDX-License-Identifier: Apache-2.0
//
// A builder's reading of words: quotes, the escape character, and variables, as the reference has them for ENV, USER,
// WORKDIR, EXPOSE and FROM. Inside single quotes nothing is special; inside double quotes the escape character keeps its
// meaning before itself, `"` and `$` only. Of a variable:
//
//   $NAME ${NAME}                      its value, or nothing
//   ${NAME:-word} ${NAME:+word} ${NAME:?word}   by whether it has a value; without the colon, by whether it is set
//   ${NAME#glob} ## % %%               without its shortest or longest beginning or end that is like the glob
//   ${NAME/glob/text} ${NAME//glob/text}        its first, or every, longest part like the glob replaced
//
// A word is expanded in turn, at most eight deep.
#include "base/buf.h"
#include "base/mem.h"
#include "eifgen/dockerfile.h"

#include <string.h>

enum { VALUE_MAX = 1 << 20, DEPTH_MAX = 8 };
enum { GLOB_MAX = 512 }; // of a glob and of what it is held against: the work grows with the cube

struct expansion {
	char escape;
	const struct docker_list *vars;
	const char *p; // what is not read yet
	unsigned depth;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *lookup(const struct docker_list *vars, const char *name, size_t n)
{
	for (size_t i = vars ? vars->count : 0; i-- > 0;)
		if (!strncmp(vars->item[i], name, n) && vars->item[i][n] == '=')
			return vars->item[i] + n + 1;
	return NULL;
}

// ---- globs -----------------------------------------------------------------------------------------------------------
struct glob {
	char c[GLOB_MAX];
	char kind[GLOB_MAX]; // '*', '?', or 'c' for the byte itself
	size_t n;
};

// `\` takes the meaning from what follows it.
static int glob_parse(struct glob *g, const char *text, struct err *err)
{
	for (g->n = 0; *text; text++, g->n++) {
		if (g->n == GLOB_MAX)
			return err_set(err, ERR_LIMIT, "a pattern of more than %d bytes", GLOB_MAX);
		g->kind[g->n] = *text == '*' || *text == '?' ? *text : 'c';
		if (*text == '\\' && text[1])
			text++;
		g->c[g->n] = *text;
	}
	return 0;
}

static bool reach(const struct glob *g, bool *on, size_t at)
{
	for (on[at] = true; at < g->n && g->kind[at] == '*'; at++)
		on[at + 1] = true;
	return on[g->n];
}

// The ends that the glob can have in text (n bytes) when it begins at `from`: the first and the last of them.
// False if there is none. All positions of the glob that can be reached move on together, so no text takes long.
static bool glob_ends(const struct glob *g, const char *text, size_t n, size_t from, size_t *first, size_t *last)
{
	bool now[GLOB_MAX + 1] = {false}, next[GLOB_MAX + 1], found = reach(g, now, 0);

	*first = *last = from;
	for (size_t i = from; i < n; i++) {
		bool ends = false;

		memset(next, 0, sizeof(next));
		for (size_t k = 0; k < g->n; k++)
			if (now[k] && (g->kind[k] != 'c' || g->c[k] == text[i]))
				ends |= reach(g, next, g->kind[k] == '*' ? k : k + 1);
		memcpy(now, next, sizeof(now));
		if (!ends)
			continue;
		*last = i + 1;
		if (!found)
			*first = i + 1;
		found = true;
	}
	return found;
}

static int cut_front(const struct glob *g, const char *value, bool longest, struct buf *out, struct err *err)
{
	size_t n = strlen(value), first, last;

	if (!glob_ends(g, value, n, 0, &first, &last))
		first = last = 0;
	return buf_add_str(out, value + (longest ? last : first), err);
}

static int cut_back(const struct glob *g, const char *value, bool longest, struct buf *out, struct err *err)
{
	size_t n = strlen(value), keep = n, first, last;

	for (size_t i = 0; i <= n; i++) {
		size_t at = longest ? i : n - i;

		if (glob_ends(g, value, n, at, &first, &last) && last == n) {
			keep = at;
			break;
		}
	}
	return buf_add(out, value, keep, err);
}

// A glob that is like nothing at all at some place changes nothing there.
static int replace(const struct glob *g, const char *value, const char *with, bool all, struct buf *out,
		   struct err *err)
{
	size_t n = strlen(value), first, last;
	bool done = false;

	for (size_t at = 0; at < n;) {
		if ((all || !done) && glob_ends(g, value, n, at, &first, &last) && last > at) {
			if (buf_add_str(out, with, err))
				return -1;
			at = last;
			done = true;
		} else if (buf_add_byte(out, (uint8_t)value[at++], err)) {
			return -1;
		}
	}
	return 0;
}

// ---- words -----------------------------------------------------------------------------------------------------------
static int until(struct expansion *e, char stop, bool raw, struct buf *out, struct err *err);

// The text up to `stop`, expanded, as a text of its own.
static const char *word_until(struct expansion *e, char stop, bool raw, struct buf *word, struct err *err)
{
	return until(e, stop, raw, word, err) ? NULL : buf_cstr(word, err);
}

// ${NAME#… and its like: e->p is behind `kind`.
static int expand_glob(struct expansion *e, const char *value, char kind, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf pattern = BUF_INIT(VALUE_MAX), with = BUF_INIT(VALUE_MAX);
	bool twice = *e->p == kind;
	struct glob g;

	e->p += twice;
	const char *text = word_until(e, kind == '/' ? '/' : '}', true, &pattern, err);
	const char *to = text && kind == '/' ? word_until(e, '}', false, &with, err) : text;

	if (!to || glob_parse(&g, text, err))
		return -1;
	value = value ? value : "";
	if (strlen(value) > GLOB_MAX)
		return err_set(err, ERR_LIMIT, "a pattern on a value of more than %d bytes", GLOB_MAX);
	return kind == '#' ? cut_front(&g, value, twice, out, err) :
	       kind == '%' ? cut_back(&g, value, twice, out, err) :
			     replace(&g, value, to, twice, out, err);
}

// ${NAME-word} and its like: e->p is behind `kind`; `have` is whether the variable counts as there.
static int expand_choice(struct expansion *e, const char *value, bool have, char kind, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf word = BUF_INIT(VALUE_MAX);
	const char *text = word_until(e, '}', false, &word, err);

	if (!text)
		return -1;
	if (kind == '+')
		return have ? buf_add_str(out, text, err) : 0;
	if (have)
		return buf_add_str(out, value, err);
	if (kind == '-')
		return buf_add_str(out, text, err);
	char quoted[200];

	return err_set(err, ERR_INPUT, "a variable that is needed has no value: %s",
		       err_quote(text, strlen(text), quoted, sizeof(quoted)));
}

// e->p is behind `${`.
static int expand_braced(struct expansion *e, struct buf *out, struct err *err)
{
	const char *name = e->p, *value;

	while (is_name(*e->p))
		e->p++;
	if (e->p == name)
		return *name ? err_set(err, ERR_INPUT, "bad substitution") : err_set(err, ERR_INPUT, "${ has no }");
	value = lookup(e->vars, name, (size_t)(e->p - name));

	char kind = *e->p++;
	bool colon = kind == ':', have = value && (!colon || *value);

	if (colon)
		kind = *e->p++;
	if (!kind)
		return err_set(err, ERR_INPUT, "${ has no }");
	if (kind == '}' && !colon)
		return value ? buf_add_str(out, value, err) : 0;
	if (kind == '-' || kind == '+' || kind == '?')
		return expand_choice(e, value, have, kind, out, err);
	if (!colon && (kind == '#' || kind == '%' || kind == '/'))
		return expand_glob(e, value, kind, out, err);
	return err_set(err, ERR_INPUT, "a substitution that the reference does not have");
}

// e->p is behind `$`.
static int expand_variable(struct expansion *e, struct buf *out, struct err *err)
{
	const char *name = e->p, *value;
	int rc;

	if (*name == '{') {
		if (e->depth == DEPTH_MAX)
			return err_set(err, ERR_LIMIT, "substitutions more than %d deep", DEPTH_MAX);
		e->p++;
		e->depth++;
		rc = expand_braced(e, out, err);
		e->depth--;
		return rc;
	}
	if (*name && strchr("@*#?-$!", *name)) { // a shell's own, which a builder has none of
		e->p++;
		return 0;
	}
	while (is_name(*e->p))
		e->p++;
	if (e->p == name)
		return buf_add_byte(out, '$', err);
	value = lookup(e->vars, name, (size_t)(e->p - name));
	return value ? buf_add_str(out, value, err) : 0;
}

static int single_quoted(struct expansion *e, struct buf *out, struct err *err)
{
	const char *end = strchr(e->p, '\'');

	if (!end)
		return err_set(err, ERR_INPUT, "a single quote has no end");
	if (buf_add(out, e->p, (size_t)(end - e->p), err))
		return -1;
	e->p = end + 1;
	return 0;
}

static int double_quoted(struct expansion *e, struct buf *out, struct err *err)
{
	while (*e->p && *e->p != '"') {
		char c = *e->p++;

		if (c == '$' ? expand_variable(e, out, err) : 0)
			return -1;
		if (c == '$')
			continue;
		if (c == e->escape && (*e->p == '"' || *e->p == '$' || *e->p == e->escape))
			c = *e->p++;
		if (buf_add_byte(out, (uint8_t)c, err))
			return -1;
	}
	if (!*e->p)
		return err_set(err, ERR_INPUT, "a double quote has no end");
	e->p++;
	return 0;
}

// Up to and over `stop`; 0: up to the end. raw: the escape character stays, for the glob to read.
static int until(struct expansion *e, char stop, bool raw, struct buf *out, struct err *err)
{
	while (*e->p && (!stop || *e->p != stop)) {
		char c = *e->p++;
		int rc;

		if (c == '\'') {
			rc = single_quoted(e, out, err);
		} else if (c == '"') {
			rc = double_quoted(e, out, err);
		} else if (c == '$') {
			rc = expand_variable(e, out, err);
		} else {
			bool escaped = c == e->escape;

			if (escaped && !*e->p) // with nothing behind it, it is nothing
				break;
			if (escaped)
				c = *e->p++;
			rc = (escaped && raw && buf_add_byte(out, '\\', err)) || buf_add_byte(out, (uint8_t)c, err) ? -1
														    : 0;
		}
		if (rc)
			return -1;
	}
	if (stop && !*e->p)
		return err_set(err, ERR_INPUT, stop == '/' ? "${NAME/ has no second /" : "${ has no }");
	e->p += stop != 0;
	return 0;
}

char *docker_expand(const char *word, char escape, const struct docker_list *vars, struct err *err)
{
	struct buf out = BUF_INIT(VALUE_MAX);
	struct expansion e = {.escape = escape, .vars = vars, .p = word};

	if (until(&e, 0, false, &out, err) || !buf_cstr(&out, err)) {
		buf_free(&out);
		return NULL;
	}
	return (char *)out.data;
}

// ---- lists -----------------------------------------------------------------------------------------------------------
int docker_list_add(struct docker_list *l, const char *text, struct err *err)
{
	if (l->count == DOCKERFILE_WORDS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d words", DOCKERFILE_WORDS_MAX);
	if (mem_grow(&l->item, &l->cap, l->count, sizeof(*l->item), err))
		return -1;
	l->item[l->count] = mem_strdup(text, err);
	if (!l->item[l->count])
		return -1;
	l->count++;
	l->set = true;
	return 0;
}

int docker_list_copy(struct docker_list *to, const struct docker_list *from, struct err *err)
{
	docker_list_clear(to);
	for (size_t i = 0; i < from->count; i++)
		if (docker_list_add(to, from->item[i], err))
			return -1;
	to->set = from->set;
	return 0;
}

void docker_list_clear(struct docker_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct docker_list){NULL, 0, 0, false};
}
