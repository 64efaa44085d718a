// SPDX-License-Identifier: Apache-2.0
//
// The control plane's command line. The host is not measured, so its settings are plain options; the two lists that may
// be long (allowlist, runtime configuration) can come from files.
#ifndef RUNTIME_CONTROL_PLANE_OPTIONS_H
#define RUNTIME_CONTROL_PLANE_OPTIONS_H

#include "runtime/common/addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { OPTIONS_TRUSTED_MAX = 64 };

struct options {
	struct addr ingress, enclave, health, enclave_health, control, metrics_in, statsd;
	bool deep_health, send_proxy, expect_proxy;
	uint32_t max_connections;
	unsigned idle_ms, linger_ms, dial_ms, drain_ms, statsd_ms;
	char *runtime_config; // the file's text; owned
	char *name;
	char *trusted[OPTIONS_TRUSTED_MAX]; // owned
	size_t trusted_count;
	char *launch, *stop; // hook commands; owned
	unsigned launch_tries;
	bool verbose;
	// egress
	struct addr egress;
	char *allow, *dns; // owned
	bool test_allow_loopback;
};

// Fills *o with defaults and the arguments. 0; 1 when --help or --version was answered on `out`; -1 with ERR_USAGE or
// the file's error. with_egress: are the egress options known? *o is the caller's to release in any case.
int options_parse(struct options *o, int argc, char **argv, bool with_egress, FILE *out, struct err *err);
void options_release(struct options *o);

#endif
