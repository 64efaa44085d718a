// SPDX-License-Identifier: Apache-2.0
//
// `--at TIME`: the moment at which certificates and documents are judged.
#ifndef EIFGEN_CMD_TIME_OPTION_H
#define EIFGEN_CMD_TIME_OPTION_H

#include "base/err.h"

#include <stdint.h>

// `text` as seconds since 1970 or as RFC 3339; NULL: now, by the system's clock.
int time_option(const char *text, int64_t *at, struct err *err);

#endif
