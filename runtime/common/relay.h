// SPDX-License-Identifier: Apache-2.0
//
// The two-way byte pipe between two streams, which is most of what both planes do.
//
//      a ──read──► [a→b: at most 64 KiB] ──write──► b
//      a ◄─write── [b→a: at most 64 KiB] ◄──read─── b
//
// - Half-close is carried: EOF on one side becomes stream_shutdown on the other once the bytes before it are out; the
//   opposite direction lives on. The relay ends when both directions have ended.
// - A broken read is carried too: what came before it is written on, then the other side is aborted, so that nobody
//   takes a cut stream for a whole one: a reset on TCP; on vsock and unix a close without a half-close before it, which
//   a relay whose stream says `whole_ends` takes for what it is (not once its own direction has ended: see stream.h).
// - A broken write ends only its own direction: what that peer had sent before it closed (an early answer to an upload)
//   still goes through, and the rest of the upload is read and dropped, for a close with unread bytes would reset the
//   connection and lose the answer's tail.
// - Back-pressure: a side is not read while the other cannot take its bytes.
// - No byte in either direction for idle_ms ends it; once one direction has ended, linger_ms is the limit instead.
// - Heavy plain flows move to splice by themselves (see the .c file).
#ifndef RUNTIME_RELAY_H
#define RUNTIME_RELAY_H

#include "runtime/common/loop.h"
#include "runtime/common/stream.h"

enum { RELAY_BUFFER_MAX = 64 * 1024 }; // a direction

enum relay_end {
	RELAY_DONE,      // both directions ended cleanly
	RELAY_ERROR,     // a side failed: result.errnum; the other direction may still have ended cleanly
	RELAY_IDLE,      // the idle or linger limit
	RELAY_CANCELLED, // relay_cancel
};

struct relay_result {
	enum relay_end end;
	int errnum;
	uint64_t a_to_b, b_to_a; // bytes delivered
};

struct relay_options {
	unsigned idle_ms;                      // 0: no limit
	unsigned linger_ms;                    // after one direction has ended; 0: idle_ms
	uint64_t *total_a_to_b, *total_b_to_a; // counters to add to while bytes move; may be NULL
};

typedef void relay_fn(void *ctx, const struct relay_result *result);

struct relay;

// Takes both streams (also on failure) and sets them to STREAM_INIT. fn is called once, never from within
// relay_start, after both streams are closed; it may be NULL.
struct relay *relay_start(struct loop *l, struct stream *a, struct stream *b, const struct relay_options *options,
			  relay_fn *fn, void *ctx, struct err *err);

// As relay_start, with bytes that were read from a already and go to b first (at most RELAY_BUFFER_MAX; copied).
struct relay *relay_start_with(struct loop *l, struct stream *a, struct stream *b, const void *first, size_t n,
			       const struct relay_options *options, relay_fn *fn, void *ctx, struct err *err);

// As relay_start_with, with bytes for both sides: from_a goes to b, from_b goes to a.
struct relay *relay_start_both(struct loop *l, struct stream *a, struct stream *b, const void *from_a, size_t n_a,
			       const void *from_b, size_t n_b, const struct relay_options *options, relay_fn *fn,
			       void *ctx, struct err *err);

// Ends it now with RELAY_CANCELLED; fn is called from within.
void relay_cancel(struct relay *r);

#endif
