// SPDX-License-Identifier: Apache-2.0
//
// Names and the loopback addresses that stand for them inside the enclave. A program asks DNS for a name, gets the
// name's address out of 127.128.0.0/9, connects to it at any port, and the address tells us the name again.
//
// - An address belongs to one name for the life of the process: an address in some program's cache never comes to mean
//   another host. A full table gives no address; nothing is ever evicted.
// - The address is found by hashing the name (next free one on a collision), so that after a restart the same names
//   mostly get the same addresses and a stale one is unknown rather than wrong.
#ifndef RUNTIME_DATA_PLANE_NAMES_H
#define RUNTIME_DATA_PLANE_NAMES_H

#include "base/err.h"
#include "runtime/common/addrclass.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	NAMES_MAX = 16384
}; // under 2 MB with names of usual length; a workload that needs more has a wildcard gone wild

struct names;

// A table for at most `max` names (1 to 2^20). NULL on no memory.
struct names *names_new(size_t max, struct err *err);
void names_free(struct names *t); // free(NULL) is fine

// The address of `name` (hostname.h's form), made if the name is new. 0, or -1: the table is full, or memory is out.
int names_assign(struct names *t, const char *name, struct ip_addr *out);

// The name whose address this is (borrowed, lives as long as the table), or NULL.
const char *names_find(const struct names *t, const struct ip_addr *addr);

size_t names_count(const struct names *t);

// True for any address of the range that names are given from.
bool names_in_range(const struct ip_addr *addr);

#endif
