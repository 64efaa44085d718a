// SPDX-License-Identifier: Apache-2.0
//
// Environment that is known only at run time, handed over by file: `NAME=VALUE` and a NUL, again and again. Any byte
// but NUL may stand in a value, so there is nothing to quote and nothing that could be taken for a command.
#ifndef RUNTIME_SERVICE_LATE_ENV_H
#define RUNTIME_SERVICE_LATE_ENV_H

#include "runtime/init/words.h"

#include <stddef.h>

// Puts the words of the file at `path` into env: in place of one with the same name, else at the end. No such file:
// nothing happens. 0, or -1 with *why (a word without a name or `=`, no NUL at the end, a file that cannot be read, out
// of memory).
int late_env_merge(const char *path, struct init_lines *env, const char **why);

// The same from memory: text (len bytes, text[len] readable) must outlive env.
int late_env_merge_text(char *text, size_t len, struct init_lines *env, const char **why);

#endif
