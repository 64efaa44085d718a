// SPDX-License-Identifier: Apache-2.0
//
// One array of entries in order of arrival and two open-addressing indexes over it, by name and by address, both twice
// the table's size, so that probes stay short; nothing is removed, so there are no tombstones.
#include "runtime/data-plane/names.h"

#include "base/be.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

enum { HOST_BITS = 23, RANGE_FIRST = 0x7f800000, FREE = 0 }; // 127.128.0.0/9; an index slot holds entry number + 1

struct name {
	char *text;
	uint32_t host; // the address's low 23 bits
};

struct names {
	struct name *entries;
	size_t count, cap, max;
	uint32_t *by_name, *by_host;
	size_t mask;
};

struct names *names_new(size_t max, struct err *err)
{
	struct names *t = mem_zalloc(1, sizeof(*t), err);
	size_t slots = 2;

	if (!t)
		return NULL;
	while (slots < 2 * max)
		slots *= 2;
	t->max = max;
	t->mask = slots - 1;
	t->by_name = mem_zalloc(slots, sizeof(*t->by_name), err);
	t->by_host = mem_zalloc(slots, sizeof(*t->by_host), err);
	if (!t->by_name || !t->by_host) {
		names_free(t);
		return NULL;
	}
	return t;
}

void names_free(struct names *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->entries[i].text);
	free(t->entries);
	free(t->by_name);
	free(t->by_host);
	free(t);
}

size_t names_count(const struct names *t)
{
	return t->count;
}

bool names_in_range(const struct ip_addr *addr)
{
	return addr->len == 4 && get_be32(addr->bytes) >> HOST_BITS == (uint32_t)RANGE_FIRST >> HOST_BITS;
}

// FNV-1a with a final mix (the low bits alone would cluster). Who can choose names to collide sits in the enclave and
// slows down only its own lookups.
static uint64_t hash_name(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93;
	return h ^ h >> 32;
}

static size_t hash_host(uint32_t host)
{
	return (size_t)((host * 0x9e3779b97f4a7c15) >> 32);
}

// The slot in by_name that holds `name`, or the free one where it belongs.
static uint32_t *name_slot(const struct names *t, const char *name)
{
	for (size_t i = hash_name(name) & t->mask;; i = (i + 1) & t->mask)
		if (t->by_name[i] == FREE || !strcmp(t->entries[t->by_name[i] - 1].text, name))
			return &t->by_name[i];
}

static uint32_t *host_slot(const struct names *t, uint32_t host)
{
	for (size_t i = hash_host(host) & t->mask;; i = (i + 1) & t->mask)
		if (t->by_host[i] == FREE || t->entries[t->by_host[i] - 1].host == host)
			return &t->by_host[i];
}

// .0 and .255 read as a network's own and broadcast addresses to some programs, and 127.255.255.255 is one.
static bool host_usable(uint32_t host)
{
	return (host & 0xff) != 0 && (host & 0xff) != 0xff;
}

static uint32_t free_host(const struct names *t, const char *name)
{
	uint32_t mask = (1u << HOST_BITS) - 1, host = (uint32_t)(hash_name(name) >> 20) & mask;

	while (!host_usable(host) || *host_slot(t, host) != FREE)
		host = (host + 1) & mask;
	return host;
}

static void host_to_addr(uint32_t host, struct ip_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->len = 4;
	put_be32(out->bytes, (uint32_t)RANGE_FIRST | host);
}

int names_assign(struct names *t, const char *name, struct ip_addr *out)
{
	uint32_t *slot = name_slot(t, name);

	if (*slot == FREE) {
		struct name e = {NULL, free_host(t, name)};

		if (t->count == t->max || mem_grow(&t->entries, &t->cap, t->count, sizeof(e), NULL) < 0)
			return -1;
		e.text = mem_strdup(name, NULL);
		if (!e.text)
			return -1;
		t->entries[t->count++] = e;
		*slot = *host_slot(t, e.host) = (uint32_t)t->count;
	}
	host_to_addr(t->entries[*slot - 1].host, out);
	return 0;
}

const char *names_find(const struct names *t, const struct ip_addr *addr)
{
	if (!names_in_range(addr))
		return NULL;
	uint32_t slot = *host_slot(t, get_be32(addr->bytes) & ((1u << HOST_BITS) - 1));

	return slot == FREE ? NULL : t->entries[slot - 1].text;
}
