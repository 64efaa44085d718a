// SPDX-License-Identifier: Apache-2.0
//
// JSON values read and written again as the reference's JSON library (serde_json) does, for the EIF's metadata section
// (facts/eif-format.md 5.2): integers from -2^63 to 2^64-1 keep every digit, all other numbers are doubles in their
// shortest form, object keys can be sorted by bytes with the last of equal keys winning. cJSON holds every number as a
// double and prints it otherwise, so it cannot serve here.
//
// That library does not always round a decimal text to the nearest double (facts 5.2). JDOC_AS_REFERENCE repeats its
// arithmetic, so that a writer gives the bytes that AWS's would; JDOC_EXACT rounds correctly, so that what either has
// written reads and prints as it stands.
//
// Refused, as there: anything but RFC 8259, bytes that are no UTF-8, lone surrogates, a byte order mark, text behind
// the value, numbers past the range of a double, and nesting past the caller's depth.
#ifndef EIFGEN_JSON_VALUE_H
#define EIFGEN_JSON_VALUE_H

#include "base/buf.h"
#include "base/err.h"
#include "eifgen/json_out.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum jval_type { JVAL_NULL, JVAL_BOOL, JVAL_UINT, JVAL_NEGATIVE, JVAL_DOUBLE, JVAL_STRING, JVAL_ARRAY, JVAL_OBJECT };

struct jval {
	enum jval_type type;
	bool truth;	     // JVAL_BOOL
	uint64_t magnitude;  // JVAL_UINT; JVAL_NEGATIVE: of the number without its sign (1..2^63)
	double number;	     // JVAL_DOUBLE
	size_t text, len;    // JVAL_STRING: where its bytes are in jdoc.text
	size_t key, key_len; // of a member of an object
	size_t first, next;  // first child; next sibling: indexes into jdoc.nodes, 0 for none
};

struct jdoc {
	struct jval *nodes; // nodes[0] is the root
	size_t count, cap;
	struct buf text; // decoded strings and keys
};

#define JDOC_INIT {NULL, 0, 0, BUF_INIT(0)}

enum jdoc_rounding { JDOC_EXACT, JDOC_AS_REFERENCE };

// Parses exactly n bytes. depth: containers inside each other that are still taken (127 in the reference's writer; at
// most 128 here). On failure *doc is empty; the message says at which byte.
int jdoc_parse(struct jdoc *doc, const void *p, size_t n, unsigned depth, enum jdoc_rounding rounding,
	       struct err *err);
void jdoc_free(struct jdoc *doc);
#define _cleanup_jdoc_ __attribute__((cleanup(jdoc_free)))

static inline const struct jval *jdoc_first(const struct jdoc *d, const struct jval *v)
{
	return v->first ? &d->nodes[v->first] : NULL;
}

static inline const struct jval *jdoc_next(const struct jdoc *d, const struct jval *v)
{
	return v->next ? &d->nodes[v->next] : NULL;
}

static inline const uint8_t *jdoc_text(const struct jdoc *d, const struct jval *v)
{
	return d->text.data ? d->text.data + v->text : (const uint8_t *)"";
}

// True if the member's key is the C string s.
bool jdoc_key_is(const struct jdoc *d, const struct jval *v, const char *s);

// Writes the value (not its key) into o. sorted: members by key bytes, the last of equal keys; else in their order.
int jdoc_write(const struct jdoc *d, const struct jval *v, bool sorted, struct jout *o, struct err *err);
// The same for an object's members alone, each with its key, into an object that is open already.
int jdoc_write_members(const struct jdoc *d, const struct jval *v, bool sorted, struct jout *o, struct err *err);

#endif
