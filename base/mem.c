// SPDX-License-Identifier: Apache-2.0
//
// The only file of ours that calls malloc and its kin (strdup and asprintf included), so that one hook reaches every
// allocation of our own code.
#include "base/mem.h"

#include "base/checked.h"
#include "base/fault.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

fault_hook *base_fault_hook;
delay_hook *base_delay_hook;

void *mem_alloc(size_t n, struct err *err)
{
	void *p = base_fault_hit(FAULT_ALLOC) ? NULL : malloc(n ? n : 1);

	if (!p)
		err_nomem(err);
	return p;
}

void *mem_zalloc(size_t n, size_t size, struct err *err)
{
	void *p = base_fault_hit(FAULT_ALLOC) ? NULL : calloc(n ? n : 1, size ? size : 1);

	if (!p)
		err_nomem(err);
	return p;
}

void *mem_pages(size_t n, size_t size, struct err *err)
{
	size_t total, room;
	void *p;

	if (ckd_mul(&total, n, size) || ckd_add(&room, total, (size_t)HUGE_PAGE - 1)) {
		err_nomem(err);
		return NULL;
	}
	if (total < HUGE_PAGE)
		return mem_alloc(total, err);
	room -= room % HUGE_PAGE;
	p = base_fault_hit(FAULT_ALLOC) ? NULL : aligned_alloc(HUGE_PAGE, room);
	if (!p)
		err_nomem(err);
	else
		madvise(p, room, MADV_HUGEPAGE); // no more than a wish
	return p;
}

void *mem_resize(void *p, size_t n, size_t size, struct err *err)
{
	size_t total;
	void *q = NULL;

	if (!ckd_mul(&total, n, size) && !base_fault_hit(FAULT_ALLOC))
		q = realloc(p, total ? total : 1);
	if (!q)
		err_nomem(err);
	return q;
}

void *mem_dup(const void *p, size_t n, struct err *err)
{
	char *q;

	if (n == SIZE_MAX) {
		err_nomem(err);
		return NULL;
	}
	q = mem_alloc(n + 1, err);
	if (!q)
		return NULL;
	if (n)
		memcpy(q, p, n);
	q[n] = '\0';
	return q;
}

char *mem_strdup(const char *s, struct err *err)
{
	return mem_dup(s, strlen(s), err);
}

char *mem_printf(struct err *err, const char *fmt, ...)
{
	va_list ap;
	char *out;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		err_nomem(err);
		return NULL;
	}
	out = mem_alloc((size_t)n + 1, err);
	if (!out)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(out, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return out;
}

int mem_grow(void *items, size_t *cap, size_t used, size_t size, struct err *err)
{
	void *old, *p;
	size_t want;

	if (used < *cap)
		return 0;
	if (ckd_mul(&want, *cap ? *cap : 8, (size_t)2))
		return err_nomem(err);
	memcpy(&old, items, sizeof(old)); // items is the address of a T *; read it without aliasing a void *
	p = mem_resize(old, want, size, err);
	if (!p)
		return -1;
	memcpy(items, &p, sizeof(p));
	*cap = want;
	return 0;
}
