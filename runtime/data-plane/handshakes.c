// SPDX-License-Identifier: Apache-2.0
//
// Two lists, both in the order of entering: who waits, and who runs; the first of the second has run longest. One timer
// stands for the moment at which that one's time is up, and only while somebody waits. All changes end in `serve`,
// which is not entered again from the callbacks that it makes.
#include "runtime/data-plane/handshakes.h"

#include "base/mem.h"

struct turns {
	struct turn *first, *last;
};

struct handshakes {
	uint32_t max, n_running;
	struct turns waiting, running;
	struct timer timer;
	bool serving;
	void (*grant)(struct turn *t);
	void (*evict)(struct turn *t);
};

static void enter(struct turns *list, struct turn *t, enum turn_place place)
{
	*t = (struct turn){.prev = list->last, .place = place};
	*(t->prev ? &t->prev->next : &list->first) = t;
	list->last = t;
}

static void leave(struct turns *list, struct turn *t)
{
	*(t->prev ? &t->prev->next : &list->first) = t->next;
	*(t->next ? &t->next->prev : &list->last) = t->prev;
	*t = (struct turn){.place = TURN_NONE};
}

static void grant_first(struct handshakes *h)
{
	struct turn *t = h->waiting.first;

	leave(&h->waiting, t);
	enter(&h->running, t, TURN_RUNNING);
	t->since_ms = loop_now_ms();
	h->n_running++;
	h->grant(t);
}

// Grants what can be granted, ends whose time is up, and sets the timer for the next of these.
static void serve(struct handshakes *h)
{
	unsigned wait = 0;

	if (h->serving)
		return;
	h->serving = true;
	while (h->waiting.first && !wait) {
		if (h->n_running < h->max) {
			grant_first(h);
			continue;
		}
		uint64_t ran = loop_now_ms() - h->running.first->since_ms;

		if (ran >= HANDSHAKE_TURN_MS)
			h->evict(h->running.first);
		else
			wait = HANDSHAKE_TURN_MS - (unsigned)ran;
	}
	timer_set(&h->timer, wait);
	h->serving = false;
}

static void on_timer(void *ctx)
{
	serve(ctx);
}

struct handshakes *handshakes_new(struct loop *l, uint32_t max, void (*grant)(struct turn *t),
				  void (*evict)(struct turn *t), struct err *err)
{
	struct handshakes *h = mem_zalloc(1, sizeof(*h), err);

	if (!h)
		return NULL;
	*h = (struct handshakes){.max = max ? max : 1, .grant = grant, .evict = evict};
	if (timer_init(&h->timer, l, on_timer, h, err)) {
		handshakes_free(h);
		return NULL;
	}
	return h;
}

void handshakes_free(struct handshakes *h)
{
	if (!h)
		return;
	timer_free(&h->timer);
	free(h);
}

void handshakes_ask(struct handshakes *h, struct turn *t)
{
	enter(&h->waiting, t, TURN_WAITING);
	serve(h);
}

void handshakes_leave(struct handshakes *h, struct turn *t)
{
	switch (t->place) {
	case TURN_NONE:
		return;
	case TURN_WAITING:
		leave(&h->waiting, t);
		break;
	case TURN_RUNNING:
		leave(&h->running, t);
		h->n_running--;
		break;
	}
	serve(h);
}
