// SPDX-License-Identifier: Apache-2.0
//
// How the data plane is, for the host that asks (GET, any path, one answer a connection):
//
//   HTTP/1.1 200 OK | 503 Service Unavailable
//   {"status":"ok","service":{"status":"ok","code":200},"connections":3,"version":"0.1.0"}
//
// status: starting, ok, draining. 200 only when it is `ok` and the service is not `failed`. The service's status is
// `unknown` when it is not probed (service.health_path) or has not answered yet, which does not make the answer red
// unless it is probed; `failed` for a refusal, a timeout or a code outside 200 to 399.
#ifndef RUNTIME_DATA_PLANE_HEALTH_H
#define RUNTIME_DATA_PLANE_HEALTH_H

#include "runtime/data-plane/session.h"

enum plane_status { PLANE_STARTING, PLANE_OK, PLANE_DRAINING };

struct health;

// Listens at config->health.listen (ADDR_NONE: only probes) and probes the service. shared is borrowed.
struct health *health_new(struct shared *shared, struct err *err);
void health_set(struct health *h, enum plane_status status);
void health_set_host_drains(struct health *h, bool drains); // the host wishes it: `ok` then reads `draining`
void health_free(struct health *h); // NULL is fine

#endif
