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
#include "runtime/data-plane/session.h"

#include "base/buf.h"
#include "base/mem.h"

enum { LINGER_MS = 2000, READS_MAX = 4 };

struct farewell {
	struct session session;
	struct stream s;
	struct event *ev;
	short armed;
	struct timer timer;
	struct buf out; // what is still to be written
	size_t out_off;
	uint64_t ended_ms; // our direction; 0: not yet
	uint64_t moved_ms; // of the last byte, either way
};

static void farewell_free(struct farewell *f)
{
	if (f->ev)
		event_free(f->ev);
	timer_free(&f->timer);
	stream_close(&f->s);
	buf_free(&f->out);
	session_leave(&f->session, true);
	free(f);
}

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void wait_on(struct farewell *f)
{
	const struct plane_config *c = f->session.shared->config;
	short want = stream_events(&f->s, f->ended_ms, !f->ended_ms);
	uint64_t now = loop_now_ms(), over = f->moved_ms + c->ingress.idle_ms;

	if (want != f->armed) {
		event_del(f->ev);
		event_assign(f->ev, loop_base(f->session.shared->loop), f->s.fd, (short)(want | EV_PERSIST), on_ready, f);
		event_add(f->ev, NULL);
		f->armed = want;
	}
	if (f->ended_ms) {
		over = f->ended_ms + c->ingress.linger_ms;
		if (over > f->moved_ms + LINGER_MS)
			over = f->moved_ms + LINGER_MS;
		if (stream_pending(&f->s))
			event_active(f->ev, EV_READ, 1);
	}
	timer_set(&f->timer, over > now ? (unsigned)(over - now) : 1);
}

// Reads and drops. False: that was the end.
static bool drop(struct farewell *f)
{
	ssize_t r = 1;

	for (int i = 0; r > 0 && i < READS_MAX; i++) {
		r = stream_read(&f->s, loop_scratch(f->session.shared->loop), LOOP_SCRATCH);
		if (r > 0)
			f->moved_ms = loop_now_ms();
	}
	return r > 0 || r == STREAM_AGAIN;
}

// Gets on as far as it goes. False: it is over.
static bool get_on(struct farewell *f)
{
	int rc;

	while (f->out_off < f->out.len) {
		ssize_t w = stream_write(&f->s, f->out.data + f->out_off, f->out.len - f->out_off);

		if (w < 0)
			return w == STREAM_AGAIN;
		f->out_off += (size_t)w;
		f->moved_ms = loop_now_ms();
		f->session.shared->count.bytes_out += (size_t)w;
	}
	buf_free(&f->out);
	f->out_off = 0;
	if (!f->ended_ms) {
		rc = stream_shutdown(&f->s);
		if (rc)
			return rc == STREAM_AGAIN;
		f->ended_ms = f->moved_ms = loop_now_ms();
	}
	return drop(f);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct farewell *f = arg;

	(void)fd, (void)what;
	if (get_on(f))
		wait_on(f);
	else
		farewell_free(f);
}

static void on_timer(void *ctx)
{
	farewell_free(ctx);
}

static void farewell_drain(struct session *s)
{
	(void)s; // it is ending already
}

static void farewell_kill(struct session *s)
{
	farewell_free((struct farewell *)s);
}

void farewell_open(struct shared *shared, struct stream *s, struct buf *out, size_t out_off)
{
	struct farewell *f = mem_zalloc(1, sizeof(*f), NULL);

	if (!f) {
		stream_close(s);
		buf_free(out);
		conncap_release(&shared->conns);
		return;
	}
	session_enter(&f->session, shared, farewell_drain, farewell_kill);
	f->s = *s;
	*s = (struct stream)STREAM_INIT;
	f->out = *out;
	*out = (struct buf)BUF_INIT(0);
	f->out_off = out_off;
	f->moved_ms = loop_now_ms();
	f->ev = event_new(loop_base(shared->loop), f->s.fd, 0, on_ready, f);
	if (!f->ev || timer_init(&f->timer, shared->loop, on_timer, f, NULL))
		farewell_free(f);
	else
		on_ready(f->s.fd, 0, f);
}
