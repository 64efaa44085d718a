// SPDX-License-Identifier: Apache-2.0
//
// How one outgoing connection crosses from the enclave to the host. The enclave opens a connection of its own to the
// host's egress port for each, writes one request, reads one reply, and from then on both directions are the
// connection's bytes and nothing else. All integers big-endian.
//
//   request   0        4          8      9       10        12      13
//            +--------+----------+------+-------+---------+-------+----------+-----------+---------+----------+
//            | "EGR1" | length L | type | alen  | port    | nlen  | name     | address   | dlen    | data     |
//            | 4      | 4        | 1    | 1     | 2       | 1     | nlen     | alen      | 2       | dlen     |
//            +--------+----------+------+-------+---------+-------+----------+-----------+---------+----------+
//            L counts everything after itself: 7 + nlen + alen + dlen. type 1: connect by TCP.
//            Exactly one of name (hostname.h's form) and address (alen 4 or 16) is there; an IPv4 address has alen 4,
//            never mapped into IPv6.
//            data: the first bytes that the program wrote, at most 16 KiB, so that a TLS hello is judged at once.
//
//   reply     0        4        5
//            +--------+--------+----------+
//            | "EGS1" | status | 00 00 00 |     status 0: connected. Any other: the host closes after it.
//            +--------+--------+----------+
//
// The last byte of each magic is the version. A reader refuses what it does not know; there are no options to skip.
#ifndef RUNTIME_COMMON_EGRESS_FRAME_H
#define RUNTIME_COMMON_EGRESS_FRAME_H

#include "base/err.h"
#include "runtime/common/addrclass.h"
#include "runtime/common/hostname.h"
#include "runtime/common/tls_hello.h"

#include <stddef.h>
#include <stdint.h>

enum {
	EGRESS_DATA_MAX = TLS_HELLO_MAX,
	EGRESS_REQUEST_HEAD = 13, // up to and with nlen
	EGRESS_REQUEST_MAX = EGRESS_REQUEST_HEAD + HOSTNAME_MAX + 16 + 2 + EGRESS_DATA_MAX,
	EGRESS_REPLY_LEN = 8,
};

struct egress_request {
	char name[HOSTNAME_MAX + 1]; // "" when addr counts
	struct ip_addr addr;	     // len 0 when name counts
	uint16_t port;		     // never 0
	const uint8_t *data;	     // borrowed: into the caller's bytes
	size_t data_len;
};

enum egress_status {
	EGRESS_CONNECTED = 0,
	EGRESS_NOT_ALLOWED,    // not in the host's allowlist
	EGRESS_ADDR_REFUSED,   // the name's addresses are all private, link-local, metadata …
	EGRESS_NAME_UNKNOWN,   // the resolver says that there is no such name or no address
	EGRESS_RESOLVE_FAILED, // the resolver did not answer
	EGRESS_REFUSED,	       // every address refused the connection
	EGRESS_TIMEOUT,	       // no address answered in time
	EGRESS_UNREACHABLE,    // no route
	EGRESS_SNI_MISMATCH,   // the TLS hello asks for another name, or is broken
	EGRESS_BAD_REQUEST,    // the frame breaks a rule
	EGRESS_BUSY,	       // over the host's cap of connections
	EGRESS_STATUS_COUNT,
};

// The status in words, for a log line; "unknown" past the last.
const char *egress_status_name(unsigned status);

// Writes a request into out (EGRESS_REQUEST_MAX bytes). Returns its length. The fields must be valid.
size_t egress_request_write(const struct egress_request *req, uint8_t *out);

// Reads the request at the start of n bytes. Its length if it is whole; 0 if more bytes are needed (and the part that
// is there breaks no rule); -1 with ERR_INPUT.
long egress_request_read(const void *p, size_t n, struct egress_request *out, struct err *err);

void egress_reply_write(enum egress_status status, uint8_t out[EGRESS_REPLY_LEN]);

// Reads a whole reply. 0 with *status, or -1 with ERR_INPUT.
int egress_reply_read(const uint8_t p[EGRESS_REPLY_LEN], enum egress_status *status, struct err *err);

#endif
