// SPDX-License-Identifier: Apache-2.0
//
// How far a build is, told while it runs: on a terminal one line on stderr that is written over (stage, share, bytes,
// rate, time left, and what the cache knew), elsewhere (and under -v) one line when all is done. The libraries only add
// to counters; a thread of the command's looks at them ten times a second. The clock is read here and reaches nothing
// but this line.
//
// The line never fills the terminal's last column, so it never wraps; the width is asked for each time. A terminal that
// cannot go back to a line's start (TERM=dumb or none) and one too narrow for the share is shown nothing.
#ifndef EIFGEN_CMD_PROGRESS_H
#define EIFGEN_CMD_PROGRESS_H

#include "eifgen/build.h"

#include <pthread.h>
#include <time.h>

struct progress { // progress.c's own
	const struct build_progress *state;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
	bool stopping, watching, shown;
	struct timespec begun, stage_begun;
	unsigned stage;
};

// Begins to watch `state`; both must stay where they are until progress_stop. NULL: an image is opened, where nothing
// is counted and the seconds are told. Without a terminal, under -q, or without a thread to be had nothing is shown.
// One at a time.
void progress_start(struct progress *p, const struct build_progress *state);
// Wipes the line. What was done goes into `summary`, without a line's end: empty if a line was shown (but for -v),
// under -q and without a state.
void progress_stop(struct progress *p, char *summary, size_t cap);

// For who writes to stderr meanwhile: wipes the line and keeps it away until it is let back. Any thread; not nested.
void progress_hold(void);
void progress_release(void);

#endif
