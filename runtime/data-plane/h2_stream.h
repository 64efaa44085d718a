// SPDX-License-Identifier: Apache-2.0
//
// A connection of HTTP/2 as its two halves see it: the connection, which reads, writes and keeps nghttp2's session, and
// its streams, each an exchange with the service. Nobody else includes this.
//
//   client DATA ─► stream window ─► upstream (≤ 64 KiB) ─► service      a window is opened again (consume) only for
//   what client DATA ◄─ stream.out (≤ 64 KiB) ◄──────────────── service      the service's side has taken
//
// A stream is under one limit at a time, counted from what last moved it; other traffic of the connection counts for
// nothing, or a client could hold streams and the service's connections with pings alone:
//
//   head incomplete        header_ms    the connection ends: between the frames of a head nothing else may come
//   content incomplete     body_ms      408, or 504 where it is the service that does not take it
//   answer not taken       idle_ms      the stream is reset
//   waits for the service  the service's own timers
#ifndef RUNTIME_DATA_PLANE_H2_STREAM_H
#define RUNTIME_DATA_PLANE_H2_STREAM_H

#include "base/buf.h"
#include "runtime/data-plane/exchange.h"
#include "runtime/data-plane/front.h"
#include "runtime/data-plane/h2_fields.h"

struct h2_stream {
	struct h2 *h2;
	struct h2_stream *prev, *next;
	int32_t id;
	struct upstream *up;
	struct h2_fields fields; // of the request, until it is sent on
	struct buf in;           // request content that the service had no room for; the stream's window bounds it
	bool begun, in_ended, head_only, responded, ended;
	struct buf out; // response content not yet framed
	size_t out_off;
	uint64_t moved_ms; // when the client, or the service for it, last moved what is waited for
	struct trx trx;
};

struct h2 {
	struct front f;
	uint64_t fires_at; // when the timer will look
	uint64_t last_ms;  // of the last byte, either way
	nghttp2_session *ng;
	struct h2_stream *streams;
	unsigned resets; // streams that ended by a reset, less what time has forgiven
	uint64_t resets_ms;
	bool busy, gone;
	bool over; // nothing more is read, and all that is to be said is pending
};

// ---- the streams' half ----------------------------------------------------------------------------------------------
// A stream of that id, in the connection's list. NULL without memory.
struct h2_stream *h2_stream_new(struct h2 *c, int32_t id);
void h2_stream_free(struct h2_stream *st); // the exchange is given up

// The head is whole (`ended`: no content follows): starts the exchange, or refuses.
void h2_stream_begin(struct h2_stream *st, bool ended);
// Content came: 0 < n. The window is opened again by what the service takes.
void h2_stream_content(struct h2_stream *st, const uint8_t *p, size_t n);
void h2_stream_content_end(struct h2_stream *st);

// How long the stream may still wait, 0: not at all, UINT_MAX: it waits for the service alone.
unsigned h2_stream_patience(const struct h2_stream *st, uint64_t now);
// Its time is up. False: nothing but the end of the connection will do.
bool h2_stream_expire(struct h2_stream *st, uint64_t now);

// ---- the connection's half ------------------------------------------------------------------------------------------
// Something is to be sent: once all exchanges that are ready in this turn of the loop have spoken, so that their frames
// leave in one record.
void h2_wake(struct h2 *c);

#endif
