// SPDX-License-Identifier: Apache-2.0
//
// The one error object of the house. A function that can fail takes `struct err *err` last and returns -1 (or NULL)
// with *err filled; on success *err is left untouched. The message is held inside the struct, so an error can be
// made when memory is out. Libraries never print and never exit: a program prints err.msg once, after its own prefix,
// as `eifgen: unable to <verb> <object>: <reason>`.
//
// A maker says what failed ("size 5000000000 does not fit newc"), each caller on the way up puts its object in front
// with err_prefix ("entry \"usr/bin/x\": ", "layer sha256:ab12: ").
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

enum err_class {
	ERR_NONE = 0,
	ERR_USAGE,	 // the caller's words: an unknown option, a value out of range
	ERR_INPUT,	 // bytes from outside break a rule: an image, an EIF, a document, a peer
	ERR_MISMATCH,	 // well-formed, but not what was pinned or expected (digest, PCR)
	ERR_LIMIT,	 // a cap against bombs was reached; the message names the option that raises it
	ERR_IO,		 // the system refused: errnum says why
	ERR_MEMORY,	 // no memory
	ERR_UNSUPPORTED, // sound input that this program cannot carry
};

enum { ERR_MSG_MAX = 1024 }; // room for one long path, quoted, and a reason; longer text is cut, never overrun

struct err {
	enum err_class class;
	int errnum; // errno of an ERR_IO, else 0
	char msg[ERR_MSG_MAX];
};

#define ERR_INIT {ERR_NONE, 0, ""}

// Fills *err (if not NULL) with class and text. Always returns -1, so that `return err_set(err, …)` reads well.
int err_set(struct err *err, enum err_class class, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// As err_set with ERR_IO; ": " and the text of `errnum` are appended (strerrordesc_np: never the locale's words).
int err_sys(struct err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

// As err_set with ERR_MEMORY and a fixed text. Returns -1.
int err_nomem(struct err *err);

// Puts text in front of err's message; class and errnum stay. Always returns -1. NULL err: nothing.
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// Writes `name` (n bytes, any bytes) into out as printable ASCII between double quotes: `"` and `\` get a backslash,
// bytes outside 0x20..0x7e become \xHH; text that would not fit ends in `...`. Returns out. cap is at least 8.
char *err_quote(const void *name, unsigned long n, char *out, unsigned long cap);

#endif
