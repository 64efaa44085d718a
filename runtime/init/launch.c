// SPDX-License-Identifier: Apache-2.0
//
// The user changes last of all but the search for the program, so that what that user may not execute is not found.
#include "runtime/init/launch.h"
#include "runtime/init/boot.h"
#include "runtime/init/console.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What a program gets that was started with no environment at all.
static char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static char *default_env[] = {default_path, NULL};

struct complaint {
	char *text;
	unsigned long cap;
};

static int complain(struct complaint *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int complain(struct complaint *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, c->cap, fmt, ap);
	va_end(ap);
	return -1;
}

// The whole file; 1 if it is there, 0 if it is absent and need not be there, -1 with a complaint.
static int read_one(const char *dir, const char *name, bool required, bool take, char **text, size_t *len,
		    struct complaint *c)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", strcmp(dir, "/") ? dir : "", name);
	if (init_read_file(path, text, len)) {
		if (errno == ENOENT && !required)
			return 0;
		return complain(c, "%s: %s", path, init_reason(errno));
	}
	if (take)
		unlink(path);
	return 1;
}

int init_launch_read(const char *dir, bool take, struct init_launch *l, char *why, unsigned long cap)
{
	struct complaint c = {why, cap};
	const char *top = strcmp(dir, "/") ? dir : "", *reason;
	char *text;
	size_t len;
	int there;

	*l = (struct init_launch){0};
	if (read_one(dir, "env", true, take, &text, &len, &c) < 0)
		return -1;
	if (init_lines_split(text, len, &l->env, &reason))
		return complain(&c, "%s/env: %s", top, reason);
	if (read_one(dir, "cmd", true, take, &text, &len, &c) < 0)
		return -1;
	if (init_lines_split(text, len, &l->cmd, &reason))
		return complain(&c, "%s/cmd: %s", top, reason);
	if (l->cmd.count == 0 || !*l->cmd.line[0])
		return complain(&c, "%s/cmd: it names no program", top);
	there = read_one(dir, "user", false, take, &text, &len, &c);
	if (there < 0 || (there > 0 && init_user_parse(text, len, &l->user, &reason)))
		return there < 0 ? -1 : complain(&c, "%s/user: %s", top, reason);
	l->has_user = there > 0;
	if (l->has_user)
		free(text); // the other texts are what the lines point into
	there = read_one(dir, "workdir", false, take, &text, &len, &c);
	if (there < 0)
		return -1;
	if (there > 0) {
		if (len > 0 && text[len - 1] == '\n')
			text[--len] = 0;
		if (len == 0 || memchr(text, 0, len))
			return complain(&c, "%s/workdir: it is no path", top);
		l->workdir = text;
	}
	return 0;
}

// The kernel drops every capability of a root process that becomes another user; groups must go first.
static int become(const struct init_user *u)
{
	for (int fd = 0; fd < 3; fd++)
		if (fchown(fd, u->uid, (gid_t)-1))
			continue; // a refusal costs the service no more than reopening the stream
	if (setgroups(u->group_count, u->groups))
		init_say("unable to set %zu supplementary groups: %s", u->group_count, init_reason(errno));
	else if (setgid(u->gid))
		init_say("unable to become group %u: %s", u->gid, init_reason(errno));
	else if (setuid(u->uid))
		init_say("unable to become user %u: %s", u->uid, init_reason(errno));
	else
		return 0;
	return -1;
}

int init_launch_exec(const struct init_launch *l)
{
	char *const *argv = l->cmd.line, *const *env = l->env.count ? l->env.line : default_env;
	const char *path = init_env_get(env, "PATH");
	char place[PATH_MAX];
	int found = 0, more;

	if (l->workdir && chdir(l->workdir)) {
		init_say("unable to enter the working directory %s: %s", l->workdir, init_reason(errno));
		return 126;
	}
	if (l->has_user && become(&l->user))
		return 126;
	if (!path)
		path = default_path + strlen("PATH=");
	for (size_t n = 0; (more = init_path_candidate(path, argv[0], n, place, sizeof(place))); n++) {
		if (more < 0)
			continue;
		execve(place, argv, env);
		if (errno != ENOENT && errno != ENOTDIR && !found)
			found = errno;
	}
	if (found) {
		init_say("unable to run %s: %s%s", argv[0], init_reason(found),
			 found == ENOEXEC ? " (another architecture, or a script without #!)" : "");
		return 126;
	}
	if (strchr(argv[0], '/'))
		init_say("unable to run %s: not found", argv[0]);
	else
		init_say("unable to run %s: not found in PATH %s", argv[0], path);
	return 127;
}
