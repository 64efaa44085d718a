// SPDX-License-Identifier: Apache-2.0
//
// From instructions to an image's config, as a builder would do it: stages in order, each beginning with the config of
// what its FROM names, an earlier stage's ARG and SHELL included; variables from ARG (command line first) and ENV
// (which wins over ARG); the last stage is the image.
#include "base/buf.h"
#include "base/mem.h"
#include "eifgen/dockerfile.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { STAGES_MAX = 256 };

// What builders take for PATH where the base says none.
#define DOCKER_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct stage {
	char *name; // of FROM … AS, or NULL
	struct docker_image image;
	struct docker_list args;
	bool cmd_given; // in this stage
};

struct evaluation {
	const struct dockerfile *d;
	const struct docker_build *build;
	uint64_t *work;		   // what is left of DOCKERFILE_WORK_MAX
	struct docker_list global; // ARG before the first FROM
	struct stage stage[STAGES_MAX];
	size_t count;
};

// ---- words ----------------------------------------------------------------------------------------------------------
// The next blank-separated word of *p (quotes and escapes keep it together), raw, as a fresh text in *word, which is
// freed first; NULL at the end. -1 is not the end: what follows would be taken for another instruction.
static int next_word(const char **p, char escape, char **word, struct err *err)
{
	const char *start = *p + strspn(*p, " \t"), *q = start;
	char quote = 0;

	for (; *q && (quote || (*q != ' ' && *q != '\t')); q++) {
		if (*q == escape && q[1] && quote != '\'')
			q++;
		else if (quote ? *q == quote : *q == '"' || *q == '\'')
			quote = quote ? 0 : *q;
	}
	*p = q;
	free(*word);
	*word = q == start ? NULL : mem_dup(start, (size_t)(q - start), err);
	return q == start || *word ? 0 : -1;
}

// Skips --flag words.
static const char *skip_flags(const char *p)
{
	for (p += strspn(p, " \t"); p[0] == '-' && p[1] == '-'; p += strspn(p, " \t"))
		p += strcspn(p, " \t");
	return p;
}

static uint64_t cost_of(const struct docker_list *l)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < l->count; i++)
		bytes += strlen(l->item[i]) + sizeof(l->item[i]);
	return bytes;
}

// docker_list_copy, paid for.
static int copy_list(const struct evaluation *e, struct docker_list *to, const struct docker_list *from,
		     struct err *err)
{
	return docker_spend(e->work, cost_of(from), err) || docker_list_copy(to, from, err) ? -1 : 0;
}

// Puts NAME=VALUE into a list: in place of the same name, else at the end.
static int set_var(const struct evaluation *e, struct docker_list *l, const char *name, size_t n, const char *value,
		   struct err *err)
{
	_cleanup_free_ char *text = mem_printf(err, "%.*s=%s", (int)n, name, value);

	if (!text || docker_spend(e->work, strlen(text) + l->count, err))
		return -1;
	for (size_t i = 0; i < l->count; i++)
		if (!strncmp(l->item[i], text, n + 1)) {
			free(l->item[i]);
			l->item[i] = steal_ptr(&text);
			return 0;
		}
	return docker_list_add(l, text, err);
}

static const char *find_var(const struct docker_list *l, const char *name, size_t n)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strncmp(l->item[i], name, n) && l->item[i][n] == '=')
			return l->item[i] + n + 1;
	return NULL;
}

// The variables that hold in a stage: ARG, then ENV, which wins. A builder's PATH where neither says one.
static int stage_vars(const struct evaluation *e, const struct stage *s, struct docker_list *out, struct err *err)
{
	if (docker_spend(e->work, cost_of(&s->args) + cost_of(&s->image.env), err) ||
	    docker_list_copy(out, &s->args, err))
		return -1;
	if (!find_var(out, "PATH", 4) && docker_list_add(out, "PATH=" DOCKER_PATH, err))
		return -1;
	for (size_t i = 0; i < s->image.env.count; i++)
		if (docker_list_add(out, s->image.env.item[i], err))
			return -1;
	return 0;
}

