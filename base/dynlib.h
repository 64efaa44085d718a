// SPDX-License-Identifier: Apache-2.0
//
// Shared libraries that only some commands need, opened when the first of those runs: what a program is linked with is
// found, mapped and bound at each of its starts, with all that it pulls in. Such a library has a table of pointers to
// its functions, each of the type that the library's own header gives it:
//
//   #define NAME_API(X) X(open) X(close)
//   #define NAME_FIELD(f) __typeof__(name_##f) *f;
//   struct name_api {
//           NAME_API(NAME_FIELD)
//   } __attribute__((aligned(DYNLIB_PAGE)));
//
// The alignment is the struct's size, too: the table has pages of its own, and they become read-only once it is filled,
// as the linker's tables are (-z relro -z now). No library is ever closed: it may have registered exit handlers and
// thread keys, its handles hold pointers into it, and the table could not be taken back.
#ifndef BASE_DYNLIB_H
#define BASE_DYNLIB_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// The largest page of the architecture's Linux: mprotect takes whole pages.
#ifdef __x86_64__
enum { DYNLIB_PAGE = 4096 };
#else
enum { DYNLIB_PAGE = 65536 };
#endif

struct dynlib {
	const char *soname;	    // what dlopen is asked for
	const char *const *symbols; // all that the table needs, in its order
	size_t count;
	size_t size;		       // of the table
	int (*start)(struct err *err); // called over the full table: is it the right version; 0 or -1; NULL: nothing
};

// Opens the library (RTLD_NOW | RTLD_LOCAL), fills the table, calls start and makes the table read-only.
// ERR_UNSUPPORTED, naming the library, if it or a symbol is missing; start's error; ERR_IO. After a failure nothing in
// the table may be called. Not to be called twice over one table.
int dynlib_load(const struct dynlib *lib, void *table, struct err *err);

// Has the first try been made, and how did it end. Static, and begun with DYNLIB_STATE_INIT.
struct dynlib_state {
	pthread_mutex_t lock;
	bool tried;
	struct err failure; // ERR_NONE: none
};

#define DYNLIB_STATE_INIT {PTHREAD_MUTEX_INITIALIZER, false, ERR_INIT}

// dynlib_load once; whoever comes later gets the same answer. Any thread.
int dynlib_need(const struct dynlib *lib, struct dynlib_state *state, void *table, struct err *err);

#endif
