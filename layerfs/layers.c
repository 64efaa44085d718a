// SPDX-License-Identifier: Apache-2.0
//
// Threads and order. Workers take layers, the largest first so that none is left alone with it at the end and those
// that the cache holds last, and read each into entry lists and the spool, every worker into a file of its own; the
// caller's thread applies the lists to the tree in layer order as they come.
//
//   worker: layer 0 ─ layer 2 ─ layer 5 …      each slot:  WAITING ─► DONE (content) or FAILED (error)
//   worker: layer 3 ─ layer 1 ─ layer 4 …
//   caller:          apply 0 ─ apply 1 ─ apply 2 …
//
// What a layer says does not depend on who read it or when, and the order of application is fixed, so the tree is the
// same for any number of threads. So is the error: that of the lowest layer that fails. Layers above it are stopped,
// layers below it are read on, for one of them may fail too.
#include "layerfs/layers.h"

#include "base/cleanup.h"
#include "base/cpus.h"
#include "base/fault.h"
#include "base/mem.h"
#include "layerfs/layer_cache.h"
#include "layerfs/layer_read.h"
#include "layerfs/merge.h"
#include "layerfs/tree_priv.h"

#include <pthread.h>
#include <string.h>

enum {
	THREADS_MAX = 16, // two descriptors and two megabytes each
	INFLATES_TO = 4,  // times a blob's size, for real images
};

enum slot_state { WAITING, DONE, FAILED };

struct slot {
	enum slot_state state;
	bool known; // counted as one that the cache has
	atomic_bool stop;
	struct layer_content content;
	struct err *err; // FAILED: owned; NULL if there was no memory for it
};

struct sized {
	uint64_t size; // of the blob; 0: cached
	size_t layer;
};

struct pool {
	const struct layer_set *set;
	struct spool *spool;
	struct layer_budget budget;
	pthread_mutex_t lock; // over next, failed_at and the slots' state
	pthread_cond_t changed;
	size_t next, failed_at; // next: of `order`; failed_at: lowest layer known to have failed
	struct sized *order;	// all layers, those with the most to read first
	bool threads; // more than the caller's
	struct layer_cache *cache;
	atomic_uint_fast64_t *known; // layer_options.known
	uint64_t ahead; // bytes that the run may write, spool and output: a guess for the cache
	struct slot *slots;
};

struct worker {
	struct pool *pool;
	pthread_t thread;
	unsigned file;
	bool running;
};

// ---- workers -------------------------------------------------------------------------------------------------------

// For who watches: first what is expected of the cache, then what came of it.
static void tell_known(struct pool *p, size_t i, bool known)
{
	uint64_t size = p->set->what(p->set->ctx, i)->size;

	if (p->known && known != p->slots[i].known)
		atomic_fetch_add(p->known, known ? size : -size);
	p->slots[i].known = known;
}

static int read_layer(struct pool *p, size_t i, unsigned file, struct err *err)
{
	const struct image_layer *what = p->set->what(p->set->ctx, i);
	struct layer_content *content = &p->slots[i].content;
	struct byte_source from;
	int rc = p->cache ? layer_cache_load(p->cache, what, p->spool, &p->budget, content, err) : 0;

	tell_known(p, i, rc > 0);
	if (rc)
		return rc < 0 ? -1 : 0;
	if (p->set->open(p->set->ctx, i, &from, err))
		return -1;
	rc = layer_read(what, from, p->spool, file, &p->budget, &p->slots[i].stop, p->threads, content, err);
	p->set->close(p->set->ctx, &from);
	if (!rc && p->cache)
		layer_cache_store(p->cache, what, p->spool, content, p->ahead);
	return rc;
}

