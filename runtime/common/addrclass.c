// SPDX-License-Identifier: Apache-2.0
//
// The classes are two tables of prefixes, the narrower before the wider, first match wins; what no line of the IPv6
// table names is global only inside 2000::/3, the one block from which global unicast is assigned.
#include "runtime/common/addrclass.h"

#include "base/be.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

struct v4_rule {
	uint32_t net;
	uint8_t bits;
	uint8_t class;
};

static const struct v4_rule v4_rules[] = {
    {0x00000000, 8, IP_UNSPECIFIED},
    {0x0a000000, 8, IP_PRIVATE},
    {0x64400000, 10, IP_SHARED},
    {0x7f000000, 8, IP_LOOPBACK},
    {0xa9fea9fb, 32, IP_METADATA}, // 169.254.169.251 time, .253 the VPC's resolver, .254 instance metadata
    {0xa9fea9fd, 32, IP_METADATA},
    {0xa9fea9fe, 32, IP_METADATA},
    {0xa9feaa00, 24, IP_METADATA}, // 169.254.170/24: ECS and EKS credentials
    {0xa9fe0000, 16, IP_LINK_LOCAL},
    {0xac100000, 12, IP_PRIVATE},
    {0xc0000000, 24, IP_RESERVED}, // 192.0.0/24, with 192.0.0.170-171
    {0xc0000200, 24, IP_DOCUMENTATION},
    {0xc01fc400, 24, IP_RESERVED}, // AS112
    {0xc034c100, 24, IP_RESERVED}, // AMT
    {0xc0586300, 24, IP_RESERVED}, // the old 6to4 relay
    {0xc0a80000, 16, IP_PRIVATE},
    {0xc0af3000, 24, IP_RESERVED}, // AS112, direct delegation
    {0xc6120000, 15, IP_BENCHMARK},
    {0xc6336400, 24, IP_DOCUMENTATION},
    {0xcb007100, 24, IP_DOCUMENTATION},
    {0xe0000000, 4, IP_MULTICAST},
    {0xf0000000, 4, IP_RESERVED},
};

struct v6_rule {
	uint8_t net[16];
	uint8_t bits;
	uint8_t class;
};

static const struct v6_rule v6_rules[] = {
    {{0}, 128, IP_UNSPECIFIED},
    {{[15] = 1}, 128, IP_LOOPBACK},
    {{0x01, 0x00}, 64, IP_RESERVED},			     // 100::/64 discard-only
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, IP_PRIVATE},  // 64:ff9b:1::/48 local NAT64
    {{0xfd, 0x00, 0x0e, 0xc2}, 32, IP_METADATA},	     // fd00:ec2::/32
    {{0xfc}, 7, IP_PRIVATE},
    {{0xfe, 0x80}, 10, IP_LINK_LOCAL},
    {{0xfe, 0xc0}, 10, IP_PRIVATE}, // site-local, deprecated and still routed in places
    {{0xff}, 8, IP_MULTICAST},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, IP_DOCUMENTATION},
    {{0x20, 0x01, 0x00, 0x02, 0x00, 0x00}, 48, IP_BENCHMARK},
    {{0x20, 0x01, 0x00}, 23, IP_RESERVED}, // protocol assignments, Teredo, ORCHID
    {{0x3f, 0xff, 0x00}, 20, IP_DOCUMENTATION},
    {{0x5f, 0x00}, 16, IP_RESERVED}, // segment routing SIDs
};

int ip_from_bytes(const void *p, size_t n, struct ip_addr *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint8_t *b = p;

	if (n != 4 && n != 16)
		return -1;
	memset(out, 0, sizeof(*out));
	if (n == 16 && !memcmp(b, mapped, sizeof(mapped))) {
		b += sizeof(mapped);
		n = 4;
	}
	out->len = (uint8_t)n;
	memcpy(out->bytes, b, n);
	return 0;
}

int ip_from_sockaddr(const struct sockaddr *sa, struct ip_addr *out)
{
	if (sa->sa_family == AF_INET)
		return ip_from_bytes(&((const struct sockaddr_in *)(const void *)sa)->sin_addr, 4, out);
	if (sa->sa_family == AF_INET6)
		return ip_from_bytes(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, 16, out);
	return -1;
}

