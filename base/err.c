// SPDX-License-Identifier: Apache-2.0
//
// Making and prefixing errors without allocating. vsnprintf into the fixed buffer cuts what is too long; a cut may
// fall inside a UTF-8 sequence, which is why names from outside pass through err_quote first.
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 4, 0))) static int verr_set(struct err *err, enum err_class class, int errnum,
							  const char *fmt, va_list ap)
{
	if (!err)
		return -1;
	err->class = class;
	err->errnum = errnum;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	return -1;
}

int err_set(struct err *err, enum err_class class, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	verr_set(err, class, 0, fmt, ap);
	va_end(ap);
	errno = saved;
	return -1;
}

int err_sys(struct err *err, int errnum, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	verr_set(err, ERR_IO, errnum, fmt, ap);
	va_end(ap);

	size_t len = strlen(err->msg);
	const char *text = strerrordesc_np(errnum);
	snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", text ? text : "unknown error");
	errno = errnum;
	return -1;
}

int err_nomem(struct err *err)
{
	return err_set(err, ERR_MEMORY, "out of memory");
}

int err_prefix(struct err *err, const char *fmt, ...)
{
	char head[ERR_MSG_MAX];
	va_list ap;
	int saved = errno;

	if (!err)
		return -1;
	va_start(ap, fmt);
	vsnprintf(head, sizeof(head), fmt, ap);
	va_end(ap);

	size_t hl = strlen(head), ml = strlen(err->msg);
	if (hl > sizeof(err->msg) - 1)
		hl = sizeof(err->msg) - 1;
	if (ml > sizeof(err->msg) - 1 - hl)
		ml = sizeof(err->msg) - 1 - hl;
	memmove(err->msg + hl, err->msg, ml);
	memcpy(err->msg, head, hl);
	err->msg[hl + ml] = '\0';
	errno = saved;
	return -1;
}

char *err_quote(const void *name, unsigned long n, char *out, unsigned long cap)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = name;
	unsigned long o = 0;

	out[o++] = '"';
	for (unsigned long i = 0; i < n; i++) {
		if (o + 4 + 5 > cap) { // the widest piece, then `..."` and NUL
			memcpy(out + o, "...", 3);
			o += 3;
			break;
		}
		if (p[i] == '"' || p[i] == '\\') {
			out[o++] = '\\';
			out[o++] = (char)p[i];
		} else if (p[i] >= 0x20 && p[i] <= 0x7e) {
			out[o++] = (char)p[i];
		} else {
			out[o++] = '\\';
			out[o++] = 'x';
			out[o++] = hex[p[i] >> 4];
			out[o++] = hex[p[i] & 15];
		}
	}
	out[o++] = '"';
	out[o] = '\0';
	return out;
}
