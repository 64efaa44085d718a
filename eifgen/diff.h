// SPDX-License-Identifier: Apache-2.0
//
// Why two measurements differ. Two sides, each loaded from an EIF, a record or an image (diff_side.h), are compared
// part by part (kernel, command line, epoch, …) and ramdisk entry by ramdisk entry; every difference gets the causes of
// cause.h and the registers that it moves. Two ramdisks are joined on path; bytes are compared in place, a block of
// each side at a time, so memory holds entries and never content.
#ifndef EIFGEN_DIFF_H
#define EIFGEN_DIFF_H

#include "base/cleanup.h"
#include "eifgen/cause.h"
#include "eifgen/diff_side.h"
#include "eifgen/listing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Registers as bits: which of them a difference moves.
enum { DIFF_PCR0 = 1, DIFF_PCR1 = 2, DIFF_PCR2 = 4, DIFF_PCR8 = 8 };

struct diff_entry {
	const struct listing_entry *a, *b; // NULL where absent; owned by the sides' listings
	unsigned ramdisk;		   // 0: bootstrap, 1: application, …
	unsigned what;			   // enum diff_what
	struct cause cause;
};

// A difference outside the ramdisks, or one that a record knows only by digest.
struct diff_part {
	const char *name;  // "kernel", "cmdline", "metadata", "certificate", "layout", …; static
	char *a, *b;	   // what each side has, as one line; owned; NULL where a side does not say
	struct cause cause;
	unsigned moves;	   // DIFF_PCR bits
};

struct diff {
	const struct diff_side *a, *b; // borrowed
	struct diff_part *parts;
	size_t part_count, part_cap;
	struct diff_entry *entries; // by ramdisk, then path
	size_t entry_count, entry_cap;
	uint64_t renumbered; // entries that differ by inode number alone: counted, not listed
	bool looked_inside;  // both sides had their ramdisks at hand
};

// Compares. *out is the caller's (diff_free); the sides must outlive it.
int diff_sides(const struct diff_side *a, const struct diff_side *b, struct diff **out, struct err *err);
void diff_free(struct diff *d);
CLEANUP_DEFINE(struct diff, diff_free, diff_free)

// True if nothing that is measured (or, for certificates, PCR8) differs, as far as both sides say.
bool diff_same(const struct diff *d);
// DIFF_PCR bits of an entry: which registers its ramdisk enters.
unsigned diff_entry_moves(const struct diff_entry *e);

// What differs, as words in a fixed order ("content", "mtime", …): calls `each` for every bit of `what`.
void diff_what_words(unsigned what, void (*each)(void *ctx, const char *word), void *ctx);

// Reports: text for people, one JSON object, one self-contained HTML page.
int diff_print_text(const struct diff *d, struct buf *out, struct err *err);
int diff_print_json(const struct diff *d, struct buf *out, struct err *err);
int diff_print_html(const struct diff *d, struct buf *out, struct err *err);

#endif
