// SPDX-License-Identifier: Apache-2.0
//
// How far a build is, told while it runs: on a terminal one line on stderr that is written over (stage, share, bytes, rate,
// time left), elsewhere (and under -v) one line when all is done. The libraries only add to a counter; a thread of the command's looks at
// it ten times a second. The clock is read here and reaches nothing but this line.
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
	bool stopping, watching;
	struct timespec begun, stage_begun;
	unsigned stage;
};

// Begins to watch `state`; both must stay where they are until progress_stop. Without a terminal, under -q, or without a
// thread to be had nothing is shown.
void progress_start(struct progress *p, const struct build_progress *state);
// Wipes the line. What was done goes into `summary`, without a line's end: empty on a terminal (but for -v) and under -q.
void progress_stop(struct progress *p, char *summary, size_t cap);

#endif
