// SPDX-License-Identifier: Apache-2.0
//
// nitro-cli's `pcr`, which shares its name with ours: {"PCR": hex} of one file's bytes, or of a certificate (as PCR8).
#ifndef EIFGEN_CMD_NITRO_H
#define EIFGEN_CMD_NITRO_H

#include "eifgen/cmd/cmd.h"

// Prints the answer. The exit status.
int nitro_pcr_of_file(const char *path);
int nitro_pcr_of_certificate(const char *path);

#endif