static void finish(struct pool *p, size_t i, bool failed, const struct err *err)
{
	struct slot *s = &p->slots[i];

	base_delay();
	pthread_mutex_lock(&p->lock);
	s->state = failed ? FAILED : DONE;
	if (failed) {
		s->err = mem_dup(err, sizeof(*err), NULL);
		if (i < p->failed_at)
			p->failed_at = i;
		for (size_t k = p->failed_at + 1; k < p->set->count; k++)
			atomic_store(&p->slots[k].stop, true);
	}
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

// The layer to read next, or count. Above a layer that failed nothing is of interest.
static size_t take_layer(struct pool *p)
{
	size_t i = p->set->count;

	pthread_mutex_lock(&p->lock);
	while (p->next < p->set->count) {
		size_t candidate = p->order[p->next++].layer;

		if (candidate < p->failed_at) {
			i = candidate;
			break;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return i;
}

static void *work(void *ctx)
{
	struct worker *w = ctx;
	struct pool *p = w->pool;

	for (;;) {
		struct err err = ERR_INIT;
		size_t i = take_layer(p);

		if (i == p->set->count)
			return NULL;
		finish(p, i, read_layer(p, i, w->file, &err) != 0, &err);
	}
}

static unsigned thread_count(const struct layer_options *opt, size_t layers)
{
	unsigned n = opt->threads ? opt->threads : cpus_allowed();

	if (n > layers)
		n = (unsigned)layers;
	return n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
}

// ---- the caller's side ---------------------------------------------------------------------------------------------

static int layer_fail(const struct pool *p, size_t i, struct err *err)
{
	return err_prefix(err, "layer %s: ", p->set->what(p->set->ctx, i)->digest);
}

// Waits for layer i. 0 with its content in place; -1 with its error.
static int await(struct pool *p, size_t i, struct err *err)
{
	struct slot *s = &p->slots[i];

	pthread_mutex_lock(&p->lock);
	while (s->state == WAITING)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
	if (s->state == DONE)
		return 0;
	if (!s->err)
		return err_nomem(err);
	*err = *s->err;
	return s->err->class == ERR_LIMIT && atomic_load(&p->budget.spent) ? -1 : layer_fail(p, i, err);
}

static int apply_all(struct pool *p, struct tree *tree, struct err *err)
{
	for (size_t i = 0; i < p->set->count; i++) {
		struct layer_content *c = &p->slots[i].content;

		if (await(p, i, err))
			return -1;
		if (tree_apply_layer(tree, (int32_t)i, c->entries, c->removals, err)) {
			if (err->class == ERR_MISMATCH && p->cache) // only lists from the cache can be that
				layer_cache_spoilt(p->cache, p->set->what(p->set->ctx, i));
			return layer_fail(p, i, err);
		}
		tree->layer_bases[i] = c->base;
		layer_content_clear(c);
	}
	return 0;
}

static void stop_all(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->next = p->set->count;
	for (size_t i = 0; i < p->set->count; i++)
		atomic_store(&p->slots[i].stop, true);
	pthread_mutex_unlock(&p->lock);
}

// Without a single thread to be had the caller reads by itself.
static void start(struct worker *workers, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		workers[i].running = !pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (unsigned i = 0; i < n; i++) {
		if (workers[i].running)
			return;
	}
	work(&workers[0]);
}

static int run(struct pool *p, unsigned threads, struct tree *tree, struct err *err)
{
	struct worker workers[THREADS_MAX] = {0};
	int rc;

	for (unsigned i = 0; i < threads; i++)
		workers[i] = (struct worker){.pool = p, .file = i};
	start(workers, threads);
	rc = apply_all(p, tree, err);
	stop_all(p);
	for (unsigned i = 0; i < threads; i++) {
		if (workers[i].running)
			pthread_join(workers[i].thread, NULL);
	}
	return rc;
}

static int larger_first(const void *va, const void *vb)
{
	const struct sized *a = va, *b = vb;

	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	return a->layer < b->layer ? -1 : 1;
}

// What a layer may take of a disk, once in the output and, unless the cache has it, once in the spool.
static uint64_t ahead_of(const struct image_layer *what, bool known)
{
	const uint64_t most = UINT64_C(1) << 40; // past the caps in any case
	uint64_t size = what->size < most ? what->size : most;

	return (known ? 1 : 2) * size * (what->compression == IMAGE_PLAIN ? 1 : INFLATES_TO);
}

static int choose_order(struct pool *p, struct err *err)
{
	size_t n = p->set->count;

	p->order = mem_zalloc(n, sizeof(*p->order), err);
	if (!p->order)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct image_layer *what = p->set->what(p->set->ctx, i);

		tell_known(p, i, p->cache && layer_cache_holds(p->cache, what));
		p->order[i] = (struct sized){p->slots[i].known ? 0 : what->size, i};
		p->ahead += ahead_of(what, p->slots[i].known);
	}
	qsort(p->order, n, sizeof(*p->order), larger_first);
	return 0;
}

static bool yield(void *ctx, int fd)
{
	return layer_cache_yield(ctx, fd) != LAYER_CACHE_KEPT;
}

CLEANUP_DEFINE(struct tree, tree_cleanup, tree_free)

int layer_set_merge(const struct layer_set *set, const struct layer_options *opt, struct tree **out, struct err *err)
{
	struct pool p = {.set = set, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	_cleanup_(tree_cleanupp) struct tree *tree = NULL;
	unsigned threads = thread_count(opt, set->count);
	int rc;

	p.budget.limits = opt->limits ? opt->limits : &limits_default;
	p.failed_at = set->count;
	p.threads = opt->threads != 1;
	p.cache = opt->cache;
	p.budget.stored = opt->stored;
	p.known = opt->known;
	if (set->count > p.budget.limits->layers || set->count > INT32_MAX / 16)
		return err_set(err, ERR_LIMIT, "%zu layers, over the limit of %llu (--max-layers)", set->count,
			       (unsigned long long)p.budget.limits->layers);
	tree = tree_new(opt->policy, err);
	if (!tree)
		return -1;
	tree->spool = p.spool = spool_new(opt->tmpdir, threads, err);
	if (!p.spool)
		return -1;
	tree->layer_bases = mem_zalloc(set->count, sizeof(*tree->layer_bases), err);
	p.slots = tree->layer_bases ? mem_zalloc(set->count, sizeof(*p.slots), err) : NULL;
	if (!p.slots)
		return -1;
	if (p.cache)
		spool_on_full(p.spool, yield, p.cache);
	rc = choose_order(&p, err) || run(&p, threads, tree, err) ? -1 : 0;
	for (size_t i = 0; i < set->count; i++) {
		layer_content_clear(&p.slots[i].content);
		free(p.slots[i].err);
	}
	free(p.slots);
	free(p.order);
	if (rc || tree_sort(tree, err))
		return -1;
	*out = steal_ptr(&tree);
	return 0;
}
