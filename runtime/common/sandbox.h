// SPDX-License-Identifier: Apache-2.0
//
// What a plane gives up. In two steps: sandbox_prepare at the very start (limits, no core dumps, not traceable),
// sandbox_enter once every listener is bound and every file read (no capabilities, no new privileges, a seccomp list).
// After sandbox_enter a system call that is not on the list kills the process: it cannot start programs, open files for
// writing, trace, mount, load modules or change identities, whatever bug an attacker finds.
#ifndef RUNTIME_SANDBOX_H
#define RUNTIME_SANDBOX_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

// Raises RLIMIT_NOFILE as far as it goes (to /proc/sys/fs/nr_open when privileged, else to the hard limit), sets
// RLIMIT_CORE to 0 and PR_SET_DUMPABLE off. Returns the descriptor limit that holds now, 0 with err on failure.
uint64_t sandbox_prepare(struct err *err);

enum sandbox_allow {
	SANDBOX_SOCKETS = 1,    // new sockets of the families unix, inet, inet6, vsock (outgoing connections, accept)
	SANDBOX_READ_FILES = 2, // open files read-only (/proc for metrics)
	SANDBOX_LISTEN = 4,     // bind and listen later than start-up
};

// Drops capabilities (bounding, ambient, effective, permitted, inheritable), sets no_new_privs, installs the list.
// Builds under a sanitizer keep their system calls: there the list is not installed, and *enforced says so.
int sandbox_enter(unsigned allow, bool *enforced, struct err *err);

#endif
