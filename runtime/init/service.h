// SPDX-License-Identifier: Apache-2.0
//
// The one program that init exists to start.
#ifndef RUNTIME_INIT_SERVICE_H
#define RUNTIME_INIT_SERVICE_H

#include "runtime/init/words.h"

struct init_service {
	struct init_lines cmd; // the argument list; at least one element
	struct init_lines env; // the whole environment; empty: a PATH alone
	struct init_user user; // used if has_user, else root with no supplementary group
	bool has_user;
	char *workdir; // NULL: `/`
};

// Reads /env, /cmd, /user, /workdir from the present root and removes them. Fatal, with a hint, when one of the first
// two is missing or any is malformed. What *s points to lives as long as the machine.
void init_service_read(struct init_service *s);

// Starts the service in a session of its own, reaps whatever ends until the service itself has, and says how it ended:
// `cage-init: service exited with status N` or `cage-init: service killed by signal N`. A service that cannot be
// started counts as exited with 127 (not found) or 126 (found, refused), as a shell would say.
void init_service_run(const struct init_service *s);

#endif