static char *expand_in(const struct evaluation *e, const struct stage *s, const char *word, struct err *err)
{
	struct docker_list vars = {NULL, 0, 0, false};
	char *value = stage_vars(e, s, &vars, err) ? NULL : docker_expand(word, e->d->escape, &vars, e->work, err);

	docker_list_clear(&vars);
	return value;
}

static int set_text(char **member, char *value)
{
	if (!value)
		return -1;
	free(*member);
	*member = value;
	return 0;
}

// ---- instructions ---------------------------------------------------------------------------------------------------
static const char *find_build_arg(const struct docker_build *b, const char *name, size_t n)
{
	const char *found = NULL;

	for (size_t i = 0; i < b->arg_count; i++)
		if (!strncmp(b->args[i], name, n) && b->args[i][n] == '=')
			found = b->args[i] + n + 1;
	return found;
}

// One word of ARG. Before the first FROM (s NULL) a name stands for itself.
static int do_one_arg(const struct evaluation *e, struct stage *s, struct docker_list *global, const char *word,
		      const struct docker_list *vars, struct err *err)
{
	size_t n = strcspn(word, "=");
	bool has_default = word[n];
	_cleanup_free_ char *name = mem_dup(word, n, err), *value = NULL;
	const char *given;

	if (name && s) {
		char *plain = docker_expand(name, e->d->escape, vars, e->work, err);

		free(name);
		name = plain;
	}
	if (!name)
		return -1;
	given = find_build_arg(e->build, name, strlen(name));
	if (!given && !has_default && s)
		given = find_var(global, name, strlen(name));
	if (!given && !has_default)
		return 0;
	value = given ? mem_strdup(given, err) : docker_expand(word + n + 1, e->d->escape, vars, e->work, err);
	return value ? set_var(e, s ? &s->args : global, name, strlen(name), value, err) : -1;
}

// ARG NAME[=default]: the command line's value, the default, or (in a stage) the value of the global ARG of that name.
// In a stage all words are expanded as things were before this instruction; outside of one each sees those before it.
static int do_arg(const struct evaluation *e, struct stage *s, struct docker_list *global, const char *args,
		  struct err *err)
{
	struct docker_list vars = {NULL, 0, 0, false};
	_cleanup_free_ char *word = NULL;
	int rc = s ? stage_vars(e, s, &vars, err) : 0;

	while (!rc && !(rc = next_word(&args, e->d->escape, &word, err)) && word)
		rc = do_one_arg(e, s, global, word, s ? &vars : global, err);
	docker_list_clear(&vars);
	return rc;
}

// ENV NAME the rest of the line
static int do_old_env(const struct evaluation *e, struct stage *s, const char *args, const struct docker_list *vars,
		      struct err *err)
{
	size_t n = strcspn(args, " \t");
	_cleanup_free_ char *name = mem_dup(args, n, err), *plain = NULL, *value = NULL;

	if (!args[n])
		return err_set(err, ERR_INPUT, "ENV wants a value");
	plain = name ? docker_expand(name, e->d->escape, vars, e->work, err) : NULL;
	value = plain ? docker_expand(args + n + strspn(args + n, " \t"), e->d->escape, vars, e->work, err) : NULL;
	return value ? set_var(e, &s->image.env, plain, strlen(plain), value, err) : -1;
}

// One NAME=VALUE of ENV: both sides are expanded.
static int do_pair(const struct evaluation *e, struct stage *s, char *word, const struct docker_list *vars,
		   struct err *err)
{
	char *mark = strchr(word, '=');
	_cleanup_free_ char *name = NULL, *value = NULL;

	if (!mark || mark == word)
		return err_set(err, ERR_INPUT, "ENV wants NAME=VALUE");
	*mark = 0;
	name = docker_expand(word, e->d->escape, vars, e->work, err);
	value = name ? docker_expand(mark + 1, e->d->escape, vars, e->work, err) : NULL;
	return value ? set_var(e, &s->image.env, name, strlen(name), value, err) : -1;
}

