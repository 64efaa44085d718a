// SPDX-License-Identifier: Apache-2.0
//
// An in-toto statement about a build (in-toto Statement v1 with SLSA's provenance v1 predicate,
// slsa.dev/provenance/v1), made from the build's record alone, so that the two cannot disagree and equal builds give
// equal statements: it holds no time and no name of a machine. The registers stand among the by-products as SHA-384
// digests.
#ifndef EIFGEN_PROVENANCE_H
#define EIFGEN_PROVENANCE_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

#define PROVENANCE_BUILD_TYPE "urn:eifgen:build:1"  // what externalParameters mean: eifgen-record(5)
#define PROVENANCE_BUILDER_ID "urn:eifgen:builder:1" // a local run of eifgen; who ran it is the signer's to say

// `record`: the text that record_write gave (n bytes); names: of the EIF and of the record, without directories.
// Appends canonical JSON and an LF. ERR_INPUT if the text is no record.
int provenance_write(const void *record, size_t n, const char *eif_name, const char *record_name, struct buf *out,
		     struct err *err);

#endif
