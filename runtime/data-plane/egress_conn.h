// SPDX-License-Identifier: Apache-2.0
//
// One connection on its way out of the enclave, from the moment its destination is known and allowed to its end.
#ifndef RUNTIME_DATA_PLANE_EGRESS_CONN_H
#define RUNTIME_DATA_PLANE_EGRESS_CONN_H

#include "runtime/common/chain.h"
#include "runtime/common/egress_frame.h"
#include "runtime/data-plane/egress.h"

// What all connections share; lives as long as any of them.
struct egress_shared {
	struct loop *loop;
	struct egress_options options; // defaults filled in; `allow` is not used any more
	struct egress_stats stats;
	struct conncap cap;
	struct chain *conns; // of struct egress_conn
};

// Takes fd and its unit of the cap. `to` has name or addr, and port; its data is ignored.
void egress_conn_start(struct egress_shared *s, int fd, const struct egress_request *to);

// Resets every connection.
void egress_conn_free_all(struct egress_shared *s);

// Closes with a reset, so that the program sees a refusal.
void egress_reset(int fd);

#endif
