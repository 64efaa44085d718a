// SPDX-License-Identifier: Apache-2.0
//
// DNS messages as far as a responder of one question needs them: the query is read whole and judged, the reply is
// written into a fixed buffer that is always large enough, so no reply is ever truncated.
//
//   0      2        4       6       8       10      12
//  +------+--------+-------+-------+-------+-------+-----------------------------+----------+
//  | id   | flags  | QD=1  | AN=0  | NS=0  | AR    | QNAME, QTYPE, QCLASS        | OPT, …   |
//  +------+--------+-------+-------+-------+-------+-----------------------------+----------+
//   flags: QR opcode(4) AA TC RD | RA Z AD CD rcode(4)                     (RFC 1035 4.1, RFC 6891 6.1)
//
// The reply repeats id, opcode, RD, CD and the question byte for byte (a resolver that mixes case for safety gets its
// own case back), and an OPT record if the query had one.
#ifndef RUNTIME_COMMON_DNS_WIRE_H
#define RUNTIME_COMMON_DNS_WIRE_H

#include "runtime/common/addrclass.h"
#include "runtime/common/hostname.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_QNAME_MAX = 255, // in wire form, RFC 1035 2.3.4
	DNS_HEADER_LEN = 12,
	// header, question, one AAAA answer (name pointer 2, type 2, class 2, ttl 4, length 2, data 16), OPT (11)
	DNS_REPLY_MAX = DNS_HEADER_LEN + DNS_QNAME_MAX + 4 + 28 + 11,
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16, // only with an OPT record
};

enum dns_type { DNS_A = 1, DNS_AAAA = 28, DNS_OPT = 41, DNS_SVCB = 64, DNS_HTTPS = 65, DNS_ANY = 255 };
enum { DNS_CLASS_IN = 1 };

struct dns_query {
	uint16_t id, flags;
	uint16_t qtype, qclass;
	bool has_name;			 // name is a host name in normal form; else no list can hold it
	char name[HOSTNAME_MAX + 1];
	uint8_t question[DNS_QNAME_MAX + 4]; // as it came; question_len 0 when it could not be read
	size_t question_len;
	bool edns;
};

enum dns_parsed {
	DNS_PARSED_QUERY,  // well-formed: the caller decides
	DNS_PARSED_REPLY,  // answer at once with the rcode given: the message is faulty or asks for what nobody offers
	DNS_PARSED_IGNORE, // no query (too short, or itself a reply): answering could start an endless exchange
};

// Reads one message. With DNS_PARSED_REPLY *rcode is FORMERR, NOTIMP or BADVERS and q holds what dns_reply_write needs.
enum dns_parsed dns_query_read(const void *p, size_t n, struct dns_query *q, enum dns_rcode *rcode);

// Writes the reply to q into out (DNS_REPLY_MAX bytes): with `addr` one A or AAAA answer of that TTL (rcode must be
// NOERROR), without it an empty answer. Returns its length.
size_t dns_reply_write(const struct dns_query *q, enum dns_rcode rcode, const struct ip_addr *addr, uint32_t ttl,
		       uint8_t *out);

#endif
