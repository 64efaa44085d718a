// SPDX-License-Identifier: Apache-2.0
//
// From four small files to a running program. The child becomes the image's user last of all, and looks its program up
// after that, so that what it may not execute it is not found either.
#include "runtime/init/service.h"
#include "runtime/init/boot.h"
#include "runtime/init/console.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// What a program gets that was started with no environment at all.
static char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
static char *default_env[] = {default_path, NULL};

static const char hint[] = " (did the application ramdisk unpack? the machine needs about four times the image's size)";

// The whole file, removed behind us. False if it is absent and `required` is not set.
static bool take_file(const char *path, bool required, char **text, size_t *len)
{
	if (init_read_file(path, text, len)) {
		if (errno == ENOENT && !required)
			return false;
		init_fatal("read %s: %s%s", path, init_reason(errno), errno == ENOENT ? hint : "");
	}
	unlink(path);
	return true;
}

void init_service_read(struct init_service *s)
{
	const char *why;
	char *text;
	size_t len;

	*s = (struct init_service){0};
	take_file("/env", true, &text, &len);
	if (init_lines_split(text, len, &s->env, &why))
		init_fatal("read /env: %s", why);
	take_file("/cmd", true, &text, &len);
	if (init_lines_split(text, len, &s->cmd, &why))
		init_fatal("read /cmd: %s", why);
	if (s->cmd.count == 0 || !*s->cmd.line[0])
		init_fatal("read /cmd: it names no program");
	if (take_file("/user", false, &text, &len)) {
		if (init_user_parse(text, len, &s->user, &why))
			init_fatal("read /user: %s", why);
		s->has_user = true;
	}
	if (take_file("/workdir", false, &text, &len)) {
		if (len > 0 && text[len - 1] == '\n')
			text[--len] = 0;
		if (len == 0 || memchr(text, 0, len))
			init_fatal("read /workdir: it is no path");
		s->workdir = text;
	}
}

// The kernel drops every capability of a root process that becomes another user; groups must go first.
static void become(const struct init_user *u)
{
	for (int fd = 0; fd < 3; fd++)
		if (fchown(fd, u->uid, (gid_t)-1)) // so that the service may reopen /dev/stdout; a refusal costs only that
			continue;
	if (setgroups(u->group_count, u->groups))
		init_fatal("set %zu supplementary groups: %s", u->group_count, init_reason(errno));
	if (setgid(u->gid))
		init_fatal("become group %u: %s", u->gid, init_reason(errno));
	if (setuid(u->uid))
		init_fatal("become user %u: %s", u->uid, init_reason(errno));
}

// execvp with the service's own PATH; returns the shell's number for what went wrong, having said it.
static int execute(char *const *argv, char *const *env)
{
	const char *path = init_env_get(env, "PATH");
	char place[PATH_MAX];
	int found = 0, more;

	for (size_t n = 0; (more = init_path_candidate(path ? path : default_path + 5, argv[0], n, place, sizeof(place)));
	     n++) {
		if (more < 0)
			continue;
		execve(place, argv, env);
		if (errno != ENOENT && errno != ENOTDIR && !found)
			found = errno;
	}
	if (!found) {
		init_say("unable to run %s: not found%s%s", argv[0], strchr(argv[0], '/') ? "" : " in PATH ",
			 strchr(argv[0], '/') ? "" : (path ? path : default_path + 5));
		return 127;
	}
	init_say("unable to run %s: %s%s", argv[0], init_reason(found),
		 found == ENOEXEC ? " (another architecture, or a script without #!)" : "");
	return 126;
}

static _Noreturn void child(const struct init_service *s)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (s->workdir && chdir(s->workdir)) {
		init_say("unable to enter the working directory %s: %s", s->workdir, init_reason(errno));
		_exit(126);
	}
	if (s->has_user)
		become(&s->user);
	_exit(execute(s->cmd.line, s->env.count ? s->env.line : default_env));
}

void init_service_run(const struct init_service *s)
{
	int status = 0;
	pid_t service = fork(), ended;

	if (service < 0)
		init_fatal("start the service: %s", init_reason(errno));
	if (service == 0)
		child(s);
	do
		ended = waitpid(-1, &status, 0);
	while (ended != service && (ended > 0 || errno == EINTR));
	if (ended != service)
		init_fatal("wait for the service: %s", init_reason(errno));
	if (WIFSIGNALED(status))
		init_say("service killed by signal %d", WTERMSIG(status));
	else
		init_say("service exited with status %d", WEXITSTATUS(status));
}
