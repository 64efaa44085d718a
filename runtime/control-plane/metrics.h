// SPDX-License-Identifier: Apache-2.0
//
// The host's metrics: its own counters, which live in the parts that count, and what the enclave reports in StatsD
// lines. They are shown as Prometheus text (exposition format 0.0.4) and sent on as StatsD.
//
//   StatsD in    name ":" number "|" type [ "|@" rate ] [ "|#" tags ]      type c g ms h d s
//   Prometheus   c: cage_enclave_<name>_total    g: cage_enclave_<name>    ms h d: a summary's _sum and _count
//
// Names lose everything that Prometheus does not take (`.` and `-` become `_`); tags travel on in StatsD only, since
// what an enclave may write there is unbounded. Series from the enclave are capped: it cannot make the host grow.
#ifndef RUNTIME_CONTROL_PLANE_METRICS_H
#define RUNTIME_CONTROL_PLANE_METRICS_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

enum {
	METRICS_OWN_MAX = 64,
	METRICS_ENCLAVE_MAX = 256,
	METRICS_LINE_MAX = 512, // a StatsD line
	METRICS_NAME_MAX = 100,
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metrics;

struct metrics *metrics_new(struct err *err);
void metrics_free(struct metrics *m); // free(NULL) is fine

// Shows *value as `name` (a whole Prometheus name). name, help, labels (`status="x"`, or NULL) and value are borrowed
// for the life of m. Series of one name must be added one after the other. Asserts METRICS_OWN_MAX.
void metrics_add(struct metrics *m, enum metric_kind kind, const char *name, const char *help, const char *labels,
		 const uint64_t *value);

// Takes one line of the enclave's without its LF. 0; -1 with ERR_INPUT (not StatsD, or a name that already has another
// type) or ERR_LIMIT (too many series).
int metrics_take_statsd(struct metrics *m, const char *line, size_t n, struct err *err);

int metrics_put_prometheus(const struct metrics *m, struct buf *out, struct err *err);

// Appends our own metrics as StatsD lines: counters as what was added since the last call, gauges as they are.
int metrics_put_statsd(struct metrics *m, struct buf *out, struct err *err);

#endif
