// SPDX-License-Identifier: Apache-2.0
//
// Heads between HTTP/2 and HTTP/1.1: the fields of a request as they come, and the HTTP/1.1 head that they make; the
// fields of a response. A name, a path or a value that is
// harmless in HTTP/2's binary form could split a head that is written as text, so each is checked by HTTP/1's rules
// again.
#ifndef RUNTIME_DATA_PLANE_H2_FIELDS_H
#define RUNTIME_DATA_PLANE_H2_FIELDS_H

#include "base/buf.h"
#include "runtime/common/http1.h"

#include <nghttp2/nghttp2.h>

struct h2_place { // of a field in the text
	size_t at, name, value;
};

struct h2_fields {
	struct buf text; // names and values, one behind the other
	struct h2_place fields[HTTP1_FIELDS_MAX + 4];
	size_t n;
	bool too_large;
};

void h2_fields_init(struct h2_fields *f);
void h2_fields_free(struct h2_fields *f);

// Appends one; past a limit (or without memory) the request is marked as too large.
void h2_fields_add(struct h2_fields *f, const uint8_t *name, size_t name_n, const uint8_t *value, size_t value_n);

// Makes a head. Spans point into f and into cookie (crumbs joined to one field, RFC 9113 8.2.3). `ended`: no content
// follows. 0, or the status to refuse the request with (400, 414, 431, 501, 503), with the method in *rq if there was
// one: HTTP/1's rules and limits hold here too.
int h2_fields_head(const struct h2_fields *f, struct http1_head *rq, struct buf *cookie, bool ended);

// ---- responses -----------------------------------------------------------------------------------------------------
enum { H2_SENT_FIELDS_MAX = HTTP1_FIELDS_MAX + 1 };

// Turns a head into fields for nghttp2, which copies them: `status` holds the digits and `names` the lower-cased names
// meanwhile. Their number; 0 without memory.
size_t h2_fields_response(const struct http1_head *rs, char status[3], nghttp2_nv nv[H2_SENT_FIELDS_MAX],
			  struct buf *names);

nghttp2_nv h2_nv(const char *name, size_t name_n, const char *value, size_t value_n); // borrows
void h2_put_status(char out[3], int status);

#endif
