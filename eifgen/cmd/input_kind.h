// SPDX-License-Identifier: Apache-2.0
//
// Telling EIF, record and image apart on the command line: an EIF is a regular file that begins with ".eif", a record
// one that begins with "{"; whatever else is named is an image reference.
#ifndef EIFGEN_CMD_INPUT_KIND_H
#define EIFGEN_CMD_INPUT_KIND_H

#include <stdbool.h>

bool input_is_eif(const char *arg);
bool input_is_record(const char *arg);

#endif
