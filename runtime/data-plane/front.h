// SPDX-License-Identifier: Apache-2.0
//
// What every station that speaks with a client itself begins with: its place in the list, the client's stream, the one
// event and the one timer, and what is still to be written. A station adds its protocol and its limits.
#ifndef RUNTIME_DATA_PLANE_FRONT_H
#define RUNTIME_DATA_PLANE_FRONT_H

#include "base/buf.h"
#include "runtime/data-plane/session.h"

struct front {
	struct session session;
	struct stream s;
	struct client who;
	struct event *ev;
	short armed; // what ev waits for
	struct timer timer;
	struct buf out; // for the client
	size_t out_off; // so much of it is written
};

struct front_calls { // all get the object
	void (*drain)(struct session *s);
	void (*kill)(struct session *s);
	event_callback_fn on_ready;
	void (*on_timer)(void *ctx);
};

// A zeroed object of `size` bytes that begins with a front, in the list of sessions; the stream is taken. NULL without
// memory: the connection has then ended.
void *front_open(size_t size, struct shared *shared, struct stream *s, const struct client *who,
		 const struct front_calls *calls);
// Takes it out of the list, closes and frees it. `end`: its unit of the cap is given back; else the next station has
// it.
void front_close(struct front *f, bool end);

// Waits for `want` (EV_READ, EV_WRITE) and nothing else. What was activated before is lost with it.
void front_wait(struct front *f, short want);

static inline size_t front_pending(const struct front *f)
{
	return f->out.len - f->out_off;
}

// Writes what is pending, as far as the client takes it. The number of bytes, or -1: the stream is broken.
ssize_t front_write(struct front *f);

// The last station: takes the stream of `from`, what is pending, and its unit of the cap, sees that all of it arrives,
// and ends the connection. `from` is to be closed (without its unit).
void farewell_open(struct front *from);

#endif
