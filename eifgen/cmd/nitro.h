// SPDX-License-Identifier: Apache-2.0
//
// What nitro-cli's commands share here: its `pcr`, which has the same name as ours and prints {"PCR": hex} for a file's
// bytes, {"PCR8": hex} for a certificate; options that may be given once; keys that are in KMS.
#ifndef EIFGEN_CMD_NITRO_H
#define EIFGEN_CMD_NITRO_H

#include "eifgen/cmd/cmd.h"

// Prints the answer. The exit status.
int nitro_pcr_of_file(const char *path);
int nitro_pcr_of_certificate(const char *path);

// Puts optarg into *slot, which must be empty: nitro-cli refuses an option that is given twice. 0, or the exit status.
int nitro_take_once(const char *command, const struct option *longs, int option, const char **slot);
// 0, or the exit status for a key in KMS (`arn:…`), having said how to sign with one.
int nitro_check_key(const char *command, const char *key);

#endif
