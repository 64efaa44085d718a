// SPDX-License-Identifier: Apache-2.0
//
// Netlink requests, as few of them as net_setup needs: messages with nested attributes are put together in a buffer,
// sent, and their acknowledgements read.
//
//   u32 length | u16 type | u16 flags | u32 seq | u32 port | family header | attributes…
//   attribute: u16 length | u16 type | payload, padded to 4
#ifndef RUNTIME_DATA_PLANE_NETLINK_H
#define RUNTIME_DATA_PLANE_NETLINK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { NETLINK_BUFFER = 4096 };

struct netlink {
	_Alignas(4) uint8_t buf[NETLINK_BUFFER];
	size_t len;     // past the last message
	size_t message; // start of the message being built
	uint32_t seq;
	unsigned acks; // messages that asked for one
};

// Begins a message with NLM_F_REQUEST, the given flags and its family header; NLM_F_ACK among the flags makes
// netlink_send wait for its acknowledgement. What does not fit the buffer is a bug of the caller (asserted).
void netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *header, size_t n);
void netlink_put(struct netlink *nl, uint16_t type, const void *p, size_t n);
void netlink_put_str(struct netlink *nl, uint16_t type, const char *s); // with its NUL
void netlink_put_be32(struct netlink *nl, uint16_t type, uint32_t v);
size_t netlink_nest(struct netlink *nl, uint16_t type); // returns what netlink_unnest wants
void netlink_unnest(struct netlink *nl, size_t nest);

// Sends all messages to the kernel's `protocol` (NETLINK_ROUTE, NETLINK_NETFILTER) and reads the acknowledgements.
// 0, or -1 with ERR_IO and the first refusal; one whose errno is `tolerate` counts as done.
int netlink_send(struct netlink *nl, int protocol, int tolerate, struct err *err);

#endif
