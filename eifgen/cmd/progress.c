// SPDX-License-Identifier: Apache-2.0
//
// The rate is that of the stage so far; the time left is what it would take at that rate.
#include "eifgen/cmd/progress.h"

#include "eifgen/cmd/cmd.h"

#include <stdio.h>
#include <unistd.h>

enum { TICK_MS = 100, LINE = 78 };

static double since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

static void show_stage(const struct progress *p, unsigned stage)
{
	static const char *const names[] = {"layers", "writing"};
	double done = (double)atomic_load(&p->state->done[stage]), total = (double)atomic_load(&p->state->total[stage]);
	double took = since(&p->stage_begun), rate;
	char line[LINE + 1];
	int n;

	if (total <= 0 || took <= 0)
		return;
	if (done > total) // the ramdisk's size is guessed
		done = total;
	rate = done / took;
	n = snprintf(line, sizeof(line), "%-8s %3.0f %%  %8.1f of %.1f MB  %7.1f MB/s", names[stage],
		     100 * done / total, done / 1e6, total / 1e6, rate / 1e6);
	if (rate > 0 && n > 0 && n < LINE)
		snprintf(line + n, sizeof(line) - (size_t)n, "  %.0f s left", (total - done) / rate);
	fprintf(stderr, "\r%-*s", LINE, line);
}

// A stage that is over is shown once more, so that one shorter than a tick is seen, too.
static void show(struct progress *p)
{
	unsigned stage = atomic_load(&p->state->stage);

	if (stage != p->stage) {
		show_stage(p, p->stage);
		p->stage = stage;
		clock_gettime(CLOCK_MONOTONIC, &p->stage_begun);
	}
	show_stage(p, stage);
}

static void *watch(void *ctx)
{
	struct progress *p = ctx;
	struct timespec at;

	pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		clock_gettime(CLOCK_REALTIME, &at);
		at.tv_nsec += TICK_MS * 1000000L;
		at.tv_sec += at.tv_nsec / 1000000000;
		at.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&p->stop, &p->lock, &at);
		if (!p->stopping)
			show(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

void progress_start(struct progress *p, const struct build_progress *state)
{
	*p = (struct progress){.state = state};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->stop, NULL);
	clock_gettime(CLOCK_MONOTONIC, &p->begun);
	p->stage_begun = p->begun;
	p->watching = !cmd_quiet && isatty(STDERR_FILENO) && !pthread_create(&p->thread, NULL, watch, p);
}

void progress_stop(struct progress *p, char *summary, size_t cap)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->stop);
	pthread_mutex_unlock(&p->lock);
	if (p->watching) {
		pthread_join(p->thread, NULL);
		show(p);
		fprintf(stderr, "\r%-*s\r", LINE, "");
	}
	*summary = '\0';
	if (!cmd_quiet && (cmd_verbose || !isatty(STDERR_FILENO)))
		snprintf(summary, cap, "%.1f MB of layers read and %.1f MB of EIF measured in %.2f s",
			 (double)atomic_load(&p->state->done[0]) / 1e6, (double)atomic_load(&p->state->done[1]) / 1e6,
			 since(&p->begun));
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->stop);
}
