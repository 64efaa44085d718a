// SPDX-License-Identifier: Apache-2.0
//
// What the host says at run time, as the reader of its replies sees it (control frames: runtime/common/ctl_frame.h).
// The host is not trusted, so this is advice: each key can make the plane do less or say less, none can loosen what the
// measured configuration rules.
//
//   {"ok": true, "config": {"log_level": "warn", "draining": true, "transaction_sample": 10, "max_connections": 500}}
//   {"ok": true, "seconds": 1700000000, "nanoseconds": 5}
//
//   log_level            debug, info, warn, error: of our own log, none of whose lines holds a secret
//   draining             the health page says so, and load balancers go elsewhere; who comes is served
//   transaction_sample   one request of so many is reported, if the measured configuration reports them at all
//   max_connections      a cap below the measured one; a larger number changes nothing
//
// Other keys belong to somebody else's version and are counted. A known key of a wrong type or range refuses the whole.
#ifndef RUNTIME_DATA_PLANE_ADVICE_H
#define RUNTIME_DATA_PLANE_ADVICE_H

#include "base/err.h"
#include "runtime/common/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADVICE_NUMBER_MAX = 1000000 };

struct advice {
	enum log_level log_level;
	bool draining;
	uint64_t transaction_sample; // 1: each
	uint64_t max_connections;    // 0: not said
	unsigned unknown;            // keys
};

// What holds when the host says nothing.
#define ADVICE_INIT ((struct advice){.log_level = LOG_INFO, .transaction_sample = 1})

// Reads the reply to {"op": "config"} / {"op": "time"}. 0, or -1 with ERR_INPUT: not such a reply, a refusal of the
// host's, or out of range. *out is whole or untouched. Time is in microseconds since 1970, from 2020 to 2100.
int advice_read(const void *body, size_t n, struct advice *out, struct err *err);
int advice_read_time(const void *body, size_t n, int64_t *unix_us, struct err *err);

#endif
