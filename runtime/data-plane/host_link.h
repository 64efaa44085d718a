// SPDX-License-Identifier: Apache-2.0
//
// Asks the host, each control.interval_ms, for its time and for the runtime configuration: one connection, two control
// frames in turn, then closed. What comes back is advice (advice.h) and is applied within what was measured:
//
//   time     the offset of the host's clock to ours is told in metrics and logged. An enclave's clock drifts (seconds a
//            week) and operators must see it; but the host could lie, so no clock is set and no decision uses it
//   config   log level, sampling of transactions, a lower connection cap, draining on the health page
//
// A host that is away, slow or talks nonsense changes nothing: what it said last stays.
#ifndef RUNTIME_DATA_PLANE_HOST_LINK_H
#define RUNTIME_DATA_PLANE_HOST_LINK_H

#include "runtime/data-plane/health.h"
#include "runtime/data-plane/session.h"

struct host_link;

// Nothing is asked when control.interval_ms is 0. shared and health are borrowed.
struct host_link *host_link_new(struct shared *shared, struct health *health, struct err *err);
void host_link_free(struct host_link *h); // NULL is fine

#endif
