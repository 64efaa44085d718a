// SPDX-License-Identifier: Apache-2.0
//
// Expected registers from a file: a build's record, or anything that holds a `Measurements` object as build, pcr,
// describe and nitro-cli print it.
#ifndef EIFGEN_EXPECT_FILE_H
#define EIFGEN_EXPECT_FILE_H

#include "base/err.h"
#include "pcr/expect.h"

// Adds every PCRn of the file's Measurements to e. ERR_INPUT if there is none, or PCR0 is not among them.
int expect_add_file(struct pcr_expect *e, const char *path, struct err *err);

#endif
