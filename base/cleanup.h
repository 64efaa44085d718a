// SPDX-License-Identifier: Apache-2.0
//
// Scope-bound cleanup: `_cleanup_free_ char *p = NULL;` frees p when the scope is left. Every cleanup is idempotent,
// takes NULL or -1, and keeps errno. Hand a resource over with steal_ptr / steal_fd.
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_freep(void *p)
{
	free(*(void **)p); // NOLINT: p is the address of some object pointer, which all have one representation here
}

static inline void cleanup_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(cleanup_freep)
#define _cleanup_close_ _cleanup_(cleanup_closep)

// Defines static inline void NAMEp(T **) that calls free_fn on the pointer: for _cleanup_(NAMEp).
#define CLEANUP_DEFINE(T, name, free_fn)                                                                               \
	static inline void name##p(T **p)                                                                              \
	{                                                                                                              \
		int saved_ = errno;                                                                                    \
		free_fn(*p);                                                                                           \
		errno = saved_;                                                                                        \
	}

#define steal_ptr(pp)                                                                                                  \
	({                                                                                                             \
		__typeof__(*(pp)) steal_ = *(pp);                                                                      \
		*(pp) = NULL;                                                                                          \
		steal_;                                                                                                \
	})

static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
