// SPDX-License-Identifier: Apache-2.0
//
// Only the question's name is kept, and it may hold no compression pointer: nothing stands before it that one could
// point at. The names of additional records are only stepped over. RFC 1035, 2181, 6891; facts/runtime.md 2.9.
#include "runtime/common/dns_wire.h"

#include "base/be.h"

#include <string.h>

enum {
	FLAG_QR = 0x8000,
	FLAG_OPCODE = 0x7800,
	FLAG_RD = 0x0100,
	FLAG_RA = 0x0080,
	FLAG_AA = 0x0400,
	FLAG_CD = 0x0010,
	LABEL_POINTER = 0xc0,
	ADDITIONAL_MAX = 8, // OPT, and a TSIG or SIG(0) at most; a message full of records is no query
	UDP_SIZE = 1232,    // what we say we take: the usual size that no path fragments
};

struct reader {
	const uint8_t *p;
	size_t n, off;
};

static bool have(const struct reader *r, size_t n)
{
	return n <= r->n - r->off;
}

// Reads the question into q. False if it is malformed; q->question_len then stays 0.
static bool read_question(struct reader *r, struct dns_query *q)
{
	size_t start = r->off, text = 0;
	char name[DNS_QNAME_MAX + 1];

	for (;;) {
		if (!have(r, 1))
			return false;
		unsigned len = r->p[r->off++];

		if (len == 0)
			break;
		if (len > HOSTNAME_LABEL_MAX || !have(r, len) || r->off - start + len >= DNS_QNAME_MAX)
			return false;
		if (text)
			name[text++] = '.';
		memcpy(name + text, r->p + r->off, len);
		// A dot inside a label would read as a border between two.
		if (memchr(name + text, '.', len))
			name[text] = '\0';
		text += len;
		r->off += len;
	}
	if (!have(r, 4))
		return false;
	q->qtype = get_be16(r->p + r->off);
	q->qclass = get_be16(r->p + r->off + 2);
	r->off += 4;
	q->question_len = r->off - start;
	memcpy(q->question, r->p + start, q->question_len);
	q->has_name = text && hostname_normalise(name, text, q->name, NULL) == 0;
	return true;
}

static bool skip_name(struct reader *r)
{
	for (;;) {
		if (!have(r, 1))
			return false;
		unsigned len = r->p[r->off++];

		if (len == 0)
			return true;
		if ((len & LABEL_POINTER) == LABEL_POINTER) {
			if (!have(r, 1))
				return false;
			r->off++;
			return true;
		}
		if (len > HOSTNAME_LABEL_MAX || !have(r, len))
			return false;
		r->off += len;
	}
}

// Steps over the additional records and takes note of OPT. False if one is malformed or OPT comes twice.
static bool read_additional(struct reader *r, unsigned count, struct dns_query *q, unsigned *edns_version)
{
	for (unsigned i = 0; i < count; i++) {
		size_t start = r->off;

		if (!skip_name(r) || !have(r, 10))
			return false;
		unsigned type = get_be16(r->p + r->off), rdlen = get_be16(r->p + r->off + 8);
		unsigned version = r->p[r->off + 5];

		r->off += 10;
		if (!have(r, rdlen))
			return false;
		r->off += rdlen;
		if (type != DNS_OPT)
			continue;
		if (q->edns || r->p[start] != 0) // twice, or not at the root
			return false;
		q->edns = true;
		*edns_version = version;
	}
	return r->off == r->n;
}

enum dns_parsed dns_query_read(const void *p, size_t n, struct dns_query *q, enum dns_rcode *rcode)
{
	struct reader r = {p, n, DNS_HEADER_LEN};
	unsigned edns_version = 0;

	memset(q, 0, sizeof(*q));
	if (n < DNS_HEADER_LEN)
		return DNS_PARSED_IGNORE;
	q->id = get_be16(r.p);
	q->flags = get_be16(r.p + 2);
	if (q->flags & FLAG_QR)
		return DNS_PARSED_IGNORE;
	*rcode = DNS_NOTIMP;
	if (q->flags & FLAG_OPCODE)
		return DNS_PARSED_REPLY;
	*rcode = DNS_FORMERR;
	if (get_be16(r.p + 4) != 1 || get_be16(r.p + 6) || get_be16(r.p + 8) || get_be16(r.p + 10) > ADDITIONAL_MAX)
		return DNS_PARSED_REPLY;
	if (!read_question(&r, q) || !read_additional(&r, get_be16(r.p + 10), q, &edns_version))
		return DNS_PARSED_REPLY;
	*rcode = DNS_BADVERS;
	return edns_version ? DNS_PARSED_REPLY : DNS_PARSED_QUERY;
}

static size_t write_answer(const struct ip_addr *addr, uint32_t ttl, uint8_t *out)
{
	put_be16(out, LABEL_POINTER << 8 | DNS_HEADER_LEN); // the question's name
	put_be16(out + 2, addr->len == 4 ? DNS_A : DNS_AAAA);
	put_be16(out + 4, DNS_CLASS_IN);
	put_be32(out + 6, ttl);
	put_be16(out + 10, addr->len);
	memcpy(out + 12, addr->bytes, addr->len);
	return 12u + addr->len;
}

static size_t write_opt(enum dns_rcode rcode, uint8_t *out)
{
	memset(out, 0, 11);
	put_be16(out + 1, DNS_OPT);
	put_be16(out + 3, UDP_SIZE);
	out[5] = (uint8_t)(rcode >> 4); // the upper bits of the rcode; version 0
	return 11;
}

size_t dns_reply_write(const struct dns_query *q, enum dns_rcode rcode, const struct ip_addr *addr, uint32_t ttl,
		       uint8_t *out)
{
	unsigned flags = FLAG_QR | FLAG_RA | (q->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD)) | ((unsigned)rcode & 0xf);
	size_t len = DNS_HEADER_LEN;

	if (rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN)
		flags |= FLAG_AA;
	put_be16(out, q->id);
	put_be16(out + 2, (uint16_t)flags);
	put_be16(out + 4, q->question_len != 0);
	put_be16(out + 6, addr != NULL);
	put_be16(out + 8, 0);
	put_be16(out + 10, q->edns);
	memcpy(out + len, q->question, q->question_len);
	len += q->question_len;
	if (addr)
		len += write_answer(addr, ttl, out + len);
	if (q->edns)
		len += write_opt(rcode, out + len);
	return len;
}
