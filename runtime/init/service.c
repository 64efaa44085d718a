// SPDX-License-Identifier: Apache-2.0
//
// PID 1's own part around a launch: a fresh session, default signals, and reaping.
#include "runtime/init/service.h"
#include "runtime/init/console.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void init_service_read(struct init_launch *l)
{
	static const char hint[] =
		" (did the application ramdisk unpack? the machine needs about four times the image's size)";
	char why[256];

	if (init_launch_read("/", true, l, why, sizeof(why)))
		init_fatal("read %s%s", why, strstr(why, init_reason(ENOENT)) ? hint : "");
}

static _Noreturn void child(const struct init_launch *l)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	_exit(init_launch_exec(l));
}

void init_service_run(const struct init_launch *l)
{
	int status = 0;
	pid_t service = fork(), ended;

	if (service < 0)
		init_fatal("start the service: %s", init_reason(errno));
	if (service == 0)
		child(l);
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