// Which of its two forms an ENV has, its first word tells.
static int do_env(const struct evaluation *e, struct stage *s, const char *args, struct err *err)
{
	const char *rest = args;
	_cleanup_free_ char *word = NULL;
	struct docker_list vars = {NULL, 0, 0, false};
	int rc = next_word(&rest, e->d->escape, &word, err);

	if (!rc)
		rc = stage_vars(e, s, &vars, err); // values as they were before this instruction
	if (!rc && (!word || !strchr(word, '=')))
		rc = do_old_env(e, s, args, &vars, err);
	else
		while (!rc && !(rc = next_word(&args, e->d->escape, &word, err)) && word)
			rc = do_pair(e, s, word, &vars, err);
	docker_list_clear(&vars);
	return rc;
}

// A path as builders clean it: joined with the one before, `.` and `..` worked off in the text alone.
static int do_workdir(const struct evaluation *e, struct stage *s, const char *args, struct err *err)
{
	_cleanup_free_ char *given = expand_in(e, s, args, err), *all = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 16);
	char *save = NULL;

	if (!given || !*given)
		return given ? err_set(err, ERR_INPUT, "WORKDIR wants a path") : -1;
	all = mem_printf(err, "%s/%s", *given == '/' ? "" : s->image.workdir, given);
	if (!all)
		return -1;
	for (char *part = strtok_r(all, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		if (!strcmp(part, "."))
			continue;
		if (!strcmp(part, "..")) {
			while (out.len && out.data[--out.len] != '/')
				;
			continue;
		}
		if (buf_printf(&out, err, "/%s", part))
			return -1;
	}
	const char *text = buf_cstr(&out, err);

	return text ? set_text(&s->image.workdir, mem_strdup(*text ? text : "/", err)) : -1;
}

static int do_expose(const struct evaluation *e, struct stage *s, const char *args, struct err *err)
{
	_cleanup_free_ char *all = expand_in(e, s, args, err);
	char *save = NULL;

	for (char *w = all ? strtok_r(all, " \t", &save) : NULL; w; w = strtok_r(NULL, " \t", &save)) {
		w = strrchr(w, ':') ? strrchr(w, ':') + 1 : w; // HOST:PORT: the host's part is nothing to an image
		size_t n = strspn(w, "0123456789-");

		if (!n ||
		    (w[n] && strcasecmp(w + n, "/tcp") && strcasecmp(w + n, "/udp") && strcasecmp(w + n, "/sctp")))
			return err_set(err, ERR_INPUT, "EXPOSE wants PORT[/tcp|/udp]");
		for (char *c = w + n; *c; c++)
			*c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 32) : *c;
		_cleanup_free_ char *text = mem_printf(err, "%s%s", w, w[n] ? "" : "/tcp");

		if (!text || docker_list_add(&s->image.expose, text, err))
			return -1;
	}
	return all ? 0 : -1;
}

// The JSON form as it is; the shell form as SHELL's words and the line.
static int do_command(const struct evaluation *e, const struct stage *s, const struct docker_instruction *i,
		      struct docker_list *out, struct err *err)
{
	docker_list_clear(out);
	out->set = true;
	for (size_t k = 0; i->list && k < i->count; k++)
		if (docker_list_add(out, i->list[k], err))
			return -1;
	if (i->list || !*i->args)
		return 0;
	if (s->image.shell.set ? copy_list(e, out, &s->image.shell, err) :
				 docker_list_add(out, "/bin/sh", err) || docker_list_add(out, "-c", err))
		return -1;
	return docker_list_add(out, i->args, err);
}

static int do_shell(const struct evaluation *e, struct stage *s, const struct docker_instruction *i, struct err *err)
{
	if (!i->list || !i->count)
		return err_set(err, ERR_INPUT, "SHELL wants the JSON form");
	return do_command(e, s, i, &s->image.shell, err);
}

// ---- stages ---------------------------------------------------------------------------------------------------------
static int image_copy(const struct evaluation *e, struct docker_image *to, const struct docker_image *from,
		      struct err *err)
{
	to->user = mem_strdup(from && from->user ? from->user : "", err);
	to->workdir = mem_strdup(from && from->workdir ? from->workdir : "", err);
	if (!to->user || !to->workdir)
		return -1;
	if (!from)
		return 0;
	to->healthcheck = from->healthcheck;
	return copy_list(e, &to->entrypoint, &from->entrypoint, err) || copy_list(e, &to->cmd, &from->cmd, err) ||
		       copy_list(e, &to->env, &from->env, err) || copy_list(e, &to->expose, &from->expose, err) ||
		       copy_list(e, &to->shell, &from->shell, err)
		   ? -1
		   : 0;
}

