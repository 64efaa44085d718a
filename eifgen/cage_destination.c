// SPDX-License-Identifier: Apache-2.0
//
// The text is cut into host and ports as the allowlist cuts it: at `]`, else at its only colon. A host that inet_pton
// takes, or that holds a slash, is an address; all else is a name. The first fault is said.
#include "eifgen/cage_destination.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63, ADDRESS_MAX = 64 }; // RFC 1035 2.3.4; the longest IPv6 text and more

struct span {
	const char *p;
	size_t n;
};

static bool all_digits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return true;
}

// Digits without a leading zero, at most `max`: the number; else -1.
static long number(struct span s, long max)
{
	long v = 0;

	if (s.n == 0 || s.n > 5 || !all_digits(s) || (s.n > 1 && s.p[0] == '0'))
		return -1;
	for (size_t i = 0; i < s.n; i++)
		v = v * 10 + (s.p[i] - '0');
	return v <= max ? v : -1;
}

static const char *ports_fault(struct span s)
{
	const char *dash = memchr(s.p, '-', s.n);
	struct span low = {s.p, dash ? (size_t)(dash - s.p) : s.n};
	struct span high = dash ? (struct span){dash + 1, s.n - low.n - 1} : low;

	if (number(low, 65535) < 1 || number(high, 65535) < number(low, 65535))
		return "has a port that is no number from 1 to 65535, nor a range LOW-HIGH of them";
	return NULL;
}

// ---- addresses ------------------------------------------------------------------------------------------------------
// 4 or 16 bytes into out; 0: no address.
static size_t parse_address(struct span s, uint8_t out[16])
{
	char text[ADDRESS_MAX];

	if (s.n >= sizeof(text))
		return 0;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	return inet_pton(AF_INET, text, out) == 1 ? 4 : inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static bool has_bits_past(const uint8_t *address, size_t n, size_t bits)
{
	for (size_t i = bits; i < n * 8; i++)
		if (address[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

static bool is_mapped(const uint8_t address[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(address, prefix, sizeof(prefix));
}

// ADDRESS[/BITS]. False: it is not meant as one. *fault as for cage_destination_fault.
static bool take_address(struct span s, bool bracketed, const char **fault)
{
	const char *slash = memchr(s.p, '/', s.n);
	struct span address = {s.p, slash ? (size_t)(slash - s.p) : s.n};
	struct span bits = slash ? (struct span){slash + 1, s.n - address.n - 1} : (struct span){"", 0};
	uint8_t bytes[16];
	size_t n = parse_address(address, bytes);
	long prefix = slash ? number(bits, (long)n * 8) : (long)n * 8;

	*fault = NULL;
	if (!n && !slash && !bracketed)
		return false;
	if (bits.n && all_digits(bits) && strspn(bits.p, "0") == bits.n)
		*fault = "allows every address";
	else if (bracketed ? n != 16 : !n)
		*fault =
		    bracketed ? "has brackets around what is no IPv6 address" : "has a slash behind what is no address";
	else if (prefix < 0)
		*fault = "has a prefix that is longer than the address, or no number";
	else if (n == 16 && is_mapped(bytes))
		*fault = "is an IPv4 address written as IPv6";
	else if (has_bits_past(bytes, n, (size_t)prefix))
		*fault = "has bits set behind its prefix";
	return true;
}

// ---- names ----------------------------------------------------------------------------------------------------------
static const char *label_fault(struct span s)
{
	if (s.n == 0)
		return "has an empty label";
	if (s.n > LABEL_MAX_BYTES)
		return "has a label of more than 63 bytes";
	if (s.p[0] == '-' || s.p[s.n - 1] == '-')
		return "has a label that begins or ends with a hyphen";
	for (size_t i = 0; i < s.n; i++) {
		char c = (char)(s.p[i] | 32);

		if (!((c >= 'a' && c <= 'z') || (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-' || s.p[i] == '_'))
			return s.p[i] & 0x80 ? "is a name in another script: wants its xn-- form" :
					       "has a character that no host name holds";
	}
	return NULL;
}

static const char *name_fault(struct span s)
{
	s.n -= s.n && s.p[s.n - 1] == '.';
	if (s.n > NAME_MAX_BYTES)
		return "is longer than 253 bytes";
	for (;;) {
		const char *dot = memchr(s.p, '.', s.n);
		struct span label = {s.p, dot ? (size_t)(dot - s.p) : s.n};
		const char *fault = label_fault(label);

		if (fault)
			return fault;
		if (!dot)
			return all_digits(label) ? "is a name that ends in a number, as an address does" : NULL;
		s.n -= label.n + 1;
		s.p = dot + 1;
	}
}

static const char *pattern_fault(struct span s, size_t count)
{
	bool below = s.n > 1 && s.p[0] == '*' && s.p[1] == '.';
	struct span name = below ? (struct span){s.p + 2, s.n - 2} : s;

	if (s.n == 1 && s.p[0] == '*')
		return count == 1 ? NULL : "allows every name, which makes the other elements meaningless";
	if (memchr(name.p, '*', name.n))
		return "has a `*` that is not the whole first label";
	if (below && !memchr(name.p, '.', name.n - (name.n && name.p[name.n - 1] == '.')))
		return "allows a whole top-level domain";
	return name_fault(name);
}

// ---- the whole ------------------------------------------------------------------------------------------------------
const char *cage_destination_fault(const char *text, size_t count)
{
	const char *end = text + strlen(text), *colon = strchr(text, ':'), *close = strchr(text, ']'), *fault;
	bool bracketed = *text == '[';
	struct span host = {text, (size_t)(end - text)}, ports = {NULL, 0};

	if (!*text)
		return "is empty";
	if (strpbrk(text, ", \t\r\n"))
		return "holds a comma or a blank: one destination an element";
	if (strstr(text, "://"))
		return "is a URL; wants HOST or HOST:PORT";
	if (bracketed) {
		if (!close || (close[1] && close[1] != ':'))
			return close ? "has more than a port behind its bracket" : "has a bracket that is not closed";
		host = (struct span){text + 1, (size_t)(close - text) - 1};
		ports.p = close[1] ? close + 2 : NULL;
	} else if (colon && !strchr(colon + 1, ':')) {
		host.n = (size_t)(colon - text);
		ports.p = colon + 1;
	}
	ports.n = ports.p ? (size_t)(end - ports.p) : 0;
	if (!take_address(host, bracketed, &fault))
		fault = pattern_fault(host, count);
	return fault || !ports.p ? fault : ports_fault(ports);
}
