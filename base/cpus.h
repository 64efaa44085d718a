// SPDX-License-Identifier: Apache-2.0
//
// How many processors this process may run on: what the number of threads defaults to. No measured byte depends on it.
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

unsigned cpus_allowed(void); // at least 1

#endif
