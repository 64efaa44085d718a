// SPDX-License-Identifier: Apache-2.0
//
// Memory for keys and tokens: locked where the limits allow, kept out of core dumps and child processes, zeroised when
// freed. Small and few: each is a mapping of its own, with nothing beside it to overrun into.
#ifndef RUNTIME_SECRET_H
#define RUNTIME_SECRET_H

#include "base/err.h"

#include <stddef.h>

struct secret {
	unsigned char *data; // NULL when empty
	size_t len;          // bytes in use
	size_t room;         // of the mapping
};

#define SECRET_INIT                                                                                                    \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}
enum { SECRET_MAX = 1024 * 1024 }; // a PEM key with its chain is far smaller

int secret_new(struct secret *s, size_t n, struct err *err); // n zeroed bytes, len = n
void secret_free(struct secret *s);                          // zeroises; idempotent
#define _cleanup_secret_ __attribute__((cleanup(secret_free)))

// Reads a whole file straight into secret memory, never through a buffer that is not wiped. Past SECRET_MAX: ERR_LIMIT.
int secret_read_file(struct secret *s, const char *path, struct err *err);

// Overwrites memory in a way that the compiler keeps.
void secret_wipe(void *p, size_t n);

#endif
