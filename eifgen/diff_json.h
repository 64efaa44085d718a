// SPDX-License-Identifier: Apache-2.0
//
// The pieces of a diff's JSON that the JSON report and the page share. Names that are no UTF-8 appear with U+FFFD for
// each stray byte, and whole as hex under the same key with `Hex` behind it.
#ifndef EIFGEN_DIFF_JSON_H
#define EIFGEN_DIFF_JSON_H

#include "eifgen/diff.h"
#include "layerfs/json.h"

// Appends `"KEY":"text"`, and `,"KEYHex":"…"` if the bytes are no UTF-8 (or hold control characters that JSON could not
// show otherwise: those are escaped, not replaced).
int diff_json_bytes(const char *key, const char *p, size_t n, struct buf *out, struct err *err);

// Everything up to and with `"Entries":[`; the caller adds entries and `]}`.
int diff_json_head(const struct diff *d, struct buf *out, struct err *err);
// One entry without its closing brace, so that the page can add content.
int diff_json_entry(const struct diff *d, const struct diff_entry *e, struct buf *out, struct err *err);

#endif
