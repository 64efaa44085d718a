// SPDX-License-Identifier: Apache-2.0
//
// CBOR (RFC 8949), the part that EIF signatures, attestation documents, the NSM and our own config use: integers, byte
// and text strings, arrays, maps, tags, false, true, null. Floats are read over by cbor_skip and never written.
//
//   head:  major type (3 bits) | info (5 bits): 0-23 the value itself, 24/25/26/27 a value in 1/2/4/8 bytes,
//          31 indefinite length (ended by 0xff), 28-30 reserved
//
// The reader walks a borrowed byte range, never allocates except for indefinite strings, never recurses. It is strict
// by default: only minimal heads, only definite lengths, only UTF-8 in text. CBOR_LENIENT takes non-minimal heads and
// indefinite lengths, as AWS's EIF reader does. No count that it hands out can exceed the bytes that are left, so a
// caller may size an allocation by it. Duplicate map keys are the caller's to find: it alone knows which keys there
// are.
#ifndef BASE_CBOR_H
#define BASE_CBOR_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CBOR_MAX_DEPTH = 64 }; // containers inside each other that cbor_skip follows; a real document nests 4 deep

enum { CBOR_STRICT = 0, CBOR_LENIENT = 1 };

enum cbor_type {
	CBOR_UINT,   // value
	CBOR_NINT,   // -1 - value
	CBOR_BYTES,  // bytes, value of them
	CBOR_TEXT,   // bytes, value of them, valid UTF-8, no NUL behind
	CBOR_ARRAY,  // value items follow
	CBOR_MAP,    // value pairs follow
	CBOR_TAG,    // value; one item follows
	CBOR_SIMPLE, // value: 20 false, 21 true, 22 null, 23 undefined, others
	CBOR_FLOAT,  // value: the raw bits
	CBOR_BREAK,  // 0xff, the end of an indefinite item
};

struct cbor_item {
	enum cbor_type type;
	bool indefinite;      // string, array or map without a length (lenient only); value is 0
	uint64_t value;
	const uint8_t *bytes; // strings of definite length: borrowed from the input
};

struct cbor_reader {
	const uint8_t *start, *p, *end;
	unsigned flags;
};

// A container being walked: see cbor_seq_next.
struct cbor_seq {
	uint64_t left; // items (array) or pairs (map) not begun yet; meaningless when indefinite
	bool indefinite;
};

// All reading functions: 0, or -1 with ERR_INPUT and the offset in the message; the position is then unspecified.
void cbor_reader_init(struct cbor_reader *r, const void *data, size_t n, unsigned flags);
int cbor_next(struct cbor_reader *r, struct cbor_item *item, struct err *err); // head, and a definite string's bytes
int cbor_peek(const struct cbor_reader *r, struct cbor_item *item, struct err *err);
int cbor_skip(struct cbor_reader *r, struct err *err); // one whole item with all inside it
int cbor_end(const struct cbor_reader *r, struct err *err); // error if bytes are left
bool cbor_at_end(const struct cbor_reader *r);

// Of one type; anything else is an error that names what was wanted and what stands there.
int cbor_get_uint(struct cbor_reader *r, uint64_t max, uint64_t *v, struct err *err); // 0..max
int cbor_get_int(struct cbor_reader *r, int64_t *v, struct err *err);		      // what fits int64_t
int cbor_get_bool(struct cbor_reader *r, bool *v, struct err *err);
int cbor_get_bytes(struct cbor_reader *r, const uint8_t **p, size_t *n, struct err *err); // definite only; borrowed
int cbor_get_text(struct cbor_reader *r, const char **p, size_t *n, struct err *err);	  // definite only; borrowed
// True and read over if a null stands next; else false and nothing read.
bool cbor_take_null(struct cbor_reader *r);
// A string of `type` appended to `out`, whose ceiling bounds it; the only way to read an indefinite one.
int cbor_read_string(struct cbor_reader *r, enum cbor_type type, struct buf *out, struct err *err);
// An array of integers below 256, a byte each (how AWS's libraries write byte strings), likewise.
int cbor_read_ints(struct cbor_reader *r, struct buf *out, struct err *err);

// Opens an array or a map. Walk it with
//	while ((more = cbor_seq_next(&r, &seq, err)) > 0) { read one item (array) or key and value (map) }
// which ends with 0, or -1 on an error.
int cbor_get_array(struct cbor_reader *r, struct cbor_seq *seq, struct err *err);
int cbor_get_map(struct cbor_reader *r, struct cbor_seq *seq, struct err *err);
int cbor_seq_next(struct cbor_reader *r, struct cbor_seq *seq, struct err *err);

// True if a text (p, n) as cbor_get_text gives it is the C string s.
bool cbor_text_is(const char *p, size_t n, const char *s);

// Writing: appends minimal heads and definite lengths, so equal calls give equal bytes. 0 or -1 as buf_add. The order
// of a map's keys is the caller's.
int cbor_put_uint(struct buf *b, uint64_t v, struct err *err);
int cbor_put_int(struct buf *b, int64_t v, struct err *err);
int cbor_put_bytes(struct buf *b, const void *p, size_t n, struct err *err);
int cbor_put_text(struct buf *b, const char *s, struct err *err);
int cbor_put_textn(struct buf *b, const char *s, size_t n, struct err *err);
int cbor_put_array(struct buf *b, uint64_t count, struct err *err); // count items follow
int cbor_put_map(struct buf *b, uint64_t pairs, struct err *err);   // pairs keys with values follow
int cbor_put_tag(struct buf *b, uint64_t tag, struct err *err);
int cbor_put_bool(struct buf *b, bool v, struct err *err);
int cbor_put_null(struct buf *b, struct err *err);

#endif
