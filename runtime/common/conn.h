// SPDX-License-Identifier: Apache-2.0
//
// What the connections of the small servers (control frames, StatsD lines, DNS by TCP) have in common: a place in their
// server's list, a unit of its cap, one event with an idle limit.
#ifndef RUNTIME_CONN_H
#define RUNTIME_CONN_H

#include "runtime/common/chain.h"
#include "runtime/common/conncap.h"
#include "runtime/common/loop.h"

struct conn_base { // the first member of a connection
	struct chain chain;
	struct conncap *cap;
	int fd;
	struct event *event; // NULL: none
};

// A zeroed object of `size` bytes that begins with a conn_base, in the list. NULL without memory: fd is then closed and
// the cap's unit given back.
void *conn_begin(size_t size, int fd, struct conncap *cap, struct chain **list);

// Waits for `what` (EV_READ, EV_WRITE, EV_PERSIST), at most idle_ms: then fn is called with EV_TIMEOUT. Replaces what
// was waited for. 0 or -1.
int conn_wait(struct conn_base *c, struct loop *l, short what, unsigned idle_ms,
	      void (*fn)(evutil_socket_t fd, short what, void *ctx));

// Takes it out of the list, closes and frees it.
void conn_end(struct conn_base *c);

#endif
