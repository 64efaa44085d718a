// SPDX-License-Identifier: Apache-2.0
//
// StatsD lines from the enclave in (one stream or many, each line ended by LF), and StatsD datagrams out: the enclave's
// lines as they came, our own metrics each interval.
#ifndef RUNTIME_CONTROL_PLANE_STATSD_H
#define RUNTIME_CONTROL_PLANE_STATSD_H

#include "runtime/common/loop.h"
#include "runtime/control-plane/metrics.h"

enum {
	STATSD_CONNS_MAX = 32,
	STATSD_IDLE_MS = 300 * 1000, // twice the enclave's longest interval and more
	STATSD_DATAGRAM_MAX = 1400,  // fits every path without fragments
};

struct statsd_options {
	struct addr listen;   // for the enclave's lines; ADDR_NONE: none
	struct addr out;      // where datagrams go (an ADDR_TCP address, used for UDP); ADDR_NONE: nowhere
	unsigned interval_ms; // of our own metrics
	void (*refresh)(void *ctx); // called before our own are sent, to bring the counted values up to date
	void *ctx;
};

struct statsd_stats {
	uint64_t lines, rejected, sent, send_failed;
};

struct statsd;

// metrics is borrowed.
struct statsd *statsd_new(struct loop *l, const struct statsd_options *o, struct metrics *metrics, struct err *err);
void statsd_free(struct statsd *s); // free(NULL) is fine
const struct statsd_stats *statsd_stats(const struct statsd *s);

#endif
