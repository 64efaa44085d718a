// SPDX-License-Identifier: Apache-2.0
//
// JSON text, written front to back: what the commands print, and the EIF's metadata. The caller says objects, keys and
// values in order; equal calls give equal bytes. Strings are escaped as the reference's JSON library does: `"` `\` \b
// \f \n \r \t, other control characters as \u00xx in lower-case hex, everything else raw UTF-8; a byte that belongs to
// no UTF-8 sequence becomes U+FFFD. Errors (memory) stick and are told once, by jout_text.
//
//	struct jout o = JOUT_INIT(true);
//	jout_open(&o, NULL, '{'); jout_str(&o, "Name", name); jout_close(&o, '}');
//	text = jout_text(&o, err); … jout_free(&o);
#ifndef EIFGEN_JSON_OUT_H
#define EIFGEN_JSON_OUT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jout {
	struct buf text;
	struct err err; // first error, or ERR_NONE
	bool pretty;	// two blanks a level, `"k": v`; else no white space at all
	bool fresh;	// the innermost container is empty so far
	unsigned depth;
};

#define JOUT_INIT(is_pretty) {.text = BUF_INIT(0), .err = ERR_INIT, .pretty = (is_pretty), .fresh = true, .depth = 0}

// key: the member's name, NULL inside an array and at the top.
void jout_open(struct jout *o, const char *key, char bracket); // '{' or '['
void jout_close(struct jout *o, char bracket);		       // '}' or ']'
void jout_str(struct jout *o, const char *key, const char *s); // NULL s: null
void jout_strn(struct jout *o, const char *key, const void *p, size_t n);
void jout_uint(struct jout *o, const char *key, uint64_t v);
void jout_bool(struct jout *o, const char *key, bool v);
void jout_null(struct jout *o, const char *key);
void jout_hex(struct jout *o, const char *key, const void *p, size_t n); // a string of lower-case hex
void jout_token(struct jout *o, const char *key, const char *text); // a number's text, as it is

// For keys that are no C strings: the member's name; the value follows with key NULL.
void jout_key(struct jout *o, const void *p, size_t n);

// The text so far with a newline behind it if pretty; borrowed. NULL with the first error.
const char *jout_text(struct jout *o, struct err *err);
void jout_free(struct jout *o);
#define _cleanup_jout_ __attribute__((cleanup(jout_free)))

#endif
