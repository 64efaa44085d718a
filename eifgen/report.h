// SPDX-License-Identifier: Apache-2.0
//
// Pieces of JSON answers that several commands give in the same words.
#ifndef EIFGEN_REPORT_H
#define EIFGEN_REPORT_H

#include "eifgen/json_out.h"
#include "pcr/pcr.h"

// `"Measurements": {"HashAlgorithm": "Sha384 { ... }", "PCR0": …, "PCR1": …, "PCR2": …[, "PCR8": …]}` into an open object.
// The odd text of HashAlgorithm is nitro-cli's, which scripts print but none should compare.
void report_measurements(struct jout *o, const struct pcr_values *v);

#endif