socklen_t ip_to_sockaddr(const struct ip_addr *ip, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (ip->len == 4) {
		struct sockaddr_in *sin = (struct sockaddr_in *)(void *)ss;

		sin->sin_family = AF_INET;
		sin->sin_port = htons(port);
		memcpy(&sin->sin_addr, ip->bytes, 4);
		return sizeof(*sin);
	}
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)(void *)ss;

	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(port);
	memcpy(&sin6->sin6_addr, ip->bytes, 16);
	return sizeof(*sin6);
}

int ip_parse(const char *text, size_t n, struct ip_addr *out)
{
	char copy[IP_TEXT_MAX];
	uint8_t bytes[16];

	if (n == 0 || n >= sizeof(copy) || memchr(text, '\0', n))
		return -1;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (inet_pton(AF_INET, copy, bytes) == 1)
		return ip_from_bytes(bytes, 4, out);
	if (inet_pton(AF_INET6, copy, bytes) == 1)
		return ip_from_bytes(bytes, 16, out);
	return -1;
}

char *ip_format(const struct ip_addr *ip, char out[IP_TEXT_MAX])
{
	if (!inet_ntop(ip->len == 4 ? AF_INET : AF_INET6, ip->bytes, out, IP_TEXT_MAX))
		out[0] = '\0';
	return out;
}

bool ip_in_prefix(const struct ip_addr *ip, const struct ip_addr *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (ip->len != net->len || memcmp(ip->bytes, net->bytes, whole) != 0)
		return false;
	return rest == 0 || ((ip->bytes[whole] ^ net->bytes[whole]) >> (8 - rest)) == 0;
}

static enum ip_class classify_v4(const uint8_t b[4])
{
	uint32_t a = get_be32(b);

	for (size_t i = 0; i < sizeof(v4_rules) / sizeof(v4_rules[0]); i++)
		if ((a ^ v4_rules[i].net) >> (32 - v4_rules[i].bits) == 0)
			return v4_rules[i].class;
	return IP_GLOBAL;
}

// The IPv4 address that a translator would make of b, or NULL. Teredo (2001::/32) needs no line: it is reserved whole.
static const uint8_t *embedded_v4(const uint8_t b[16])
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t compatible[12] = {0};

	if (!memcmp(b, nat64, 12) || !memcmp(b, compatible, 12))
		return b + 12;
	if (b[0] == 0x20 && b[1] == 0x02)
		return b + 2;
	return NULL;
}

static enum ip_class classify_v6(const struct ip_addr *ip)
{
	struct ip_addr net = {.len = 16};

	for (size_t i = 0; i < sizeof(v6_rules) / sizeof(v6_rules[0]); i++) {
		memcpy(net.bytes, v6_rules[i].net, 16);
		if (ip_in_prefix(ip, &net, v6_rules[i].bits))
			return v6_rules[i].class;
	}
	const uint8_t *v4 = embedded_v4(ip->bytes);
	if (v4) {
		enum ip_class inner = classify_v4(v4);

		if (inner != IP_GLOBAL)
			return inner;
		// NAT64 is how an IPv6-only host reaches IPv4; the other embeddings have no honest use left.
		return ip->bytes[1] == 0x64 ? IP_GLOBAL : IP_RESERVED;
	}
	return (ip->bytes[0] & 0xe0) == 0x20 ? IP_GLOBAL : IP_RESERVED;
}

enum ip_class ip_classify(const struct ip_addr *ip)
{
	return ip->len == 4 ? classify_v4(ip->bytes) : classify_v6(ip);
}

const char *ip_class_name(enum ip_class class)
{
	static const char *const names[] = {
	    [IP_GLOBAL] = "global",	    [IP_UNSPECIFIED] = "unspecified", [IP_LOOPBACK] = "loopback",
	    [IP_PRIVATE] = "private",	    [IP_SHARED] = "shared",	      [IP_LINK_LOCAL] = "link-local",
	    [IP_METADATA] = "metadata",	    [IP_MULTICAST] = "multicast",     [IP_DOCUMENTATION] = "documentation",
	    [IP_BENCHMARK] = "benchmark",   [IP_RESERVED] = "reserved",
	};

	return names[class];
}
