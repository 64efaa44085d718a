// SPDX-License-Identifier: Apache-2.0
//
// Entries stay in the order in which they were written; there is no "deny", so order does not matter and the first
// match answers. A suffix is kept with its dot (".example.com"), which makes its test one compare of tails: the dot
// keeps the apex and "notexample.com" out.
#include "runtime/common/allowlist.h"

#include "base/mem.h"
#include "runtime/common/hostname.h"

#include <string.h>

enum entry_kind { ENTRY_NAME, ENTRY_SUFFIX, ENTRY_ANY_NAME, ENTRY_NET };

struct entry {
	enum entry_kind kind;
	uint16_t port_first, port_last;
	char *name;  // ENTRY_NAME: normal form; ENTRY_SUFFIX: the same behind a dot; owned
	size_t name_len;
	struct ip_addr net; // ENTRY_NET
	unsigned bits;
};

struct allowlist {
	struct entry *entries;
	size_t count, cap;
};

struct allowlist *allowlist_new(struct err *err)
{
	return mem_zalloc(1, sizeof(struct allowlist), err);
}

void allowlist_free(struct allowlist *list)
{
	if (!list)
		return;
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].name);
	free(list->entries);
	free(list);
}

size_t allowlist_count(const struct allowlist *list)
{
	return list->count;
}

const char *allowlist_exact_name(const struct allowlist *list, size_t i)
{
	return list->entries[i].kind == ENTRY_NAME ? list->entries[i].name : NULL;
}

// A run of digits without sign or leading zero, at most `max`. 0 or -1.
static int parse_number(const char *p, size_t n, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (n == 0 || n > 5 || (n > 1 && p[0] == '0'))
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	*out = v;
	return v <= max ? 0 : -1;
}

static int parse_ports(const char *p, size_t n, struct entry *e, struct err *err)
{
	const char *dash = memchr(p, '-', n);
	size_t first_len = dash ? (size_t)(dash - p) : n;
	unsigned first, last;

	if (parse_number(p, first_len, 65535, &first) < 0 || first == 0)
		return err_set(err, ERR_INPUT, "a port is a number from 1 to 65535");
	last = first;
	if (dash && (parse_number(dash + 1, n - first_len - 1, 65535, &last) < 0 || last < first))
		return err_set(err, ERR_INPUT, "a range of ports is LOW-HIGH, both from 1 to 65535");
	e->port_first = (uint16_t)first;
	e->port_last = (uint16_t)last;
	return 0;
}

