// SPDX-License-Identifier: Apache-2.0
//
// Doubling growth under a ceiling; all additions are checked before memory is asked for.
#include "base/buf.h"

#include "base/checked.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

int buf_reserve(struct buf *b, size_t more, struct err *err)
{
	size_t want, cap;
	void *p;

	if (ckd_add(&want, b->len, more))
		return err_nomem(err);
	if (b->max && want > b->max)
		return err_set(err, ERR_LIMIT, "more than %zu bytes", b->max);
	if (want <= b->cap)
		return 0;
	cap = b->cap > want / 2 ? b->cap * 2 : want;
	if (cap < 64)
		cap = 64;
	p = mem_resize(b->data, cap, 1, err);
	if (!p)
		return -1;
	b->data = p;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *p, size_t n, struct err *err)
{
	if (buf_reserve(b, n, err))
		return -1;
	if (n)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	return 0;
}

int buf_add_byte(struct buf *b, uint8_t byte, struct err *err)
{
	return buf_add(b, &byte, 1, err);
}

int buf_add_str(struct buf *b, const char *s, struct err *err)
{
	return buf_add(b, s, strlen(s), err);
}

int buf_printf(struct buf *b, struct err *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return err_nomem(err);
	if (buf_reserve(b, (size_t)n + 1, err)) // vsnprintf wants room for its NUL
		return -1;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

char *buf_cstr(struct buf *b, struct err *err)
{
	if (buf_reserve(b, 1, err))
		return NULL;
	b->data[b->len] = '\0';
	return (char *)b->data;
}

void buf_consume(struct buf *b, size_t n)
{
	if (n)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void buf_free(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}
