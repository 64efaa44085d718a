// SPDX-License-Identifier: Apache-2.0
//
// A builder's reading of words: quotes, the escape character, and variables, as the reference has them for ENV, USER,
// WORKDIR, EXPOSE and FROM. Inside single quotes nothing is special; inside double quotes the escape character keeps its
// meaning before itself, `"` and `$` only. The word behind :- and :+ is expanded in turn, at most eight deep.
#include "base/buf.h"
#include "base/mem.h"
#include "eifgen/dockerfile.h"

#include <string.h>

enum { VALUE_MAX = 1 << 20, DEPTH_MAX = 8 };

struct expansion {
	char escape;
	const struct docker_list *vars;
	struct buf *out;
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

static int expand(struct expansion *e, const char *p, size_t n, unsigned depth, struct err *err);

// ${NAME…} whose inside is p (n bytes).
static int expand_braced(struct expansion *e, const char *p, size_t n, unsigned depth, struct err *err)
{
	size_t name = 0;
	const char *value;

	while (name < n && is_name(p[name]))
		name++;
	value = lookup(e->vars, p, name);
	if (name == 0)
		return err_set(err, ERR_INPUT, "bad substitution");
	if (name == n)
		return value ? buf_add_str(e->out, value, err) : 0;
	if (n - name < 2 || p[name] != ':' || (p[name + 1] != '-' && p[name + 1] != '+'))
		return err_set(err, ERR_INPUT, "a substitution other than ${NAME:-word} and ${NAME:+word}");
	bool have = value && *value;

	if (p[name + 1] == '-' && have)
		return buf_add_str(e->out, value, err);
	if (p[name + 1] == '+' && !have)
		return 0;
	return expand(e, p + name + 2, n - name - 2, depth + 1, err);
}

// A variable at p (behind the `$`). Bytes used, or -1.
static ssize_t expand_variable(struct expansion *e, const char *p, size_t n, unsigned depth, struct err *err)
{
	size_t used = 0, open = 0;
	const char *value;

	if (n && *p == '{') {
		for (used = 0; used < n; used++) {
			open += p[used] == '{';
			if (p[used] == '}' && --open == 0)
				break;
		}
		if (used == n)
			return err_set(err, ERR_INPUT, "${ has no }");
		return expand_braced(e, p + 1, used - 1, depth, err) ? -1 : (ssize_t)used + 1;
	}
	while (used < n && is_name(p[used]))
		used++;
	if (used == 0)
		return buf_add_byte(e->out, '$', err);
	value = lookup(e->vars, p, used);
	return value && buf_add_str(e->out, value, err) ? -1 : (ssize_t)used;
}

static int expand(struct expansion *e, const char *p, size_t n, unsigned depth, struct err *err)
{
	bool doubled = false;

	if (depth > DEPTH_MAX)
		return err_set(err, ERR_LIMIT, "substitutions more than %d deep", DEPTH_MAX);
	for (size_t i = 0; i < n; i++) {
		if (p[i] == e->escape && i + 1 < n) {
			bool special = p[i + 1] == '"' || p[i + 1] == '$' || p[i + 1] == e->escape;

			if (doubled && !special && buf_add_byte(e->out, (uint8_t)p[i], err))
				return -1;
			if (buf_add_byte(e->out, (uint8_t)p[++i], err))
				return -1;
		} else if (p[i] == '"') {
			doubled = !doubled;
		} else if (p[i] == '\'' && !doubled) {
			const char *end = memchr(p + i + 1, '\'', n - i - 1);

			if (!end)
				return err_set(err, ERR_INPUT, "a single quote has no end");
			if (buf_add(e->out, p + i + 1, (size_t)(end - p) - i - 1, err))
				return -1;
			i = (size_t)(end - p);
		} else if (p[i] == '$') {
			ssize_t used = expand_variable(e, p + i + 1, n - i - 1, depth, err);

			if (used < 0)
				return -1;
			i += (size_t)used;
		} else if (buf_add_byte(e->out, (uint8_t)p[i], err)) {
			return -1;
		}
	}
	return doubled ? err_set(err, ERR_INPUT, "a double quote has no end") : 0;
}

char *docker_expand(const char *word, char escape, const struct docker_list *vars, struct err *err)
{
	struct buf out = BUF_INIT(VALUE_MAX);
	struct expansion e = {escape, vars, &out};

	if (expand(&e, word, strlen(word), 0, err) || !buf_cstr(&out, err)) {
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
