// SPDX-License-Identifier: Apache-2.0
//
// Between platform.c and platform_kernel.c.
#ifndef EIFGEN_PLATFORM_PRIV_H
#define EIFGEN_PLATFORM_PRIV_H

#include "eifgen/platform.h"

// Fills path and name of an empty *f, which is the caller's to clear whether this fails or not.
int platform_file_name(const char *path, struct platform_file *f, struct err *err);
// The same, and reads the file into memory; ERR_LIMIT past max bytes.
int platform_file_load(const char *path, size_t max, struct platform_file *f, struct err *err);
// Opens the kernel and looks at its header; a regular file is read no further. ERR_LIMIT past max bytes.
int platform_kernel_load(struct platform *p, const char *path, size_t max, struct err *err);

#endif