static int do_one(struct evaluation *e, const struct docker_instruction *i, struct err *err);

// What a base's ONBUILD left for whoever builds upon it. A trigger cannot set triggers, so this nests once.
static int do_triggers(struct evaluation *e, const struct docker_list *triggers, struct err *err)
{
	for (size_t i = 0; i < triggers->count; i++) {
		_cleanup_free_ char *text = mem_printf(err, "# escape=%c\n%s\n", e->d->escape, triggers->item[i]);
		_cleanup_(dockerfile_freep) struct dockerfile *d = NULL;

		if (!text || docker_spend(e->work, strlen(text), err) || dockerfile_parse(text, strlen(text), &d, err))
			return err_prefix(err, "ONBUILD of the base: ");
		if (d->count != 1 || !strcmp(d->items[0].word, "FROM") || !strcmp(d->items[0].word, "ONBUILD"))
			return err_set(err, ERR_INPUT,
				       "ONBUILD of the base: wants one instruction, and neither FROM nor ONBUILD");
		if (do_one(e, &d->items[0], err))
			return err_prefix(err, "ONBUILD of the base: ");
	}
	return 0;
}

static int do_from(struct evaluation *e, const char *args, struct err *err)
{
	const char *p = skip_flags(args);
	_cleanup_free_ char *raw = NULL, *as = NULL, *name = NULL, *more = NULL, *ref = NULL;
	const struct docker_image *base = NULL;
	const struct stage *from = NULL;
	char **const words[] = {&raw, &as, &name, &more};

	for (size_t i = 0; i < 4; i++)
		if (next_word(&p, e->d->escape, words[i], err))
			return -1;
	if (!raw || more || (as && (strcasecmp(as, "AS") || !name)))
		return err_set(err, ERR_INPUT, "FROM wants IMAGE [AS NAME]");
	ref = docker_expand(raw, e->d->escape, &e->global, e->work, err);
	if (!ref)
		return -1;
	if (!*ref)
		return err_set(err, ERR_INPUT, "FROM names no image: an ARG without a value?");
	if (e->count == STAGES_MAX)
		return err_set(err, ERR_LIMIT, "more than %d stages", STAGES_MAX);
	for (size_t i = 0; i < e->count; i++)
		if (e->stage[i].name && !strcasecmp(e->stage[i].name, ref))
			from = &e->stage[i];
	struct stage *s = &e->stage[e->count++];

	base = from ? &from->image : strcmp(ref, "scratch") ? e->build->base : NULL;
	s->name = steal_ptr(&name);
	if (image_copy(e, &s->image, base, err))
		return -1;
	s->image.base = mem_strdup(from ? from->image.base : ref, err);
	if (!s->image.base || (from && copy_list(e, &s->args, &from->args, err)))
		return -1;
	return base ? do_triggers(e, &base->triggers, err) : 0;
}

// Whether the instruction whose word p begins with says nothing of the config.
static bool is_inert(const char *p)
{
	static const char *const words[] = {"RUN", "COPY", "ADD", "LABEL", "VOLUME", "STOPSIGNAL", "MAINTAINER"};
	size_t n = strcspn(p, " \t");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && !strncasecmp(p, words[i], n))
			return true;
	return false;
}

