// SPDX-License-Identifier: Apache-2.0
//
// What runs a cage's services, in images that may hold no shell: the `run` of each service directory is a link to this
// program, which finds beside it the files of the canonical layout (`cmd`, `env`, `user`, `workdir`) and becomes what
// they say. Beside those:
//
//   gate      `close`: this is the data plane, it gets the gate as descriptor 3; `wait`: not before the gate is open
//   late-env  path of a file that may be there by then: more NAME=VALUE words, a NUL behind each, in place of those in
//             `env` with the same name (what the data plane was given at run time: secrets are not measured)
//
// As `cage-service --boot RUNSVDIR SERVICES [NAMESERVER]` it is what init starts: makes the gate, brings lo up, gives
// the image the names that it lacks, becomes the supervisor.
// Exit: 126, 127 as a shell; 111 for anything else that fails.
#include "runtime/init/boot.h"
#include "runtime/init/console.h"
#include "runtime/init/launch.h"
#include "runtime/init/root.h"
#include "runtime/service/gate.h"
#include "runtime/service/late_env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TROUBLE = 111 };

static int trouble(const char *verb, const char *reason)
{
	init_say("unable to %s: %s", verb, reason);
	return TROUBLE;
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		init_say("unable to write %s: %s", path, init_reason(errno));
	if (fd >= 0)
		close(fd);
}

// At run time and not in the measured tree, because builders (and nitro-cli) put files of their own in these places.
// resolv.conf may be a symlink into /run, as in nitro-cli's images: its directory is made, the link is followed.
static void give_names(const char *nameserver)
{
	struct stat st;
	char text[128];

	if (stat("/etc/hosts", &st) || st.st_size == 0)
		write_text("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
	if (!nameserver)
		return;
	mkdir("/run/resolvconf", 0755);
	snprintf(text, sizeof(text), "nameserver %s\n", nameserver);
	write_text("/etc/resolv.conf", text);
}

// The supervisor looks its own tools up in PATH: its directory, then the usual ones.
static int boot(char *runsvdir, char *services, const char *nameserver)
{
	char path[PATH_MAX + 128], *slash = strrchr(runsvdir, '/');
	char *argv[] = {runsvdir, services, NULL}, *env[] = {path, NULL};

	if (!slash)
		return trouble("boot", "the supervisor's path is not absolute");
	snprintf(path, sizeof(path), "PATH=%.*s:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		 (int)(slash - runsvdir), runsvdir);
	if (gate_make(GATE_DIR))
		return trouble("make the gate in " GATE_DIR, init_reason(errno));
	init_loopback_up();
	give_names(nameserver);
	execve(runsvdir, argv, env);
	return trouble("run the supervisor", init_reason(errno));
}

// The first line of a small file beside us; "" if there is none.
static const char *word(const char *name)
{
	char *text;
	size_t len;

	if (init_read_file(name, &text, &len))
		return "";
	text[strcspn(text, "\n")] = 0;
	return text;
}

static int serve(void)
{
	struct init_launch launch;
	char why[256];
	const char *gate = word("gate"), *late = word("late-env"), *reason;

	if (!strcmp(gate, "close") && gate_close(GATE_DIR))
		return trouble("close the gate in " GATE_DIR, init_reason(errno));
	if (!strcmp(gate, "wait") && gate_wait(GATE_DIR))
		return trouble("wait at the gate in " GATE_DIR, init_reason(errno));
	if (init_launch_read(".", false, &launch, why, sizeof(why)))
		return trouble("read the service's files", why);
	if (*late && late_env_merge(late, &launch.env, &reason))
		return trouble("read the late environment", reason);
	return init_launch_exec(&launch);
}

int main(int argc, char **argv)
{
	init_program = "cage-service: ";
	if ((argc == 4 || argc == 5) && !strcmp(argv[1], "--boot"))
		return boot(argv[2], argv[3], argv[4]);
	if (argc == 1)
		return serve();
	init_say("usage: cage-service | cage-service --boot RUNSVDIR SERVICES [NAMESERVER]");
	return TROUBLE;
}
