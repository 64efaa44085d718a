// SPDX-License-Identifier: Apache-2.0
//
// Parsers of init's inputs. None allocates more than its input's size times a constant, none recurses.
#include "runtime/init/words.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char why_memory[] = "out of memory";

int init_lines_split(char *text, size_t len, struct init_lines *out, const char **why)
{
	size_t count = 0, at = 0;

	if (memchr(text, 0, len)) {
		*why = "it holds a NUL byte";
		return -1;
	}
	for (size_t i = 0; i < len; i++)
		count += text[i] == '\n' || i == len - 1;
	if (count > INIT_LINES_MAX) {
		*why = "it has more than 65536 lines";
		return -1;
	}
	char **line = calloc(count + 1, sizeof(*line));
	if (!line) {
		*why = why_memory;
		return -1;
	}
	text[len] = 0;
	for (size_t i = 0; i < count; i++) {
		char *end = strchrnul(text + at, '\n');

		line[i] = text + at;
		at = (size_t)(end - text) + 1;
		*end = 0;
	}
	*out = (struct init_lines){line, count};
	return 0;
}

void init_lines_free(struct init_lines *lines)
{
	free(lines->line);
	*lines = (struct init_lines){NULL, 0};
}

const char *init_env_get(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

// Decimal digits at *at up to `stop`, into *id. The value (uid_t)-1 means "nobody changes" to the kernel and is
// refused.
static bool id_parse(const char **at, const char *stop, uint32_t *id)
{
	const char *p = *at;
	uint64_t v = 0;

	for (; p < stop && *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v >= UINT32_MAX)
			return false;
	}
	if (p == *at)
		return false;
	*at = p;
	*id = (uint32_t)v;
	return true;
}

static bool take(const char **at, const char *stop, char c)
{
	if (*at >= stop || **at != c)
		return false;
	++*at;
	return true;
}

int init_user_parse(const char *text, size_t len, struct init_user *out, const char **why)
{
	const char *at = text, *stop = text + len;
	struct init_user u = {0};
	size_t room = 1;

	*why = "it is not UID:GID:GROUPS";
	if (len > 0 && stop[-1] == '\n')
		stop--;
	if (!id_parse(&at, stop, &u.uid) || !take(&at, stop, ':') || !id_parse(&at, stop, &u.gid) ||
	    !take(&at, stop, ':'))
		return -1;
	for (const char *p = at; p < stop; p++)
		room += *p == ',';
	if (room > INIT_GROUPS_MAX) {
		*why = "it has more than 65536 groups";
		return -1;
	}
	u.groups = calloc(room, sizeof(*u.groups));
	if (!u.groups) {
		*why = why_memory;
		return -1;
	}
	while (at < stop) {
		if (!id_parse(&at, stop, &u.groups[u.group_count]) ||
		    (at < stop && (!take(&at, stop, ',') || at == stop))) {
			free(u.groups);
			return -1;
		}
		u.group_count++;
	}
	*out = u;
	return 0;
}

void init_user_free(struct init_user *user)
{
	free(user->groups);
	*user = (struct init_user){0};
}

bool init_cmdline_has(const char *cmdline, const char *word)
{
	static const char blanks[] = " \t\n";
	size_t want = strlen(word);

	for (const char *p = cmdline + strspn(cmdline, blanks); *p; p += strspn(p, blanks)) {
		size_t n = strcspn(p, blanks);

		if (n == want && !memcmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

bool init_module_name_ok(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..") && strlen(name) <= NAME_MAX;
}

bool init_module_compressed(const char *name)
{
	static const char *const tails[] = {".xz", ".gz", ".zst"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		size_t t = strlen(tails[i]);

		if (n > t && !strcmp(name + n - t, tails[i]))
			return true;
	}
	return false;
}

// out = dir (n bytes) + `/` + name, or name alone when n is 0. 1, or -1 if it does not fit.
static int join(const char *dir, size_t n, const char *name, char *out, size_t cap)
{
	size_t slash = n > 0, m = strlen(name);

	if (n > cap || m > cap || n + slash + m + 1 > cap)
		return -1;
	memcpy(out, dir, n);
	if (slash)
		out[n] = '/';
	memcpy(out + n + slash, name, m + 1);
	return 1;
}

int init_path_candidate(const char *path, const char *name, size_t n, char *out, size_t cap)
{
	if (strchr(name, '/'))
		return n == 0 ? join("", 0, name, out, cap) : 0;
	for (; n > 0; n--) {
		path = strchr(path, ':');
		if (!path)
			return 0;
		path++;
	}
	return join(path, strcspn(path, ":"), name, out, cap);
}

bool init_cgroup_line(const char *line, char *out, size_t cap)
{
	size_t n = strcspn(line, " \t");
	const char *p = line + n;

	if (*line == '#' || n == 0 || n >= cap || memchr(line, '/', n))
		return false;
	for (int field = 0; field < 3; field++) { // hierarchy, count, enabled
		p += strspn(p, " \t");
		if (*p < '0' || *p > '9')
			return false;
		if (field < 2)
			p += strspn(p, "0123456789");
	}
	if (strcmp(p, "1"))
		return false;
	memcpy(out, line, n);
	out[n] = 0;
	return true;
}