static int do_one(struct evaluation *e, const struct docker_instruction *i, struct err *err)
{
	struct stage *s = e->count ? &e->stage[e->count - 1] : NULL;

	if (!strcmp(i->word, "FROM"))
		return do_from(e, i->args, err);
	if (!strcmp(i->word, "ARG"))
		return do_arg(e, s, &e->global, i->args, err);
	if (!s)
		return err_set(err, ERR_INPUT, "%.32s before the first FROM", i->word);
	if (!strcmp(i->word, "ENV"))
		return do_env(e, s, i->args, err);
	if (!strcmp(i->word, "USER"))
		return set_text(&s->image.user, expand_in(e, s, i->args, err));
	if (!strcmp(i->word, "WORKDIR"))
		return do_workdir(e, s, i->args, err);
	if (!strcmp(i->word, "EXPOSE"))
		return do_expose(e, s, i->args, err);
	if (!strcmp(i->word, "SHELL"))
		return do_shell(e, s, i, err);
	if (!strcmp(i->word, "CMD")) {
		s->cmd_given = true;
		return do_command(e, s, i, &s->image.cmd, err);
	}
	if (!strcmp(i->word, "ENTRYPOINT")) {
		if (!s->cmd_given) // a base's CMD was meant for the base's ENTRYPOINT
			docker_list_clear(&s->image.cmd);
		return do_command(e, s, i, &s->image.entrypoint, err);
	}
	if (!strcmp(i->word, "HEALTHCHECK")) {
		s->image.healthcheck = strcasecmp(i->args, "NONE") != 0;
		return 0;
	}
	if (!strcmp(i->word, "ONBUILD")) {
		s->image.onbuild = true;
		// those may hold heredocs
		return is_inert(i->args) ? 0 : docker_list_add(&s->image.triggers, i->args, err);
	}
	return is_inert(i->word) ? 0 : err_set(err, ERR_INPUT, "unknown instruction %.32s", i->word);
}

static void evaluation_free(struct evaluation *e)
{
	if (!e)
		return;
	for (size_t i = 0; i < e->count; i++) {
		free(e->stage[i].name);
		docker_image_clear(&e->stage[i].image);
		docker_list_clear(&e->stage[i].args);
	}
	docker_list_clear(&e->global);
	free(e);
}
CLEANUP_DEFINE(struct evaluation, evaluation_free, evaluation_free)

// What a builder says of the platforms, before any ARG. A cage is built on the machine's own kind, so both are one.
static int put_platform(struct evaluation *e, struct err *err)
{
	static const char *const sides[] = {"TARGET", "BUILD"};
	const char *arch = e->build->arch;

	for (size_t i = 0; i < 2; i++) {
		_cleanup_free_ char *platform = mem_printf(err, "linux/%s", arch);
		const char *const rows[][2] = {
		    {"PLATFORM", platform}, {"OS", "linux"}, {"ARCH", arch}, {"VARIANT", ""}};

		for (size_t k = 0; platform && k < 4; k++) {
			char name[32];
			size_t n = (size_t)snprintf(name, sizeof(name), "%s%s", sides[i], rows[k][0]);
			const char *given = find_build_arg(e->build, name, n);

			if (set_var(e, &e->global, name, n, given ? given : rows[k][1], err))
				return -1;
		}
		if (!platform)
			return -1;
	}
	return 0;
}

int dockerfile_evaluate(const struct dockerfile *d, const struct docker_build *build, struct docker_image *out,
			struct err *err)
{
	_cleanup_(evaluation_freep) struct evaluation *e = mem_zalloc(1, sizeof(*e), err);
	uint64_t work = DOCKERFILE_WORK_MAX;

	if (!e)
		return -1;
	e->d = d;
	e->build = build;
	e->work = &work;
	if (put_platform(e, err))
		return -1;
	for (size_t i = 0; i < d->count; i++)
		if (do_one(e, &d->items[i], err))
			return err_prefix(err, "line %u: ", d->items[i].line);
	if (!e->count)
		return err_set(err, ERR_INPUT, "it has no FROM");
	*out = e->stage[e->count - 1].image;
	out->stages = e->count;
	e->stage[e->count - 1].image = (struct docker_image){.stages = 0};
	return 0;
}

void docker_image_clear(struct docker_image *i)
{
	docker_list_clear(&i->entrypoint);
	docker_list_clear(&i->cmd);
	docker_list_clear(&i->env);
	docker_list_clear(&i->expose);
	docker_list_clear(&i->triggers);
	docker_list_clear(&i->shell);
	free(i->user);
	free(i->workdir);
	free(i->base);
	*i = (struct docker_image){.stages = 0};
}
