// SPDX-License-Identifier: Apache-2.0
//
// The host's HTTP listener for operators: /metrics for Prometheus, any other path for health. Health is 200 when the
// control plane, the data plane and the service behind it are well and nobody asked us to leave; else 503:
//
//   {"status":"ok","controlPlane":{"status":"ok"},"dataPlane":{"status":"ok","report":{…}},"draining":false}
//
// `report` is the data plane's own answer, with what it knows of the service. A load balancer needs the code alone.
#ifndef RUNTIME_CONTROL_PLANE_STATUS_PAGE_H
#define RUNTIME_CONTROL_PLANE_STATUS_PAGE_H

#include "runtime/common/loop.h"
#include "runtime/control-plane/metrics.h"
#include "runtime/control-plane/probe.h"

struct status_page_options {
	struct addr listen;
	const struct probe *probe; // NULL: the data plane is not asked ("ignored")
	struct metrics *metrics;
	void (*refresh)(void *ctx); // before metrics are shown
	void *ctx;
	bool test_option; // loopback egress is on: shown, so that nobody overlooks it
};

struct status_page;

struct status_page *status_page_new(struct loop *l, const struct status_page_options *o, struct err *err);
void status_page_free(struct status_page *h); // free(NULL) is fine
void status_page_set_draining(struct status_page *h);

// The JSON text and whether it is well. Returns the HTTP status, or -1 on no memory.
int status_page_report(const struct status_page_options *o, bool draining, struct buf *out, struct err *err);

#endif
