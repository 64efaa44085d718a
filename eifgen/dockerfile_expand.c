// SPDX-License-Identifier: Apache-2.0
//
// A builder's reading of words: quotes, the escape character, and variables, as the reference has them for ENV, USER,
// WORKDIR, EXPOSE and FROM. Inside single quotes nothing is special; inside double quotes the escape character keeps
// its meaning before itself, `"` and `$` only. Of a variable:
//
//   $NAME ${NAME}                      its value, or nothing
//   ${NAME:-word} ${NAME:+word} ${NAME:?word}   by whether it has a value; without the colon, by whether it is set
//   ${NAME#glob} ## % %%               without its shortest or longest beginning or end that is like the glob
//   ${NAME/glob/text} ${NAME//glob/text}        its first, or every, longest part like the glob replaced
//
// A word is expanded in turn, at most eight deep. A Dockerfile may come from a stranger, and a short line may ask for
// much (long values put together, patterns held against them), so every step is taken off what the whole file may cost.
#include "base/buf.h"
#include "base/mem.h"
#include "eifgen/dockerfile.h"

#include <string.h>

enum { VALUE_MAX = 1 << 20, DEPTH_MAX = 8 };
enum { GLOB_MAX = 512 }; // of a glob and of what it is held against: the work is their product

struct expansion {
	char escape;
	const struct docker_list *vars;
	uint64_t *work; // left
	const char *p;	// what is not read yet
	unsigned depth;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

int docker_spend(uint64_t *work, uint64_t steps, struct err *err)
{
	if (*work < steps)
		return err_set(err, ERR_LIMIT, "its variables cost more to work out than a Dockerfile's may");
	*work -= steps;
	return 0;
}

// The value of a variable into *value, NULL without one.
static int lookup(struct expansion *e, const char *name, size_t n, const char **value, struct err *err)
{
	const struct docker_list *vars = e->vars;

	*value = NULL;
	for (size_t i = vars ? vars->count : 0; i-- > 0 && !*value;)
		if (!strncmp(vars->item[i], name, n) && vars->item[i][n] == '=')
			*value = vars->item[i] + n + 1;
	return docker_spend(e->work, 1 + (vars ? vars->count : 0), err);
}

// ---- globs ----------------------------------------------------------------------------------------------------------
struct glob {
	char c[GLOB_MAX];
	char kind[GLOB_MAX]; // '*', '?', or 'c' for the byte itself
	size_t n;
};

// `\` takes the meaning from what follows it. Stars in a row mean what one does.
static int glob_parse(struct glob *g, const char *text, struct err *err)
{
	for (g->n = 0; *text; text++) {
		if (*text == '*' && g->n && g->kind[g->n - 1] == '*')
			continue;
		if (g->n == GLOB_MAX)
			return err_set(err, ERR_LIMIT, "a pattern of more than %d bytes", GLOB_MAX);
		g->kind[g->n] = *text == '*' || *text == '?' ? *text : 'c';
		if (*text == '\\' && text[1])
			text++;
		g->c[g->n++] = *text;
	}
	return 0;
}

enum { NO_END = -1 };

static int pick(int a, int b, bool longest)
{
	if (a == NO_END || b == NO_END)
		return a == NO_END ? b : a;
	return (a > b) == longest ? a : b;
}

// end[i], for each i in 0..n: where the longest, or the shortest, part of text (n bytes) that is like the glob ends if
// it begins at i, or NO_END. Worked out from the end of the text to its beginning, a row of the table
//
//   row[k]   where a part ends that begins here and is like the glob from its position k on
//
// from the one behind it, so no text and no glob takes more than (n + 1) * (g->n + 1) steps.
static void glob_ends(const struct glob *g, const char *text, size_t n, bool longest, int *end)
{
	int rows[2][GLOB_MAX + 1];

	for (size_t k = 0; k <= g->n; k++)
		rows[(n + 1) % 2][k] = NO_END; // behind the text nothing begins
	for (size_t i = n + 1; i-- > 0;) {
		int *row = rows[i % 2], *behind = rows[(i + 1) % 2];

		row[g->n] = (int)i;
		for (size_t k = g->n; k-- > 0;) {
			if (g->kind[k] == '*')
				row[k] = pick(row[k + 1], behind[k], longest);
			else
				row[k] = i < n && (g->kind[k] == '?' || g->c[k] == text[i]) ? behind[k + 1] : NO_END;
		}
		end[i] = row[0];
	}
}

static int cut_front(const int *end, const char *value, struct buf *out, struct err *err)
{
	return buf_add_str(out, value + (end[0] == NO_END ? 0 : end[0]), err);
}

// `longest`: the first place from which the glob reaches the value's end, else the last. end holds the longest parts,
// so whoever can reach it does.
static int cut_back(const int *end, const char *value, size_t n, bool longest, struct buf *out, struct err *err)
{
	size_t keep = n;
	bool found = false;

	for (size_t at = 0; at <= n && !(longest && found); at++)
		if (end[at] == (int)n) {
			keep = at;
			found = true;
		}
	return buf_add(out, value, keep, err);
}

// A glob that is like nothing at all at some place changes nothing there.
static int replace(const int *end, const char *value, const char *with, bool all, struct buf *out, struct err *err)
{
	bool done = false;

	for (int at = 0; value[at];) {
		if ((all || !done) && end[at] > at) {
			if (buf_add_str(out, with, err))
				return -1;
			at = end[at];
			done = true;
		} else if (buf_add_byte(out, (uint8_t)value[at++], err)) {
			return -1;
		}
	}
	return 0;
}

// ---- words ----------------------------------------------------------------------------------------------------------
static int until(struct expansion *e, char stop, bool raw, struct buf *out, struct err *err);

// The text up to `stop`, expanded, as a text of its own.
static const char *word_until(struct expansion *e, char stop, bool raw, struct buf *word, struct err *err)
{
	return until(e, stop, raw, word, err) || docker_spend(e->work, word->len, err) ? NULL : buf_cstr(word, err);
}

// ${NAME#… and its like: e->p is behind `kind`.
static int expand_glob(struct expansion *e, const char *value, char kind, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf pattern = BUF_INIT(VALUE_MAX), with = BUF_INIT(VALUE_MAX);
	bool twice = *e->p == kind;
	int end[GLOB_MAX + 1];
	struct glob g;

	e->p += twice;
	const char *text = word_until(e, kind == '/' ? '/' : '}', true, &pattern, err);
	const char *to = text && kind == '/' ? word_until(e, '}', false, &with, err) : text;

	if (!to || glob_parse(&g, text, err))
		return -1;
	value = value ? value : "";
	size_t n = strlen(value);

	if (n > GLOB_MAX)
		return err_set(err, ERR_LIMIT, "a pattern on a value of more than %d bytes", GLOB_MAX);
	if (docker_spend(e->work, (n + 1) * (g.n + 1), err))
		return -1;
	glob_ends(&g, value, n, kind != '#' || twice, end);
	return kind == '#' ? cut_front(end, value, out, err) :
	       kind == '%' ? cut_back(end, value, n, twice, out, err) :
			     replace(end, value, to, twice, out, err);
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
	if (lookup(e, name, (size_t)(e->p - name), &value, err))
		return -1;

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
	if (lookup(e, name, (size_t)(e->p - name), &value, err))
		return -1;
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

char *docker_expand(const char *word, char escape, const struct docker_list *vars, uint64_t *work, struct err *err)
{
	struct buf out = BUF_INIT(VALUE_MAX);
	struct expansion e = {.escape = escape, .vars = vars, .work = work, .p = word};

	if (until(&e, 0, false, &out, err) || docker_spend(work, strlen(word) + out.len, err) || !buf_cstr(&out, err)) {
		buf_free(&out);
		return NULL;
	}
	return (char *)out.data;
}

// ---- lists ----------------------------------------------------------------------------------------------------------
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
