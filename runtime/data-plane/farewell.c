// SPDX-License-Identifier: Apache-2.0
//
// The last station of an HTTP client. Closing over bytes that the client has said, or is still saying (HTTP/2 windows,
// the rest of an upload that was refused), makes the kernel send a reset and take what waits to be sent with it: the
// tail of the last answer. So an end has three parts:
//
//   WRITE ─all out─► END our direction (close_notify, FIN) ─► LINGER, read and drop ─EOF, or its time─► gone
//
// The first two may wait for a client that does not read, as long as any other silence (ingress.idle_ms). LINGER waits
// while something comes, LINGER_MS in silence and ingress.linger_ms in all: who reads on says so, who is gone does not.
#include "runtime/data-plane/front.h"

enum { LINGER_MS = 2000, READS_MAX = 4 };

struct farewell {
	struct front f;
	uint64_t ended_ms; // our direction; 0: not yet
	uint64_t moved_ms; // of the last byte, either way
};

static void wait_on(struct farewell *w)
{
	const struct plane_config *c = w->f.session.shared->config;
	uint64_t now = loop_now_ms(), over = w->moved_ms + c->ingress.idle_ms;

	front_wait(&w->f, stream_events(&w->f.s, w->ended_ms, !w->ended_ms));
	if (w->ended_ms) {
		over = w->ended_ms + c->ingress.linger_ms;
		if (over > w->moved_ms + LINGER_MS)
			over = w->moved_ms + LINGER_MS;
		if (stream_pending(&w->f.s))
			event_active(w->f.ev, EV_READ, 1);
	}
	timer_set(&w->f.timer, over > now ? (unsigned)(over - now) : 1);
}

// Reads and drops. False: that was the end.
static bool drop(struct farewell *w)
{
	ssize_t r = 1;

	for (int i = 0; r > 0 && i < READS_MAX; i++) {
		r = stream_read(&w->f.s, loop_scratch(w->f.session.shared->loop), LOOP_SCRATCH);
		if (r > 0)
			w->moved_ms = loop_now_ms();
	}
	return r > 0 || r == STREAM_AGAIN;
}

// Gets on as far as it goes. False: it is over.
static bool get_on(struct farewell *w)
{
	ssize_t wrote = front_write(&w->f);

	if (wrote < 0)
		return false;
	if (wrote > 0)
		w->moved_ms = loop_now_ms();
	if (front_pending(&w->f))
		return true;
	buf_free(&w->f.out);
	if (!w->ended_ms) {
		int rc = stream_shutdown(&w->f.s);

		if (rc)
			return rc == STREAM_AGAIN;
		w->ended_ms = w->moved_ms = loop_now_ms();
	}
	return drop(w);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct farewell *w = arg;

	(void)fd, (void)what;
	if (get_on(w))
		wait_on(w);
	else
		front_close(&w->f, true);
}

static void on_timer(void *ctx)
{
	front_close(ctx, true);
}

static void farewell_drain(struct session *s)
{
	(void)s; // it is ending already
}

static void farewell_kill(struct session *s)
{
	front_close((struct front *)s, true);
}

void farewell_open(struct front *from)
{
	static const struct front_calls calls = {farewell_drain, farewell_kill, on_ready, on_timer};
	struct farewell *w;

	front_wait(from, 0);
	w = front_open(sizeof(*w), from->session.shared, &from->s, &from->who, &calls);
	if (!w)
		return;
	w->f.out = from->out;
	w->f.out_off = from->out_off;
	from->out = (struct buf)BUF_INIT(0);
	from->out_off = 0;
	w->moved_ms = loop_now_ms();
	on_ready(w->f.s.fd, 0, w);
}
