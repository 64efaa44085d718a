// SPDX-License-Identifier: Apache-2.0
//
// Commands of the operator's: one that launches the enclave once our listeners are up (`nitro-cli run-enclave …`; the
// enclave dials at once, so this order matters), tried again with growing pauses; and one that ends it when we leave.
#ifndef RUNTIME_CONTROL_PLANE_HOOK_H
#define RUNTIME_CONTROL_PLANE_HOOK_H

#include "runtime/common/loop.h"

enum {
	HOOK_PAUSE_FIRST_MS = 1000, // doubled after each failure
	HOOK_PAUSE_MAX_MS = 30 * 1000, // a CID that was just given up is refused for a while
};

// Called once: whether a try ended with 0.
typedef void hook_fn(void *ctx, bool done);

struct hook;

// Runs `command` by /bin/sh until it ends with 0, at most `tries` times, each try killed after limit_ms. Output goes
// where ours goes. Registers for SIGCHLD: one hook at a time may run.
struct hook *hook_start(struct loop *l, const char *command, unsigned tries, unsigned limit_ms, hook_fn *fn, void *ctx,
			struct err *err);
void hook_free(struct hook *h); // kills what runs; free(NULL) is fine

#endif
