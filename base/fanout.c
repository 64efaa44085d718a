// SPDX-License-Identifier: Apache-2.0
//
// Two counters say everything: `published` chunks, and per consumer `seen` chunks. Chunk k lives in slot k modulo the
// ring. The producer may fill chunk k once every consumer has seen chunk k - ring; it alone writes a chunk's bytes and
// length before it counts it as published, the consumers only read them after, and the lock orders the two.
#include "base/fanout.h"

#include "base/fault.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdint.h>

struct consumer {
	struct fanout *f;
	fanout_consume *consume;
	void *ctx;
	uint64_t seen;
	bool failed, running;
	struct err err;
	pthread_t thread;
};

struct fanout {
	pthread_mutex_t lock;
	pthread_cond_t filled, freed;
	unsigned chunks, count;
	size_t size;
	bool threads, closing;
	uint64_t published;
	uint64_t awaited; // the producer sleeps until every consumer has seen so many; 0: it does not sleep
	struct consumer consumers[FANOUT_CONSUMERS_MAX];
	size_t *lengths;
	uint8_t *data;
};

struct fanout *fanout_new(unsigned chunks, size_t size, bool threads, struct err *err)
{
	struct fanout *f = mem_zalloc(1, sizeof(*f), err);

	if (!f)
		return NULL;
	f->chunks = chunks;
	f->size = size;
	f->threads = threads;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->filled, NULL);
	pthread_cond_init(&f->freed, NULL);
	f->lengths = mem_zalloc(chunks, sizeof(*f->lengths), err);
	f->data = f->lengths ? mem_resize(NULL, chunks, size, err) : NULL;
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

// How many chunks the slowest consumer has seen.
static uint64_t seen_by_all(const struct fanout *f)
{
	uint64_t least = f->published;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->consumers[i].running && f->consumers[i].seen < least)
			least = f->consumers[i].seen;
	}
	return least;
}

static void consume(struct consumer *c, uint64_t k)
{
	base_delay();
	if (!c->failed && c->consume(c->ctx, chunk(c->f, k), c->f->lengths[k % c->f->chunks], &c->err))
		c->failed = true; // read by others under the lock, or by this thread
}

static void *run(void *ctx)
{
	struct consumer *c = ctx, local;
	struct fanout *f = c->f;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		while (c->seen == f->published && !f->closing)
			pthread_cond_wait(&f->filled, &f->lock);
		if (c->seen == f->published)
			break;
		local = *c;
		pthread_mutex_unlock(&f->lock);
		consume(&local, local.seen);
		pthread_mutex_lock(&f->lock);
		if (local.failed && !c->failed) {
			c->failed = true;
			c->err = local.err;
		}
		c->seen++;
		if (f->awaited && seen_by_all(f) >= f->awaited) // a wake-up costs more than a look
			pthread_cond_signal(&f->freed);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int fanout_add(struct fanout *f, fanout_consume *fn, void *ctx, struct err *err)
{
	struct consumer *c = &f->consumers[f->count];

	if (f->count == FANOUT_CONSUMERS_MAX)
		return err_set(err, ERR_USAGE, "more than %d consumers", FANOUT_CONSUMERS_MAX);
	*c = (struct consumer){.f = f, .consume = fn, .ctx = ctx, .seen = f->published, .err = ERR_INIT};
	pthread_mutex_lock(&f->lock); // consumers that run already look at each other's
	f->count++;
	if (f->threads)
		c->running = !pthread_create(&c->thread, NULL, run, c);
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
	for (unsigned i = 0; i < f->count; i++) {
		if (f->consumers[i].running)
			pthread_join(f->consumers[i].thread, NULL);
	}
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->filled);
	pthread_cond_destroy(&f->freed);
	free(f->lengths);
	free(f->data);
	free(f);
}

// With the lock held: until every consumer has seen all but the last `behind` chunks.
static void wait_for(struct fanout *f, uint64_t behind)
{
	if (f->published <= behind)
		return;
	f->awaited = f->published - behind;
	while (seen_by_all(f) < f->awaited)
		pthread_cond_wait(&f->freed, &f->lock);
	f->awaited = 0;
}

// With the lock held.
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

void *fanout_buffer(struct fanout *f)
{
	base_delay();
	pthread_mutex_lock(&f->lock);
	if (f->published - seen_by_all(f) == f->chunks) // full: rather one long sleep than one a chunk
		wait_for(f, f->chunks / 2);
	pthread_mutex_unlock(&f->lock);
	return chunk(f, f->published); // only this thread counts it up
}

int fanout_publish(struct fanout *f, size_t n, struct err *err)
{
	uint64_t k = f->published;
	int rc;

	f->lengths[k % f->chunks] = n;
	pthread_mutex_lock(&f->lock);
	f->published++;
	pthread_cond_broadcast(&f->filled);
	pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->count; i++) {
		if (!f->consumers[i].running)
			consume(&f->consumers[i], k);
	}
	pthread_mutex_lock(&f->lock);
	rc = failure(f, err);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

int fanout_drain(struct fanout *f, struct err *err)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	wait_for(f, 0);
	rc = failure(f, err);
	pthread_mutex_unlock(&f->lock);
	return rc;
}
