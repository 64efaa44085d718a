// SPDX-License-Identifier: Apache-2.0
//
// Asks the data plane each second how it is (one GET over the transport, one answer, close) and keeps the last answer,
// so that who asks the host for health never waits for the enclave.
#ifndef RUNTIME_CONTROL_PLANE_PROBE_H
#define RUNTIME_CONTROL_PLANE_PROBE_H

#include "runtime/common/loop.h"

#include <stdbool.h>

enum { PROBE_REPLY_MAX = 16 * 1024, PROBE_WHY_MAX = 128 };

struct probe_result {
	bool known;   // false before the first answer or failure
	bool healthy; // HTTP status 200
	unsigned http_status;	 // 0: no answer
	char why[PROBE_WHY_MAX]; // why there was no answer
	const char *body;	 // of the last answer, NUL-terminated; "" without one; borrowed
};

struct probe;

struct probe *probe_new(struct loop *l, const struct addr *to, unsigned interval_ms, unsigned timeout_ms,
			struct err *err);
void probe_free(struct probe *p); // free(NULL) is fine
struct probe_result probe_result(const struct probe *p);

// Reads the status line and finds the body of a whole HTTP/1.x response of n bytes. The status, or 0 if it is none.
unsigned probe_parse(const char *reply, size_t n, const char **body, size_t *body_len);

#endif
