// SPDX-License-Identifier: Apache-2.0
//
// One side of a diff: what an EIF, a record or an image says of itself. Facts that a side does not have stay NULL (a
// record has digests, but no bytes; an image without a platform has no PCR0), and diff compares what both have.
#ifndef EIFGEN_DIFF_SIDE_H
#define EIFGEN_DIFF_SIDE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "eifgen/listing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIFF_RAMDISKS_MAX = 32, DIFF_FACTS_MAX = 96 };

enum diff_side_kind { DIFF_SIDE_EIF, DIFF_SIDE_RECORD, DIFF_SIDE_IMAGE };

// A named fact as one line of text. Names are those of the fact table in diff.c, which says what each one moves.
struct diff_fact {
	const char *name; // static
	char *value;	  // owned
};

struct diff_side {
	enum diff_side_kind kind;
	char *name;	// the argument
	int fd;		// holds the ramdisks' bytes; -1 if there are none
	char *pcr[9];	// hex, or NULL where not known; 0, 1, 2, 8 are used
	struct diff_fact facts[DIFF_FACTS_MAX];
	size_t fact_count;
	struct listing *ramdisks[DIFF_RAMDISKS_MAX]; // in file order; NULL: absent, or no newc archive
	struct diff_extent {
		uint64_t offset, size; // where in fd each ramdisk's bytes are; size 0: unknown
	} extents[DIFF_RAMDISKS_MAX];
	size_t ramdisk_count;
	char **layers; // digests, for entries whose layer is known
	size_t layer_count;
};

const char *diff_side_fact(const struct diff_side *s, const char *name); // or NULL
int diff_side_add_fact(struct diff_side *s, const char *name, const char *value, struct err *err); // value is copied

void diff_side_free(struct diff_side *s);
CLEANUP_DEFINE(struct diff_side, diff_side_free, diff_side_free)

#endif
