// SPDX-License-Identifier: Apache-2.0
//
// Thin glue over libevent. The acceptor takes up to ACCEPT_BATCH connections a wake-up so that a flood of newcomers
// does not starve those already here, and keeps one spare descriptor: when accept says EMFILE the spare is closed, the
// newcomer accepted and dropped, the spare opened again. Without it the listener would stay readable and spin.
#include "runtime/common/loop.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	ACCEPT_BATCH = 64,
	ACCEPT_BACKLOG = 1024,
	ACCEPT_PAUSE_MS = 100, // after running out of descriptors
	SIGNALS_MAX = 8,
};

struct on_signal {
	struct event *ev;
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop {
	struct event_base *base;
	uint8_t *scratch;
	bool stopped;
	int status;
	struct on_signal signals[SIGNALS_MAX];
	unsigned n_signals;
};

struct loop *loop_new(struct err *err)
{
	struct loop *l = mem_zalloc(1, sizeof(*l), err);
	struct event_config *cfg;

	if (!l)
		return NULL;
	l->scratch = mem_alloc(LOOP_SCRATCH, err);
	cfg = event_config_new();
	if (cfg) {
		event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV);
		l->base = event_base_new_with_config(cfg);
		event_config_free(cfg);
	}
	if (!l->scratch || !l->base) {
		if (!l->base)
			err_set(err, ERR_IO, "unable to make an event loop");
		loop_free(l);
		return NULL;
	}
	signal(SIGPIPE, SIG_IGN);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < l->n_signals; i++)
		event_free(l->signals[i].ev);
	if (l->base)
		event_base_free(l->base);
	free(l->scratch);
	free(l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

uint8_t *loop_scratch(struct loop *l)
{
	return l->scratch;
}

int loop_run(struct loop *l)
{
	if (!l->stopped && event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0)
		return 2;
	return l->status;
}

void loop_stop(struct loop *l, int status)
{
	if (!l->stopped)
		l->status = status;
	l->stopped = true;
	event_base_loopbreak(l->base);
}

uint64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct timeval ms_to_tv(unsigned ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000};
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct timer *t = arg;

	(void)fd, (void)what;
	t->fn(t->ctx);
}

int timer_init(struct timer *t, struct loop *l, void (*fn)(void *ctx), void *ctx, struct err *err)
{
	t->fn = fn;
	t->ctx = ctx;
	t->ev = event_new(l->base, -1, 0, on_timer, t);
	return t->ev ? 0 : err_nomem(err);
}

void timer_set(struct timer *t, unsigned ms)
{
	struct timeval tv = ms_to_tv(ms);

	if (ms)
		event_add(t->ev, &tv);
	else
		event_del(t->ev);
}

void timer_free(struct timer *t)
{
	if (t->ev)
		event_free(t->ev);
	t->ev = NULL;
}

static void on_signal(evutil_socket_t signum, short what, void *arg)
{
	struct on_signal *s = arg;

	(void)signum, (void)what;
	s->fn(s->ctx);
}

int loop_on_signal(struct loop *l, int signum, void (*fn)(void *ctx), void *ctx, struct err *err)
{
	struct on_signal *s = &l->signals[l->n_signals];

	if (l->n_signals == SIGNALS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d signals", SIGNALS_MAX);
	s->fn = fn;
	s->ctx = ctx;
	s->ev = evsignal_new(l->base, signum, on_signal, s);
	if (!s->ev)
		return err_nomem(err);
	l->n_signals++;
	return event_add(s->ev, NULL) ? err_set(err, ERR_IO, "unable to watch signal %d", signum) : 0;
}

// ---- accepting -----------------------------------------------------------------------------------------------------
struct acceptor {
	struct loop *loop;
	int fd, spare;
	enum addr_kind kind;
	struct event *ev;
	struct timer resume;
	struct conncap *cap;
	accept_fn *fn;
	void *ctx;
	bool paused;
};

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void out_of_descriptors(struct acceptor *a)
{
	int fd;

	if (a->cap)
		a->cap->shed++;
	if (a->spare >= 0) {
		close(a->spare);
		fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			close(fd);
	}
	a->spare = spare_open();
	event_del(a->ev);
	timer_set(&a->resume, ACCEPT_PAUSE_MS);
}

static void on_resume(void *ctx)
{
	struct acceptor *a = ctx;

	if (!a->paused)
		event_add(a->ev, NULL);
}

// The socket listens no more, which nothing of ours brings about: a plane that looks alive and takes nobody is worse
// than one that ends and is started again.
static void listener_died(struct acceptor *a, int errnum)
{
	log_event(LOG_ERROR, "listener.died", LOG_STR("why", strerrordesc_np(errnum)));
	event_del(a->ev);
	loop_stop(a->loop, LOOP_PART_DIED);
}

static void on_acceptable(evutil_socket_t lfd, short what, void *arg)
{
	struct acceptor *a = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH && !a->paused; i++) {
		struct sockaddr_storage ss;
		socklen_t len = sizeof(ss);
		struct addr peer;
		int fd = accept4(lfd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
				out_of_descriptors(a);
			else if (errno == ECONNABORTED || errno == EINTR)
				continue;
			else if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
				listener_died(a, errno);
			return;
		}
		if (!conncap_take(a->cap)) {
			close(fd);
			continue;
		}
		addr_tune(fd, a->kind);
		addr_from_sockaddr(&peer, (struct sockaddr *)&ss, len);
		a->fn(a->ctx, fd, &peer);
	}
}

