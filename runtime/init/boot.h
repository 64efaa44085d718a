// SPDX-License-Identifier: Apache-2.0
//
// The first half of a boot, in the bootstrap ramdisk's root: devices, console, kernel modules, the kernel's command
// line, the heartbeat, and reading what the application ramdisk left in /. Order and meaning are those of AWS's init
// (facts/build.md 2.7), with the extra modules of the canonical layout.
#ifndef RUNTIME_INIT_BOOT_H
#define RUNTIME_INIT_BOOT_H

#include <stdbool.h>
#include <stddef.h>

// devtmpfs on /dev (already there: fine), then 0, 1, 2 on /dev/console. Fatal without devtmpfs; without a console the
// boot goes on unseen, as the kernel itself does.
void init_open_console(void);

// /nsm.ko if there is one, then /modules.d/NAME for each line of /modules. A module the kernel already has is fine; any
// other refusal is fatal and names the module.
void init_load_modules(void);

// True if the kernel's command line holds `word`. False when it cannot be read, which is said.
bool init_boot_option(const char *word);

// The whole of a small file, NUL behind it (not counted); -1 with errno (EFBIG past INIT_FILE_MAX). *data is the
// caller's to free.
int init_read_file(const char *path, char **data, size_t *len);

#endif
