// SPDX-License-Identifier: Apache-2.0
//
// An image as a side of a diff: laid out into an unlinked temporary file and measured on the way, with the layer that
// brought each entry.
#ifndef EIFGEN_CMD_DIFF_IMAGE_H
#define EIFGEN_CMD_DIFF_IMAGE_H

#include "eifgen/cmd/build_options.h"
#include "eifgen/diff_side.h"

// *out is the caller's. With a platform named by an option all three registers are known and the side has both
// ramdisks; without one only the application's and PCR2.
int diff_side_of_image(const struct build_options *opt, const char *ref, struct diff_side **out, struct err *err);

#endif
