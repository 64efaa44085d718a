// SPDX-License-Identifier: Apache-2.0
//
// What the data plane tells the host by itself: resource metrics each interval (StatsD lines) and, if configured, a
// transaction for every request (control frames). Names and tags are constants of the program: what is fine-grained
// leaves the enclave in clear. Both are lost rather than waited for.
#ifndef RUNTIME_DATA_PLANE_REPORT_H
#define RUNTIME_DATA_PLANE_REPORT_H

#include "runtime/data-plane/session.h"

struct report;

// Hooks itself into shared->on_transaction when transactions are configured. shared is borrowed.
struct report *report_new(struct shared *shared, struct err *err);
void report_free(struct report *r); // NULL is fine; unhooks

// The lines of one interval: gauges of memory, CPU time, descriptors and connections, counters since the last call.
struct report_metrics {
	uint64_t requests, bytes_in, bytes_out, accepted, shed, tls_failed, first_timeouts,
	    service_shed; // as last told
};
int report_lines(struct buf *out, const struct shared *shared, struct report_metrics *last, struct err *err);

#endif
