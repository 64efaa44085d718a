// SPDX-License-Identifier: Apache-2.0
//
// Where credentials are looked for, in the order of containers-auth.json(5): --authfile, REGISTRY_AUTH_FILE, then
// those that exist of XDG_RUNTIME_DIR/containers/auth.json, XDG_CONFIG_HOME/containers/auth.json (HOME/.config without
// it), DOCKER_CONFIG/config.json (HOME/.docker without it). Helpers are run as Docker runs them: the program
// docker-credential-NAME from PATH, `get`, the server's name on its standard input.
#include "eifgen/cmd/registry_option.h"

#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// ---- helpers -------------------------------------------------------------------------------------------------------
struct pipe_pair {
	int read, write;
};

static void pipe_clear(struct pipe_pair *p)
{
	cleanup_closep(&p->read);
	cleanup_closep(&p->write);
}

static int pipe_open(struct pipe_pair *p, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return err_sys(err, errno, "make a pipe");
	*p = (struct pipe_pair){fds[0], fds[1]};
	return 0;
}

// What main ignores for itself is the helper's own business: a script's pipes end by SIGPIPE.
static int restore_signals(posix_spawnattr_t *attr)
{
	sigset_t set;
	int rc;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGXFSZ);
	rc = posix_spawnattr_setsigdefault(attr, &set);
	return rc ? rc : posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF);
}

static int spawn(const char *program, int in, int out, pid_t *pid, struct err *err)
{
	char *argv[] = {(char *)program, (char *)"get", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int rc;

	if (posix_spawn_file_actions_init(&actions))
		return err_nomem(err);
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&actions);
		return err_nomem(err);
	}
	rc = restore_signals(&attr);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, in, 0);
	if (!rc)
		rc = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!rc)
		rc = posix_spawnp(pid, program, &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc ? err_sys(err, rc, "run %s", program) : 0;
}

// Server out, answer in; both short. SIGPIPE is ignored by main, so a helper that reads nothing is only EPIPE.
static int talk(struct pipe_pair *to, struct pipe_pair *from, const char *server, struct buf *out, struct err *err)
{
	struct err ignored = ERR_INIT;
	ssize_t n;

	if (!io_write(to->write, server, strlen(server), &ignored))
		io_write(to->write, "\n", 1, &ignored);
	close(steal_fd(&to->write));
	close(steal_fd(&from->write));
	do {
		if (buf_reserve(out, 4096, err))
			return -1;
		n = io_read(from->read, out->data + out->len, 4096, err);
		if (n > 0)
			out->len += (size_t)n;
	} while (n > 0);
	return (int)n;
}

static int run_helper(void *ctx, const char *helper, const char *server, struct buf *out, struct err *err)
{
	_cleanup_free_ char *program = mem_printf(err, "docker-credential-%s", helper);
	_cleanup_(pipe_clear) struct pipe_pair to = {-1, -1}, from = {-1, -1};
	int status, rc;
	pid_t pid;

	(void)ctx;
	if (!program || pipe_open(&to, err) || pipe_open(&from, err) || spawn(program, to.read, from.write, &pid, err))
		return -1;
	rc = talk(&to, &from, server, out, err);
	pipe_clear(&from);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!rc && WIFEXITED(status) && WEXITSTATUS(status) && memmem(out->data, out->len, "not found", 9)) {
		out->len = 0; // "credentials not found in native keychain": Docker's helpers say it so
		return 0;
	}
	if (!rc && (!WIFEXITED(status) || WEXITSTATUS(status)))
		return err_set(err, ERR_IO, "%s failed", program);
	return rc;
}

// ---- the environment -----------------------------------------------------------------------------------------------
static const char *env(const char *name)
{
	const char *v = getenv(name);

	return v && *v ? v : NULL;
}

// The first of these that is set; NULL ends the list early.
static const char *first_of(const char *a, const char *b, const char *c)
{
	const char *v = env(a);

	if (!v && b)
		v = env(b);
	return v || !c ? v : env(c);
}

// Adds base/tail, or home/home_tail if base is not set. A path that does not fit cannot be opened either.
static void add_path(struct registry_option *o, const char *base, const char *tail, const char *home,
		     const char *home_tail)
{
	size_t n = 0;
	int len;

	while (o->list[n])
		n++;
	if (!base && !home)
		return;
	len = snprintf(o->paths[n], sizeof(o->paths[n]), "%s/%s", base ? base : home, base ? tail : home_tail);
	if (len > 0 && (size_t)len < sizeof(o->paths[n]))
		o->list[n] = o->paths[n];
}

// Another kind of address stays as it is: who asks the daemon there is told that it is not read, in place of being
// given the image that a daemon here has under the same name.
static void take_docker_host(struct registry_option *o, const char *text)
{
	o->daemon_socket = strncmp(text, "unix://", 7) ? text : text + 7;
}

void registry_option_init(struct registry_option *o)
{
	const char *home = env("HOME");

	memset(o, 0, sizeof(*o));
	o->opt.run_helper = run_helper;
	o->opt.authfile = env("REGISTRY_AUTH_FILE");
	o->opt.authfiles = o->list;
	o->opt.proxy = first_of("https_proxy", "HTTPS_PROXY", "ALL_PROXY");
	// HTTP_PROXY is a CGI's request header: libcurl skips it, too
	o->opt.http_proxy = first_of("http_proxy", "ALL_PROXY", NULL);
	o->opt.no_proxy = first_of("no_proxy", "NO_PROXY", NULL);
	if (env("DOCKER_HOST"))
		take_docker_host(o, env("DOCKER_HOST"));
	add_path(o, env("XDG_RUNTIME_DIR"), "containers/auth.json", NULL, NULL);
	add_path(o, env("XDG_CONFIG_HOME"), "containers/auth.json", home, ".config/containers/auth.json");
	add_path(o, env("DOCKER_CONFIG"), "config.json", home, ".docker/config.json");
}

int registry_option_take(struct registry_option *o, int opt, const char *command)
{
	switch (opt) {
	case REGISTRY_OPT_AUTHFILE:
		o->opt.authfile = optarg;
		return 0;
	case REGISTRY_OPT_TLS_CA:
		if (access(optarg, R_OK)) // libcurl's own words for it name no file
			return cmd_usage_error(command, "--tls-ca: cannot read %s", optarg);
		o->opt.tls_ca = optarg;
		return 0;
	case REGISTRY_OPT_PLAIN_HTTP:
		o->opt.plain_http = true;
		return 0;
	default:
		if (strncmp(optarg, "unix:///", 8))
			return cmd_usage_error(command, "--docker-host takes unix:///PATH, not %s", optarg);
		take_docker_host(o, optarg);
		return 0;
	}
}
