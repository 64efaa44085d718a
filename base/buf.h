// SPDX-License-Identifier: Apache-2.0
//
// A growing byte buffer with a ceiling. Everything whose size comes from outside is collected in one of these, so
// that the ceiling is said at the place where the buffer is made.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data; // owned; NULL while empty
	size_t len, cap;
	size_t max; // a write past this is ERR_LIMIT; 0: no ceiling but memory
};

#define BUF_INIT(ceiling) {NULL, 0, 0, (ceiling)}

int buf_reserve(struct buf *b, size_t more, struct err *err);		 // room for `more` further bytes
int buf_add(struct buf *b, const void *p, size_t n, struct err *err);	 // appends n bytes
int buf_add_byte(struct buf *b, uint8_t byte, struct err *err);
int buf_add_str(struct buf *b, const char *s, struct err *err);		 // without its NUL
int buf_printf(struct buf *b, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// Puts a NUL behind the content (not counted in len) and returns it as a C string; NULL on error.
char *buf_cstr(struct buf *b, struct err *err);

void buf_consume(struct buf *b, size_t n); // drops the first n bytes (n <= len)
void buf_free(struct buf *b);		   // frees the content; b is empty and usable again
#define _cleanup_buf_ __attribute__((cleanup(buf_free)))

#endif
