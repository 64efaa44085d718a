// SPDX-License-Identifier: Apache-2.0
//
// How far a build is, told while it runs: on a terminal one line on stderr that is written over (stage, share, bytes, rate,
// time left), and under -v one line at the end. The libraries only add to a counter; a thread of the command's looks at
// it ten times a second. The clock is read here and reaches nothing but this line.
#ifndef EIFGEN_CMD_PROGRESS_H
#define EIFGEN_CMD_PROGRESS_H

#include "eifgen/build.h"

struct progress; // opaque

// Begins to watch `state`, which must outlive it. Without a terminal, or under -q, nothing is shown. Never fails: without
// memory or a thread there is no line.
struct progress *progress_start(const struct build_progress *state);
// Wipes the line; under -v says what was done. NULL fine.
void progress_stop(struct progress *p, bool done);

#endif
