// SPDX-License-Identifier: Apache-2.0
//
// The PROXY protocol, versions 1 and 2 (haproxy, doc/proxy-protocol.txt): who the client was, in front of its bytes.
//
//   v2   0                                    12     13      14       16
//       +------------------------------------+------+-------+--------+-----------------------------+
//       | 0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a| 2|c  | fam|pr| length | addresses, then TLVs        |
//       +------------------------------------+------+-------+--------+-----------------------------+
//         c: 0 LOCAL (no address), 1 PROXY; fam 1 IPv4 (12 bytes), 2 IPv6 (36), 3 unix (216), 0 unspecified
//   v1  "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", at most 107 bytes; or "PROXY UNKNOWN …\r\n"
//
// The parser never takes a byte that is not the header's: it says how many it may have at most, so that what follows
// (a TLS hello) stays in the socket. A header is required where it is expected and refused elsewhere: a receiver must
// not guess.
#ifndef RUNTIME_PROXY_H
#define RUNTIME_PROXY_H

#include "base/err.h"
#include "runtime/common/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PROXY_V1_MAX = 107,
	PROXY_V2_HEAD = 16,
	PROXY_MAX = 2048, // v2 with addresses and TLVs; real ones (a VPC endpoint id, TLS details) stay below 600
	PROXY_OUT_MAX = PROXY_V2_HEAD + 36,
};

struct proxy_info {
	bool local;           // LOCAL or UNKNOWN: no client; src and dst are ADDR_NONE
	struct addr src, dst; // ADDR_TCP, or ADDR_NONE for families that carry no such thing
};

// Looks at the first n bytes of a connection. Returns the header's length when it is complete (info filled); 0 when
// more bytes are needed, *want (> n) being a length that is certainly still header; -1 with ERR_INPUT when these bytes
// are no PROXY header or a broken one. Read with: peek up to *want bytes, call, consume what is header.
int proxy_parse(const void *data, size_t n, size_t *want, struct proxy_info *info, struct err *err);

// Writes a version 2 header for a TCP client into out; LOCAL if either address is no TCP or the families differ.
// Returns its length.
size_t proxy_format(const struct addr *src, const struct addr *dst, uint8_t out[PROXY_OUT_MAX]);

#endif