static bool has_bits_past_prefix(const struct ip_addr *net, unsigned bits)
{
	for (unsigned i = bits; i < net->len * 8u; i++)
		if (net->bytes[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

// `p` is ADDRESS or ADDRESS/BITS. 1 if it is, 0 if it is no address at all, -1 if it is a wrong one.
static int parse_net(const char *p, size_t n, struct entry *e, struct err *err)
{
	const char *slash = memchr(p, '/', n);
	size_t addr_len = slash ? (size_t)(slash - p) : n;

	if (ip_parse(p, addr_len, &e->net) < 0)
		return slash ? err_set(err, ERR_INPUT, "what stands before the slash is no address") : 0;
	if (e->net.len == 4 && memchr(p, ':', addr_len))
		return err_set(err, ERR_INPUT, "write a v4-mapped address as IPv4");
	e->bits = e->net.len * 8u;
	if (slash && parse_number(slash + 1, n - addr_len - 1, e->bits, &e->bits) < 0)
		return err_set(err, ERR_INPUT, "the prefix length is a number from 0 to %d", e->net.len * 8);
	if (has_bits_past_prefix(&e->net, e->bits))
		return err_set(err, ERR_INPUT, "the address has bits set past its prefix length");
	e->kind = ENTRY_NET;
	return 1;
}

static int parse_name(const char *p, size_t n, struct entry *e, struct err *err)
{
	char name[1 + HOSTNAME_MAX + 1] = ".";

	if (n == 1 && p[0] == '*') {
		e->kind = ENTRY_ANY_NAME;
		return 0;
	}
	e->kind = n >= 2 && p[0] == '*' && p[1] == '.' ? ENTRY_SUFFIX : ENTRY_NAME;
	if (e->kind == ENTRY_SUFFIX) {
		p += 2;
		n -= 2;
	}
	if (memchr(p, '*', n))
		return err_set(err, ERR_INPUT, "`*` stands alone or as the whole first label");
	if (hostname_normalise(p, n, name + 1, err) < 0)
		return -1;
	e->name = mem_strdup(e->kind == ENTRY_SUFFIX ? name : name + 1, err);
	if (!e->name)
		return -1;
	e->name_len = strlen(e->name);
	return 0;
}

// Splits at the colon before the ports. An unbracketed IPv6 address has more than one colon and no ports.
static int parse_entry(const char *p, size_t n, struct entry *e, struct err *err)
{
	const char *ports = NULL;
	size_t host_len = n;
	int net;

	e->port_first = 1;
	e->port_last = 65535;
	if (n && p[0] == '[') {
		const char *close = memchr(p, ']', n);

		if (!close)
			return err_set(err, ERR_INPUT, "`[` without `]`");
		host_len = (size_t)(close - p) + 1;
		if (host_len < n && p[host_len] != ':')
			return err_set(err, ERR_INPUT, "after `]` only `:` and ports may stand");
		ports = host_len < n ? p + host_len + 1 : NULL;
	} else {
		const char *colon = memchr(p, ':', n);

		if (colon && !memchr(colon + 1, ':', n - (size_t)(colon + 1 - p))) {
			host_len = (size_t)(colon - p);
			ports = colon + 1;
		}
	}
	if (ports && parse_ports(ports, n - (size_t)(ports - p), e, err) < 0)
		return -1;
	if (n && p[0] == '[') {
		net = parse_net(p + 1, host_len - 2, e, err);
		if (net == 0 || (net == 1 && e->net.len != 16))
			return err_set(err, ERR_INPUT, "between brackets stands an IPv6 address");
		return net < 0 ? -1 : 0;
	}
	net = parse_net(p, host_len, e, err);
	return net ? (net < 0 ? -1 : 0) : parse_name(p, host_len, e, err);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

int allowlist_add(struct allowlist *list, const char *text, size_t n, struct err *err)
{
	struct entry e = {0};
	char quoted[320];

	while (n && is_blank(text[0])) {
		text++;
		n--;
	}
	while (n && is_blank(text[n - 1]))
		n--;
	if (n == 0)
		return err_set(err, ERR_INPUT, "allowlist: an empty entry");
	if (list->count == ALLOWLIST_ENTRIES_MAX)
		return err_set(err, ERR_LIMIT, "allowlist: more than %d entries", ALLOWLIST_ENTRIES_MAX);
	if (mem_grow(&list->entries, &list->cap, list->count, sizeof(e), err) < 0)
		return -1;
	if (parse_entry(text, n, &e, err) < 0)
		return err_prefix(err, "allowlist entry %s: ", err_quote(text, n, quoted, sizeof(quoted)));
	list->entries[list->count++] = e;
	return 0;
}

int allowlist_parse(struct allowlist *list, const char *text, size_t n, struct err *err)
{
	size_t start = 0, i;

	for (i = 0; i < n && (is_blank(text[i]) || text[i] == '\n'); i++)
		;
	if (i == n)
		return 0;
	if (text[n - 1] == '\n') // a file's last line
		n--;
	for (i = 0; i <= n; i++) {
		if (i < n && text[i] != ',' && text[i] != '\n')
			continue;
		if (allowlist_add(list, text + start, i - start, err) < 0)
			return -1;
		start = i + 1;
	}
	return 0;
}

static bool name_matches(const struct entry *e, const char *name, size_t n)
{
	if (e->kind == ENTRY_ANY_NAME)
		return true;
	if (e->kind == ENTRY_NAME)
		return e->name_len == n && !memcmp(e->name, name, n);
	if (e->kind == ENTRY_SUFFIX)
		return n > e->name_len && !memcmp(e->name, name + n - e->name_len, e->name_len);
	return false;
}

static bool port_matches(const struct entry *e, uint16_t port)
{
	return port >= e->port_first && port <= e->port_last;
}

// port 0: any
static bool match_name(const struct allowlist *list, const char *text, size_t n, uint16_t port)
{
	char name[HOSTNAME_MAX + 1];

	if (hostname_normalise(text, n, name, NULL) < 0)
		return false;
	n = strlen(name);
	for (size_t i = 0; i < list->count; i++)
		if (name_matches(&list->entries[i], name, n) && (!port || port_matches(&list->entries[i], port)))
			return true;
	return false;
}

bool allowlist_allows_name(const struct allowlist *list, const char *name, size_t n, uint16_t port)
{
	return port && match_name(list, name, n, port);
}

bool allowlist_knows_name(const struct allowlist *list, const char *name, size_t n)
{
	return match_name(list, name, n, 0);
}

bool allowlist_allows_addr(const struct allowlist *list, const struct ip_addr *ip, uint16_t port)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct entry *e = &list->entries[i];

		if (e->kind == ENTRY_NET && port_matches(e, port) && ip_in_prefix(ip, &e->net, e->bits))
			return true;
	}
	return false;
}
