// SPDX-License-Identifier: Apache-2.0
//
// Whose turn it is to shake hands. A handshake costs processor and memory before anybody is known, so only so many run
// at once; the others wait in the order in which they asked, and cost nothing meanwhile.
//
//   ask ──room──► running ──leave──► gone          a turn is granted by whoever leaves; nobody polls
//     └─none──► waiting ──granted──┘
//                              └──evicted: others wait, and it has run for HANDSHAKE_TURN_MS
//
// While nobody waits a handshake has all the time that its own timer gives it. While somebody does, the one that has
// run longest is ended after HANDSHAKE_TURN_MS: silent clients, and such as dribble, hold a place no longer than that.
#ifndef RUNTIME_DATA_PLANE_HANDSHAKES_H
#define RUNTIME_DATA_PLANE_HANDSHAKES_H

#include "runtime/common/loop.h"

enum { HANDSHAKE_TURN_MS = 750 }; // two round trips of a slow line, and the processor's part

struct turn { // one who asks; part of its owner, zeroed before the first use
	struct turn *prev, *next;
	enum turn_place { TURN_NONE, TURN_WAITING, TURN_RUNNING } place;
	uint64_t since_ms; // running since then
};

struct handshakes;

// At most max run. grant tells that a turn begins, possibly from within handshakes_ask or _leave; it must not leave
// from within. evict must end the owner, by which it leaves; never the one on whose behalf the call was made.
struct handshakes *handshakes_new(struct loop *l, uint32_t max, void (*grant)(struct turn *t),
				  void (*evict)(struct turn *t), struct err *err);
void handshakes_free(struct handshakes *h); // nobody asks or runs any more; free(NULL) is fine

void handshakes_ask(struct handshakes *h, struct turn *t);
void handshakes_leave(struct handshakes *h, struct turn *t); // waiting or running; fine for one that never asked

#endif
