// SPDX-License-Identifier: Apache-2.0
//
// Version 1 is read strictly: exactly the words and single spaces of the specification, numbers without leading zeros,
// so that one header has one meaning. Its shortest header is 15 bytes ("PROXY UNKNOWN\r\n") and version 2's fixed part
// 16, so 15 bytes may always be asked for; after that version 1 is asked for byte by byte up to its LF.
#include "runtime/common/proxy.h"

#include "base/be.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
enum { V1_MIN = 15 };

static int bad(const char *why, struct err *err)
{
	return err_set(err, ERR_INPUT, "PROXY header: %s", why);
}

static void set_v4(struct addr *a, const void *ip, uint16_t port)
{
	*a = (struct addr){.kind = ADDR_TCP, .len = sizeof(a->u.in)};
	a->u.in.sin_family = AF_INET;
	a->u.in.sin_port = htons(port);
	memcpy(&a->u.in.sin_addr, ip, 4);
}

static void set_v6(struct addr *a, const void *ip, uint16_t port)
{
	*a = (struct addr){.kind = ADDR_TCP, .len = sizeof(a->u.in6)};
	a->u.in6.sin6_family = AF_INET6;
	a->u.in6.sin6_port = htons(port);
	memcpy(&a->u.in6.sin6_addr, ip, 16);
}

// ---- version 2 -----------------------------------------------------------------------------------------------------
// TLVs are of no use here, but their lengths must add up.
static int check_tlvs(const uint8_t *p, size_t n, struct err *err)
{
	while (n) {
		size_t len;

		if (n < 3)
			return bad("a TLV is cut", err);
		len = get_be16(p + 1);
		if (len > n - 3)
			return bad("a TLV is longer than the header", err);
		p += 3 + len;
		n -= 3 + len;
	}
	return 0;
}

static int parse_v2_address(uint8_t family, const uint8_t *p, size_t len, struct proxy_info *info, struct err *err)
{
	static const uint8_t sizes[] = {0, 12, 36, 216};
	uint8_t fam = family >> 4;

	if (fam > 3 || (family & 15) > 2)
		return bad("an unknown address family or protocol", err);
	if (len < sizes[fam])
		return bad("shorter than its addresses", err);
	if (fam == 1) {
		set_v4(&info->src, p, get_be16(p + 8));
		set_v4(&info->dst, p + 4, get_be16(p + 10));
	} else if (fam == 2) {
		set_v6(&info->src, p, get_be16(p + 32));
		set_v6(&info->dst, p + 16, get_be16(p + 34));
	} else {
		info->local = fam == 0;
		// Unspecified: everything that follows may be skipped.
		if (fam == 0)
			return 0;
	}
	return check_tlvs(p + sizes[fam], len - sizes[fam], err);
}

static int parse_v2(const uint8_t *p, size_t n, size_t *want, struct proxy_info *info, struct err *err)
{
	size_t len;

	*want = PROXY_V2_HEAD;
	if (n < PROXY_V2_HEAD)
		return 0;
	if (p[12] >> 4 != 2)
		return bad("an unknown version", err);
	if ((p[12] & 15) > 1)
		return bad("an unknown command", err);
	len = get_be16(p + 14);
	if (PROXY_V2_HEAD + len > PROXY_MAX)
		return bad("too long", err);
	*want = PROXY_V2_HEAD + len;
	if (n < *want)
		return 0;
	if ((p[12] & 15) == 0)
		info->local = true;
	else if (parse_v2_address(p[13], p + PROXY_V2_HEAD, len, info, err))
		return -1;
	return (int)*want;
}

// ---- version 1 -----------------------------------------------------------------------------------------------------
// Cuts the next word at a single space; NULL at the end of the line or at an empty word.
static char *word(char **line)
{
	char *w = *line, *end;

	if (!w || !*w || *w == ' ')
		return NULL;
	end = strchr(w, ' ');
	if (end)
		*end++ = '\0';
	*line = end;
	return w;
}

