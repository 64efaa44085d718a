// SPDX-License-Identifier: Apache-2.0
//
// A connection to the service as its two halves see it: the pool, which makes, keeps and gives out connections, and the
// exchange that runs on one. Nobody else includes this.
#ifndef RUNTIME_DATA_PLANE_UPSTREAM_CONN_H
#define RUNTIME_DATA_PLANE_UPSTREAM_CONN_H

#include "runtime/data-plane/upstream.h"

enum upstream_state { U_CONNECT, U_HEAD, U_BODY, U_IDLE };

struct upstream {
	struct upstream_pool *pool;
	struct upstream *prev, *next; // in the idle list
	struct stream s;
	struct event *ev;
	short armed;
	struct timer timer;
	enum upstream_state state;
	const struct upstream_events *events;
	void *ctx;
	struct buf out; // request bytes not yet written
	size_t out_off;
	struct buf in;  // of a response: an unfinished head, or content that had no room
	size_t scanned; // of the head in `in`
	struct http1_decoder decoder;
	enum http1_body body; // of the request
	bool is_head, idempotent, upgrade, private;
	bool request_done, response_keep, used, got_bytes, starved, busy, gone, stolen;
	bool kick;           // to be run from the loop though no event may come; survives re-arming
	bool refused;        // the kernel said no at once; told from the timer
	uint64_t last_ms;    // of the last byte of the response
	size_t interim;      // what the interim heads of this response have cost, less what was forgiven
	uint64_t interim_ms; // when it was last forgiven
	struct buf again;    // the request's head, kept while it may have to be sent again
};

struct upstream_pool {
	struct loop *loop;
	struct upstream_options opt;
	struct upstream *idle; // most recently used first
	struct upstream *idle_last;
	struct upstream_counters count;
	struct http1_head head; // of the response being read: one for all, it lives no longer than a callback
};

// ---- the pool's half ------------------------------------------------------------------------------------------------
void upstream_free(struct upstream *u); // for the frame that set `busy`, and the loop
// It is no longer to be used, and not counted from here on. The frame that set `busy` frees it.
void upstream_retire(struct upstream *u);
// Closes it. One that is busy has a frame of ours below on the stack, which will look at it again: that frame frees it.
// So also for one found in the pool: the exchange that put it there may be telling its front so at this moment.
void upstream_drop(struct upstream *u);
// Waits for `want` (EV_READ, EV_WRITE) and nothing else. Taking an event down takes its activation with it: a kick
// survives.
void upstream_arm(struct upstream *u, short want);
// Opens the connection of u anew. 0, or -1 when the kernel refuses at once.
int upstream_connect(struct upstream *u, struct err *err);
// A kept connection that is still open, or a new one. NULL without memory, or with as many as there may be.
struct upstream *upstream_pool_take(struct upstream_pool *p, const struct upstream_request *rq, struct err *err);
// Keeps u for the next exchange. False: there are enough.
bool upstream_pool_keep(struct upstream *u);
// Takes an idle u out of the pool.
void upstream_pool_forget(struct upstream *u);

// ---- the exchange's half --------------------------------------------------------------------------------------------
void upstream_on_ready(evutil_socket_t fd, short what, void *arg);
void upstream_on_timer(void *ctx);

#endif
