// SPDX-License-Identifier: Apache-2.0
//
// What the three reports of a diff share: the registers in print order and what is said of each, and the JSON, which
// the page embeds with file contents added.
#ifndef EIFGEN_DIFF_JSON_H
#define EIFGEN_DIFF_JSON_H

#include "eifgen/diff.h"
#include "eifgen/json_out.h"

enum { DIFF_REGISTERS = 4 };
extern const int diff_registers[DIFF_REGISTERS]; // 0, 1, 2, 8

// "same", "differs", "unknown"; for PCR8 also "unsigned" and "one side". Static.
const char *diff_pcr_state(const struct diff *d, int pcr);

// Writes the whole object. `more` (may be NULL) is called inside each entry's object and may add members; 0 or -1.
int diff_put_json(const struct diff *d, struct jout *o,
		  int (*more)(void *ctx, const struct diff_entry *e, struct jout *o, struct err *err), void *ctx,
		  struct err *err);

#endif
