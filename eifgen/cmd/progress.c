// SPDX-License-Identifier: Apache-2.0
//
// The share is that of what there is to do, without what the cache knew; the rate is that of the stage so far; the time
// left is what the rest would take at that rate. What does not fit is left out, from the end.
//
//   layers    45 %     120.0 of 600.0 MB     53.0 MB/s  9 s left  (1000.0 MB known)
#include "eifgen/cmd/progress.h"

#include "eifgen/cmd/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	TICK_MS = 100,
	LINE = 119,	   // no line of ours is longer
	NARROW = 20,	   // columns: fewer hold no stage with its share
	COLUMNS_OTHERWISE = 80, // of a terminal that does not know how wide it is
};

// The one line at the cursor: whoever writes to stderr holds the lock.
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t line_stands; // its length; 0: there is none

// How long a line may be: the last column stays free, or the cursor would be on the next row.
static size_t line_room(void)
{
	struct winsize w;
	size_t columns = COLUMNS_OTHERWISE;

	if (!ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col)
		columns = w.ws_col;
	return columns < NARROW ? 0 : columns <= LINE ? columns - 1 : LINE;
}

// Writes `text` over what stands, the cursor behind it; with "" it is at the line's start again. Under the lock.
static void line_put(const char *text, size_t room)
{
	char out[2 * LINE + 8];
	struct err ignored = ERR_INIT;
	size_t len = strlen(text), old = line_stands < room ? line_stands : room;
	int n;

	if (!len && !line_stands)
		return;
	n = snprintf(out, sizeof(out), "\r%-*s%s%s", (int)old, text, old > len ? "\r" : "", old > len ? text : "");
	io_write(STDERR_FILENO, out, (size_t)n, &ignored); // a line less is no trouble
	line_stands = len;
}

void progress_hold(void)
{
	pthread_mutex_lock(&line_lock);
	if (line_stands)
		line_put("", line_room());
}

void progress_release(void)
{
	pthread_mutex_unlock(&line_lock);
}

static void line_show(struct progress *p, const char *text)
{
	size_t room = line_room();

	pthread_mutex_lock(&line_lock);
	if (room && strlen(text) <= room) {
		line_put(text, room);
		p->shown = true;
	}
	pthread_mutex_unlock(&line_lock);
}

// Nothing is added that would pass the room; *full then keeps what comes after away as well.
static void part(char *line, size_t room, bool *full, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static void part(char *line, size_t room, bool *full, const char *fmt, ...)
{
	size_t len = strlen(line);
	va_list ap;
	int n;

	if (*full)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line + len, room + 1 - len, fmt, ap);
	va_end(ap);
	*full = n < 0 || (size_t)n > room - len;
	if (*full)
		line[len] = '\0';
}

static double since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

struct amounts {
	double done, known, wanted; // MB; wanted: by this run
};

static struct amounts amounts_of(const struct build_progress *s, unsigned stage)
{
	struct amounts a = {(double)atomic_load(&s->done[stage]) / 1e6, (double)atomic_load(&s->known[stage]) / 1e6, 0};

	a.wanted = (double)atomic_load(&s->total[stage]) / 1e6 - a.known;
	if (a.wanted < 0) // the ramdisk's size is guessed
		a.wanted = 0;
	if (a.done > a.wanted)
		a.done = a.wanted;
	return a;
}

static void show_stage(struct progress *p, unsigned stage)
{
	static const char *const names[] = {"layers", "writing"};
	struct amounts a = amounts_of(p->state, stage);
	double took = since(&p->stage_begun);
	char line[LINE + 1] = "";
	size_t room = line_room();
	bool full = room == 0;

	if (a.wanted + a.known <= 0 || took <= 0)
		return;
	part(line, room, &full, "%-8s %3.0f %%", names[stage], a.wanted > 0 ? 100 * a.done / a.wanted : 100);
	part(line, room, &full, "  %8.1f of %.1f MB", a.done, a.wanted);
	part(line, room, &full, "  %7.1f MB/s", a.done / took);
	if (a.done > 0)
		part(line, room, &full, "  %.0f s left", (a.wanted - a.done) / (a.done / took));
	if (a.known > 0)
		part(line, room, &full, "  (%.1f MB known)", a.known);
	line_show(p, line);
}

static void show_opening(struct progress *p)
{
	char line[LINE + 1];

	snprintf(line, sizeof(line), "opening  %.0f s", since(&p->begun));
	line_show(p, line);
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
		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_nsec += TICK_MS * 1000000L;
		at.tv_sec += at.tv_nsec / 1000000000;
		at.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&p->stop, &p->lock, &at);
		if (p->stopping)
			break;
		if (p->state)
			show(p);
		else
			show_opening(p);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

// Waits by the clock that nobody sets.
static void init_cond(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

static bool terminal_can_go_back(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void progress_start(struct progress *p, const struct build_progress *state)
{
	*p = (struct progress){.state = state};
	pthread_mutex_init(&p->lock, NULL);
	init_cond(&p->stop);
	clock_gettime(CLOCK_MONOTONIC, &p->begun);
	p->stage_begun = p->begun;
	p->watching = !cmd_quiet && terminal_can_go_back() && !pthread_create(&p->thread, NULL, watch, p);
}

// "12.0 MB of layers read (600.0 MB known)"
static void tell(char *text, size_t cap, const struct build_progress *s, unsigned stage, const char *what)
{
	uint64_t done = atomic_load(&s->done[stage]), known = atomic_load(&s->known[stage]);
	int n = snprintf(text, cap, "%.1f MB of %s", (double)done / 1e6, what);

	if (known && n > 0 && (size_t)n < cap)
		snprintf(text + n, cap - (size_t)n, " (%.1f MB known)", (double)known / 1e6);
}

void progress_stop(struct progress *p, char *summary, size_t cap)
{
	char layers[64], eif[64];

	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_signal(&p->stop);
	pthread_mutex_unlock(&p->lock);
	if (p->watching) {
		pthread_join(p->thread, NULL);
		if (p->state)
			show(p);
		progress_hold();
		progress_release();
	}
	if (cap)
		*summary = '\0';
	if (cap && p->state && !cmd_quiet && (cmd_verbose || !p->shown)) {
		tell(layers, sizeof(layers), p->state, 0, "layers read");
		tell(eif, sizeof(eif), p->state, 1, "EIF measured");
		snprintf(summary, cap, "%s and %s in %.2f s", layers, eif, since(&p->begun));
	}
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->stop);
}
