// SPDX-License-Identifier: Apache-2.0
//
// Telling an EIF from an image on the command line: an EIF is a regular file that begins with ".eif"; whatever else is
// named is an image reference.
#ifndef EIFGEN_CMD_INPUT_KIND_H
#define EIFGEN_CMD_INPUT_KIND_H

#include <stdbool.h>

bool input_is_eif(const char *arg);

#endif