struct acceptor *acceptor_new(struct loop *l, int fd, struct conncap *cap, accept_fn *fn, void *ctx, struct err *err)
{
	struct acceptor *a = mem_zalloc(1, sizeof(*a), err);

	if (!a) {
		close(fd);
		return NULL;
	}
	*a = (struct acceptor){
	    .loop = l, .fd = fd, .spare = spare_open(), .kind = addr_kind_of(fd), .cap = cap, .fn = fn, .ctx = ctx};
	a->ev = event_new(l->base, fd, EV_READ | EV_PERSIST, on_acceptable, a);
	if (timer_init(&a->resume, l, on_resume, a, err) || !a->ev || event_add(a->ev, NULL)) {
		err_nomem(err);
		acceptor_free(a);
		return NULL;
	}
	return a;
}

void acceptor_pause(struct acceptor *a, bool paused)
{
	a->paused = paused;
	if (paused)
		event_del(a->ev);
	else
		event_add(a->ev, NULL);
}

void acceptor_free(struct acceptor *a)
{
	if (!a)
		return;
	timer_free(&a->resume);
	if (a->ev)
		event_free(a->ev);
	close(a->fd);
	if (a->spare >= 0)
		close(a->spare);
	free(a);
}

struct acceptor *acceptor_listen(struct loop *l, const struct addr *at, struct conncap *cap, accept_fn *fn, void *ctx,
				 struct err *err)
{
	int fd = addr_listen(at, ACCEPT_BACKLOG, err);

	return fd < 0 ? NULL : acceptor_new(l, fd, cap, fn, ctx, err);
}

// ---- dialling ------------------------------------------------------------------------------------------------------
struct dial {
	int fd, errnum;
	struct event *ev;
	dial_fn *fn;
	void *ctx;
};

static void on_dialled(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	dial_fn *fn = d->fn;
	void *ctx = d->ctx;
	int errnum = d->errnum;

	(void)fd;
	if (!errnum)
		errnum = what & EV_WRITE ? addr_connect_result(d->fd) : ETIMEDOUT;
	if (errnum) {
		dial_cancel(d);
		fn(ctx, -1, errnum);
	} else {
		int connected = steal_fd(&d->fd);

		dial_cancel(d);
		fn(ctx, connected, 0);
	}
}

struct dial *dial_start(struct loop *l, const struct addr *to, unsigned timeout_ms, dial_fn *fn, void *ctx,
			struct err *err)
{
	struct timeval tv = ms_to_tv(timeout_ms);
	struct dial *d = mem_zalloc(1, sizeof(*d), err);
	struct err refused = ERR_INIT;
	bool pending;

	if (!d)
		return NULL;
	d->fn = fn;
	d->ctx = ctx;
	d->fd = addr_connect(to, &pending, &refused);
	// A unix socket whose queue is full says EAGAIN: to the caller that is a peer with no room, like a refusal.
	if (d->fd < 0)
		d->errnum = refused.errnum ? refused.errnum : ENOMEM;
	d->ev = event_new(l->base, d->fd, d->fd < 0 ? 0 : EV_WRITE, on_dialled, d);
	if (!d->ev || event_add(d->ev, &tv)) {
		err_nomem(err);
		dial_cancel(d);
		return NULL;
	}
	if (d->errnum)
		event_active(d->ev, EV_TIMEOUT, 1);
	return d;
}

void dial_cancel(struct dial *d)
{
	if (!d)
		return;
	if (d->ev)
		event_free(d->ev);
	if (d->fd >= 0)
		close(d->fd);
	free(d);
}
