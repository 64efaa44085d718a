// SPDX-License-Identifier: Apache-2.0
//
// Connections to the service: made, kept while nobody needs them, given out again, most recently used first, and closed
// when the service closes them or they were idle for too long.
#include "runtime/data-plane/upstream_conn.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>

// ---- life ----------------------------------------------------------------------------------------------------------
void upstream_retire(struct upstream *u)
{
	u->pool->count.open -= !u->gone;
	u->gone = true;
}

void upstream_free(struct upstream *u)
{
	upstream_retire(u);
	if (u->ev)
		event_free(u->ev);
	timer_free(&u->timer);
	stream_close(&u->s);
	buf_free(&u->out);
	buf_free(&u->in);
	buf_free(&u->again);
	free(u);
}

void upstream_drop(struct upstream *u)
{
	upstream_retire(u);
	if (!u->busy)
		upstream_free(u);
}

void upstream_pool_forget(struct upstream *u)
{
	struct upstream_pool *p = u->pool;

	if (u->prev)
		u->prev->next = u->next;
	else
		p->idle = u->next;
	if (u->next)
		u->next->prev = u->prev;
	else
		p->idle_last = u->prev;
	u->prev = u->next = NULL;
	p->count.idle--;
}

void upstream_arm(struct upstream *u, short want)
{
	if (want == u->armed)
		return;
	event_del(u->ev);
	u->armed = want;
	if (want) {
		event_assign(u->ev, loop_base(u->pool->loop), u->s.fd, (short)(want | EV_PERSIST), upstream_on_ready,
			     u);
		event_add(u->ev, NULL);
	}
	if (u->kick)
		event_active(u->ev, EV_READ, 1);
}

int upstream_connect(struct upstream *u, struct err *err)
{
	bool pending;
	int fd = addr_connect(&u->pool->opt.service, &pending, err);

	if (fd < 0)
		return -1;
	u->s = stream_plain(fd);
	u->state = pending ? U_CONNECT : U_HEAD;
	u->used = false;
	u->armed = 0;
	u->pool->count.connects++;
	upstream_arm(u, EV_READ | EV_WRITE);
	timer_set(&u->timer, u->pool->opt.connect_ms);
	return 0;
}

static struct upstream *upstream_new(struct upstream_pool *p, struct err *err)
{
	struct upstream *u = mem_zalloc(1, sizeof(*u), err);

	if (!u)
		return NULL;
	u->pool = p;
	u->s.fd = -1;
	p->count.open++;
	u->ev = event_new(loop_base(p->loop), -1, 0, upstream_on_ready, u);
	if (!u->ev || timer_init(&u->timer, p->loop, upstream_on_timer, u, err)) {
		err_nomem(err);
		upstream_free(u);
		return NULL;
	}
	return u;
}

// ---- the pool ------------------------------------------------------------------------------------------------------
bool upstream_pool_keep(struct upstream *u)
{
	struct upstream_pool *p = u->pool;

	if (p->count.idle >= p->opt.max_idle)
		return false;
	u->state = U_IDLE;
	u->used = true;
	buf_free(&u->in);
	buf_free(&u->out);
	buf_free(&u->again);
	u->next = p->idle;
	if (p->idle)
		p->idle->prev = u;
	else
		p->idle_last = u;
	p->idle = u;
	p->count.idle++;
	upstream_arm(u, EV_READ);
	timer_set(&u->timer, p->opt.idle_ms);
	return true;
}

struct upstream_pool *upstream_pool_new(struct loop *l, const struct upstream_options *options, struct err *err)
{
	struct upstream_pool *p = mem_zalloc(1, sizeof(*p), err);

	if (!p)
		return NULL;
	p->loop = l;
	p->opt = *options;
	return p;
}

void upstream_pool_free(struct upstream_pool *p)
{
	if (!p)
		return;
	while (p->idle) {
		struct upstream *u = p->idle;

		upstream_pool_forget(u);
		upstream_free(u);
	}
	free(p);
}

const struct upstream_counters *upstream_pool_counters(const struct upstream_pool *p)
{
	return &p->count;
}

struct upstream *upstream_pool_take(struct upstream_pool *p, const struct upstream_request *rq, struct err *err)
{
	struct upstream *u;

	while (!rq->greeting && p->idle) {
		char c;

		u = p->idle;
		upstream_pool_forget(u);
		if (recv(u->s.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			u->state = U_HEAD;
			p->count.reuses++;
			timer_set(&u->timer, p->opt.response_ms);
			return u;
		}
		upstream_drop(u);
	}
	if (p->opt.max_open && p->count.open >= p->opt.max_open) {
		p->count.shed++;
		err_set(err, ERR_LIMIT, "all %zu connections to the service are in use", p->opt.max_open);
		return NULL;
	}
	u = upstream_new(p, err);
	if (!u || (upstream_connect(u, NULL) == 0))
		return u;
	// The refusal is told from the loop, as every other: the timer fires at once.
	u->state = U_CONNECT;
	u->refused = true;
	timer_set(&u->timer, 1);
	return u;
}
