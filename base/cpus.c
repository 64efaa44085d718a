// SPDX-License-Identifier: Apache-2.0
//
// The affinity mask, not the number of processors that are there: a container or taskset leaves fewer.
#include "base/cpus.h"

#include <sched.h>

unsigned cpus_allowed(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set); // fails past 1024 processors

	return n < 1 ? 1 : (unsigned)n;
}
