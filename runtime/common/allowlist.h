// SPDX-License-Identifier: Apache-2.0
//
// What an enclave may reach: one grammar and one matcher for both sides. The data plane asks it before a name is
// answered and a connection leaves; the control plane asks its own copy again, because it must not trust the enclave.
//
//   list    = [ entry *( ( "," | LF ) entry ) ]        blanks around an entry do not count, empty entries are errors
//   entry   = host [ ":" ports ]
//   host    = name                 exactly this name
//           | "*." name            every name below it, at any depth; not the name itself
//           | "*"                  every name; no address
//           | v4 [ "/" bits ]      connections to the address itself, not through a name
//           | "[" v6 [ "/" bits ] "]"   | v6 [ "/" bits ]  (without brackets no ports)
//   ports   = port [ "-" port ]    1 to 65535; without it every port
//
// An empty list allows nothing. Names are compared in hostname.h's form: A-labels, folded, without the trailing dot.
// A CIDR with bits past its prefix set is an error, as it says two things at once.
#ifndef RUNTIME_COMMON_ALLOWLIST_H
#define RUNTIME_COMMON_ALLOWLIST_H

#include "base/err.h"
#include "runtime/common/addrclass.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ALLOWLIST_ENTRIES_MAX = 4096 }; // matching is linear; a list of thousands means that a suffix was wanted

struct allowlist;

// An empty list, which allows nothing. NULL on no memory. Free with allowlist_free (NULL is fine).
struct allowlist *allowlist_new(struct err *err);
void allowlist_free(struct allowlist *list);

// Adds one entry (n bytes of text, blanks around it allowed). 0; -1 with ERR_INPUT and the entry quoted, ERR_LIMIT, or
// ERR_MEMORY. On failure the list is unchanged.
int allowlist_add(struct allowlist *list, const char *text, size_t n, struct err *err);

// Adds a whole list. n == 0, or nothing but blanks, adds nothing. On failure the entries before the bad one are in.
int allowlist_parse(struct allowlist *list, const char *text, size_t n, struct err *err);

// May a connection to this name (any form that hostname.h reads) and port leave? A name that is no host name: no.
bool allowlist_allows_name(const struct allowlist *list, const char *name, size_t n, uint16_t port);

// The same with every port in mind: is there a port at which the name is allowed? What DNS asks.
bool allowlist_knows_name(const struct allowlist *list, const char *name, size_t n);

// May a connection that was addressed to this very address leave?
bool allowlist_allows_addr(const struct allowlist *list, const struct ip_addr *ip, uint16_t port);

// Entries in the list, and the i-th exact name (borrowed; NULL if that entry is of another kind): the data plane gives
// these their addresses at start-up.
size_t allowlist_count(const struct allowlist *list);
const char *allowlist_exact_name(const struct allowlist *list, size_t i);

#endif
