// SPDX-License-Identifier: Apache-2.0
//
// Loading the sides of a diff from what is at hand: an EIF's sections, a record's JSON. (An image becomes a side in the
// command, which knows the options that a build takes.)
#ifndef EIFGEN_DIFF_LOAD_H
#define EIFGEN_DIFF_LOAD_H

#include "eifgen/diff_side.h"
#include "eifgen/record.h"
#include "pcr/pcr.h"

// A fresh side with its name; the caller's.
struct diff_side *diff_side_new(enum diff_side_kind kind, const char *name, struct err *err);

// Registers, facts and ramdisk listings of the file. A ramdisk that is no plain newc archive has no listing: only its
// digest is compared. *out is the caller's.
int diff_side_of_eif(const char *path, struct diff_side **out, struct err *err);
// The same of a file that is open for reading, called `name`. fd stays the caller's.
int diff_side_of_open_eif(int fd, const char *name, struct diff_side **out, struct err *err);
// Registers and facts; the ramdisks' bytes are not in a record.
int diff_side_of_record(const struct record *r, struct diff_side **out, struct err *err);
// The facts of a record's JSON, for a record or for an image that is described like one.
int diff_side_add_record_facts(struct diff_side *s, const cJSON *doc, struct err *err);

// Registers as hex; pcr8 only if there.
int diff_side_set_pcrs(struct diff_side *s, const struct pcr_values *v, struct err *err);
// Adds the facts "ramdisk-1" and "ramdisk-2" (SHA-384 of each ramdisk's bytes), for a comparison with a record.
int diff_side_add_digests(struct diff_side *s, struct err *err);

#endif