static int parse_port(const char *w, uint16_t *out)
{
	unsigned long v = 0;

	if (!w || !*w || strlen(w) > 5 || (w[0] == '0' && w[1]))
		return -1;
	for (; *w; w++) {
		if (*w < '0' || *w > '9')
			return -1;
		v = v * 10 + (unsigned long)(*w - '0');
	}
	*out = (uint16_t)v;
	return v > UINT16_MAX ? -1 : 0;
}

static int parse_v1_line(char *line, struct proxy_info *info, struct err *err)
{
	char *proto = word(&line), *src, *dst, *sport, *dport;
	uint8_t from[16], to[16];
	uint16_t ports[2];
	int family;

	if (proto && !strcmp(proto, "UNKNOWN")) {
		info->local = true;
		return 0;
	}
	family = proto && !strcmp(proto, "TCP4") ? AF_INET : proto && !strcmp(proto, "TCP6") ? AF_INET6 : 0;
	src = word(&line);
	dst = word(&line);
	sport = word(&line);
	dport = word(&line);
	if (!family || !src || !dst || line || parse_port(sport, &ports[0]) || parse_port(dport, &ports[1]) ||
	    inet_pton(family, src, from) != 1 || inet_pton(family, dst, to) != 1)
		return bad("a version 1 line that does not follow the form", err);
	(family == AF_INET ? set_v4 : set_v6)(&info->src, from, ports[0]);
	(family == AF_INET ? set_v4 : set_v6)(&info->dst, to, ports[1]);
	return 0;
}

static int parse_v1(const char *p, size_t n, size_t *want, struct proxy_info *info, struct err *err)
{
	const char *lf = memchr(p, '\n', n);
	char line[PROXY_V1_MAX];
	size_t len;

	if (!lf) {
		if (n >= PROXY_V1_MAX)
			return bad("a version 1 line without an end", err);
		*want = n < V1_MIN ? V1_MIN : n + 1;
		return 0;
	}
	len = (size_t)(lf - p) + 1;
	if (len > PROXY_V1_MAX || len < V1_MIN || p[len - 2] != '\r' || memchr(p, 0, len))
		return bad("a version 1 line that does not follow the form", err);
	memcpy(line, p + 6, len - 6);
	line[len - 6 - 2] = '\0';
	return parse_v1_line(line, info, err) ? -1 : (int)len;
}

int proxy_parse(const void *data, size_t n, size_t *want, struct proxy_info *info, struct err *err)
{
	size_t known = n < sizeof(signature) ? n : sizeof(signature);

	*info = (struct proxy_info){.local = false};
	*want = V1_MIN;
	if (n == 0)
		return 0;
	if (!memcmp(data, signature, known))
		return known < sizeof(signature) ? 0 : parse_v2(data, n, want, info, err);
	known = n < 6 ? n : 6;
	if (!memcmp(data, "PROXY ", known))
		return parse_v1(data, n, want, info, err);
	return bad("the connection does not begin with one", err);
}

size_t proxy_format(const struct addr *src, const struct addr *dst, uint8_t out[PROXY_OUT_MAX])
{
	bool v4 = src->u.sa.sa_family == AF_INET;

	memcpy(out, signature, sizeof(signature));
	if (src->kind != ADDR_TCP || dst->kind != ADDR_TCP || src->u.sa.sa_family != dst->u.sa.sa_family) {
		memcpy(out + 12, "\x20\0\0\0", 4);
		return PROXY_V2_HEAD;
	}
	out[12] = 0x21;
	out[13] = v4 ? 0x11 : 0x21;
	put_be16(out + 14, v4 ? 12 : 36);
	if (v4) {
		memcpy(out + 16, &src->u.in.sin_addr, 4);
		memcpy(out + 20, &dst->u.in.sin_addr, 4);
	} else {
		memcpy(out + 16, &src->u.in6.sin6_addr, 16);
		memcpy(out + 32, &dst->u.in6.sin6_addr, 16);
	}
	put_be16(out + (v4 ? 24 : 48), (uint16_t)addr_port(src));
	put_be16(out + (v4 ? 26 : 50), (uint16_t)addr_port(dst));
	return PROXY_V2_HEAD + (v4 ? 12 : 36);
}
