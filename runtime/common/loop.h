// SPDX-License-Identifier: Apache-2.0
//
// The event loop and what every part of a plane needs of it: listeners that never do serial work, dialling with a
// time limit, one-shot timers, signals, and an end that carries a status. One thread, one loop, libevent below.
//
// Rules of the house:
// - a callback may free the object that called it, unless said otherwise;
// - nothing here blocks; memory trouble in a callback drops the connection, never the process;
// - time is CLOCK_MONOTONIC in milliseconds.
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include "base/err.h"
#include "runtime/common/addr.h"
#include "runtime/common/conncap.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop *loop_new(struct err *err);
void loop_free(struct loop *l); // free(NULL) is fine
struct event_base *loop_base(struct loop *l);

// Runs until loop_stop. Returns the status given to it; 2 if libevent itself fails.
int loop_run(struct loop *l);

// Ends loop_run after the current callback. The first status wins.
void loop_stop(struct loop *l, int status);

enum { LOOP_PART_DIED = 1 }; // the status when a listener died under an acceptor

uint64_t loop_now_ms(void);

// A block of LOOP_SCRATCH bytes that a callback may use until it returns: one for all connections, so that an idle
// connection needs no buffer.
enum { LOOP_SCRATCH = 64 * 1024 };
uint8_t *loop_scratch(struct loop *l);

// ---- timers --------------------------------------------------------------------------------------------------------
struct timer {
	struct event *ev;
	void (*fn)(void *ctx);
	void *ctx;
};
#define TIMER_INIT                                                                                                     \
	{                                                                                                              \
		NULL, NULL, NULL                                                                                       \
	}

// Prepares a timer; timer_set (re)starts it, 0 ms stops it; timer_free stops and frees it and may be called twice.
int timer_init(struct timer *t, struct loop *l, void (*fn)(void *ctx), void *ctx, struct err *err);
void timer_set(struct timer *t, unsigned ms);
void timer_free(struct timer *t);

// ---- signals -------------------------------------------------------------------------------------------------------
// Calls fn on each delivery of signum for the life of the loop. SIGPIPE is ignored from loop_new on.
int loop_on_signal(struct loop *l, int signum, void (*fn)(void *ctx), void *ctx, struct err *err);

// ---- accepting -----------------------------------------------------------------------------------------------------
// fd is the callee's (non-blocking, close-on-exec, tuned), one unit of `cap` is taken for it: the callee gives it back
// with conncap_release when the connection ends. peer is borrowed for the call.
typedef void accept_fn(void *ctx, int fd, const struct addr *peer);

struct acceptor;

// Serves a listening descriptor (taken, also on failure). Over the cap a connection is closed at once and counted as
// shed; out of descriptors one is shed through a reserve and accepting pauses for 100 ms. cap is borrowed, may be
// shared, may be NULL (no cap).
struct acceptor *acceptor_new(struct loop *l, int fd, struct conncap *cap, accept_fn *fn, void *ctx, struct err *err);
void acceptor_pause(struct acceptor *a, bool paused); // paused: new connections wait in the kernel's queue
// Closes the listener; NULL is fine; not from within its own accept_fn.
void acceptor_free(struct acceptor *a);

// addr_parse'd address to acceptor in one step.
struct acceptor *acceptor_listen(struct loop *l, const struct addr *at, struct conncap *cap, accept_fn *fn, void *ctx,
				 struct err *err);

// ---- dialling ------------------------------------------------------------------------------------------------------
// Called once, never from within dial_start: fd >= 0 is connected and the callee's; else errnum says why (ETIMEDOUT
// when time is up).
typedef void dial_fn(void *ctx, int fd, int errnum);

struct dial;

// Starts to connect with a limit of timeout_ms. NULL only when memory is out (a refusal by the kernel is reported
// through fn). The dial frees itself after fn; dial_cancel before that stops it without a call.
struct dial *dial_start(struct loop *l, const struct addr *to, unsigned timeout_ms, dial_fn *fn, void *ctx,
			struct err *err);
void dial_cancel(struct dial *d); // free(NULL) is fine

#endif
