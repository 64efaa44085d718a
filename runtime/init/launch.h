// SPDX-License-Identifier: Apache-2.0
//
// From a handful of small files to a running program: what both PID 1 and a supervised service of a cage do. The files
// are those of the canonical layout (`cmd`, `env`, `user`, `workdir`): a line a word, nothing quoted, so nothing to
// unquote.
#ifndef RUNTIME_INIT_LAUNCH_H
#define RUNTIME_INIT_LAUNCH_H

#include "runtime/init/words.h"

#include <stdbool.h>

struct init_launch {
	struct init_lines cmd; // the argument list; at least one element, the first not empty
	struct init_lines env; // the whole environment; empty: a PATH alone
	struct init_user user; // used if has_user, else nothing changes
	bool has_user;
	char *workdir; // NULL: where we are
};

// Reads DIR/cmd and DIR/env, which must be there, and DIR/user, DIR/workdir, which need not; removes them if `take`.
// 0, or -1 with the file and the reason in why (cap bytes). What *l points to is never freed: a launch ends in a
// program.
int init_launch_read(const char *dir, bool take, struct init_launch *l, char *why, unsigned long cap);

// Enters the working directory, becomes the user (who gets the standard streams too, so that /dev/stdout can be
// opened), looks the program up in the PATH of its own environment and becomes it. Returns only if it cannot, having
// said why: 127 if there is no such program, else 126, as a shell would.
int init_launch_exec(const struct init_launch *l);

#endif
