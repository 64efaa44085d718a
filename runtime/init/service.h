// SPDX-License-Identifier: Apache-2.0
//
// The one program that init exists to start.
#ifndef RUNTIME_INIT_SERVICE_H
#define RUNTIME_INIT_SERVICE_H

#include "runtime/init/launch.h"

// Reads /env, /cmd, /user, /workdir from the present root and removes them. Fatal, with a hint, when one of the first
// two is missing or any is malformed.
void init_service_read(struct init_launch *l);

// Starts the service in a session of its own, reaps whatever ends until the service itself has, and says how it ended:
// `cage-init: service exited with status N` or `cage-init: service killed by signal N`. A service that cannot be
// started counts as exited with what init_launch_exec gives.
void init_service_run(const struct init_launch *l);

#endif
