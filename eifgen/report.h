// SPDX-License-Identifier: Apache-2.0
//
// Pieces of JSON answers that several commands give in the same words.
#ifndef EIFGEN_REPORT_H
#define EIFGEN_REPORT_H

#include "base/err.h"
#include "eifgen/eif_reader.h"
#include "eifgen/json_out.h"
#include "pcr/pcr.h"

// `"Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": …, "PCR1": …, "PCR2": …[, "PCR8": …]}` into an open
// object. The odd text of HashAlgorithm is nitro-cli's, which scripts print but none should compare.
void report_measurements(struct jout *o, const struct pcr_values *v);

// Every key of nitro-cli's describe-eif, in its order, into an open object (facts/eif-format.md 8). What the file does
// not hold in readable form is left out. 0, or -1 (memory; an issuer's name that is no text is told in its place).
int report_describe(struct jout *o, const struct eif_file *f, struct err *err);

// `"<key>": [text, …]`: the anomalies of one kind (tolerated or not), or of both.
enum report_kind { REPORT_DEPARTURES = 1, REPORT_TOLERATED = 2, REPORT_ALL = 3 };
void report_anomalies(struct jout *o, const char *key, const struct eif_file *f, enum report_kind kind);

#endif
