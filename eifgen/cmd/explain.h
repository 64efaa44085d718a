// SPDX-License-Identifier: Apache-2.0
//
// Why something does not agree with a record, in diff's words, on standard error: standard output has the verdict.
#ifndef EIFGEN_CMD_EXPLAIN_H
#define EIFGEN_CMD_EXPLAIN_H

#include "eifgen/cmd/build_options.h"
#include "eifgen/record.h"

// The EIF at `path`, the open one called `name`, or the image `ref` as build would lay it out with `opt`, against
// r. 0, or -1 if it cannot be said.
int explain_eif(const struct record *r, const char *path, struct err *err);
int explain_open_eif(const struct record *r, int fd, const char *name, struct err *err);
int explain_image(const struct record *r, const struct build_options *opt, const char *ref, struct err *err);

#endif
