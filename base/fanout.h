// SPDX-License-Identifier: Apache-2.0
//
// One producer, several consumers, all of whom see every byte in order, each at its own pace: how a stream is digested
// three ways and written while the next piece is being made.
//
//   producer ─ buffer, fill, publish ─►  ring of chunks  ─► consumer 0
//                                                        ─► consumer 1
//
// Helper threads call the consumers, each consumer by one thread at a time, not always the same; so does the producer
// where the ring is full. A chunk is filled again only when every consumer has done with it, so memory is the ring's.
// What a consumer sees does not depend on threads; without any (asked for, or none to be had) publish calls the
// consumers one after the other.
#ifndef BASE_FANOUT_H
#define BASE_FANOUT_H

#include "base/err.h"

#include <stddef.h>

enum { FANOUT_CONSUMERS_MAX = 4 };

struct fanout; // opaque

// Takes n bytes at p. Not called again after -1.
typedef int fanout_consume(void *ctx, const void *p, size_t n, struct err *err);

// A ring of `chunks` (at least 2) of `size` bytes, and up to `helpers` threads, but no more than consumers. With one
// less than there are processors, helpers and producer keep all of them busy.
struct fanout *fanout_new(unsigned chunks, size_t size, unsigned helpers, struct err *err);
// By the thread that publishes; the consumer sees what is published from now on. ctx is borrowed.
int fanout_add(struct fanout *f, fanout_consume *consume, void *ctx, struct err *err);
void fanout_free(struct fanout *f); // waits for the consumers, whatever is left to them; NULL fine

// The chunk to fill next, `size` bytes; waits until it is free. The one published last is not written to before this
// has been called twice.
void *fanout_buffer(struct fanout *f);
// Hands the first n bytes of that chunk on (n > 0). -1 with the error of the first consumer, in order of fanout_add,
// that is known to have failed.
int fanout_publish(struct fanout *f, size_t n, struct err *err);
// Waits until every consumer has seen everything that was published. -1 as above.
int fanout_drain(struct fanout *f, struct err *err);

#endif
