// SPDX-License-Identifier: Apache-2.0
//
// PID 1 of an enclave image: from the kernel's hand-over to a running service, and back.
//
//   bootstrap root   devtmpfs, console ─ nsm.ko, modules ─ heartbeat ─ env, cmd, user, workdir
//   image's root     switch root ─ mounts ─ lo ─ fork, user, working directory, exec ─ reap ─ restart
//
// It is measured (PCR1), so it carries no path, date or version of the machine that built it, and does nothing that
// depends on time. Any failure is one line on the console and the end of the machine: nothing runs half-prepared.
#include "runtime/init/boot.h"
#include "runtime/init/console.h"
#include "runtime/init/heartbeat.h"
#include "runtime/init/root.h"
#include "runtime/init/service.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

// A parent that does not hear us kills the enclave, so without the heartbeat there is no point in going on; except
// where there is no parent at all and the measured command line says so.
static void heartbeat(void)
{
	const char *why;
	enum init_beat beat = init_heartbeat(&why);

	if (beat == INIT_BEAT_DONE)
		return;
	const char *what = beat == INIT_BEAT_NO_DEVICE ? "no vsock device" : "no heartbeat";

	if (!init_boot_option("cage.heartbeat=optional"))
		init_fatal("send the heartbeat to vsock 3:9000: %s: %s", what, why);
	init_say("%s (%s): going on, as cage.heartbeat=optional says", what, why);
}

int main(void)
{
	struct init_launch service;
	sigset_t all;

	if (getpid() != 1)
		return 100; // it would mount over and restart the machine of whoever tried it out
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	umask(022);
	init_open_console();
	init_load_modules();
	heartbeat();
	init_service_read(&service);
	init_switch_root();
	init_mount_all();
	init_loopback_up();
	init_service_run(&service);
	init_halt();
}
