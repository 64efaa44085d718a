// SPDX-License-Identifier: Apache-2.0
//
// Two counters say everything: `published` chunks, and per consumer `seen` chunks. Chunk k lives in slot k modulo the
// ring. The producer may fill chunk k once every consumer has seen chunk k - ring; it alone writes a chunk's bytes and
// length before it counts it as published, the consumers only read them after, and the lock orders the two.
//
// A consumer is no thread. It is a row of chunks to be taken one by one, in order, by whoever is free: a helper, or the
// producer where it would have to wait. Taken next is always the one that is furthest behind and that nobody is at. So
// they stay within a chunk of each other, none runs out of work while another lags, all end together, and there are no
// more threads ready to run than were asked for.
#include "base/fanout.h"

#include "base/fault.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdint.h>

struct consumer {
	fanout_consume *consume;
	void *ctx;
	uint64_t seen;
	bool busy; // somebody is at chunk `seen`
	bool failed;
	struct err err;
};

struct fanout {
	pthread_mutex_t lock;
	pthread_cond_t filled, freed;
	unsigned chunks, count, helpers_max;
	unsigned helpers, idle; // threads; those of them that sleep
	size_t size;
	bool closing;
	bool waiting;	// the producer sleeps until no more than `left` chunks are in use
	uint64_t left;
	uint64_t published;
	struct consumer consumers[FANOUT_CONSUMERS_MAX];
	pthread_t threads[FANOUT_CONSUMERS_MAX];
	size_t *lengths;
	uint8_t *data;
};

struct fanout *fanout_new(unsigned chunks, size_t size, unsigned helpers, struct err *err)
{
	struct fanout *f = mem_zalloc(1, sizeof(*f), err);

	if (!f)
		return NULL;
	f->chunks = chunks;
	f->size = size;
	f->helpers_max = helpers;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->filled, NULL);
	pthread_cond_init(&f->freed, NULL);
	f->lengths = mem_zalloc(chunks, sizeof(*f->lengths), err);
	f->data = f->lengths ? mem_pages(chunks, size, err) : NULL;
	if (!f->data) {
		fanout_free(f);
		return NULL;
	}
	return f;
}

static uint8_t *chunk(const struct fanout *f, uint64_t k)
{
	return f->data + (size_t)(k % f->chunks) * f->size;
}

// How many chunks are in use: published, and not yet seen by the slowest consumer.
static uint64_t in_use(const struct fanout *f)
{
	uint64_t least = f->published;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->consumers[i].seen < least)
			least = f->consumers[i].seen;
	}
	return f->published - least;
}

// ---- taking chunks: all with the lock held -------------------------------------------------------------------------

static struct consumer *pick(struct fanout *f)
{
	struct consumer *best = NULL;

	for (unsigned i = 0; i < f->count; i++) {
		struct consumer *c = &f->consumers[i];

		if (!c->busy && c->seen < f->published && (!best || c->seen < best->seen))
			best = c;
	}
	return best;
}

// One chunk for one consumer; the lock is let go meanwhile.
static void take(struct fanout *f, struct consumer *c)
{
	struct err err = ERR_INIT;
	uint64_t k = c->seen;
	bool wanted = !c->failed, bad;

	c->busy = true;
	pthread_mutex_unlock(&f->lock);
	base_delay();
	bad = wanted && c->consume(c->ctx, chunk(f, k), f->lengths[k % f->chunks], &err);
	pthread_mutex_lock(&f->lock);
	if (bad) {
		c->failed = true;
		c->err = err;
	}
	c->busy = false;
	c->seen++;
	if (f->waiting && in_use(f) <= f->left) // a wake-up costs more than a look
		pthread_cond_signal(&f->freed);
}

// The producer's way to wait: it takes what can be taken. Where others are at all that there is to do, it sleeps until
// no more than `asleep` chunks are in use, so that it is not woken for each.
static void work_until(struct fanout *f, uint64_t left, uint64_t asleep)
{
	while (in_use(f) > left) {
		struct consumer *c = pick(f);

		if (c) {
			take(f, c);
			continue;
		}
		f->waiting = true;
		f->left = asleep;
		while (in_use(f) > asleep)
			pthread_cond_wait(&f->freed, &f->lock);
		f->waiting = false;
	}
}

static int failure(const struct fanout *f, struct err *err)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->consumers[i].failed) {
			if (err)
				*err = f->consumers[i].err;
			return -1;
		}
	}
	return 0;
}

// ---- helpers -------------------------------------------------------------------------------------------------------

static void *help(void *ctx)
{
	struct fanout *f = ctx;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		struct consumer *c = pick(f);

		if (c) {
			take(f, c);
		} else if (f->closing) {
			break;
		} else {
			f->idle++;
			pthread_cond_wait(&f->filled, &f->lock);
			f->idle--;
		}
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int fanout_add(struct fanout *f, fanout_consume *fn, void *ctx, struct err *err)
{
	if (f->count == FANOUT_CONSUMERS_MAX)
		return err_set(err, ERR_USAGE, "more than %d consumers", FANOUT_CONSUMERS_MAX);
	pthread_mutex_lock(&f->lock);
	f->consumers[f->count++] =
		(struct consumer){.consume = fn, .ctx = ctx, .seen = f->published, .err = ERR_INIT};
	if (f->helpers < f->helpers_max && f->helpers < f->count)
		f->helpers += !pthread_create(&f->threads[f->helpers], NULL, help, f);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

void fanout_free(struct fanout *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->closing = true;
	pthread_cond_broadcast(&f->filled);
	pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->helpers; i++)
		pthread_join(f->threads[i], NULL);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->filled);
	pthread_cond_destroy(&f->freed);
	free(f->lengths);
	free(f->data);
	free(f);
}

// ---- the producer --------------------------------------------------------------------------------------------------

void *fanout_buffer(struct fanout *f)
{
	base_delay();
	pthread_mutex_lock(&f->lock);
	work_until(f, f->chunks - 1, f->chunks / 2);
	pthread_mutex_unlock(&f->lock);
	return chunk(f, f->published); // only this thread counts it up
}

int fanout_publish(struct fanout *f, size_t n, struct err *err)
{
	int rc;

	f->lengths[f->published % f->chunks] = n;
	pthread_mutex_lock(&f->lock);
	f->published++;
	if (f->idle)
		pthread_cond_broadcast(&f->filled);
	if (!f->helpers)
		work_until(f, 0, 0);
	rc = failure(f, err);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

int fanout_drain(struct fanout *f, struct err *err)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	work_until(f, 0, 0);
	rc = failure(f, err);
	pthread_mutex_unlock(&f->lock);
	return rc;
}
