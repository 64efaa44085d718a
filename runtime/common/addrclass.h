// SPDX-License-Identifier: Apache-2.0
//
// IP addresses as egress sees them, and the question that the host asks about each one after it resolved a name: is
// this an address out on the internet, or one that an enclave's workload must never reach through us (the instance's
// metadata service, its network, its loopback)?
//
// An address is kept with its family; a v4-mapped IPv6 address (::ffff:a.b.c.d) is turned into the IPv4 address at
// every way in, so that no rule has to think of it. Addresses that embed an IPv4 address and that some gateway would
// unwrap (NAT64 64:ff9b::/96, 6to4 2002::/16, v4-compatible ::a.b.c.d) have the class of what they embed, if that is
// worse than their own.
#ifndef RUNTIME_COMMON_ADDRCLASS_H
#define RUNTIME_COMMON_ADDRCLASS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ip_addr {
	uint8_t len;	   // 4 or 16: the family
	uint8_t bytes[16]; // network order; past len all zero, so that two addresses compare with memcmp
};

enum { IP_TEXT_MAX = 48 }; // the longest text of an address, its NUL included

// Classes by the registries of special-purpose addresses (RFC 6890 and the IANA tables of July 2024).
enum ip_class {
	IP_GLOBAL = 0,
	IP_UNSPECIFIED, // 0.0.0.0/8, ::
	IP_LOOPBACK,	// 127/8, ::1
	IP_PRIVATE,	// 10/8, 172.16/12, 192.168/16, fc00::/7, fec0::/10
	IP_SHARED,	// 100.64/10, carrier NAT
	IP_LINK_LOCAL,	// 169.254/16 (with the metadata service and the VPC's resolver), fe80::/10
	IP_METADATA,	// the metadata services' own addresses: 169.254.169.254, fd00:ec2::254 and their neighbours
	IP_MULTICAST,	// 224/4, ff00::/8
	IP_DOCUMENTATION, // the three nets, 2001:db8::/32, 3fff::/20
	IP_BENCHMARK,	// 198.18/15, 2001:2::/48
	IP_RESERVED,	// 240/4, broadcast, protocol assignments, discard-only, what is in no global unicast block
};

// From a socket's address; AF_INET or AF_INET6. 0, or -1 for another family.
int ip_from_sockaddr(const struct sockaddr *sa, struct ip_addr *out);

// Into a socket's address with this port. Returns its length. *ss is cleared first.
socklen_t ip_to_sockaddr(const struct ip_addr *ip, uint16_t port, struct sockaddr_storage *ss);

// From n bytes of network order, n 4 or 16. 0, or -1 for another length.
int ip_from_bytes(const void *p, size_t n, struct ip_addr *out);

// From text: dotted quads without leading zeros, or RFC 4291 text without a zone. Neither brackets nor blanks. 0 or -1.
int ip_parse(const char *text, size_t n, struct ip_addr *out);

// Canonical text (RFC 5952 for IPv6). Returns out, which holds IP_TEXT_MAX bytes.
char *ip_format(const struct ip_addr *ip, char out[IP_TEXT_MAX]);

// True if the first `bits` bits of both are alike; addresses of two families never are. bits is at most 8 * len.
bool ip_in_prefix(const struct ip_addr *ip, const struct ip_addr *net, unsigned bits);

// What `ip` is. Only IP_GLOBAL may be dialled for an enclave.
enum ip_class ip_classify(const struct ip_addr *ip);

// The class in one or two words, for a log line ("link-local").
const char *ip_class_name(enum ip_class class);

#endif
