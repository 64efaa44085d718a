// SPDX-License-Identifier: Apache-2.0
//
// Hand-made tar streams: every field can be set wrong. A `struct buf` grows header by header; tar_end closes it.
#ifndef TESTS_TAR_MAKER_H
#define TESTS_TAR_MAKER_H

#include "base/buf.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct tar_member {
	const char *name, *link, *prefix; // link, prefix may be NULL
	char type;			  // 0: a NUL byte
	const void *data;
	size_t size;	       // bytes of data that follow
	const char *size_text; // the size field's text instead of size, or NULL
	unsigned mode, uid, gid;
	unsigned long mtime;
	unsigned dev_major, dev_minor;
	const char *magic; // 8 bytes; NULL: "ustar\0" "00"
};

static inline struct buf *tar_raw(struct buf *b, const void *p, size_t n)
{
	ck_assert_int_eq(buf_add(b, p, n, NULL), 0);
	return b;
}

static inline void tar_pad(struct buf *b)
{
	static const char zero[512];

	tar_raw(b, zero, (512 - b->len % 512) % 512);
}

static inline void tar_sum(uint8_t *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum & 0777777);
	h[155] = ' ';
}

static inline void tar_header(uint8_t h[512], const struct tar_member *m)
{
	char num[16];

	memset(h, 0, 512);
	strncpy((char *)h, m->name, 100);
	snprintf((char *)h + 100, 8, "%07o", m->mode);
	snprintf((char *)h + 108, 8, "%07o", m->uid);
	snprintf((char *)h + 116, 8, "%07o", m->gid);
	snprintf(num, sizeof(num), "%011llo", (unsigned long long)m->size);
	memcpy(h + 124, m->size_text ? m->size_text : num, 12);
	snprintf((char *)h + 136, 12, "%011lo", m->mtime);
	h[156] = (uint8_t)m->type;
	if (m->link)
		strncpy((char *)h + 157, m->link, 100);
	memcpy(h + 257, m->magic ? m->magic : "ustar\00000", 8);
	snprintf((char *)h + 329, 8, "%07o", m->dev_major);
	snprintf((char *)h + 337, 8, "%07o", m->dev_minor);
	if (m->prefix)
		strncpy((char *)h + 345, m->prefix, 155);
	tar_sum(h);
}

static inline struct buf *tar_put(struct buf *b, struct tar_member m)
{
	uint8_t h[512];

	tar_header(h, &m);
	tar_raw(b, h, 512);
	if (m.data)
		tar_raw(b, m.data, m.size);
	tar_pad(b);
	return b;
}

static inline void tar_file(struct buf *b, const char *name, const char *text)
{
	tar_put(b, (struct tar_member){.name = name, .type = '0', .mode = 0644, .data = text, .size = strlen(text)});
}

static inline void tar_dir(struct buf *b, const char *name, unsigned mode)
{
	tar_put(b, (struct tar_member){.name = name, .type = '5', .mode = mode});
}

static inline void tar_link(struct buf *b, const char *name, char type, const char *to)
{
	tar_put(b, (struct tar_member){.name = name, .type = type, .mode = 0644, .link = to});
}

// An extended header of `type` with these bytes.
static inline void tar_ext(struct buf *b, char type, const void *p, size_t n)
{
	tar_put(b, (struct tar_member){.name = "ext", .type = type, .mode = 0644, .data = p, .size = n});
}

// "LEN key=value\n" with the right LEN, appended to a C string.
static inline void pax_add(struct buf *b, const char *key, const void *value, size_t n)
{
	size_t body = strlen(key) + n + 3, len = body + 1;
	char num[24];

	while (body + (size_t)snprintf(num, sizeof(num), "%zu", len) != len)
		len = body + strlen(num);
	tar_raw(b, num, strlen(num));
	tar_raw(b, " ", 1);
	tar_raw(b, key, strlen(key));
	tar_raw(b, "=", 1);
	tar_raw(b, value, n);
	tar_raw(b, "\n", 1);
}

// An 'x' header of key, value, key, value, …, NULL.
static inline void tar_pax(struct buf *b, ...) __attribute__((sentinel));
static inline void tar_pax(struct buf *b, ...)
{
	struct buf p = BUF_INIT(0);
	va_list ap;
	const char *key;

	va_start(ap, b);
	while ((key = va_arg(ap, const char *))) {
		const char *value = va_arg(ap, const char *);

		pax_add(&p, key, value, strlen(value));
	}
	va_end(ap);
	tar_ext(b, 'x', p.data, p.len);
	buf_free(&p);
}

static inline struct buf *tar_end(struct buf *b)
{
	static const char zero[1024];

	return tar_raw(b, zero, 1024);
}

#endif
