// SPDX-License-Identifier: Apache-2.0
//
//   PAUSE ──timer──► RUN ──exit 0──► done
//     ▲               │ exit other, or killed after the limit
//     └── tries left ─┘ none left: failed
//
// The command runs in a process group of its own, so that the kill reaches what the shell started.
#include "runtime/control-plane/hook.h"

#include "base/mem.h"
#include "runtime/common/log.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

struct hook {
	struct loop *loop;
	char *command;
	unsigned tries_left, pause_ms, limit_ms;
	hook_fn *fn;
	void *ctx;
	struct timer pause, limit;
	struct event *child;
	pid_t pid; // 0: none runs
};

static void ended(struct hook *h, bool done)
{
	hook_fn *fn = h->fn;
	void *ctx = h->ctx;

	h->fn = NULL;
	if (fn)
		fn(ctx, done);
}

static void failed(struct hook *h, const char *why, int code)
{
	h->pid = 0;
	timer_set(&h->limit, 0);
	h->tries_left--;
	log_event(LOG_WARN, "hook.failed", LOG_STR("why", why), LOG_I64("code", code),
		  LOG_U64("tries_left", h->tries_left));
	if (h->tries_left == 0) {
		ended(h, false);
		return;
	}
	timer_set(&h->pause, h->pause_ms);
	h->pause_ms = h->pause_ms * 2 < HOOK_PAUSE_MAX_MS ? h->pause_ms * 2 : HOOK_PAUSE_MAX_MS;
}

static int spawn(struct hook *h)
{
	char shell[] = "sh", option[] = "-c";
	char *argv[] = {shell, option, h->command, NULL};
	posix_spawnattr_t attr;
	sigset_t none, normal;
	int rc;

	sigemptyset(&none);
	sigemptyset(&normal);
	sigaddset(&normal, SIGPIPE); // which we ignore, and a command's pipelines count on
	rc = posix_spawnattr_init(&attr);
	if (rc)
		return rc;
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &normal);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawn(&h->pid, "/bin/sh", NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static void on_pause_over(void *ctx)
{
	struct hook *h = ctx;
	int rc = spawn(h);

	if (rc) {
		failed(h, "cannot start", rc);
		return;
	}
	log_event(LOG_INFO, "hook.started", LOG_I64("pid", h->pid));
	timer_set(&h->limit, h->limit_ms);
}

static void on_limit(void *ctx)
{
	struct hook *h = ctx;

	log_event(LOG_WARN, "hook.killed", LOG_STR("why", "time is up"));
	if (h->pid)
		kill(-h->pid, SIGKILL); // its end comes by SIGCHLD
}

static void on_child(evutil_socket_t signum, short what, void *ctx)
{
	struct hook *h = ctx;
	int status;
	(void)signum;
	(void)what;

	if (!h->pid || waitpid(h->pid, &status, WNOHANG) != h->pid)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		h->pid = 0;
		timer_set(&h->limit, 0);
		log_event(LOG_INFO, "hook.done");
		ended(h, true);
	} else if (WIFEXITED(status)) {
		failed(h, "exit status", WEXITSTATUS(status));
	} else {
		failed(h, "signal", WTERMSIG(status));
	}
}

struct hook *hook_start(struct loop *l, const char *command, unsigned tries, unsigned limit_ms, hook_fn *fn, void *ctx,
			struct err *err)
{
	struct hook *h = mem_zalloc(1, sizeof(*h), err);

	if (!h)
		return NULL;
	h->loop = l;
	h->tries_left = tries ? tries : 1;
	h->pause_ms = HOOK_PAUSE_FIRST_MS;
	h->limit_ms = limit_ms;
	h->fn = fn;
	h->ctx = ctx;
	h->command = mem_strdup(command, err);
	h->child = evsignal_new(loop_base(l), SIGCHLD, on_child, h);
	if (!h->command || !h->child || event_add(h->child, NULL) < 0 ||
	    timer_init(&h->pause, l, on_pause_over, h, err) < 0 || timer_init(&h->limit, l, on_limit, h, err) < 0) {
		err_nomem(err);
		hook_free(h);
		return NULL;
	}
	timer_set(&h->pause, 1);
	return h;
}

void hook_free(struct hook *h)
{
	if (!h)
		return;
	if (h->pid) {
		kill(-h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
	}
	if (h->child)
		event_free(h->child);
	timer_free(&h->pause);
	timer_free(&h->limit);
	free(h->command);
	free(h);
}
