// SPDX-License-Identifier: Apache-2.0
//
// The event is made once and assigned anew as the wish changes, since adding to what is waited for and taking from it
// cost the same one system call; nothing is done while the wish stays.
#include "runtime/data-plane/front.h"

#include "base/mem.h"

void *front_open(size_t size, struct shared *shared, struct stream *s, const struct client *who,
		 const struct front_calls *calls)
{
	struct front *f = mem_zalloc(1, size, NULL);

	if (!f) {
		stream_close(s);
		conncap_release(&shared->conns);
		return NULL;
	}
	session_enter(&f->session, shared, calls->drain, calls->kill);
	f->s = *s;
	*s = (struct stream)STREAM_INIT;
	f->who = *who;
	f->ev = event_new(loop_base(shared->loop), f->s.fd, 0, calls->on_ready, f);
	if (!f->ev || timer_init(&f->timer, shared->loop, calls->on_timer, f, NULL)) {
		front_close(f, true);
		return NULL;
	}
	return f;
}

void front_close(struct front *f, bool end)
{
	if (f->ev)
		event_free(f->ev);
	timer_free(&f->timer);
	stream_close(&f->s);
	buf_free(&f->out);
	session_leave(&f->session, end);
	free(f);
}

void front_wait(struct front *f, short want)
{
	event_callback_fn on_ready;

	if (want == f->armed)
		return;
	on_ready = event_get_callback(f->ev);
	event_del(f->ev);
	f->armed = want;
	if (want) {
		event_assign(f->ev, loop_base(f->session.shared->loop), f->s.fd, (short)(want | EV_PERSIST), on_ready,
			     f);
		event_add(f->ev, NULL);
	}
}

ssize_t front_write(struct front *f)
{
	size_t done = 0;

	while (front_pending(f)) {
		ssize_t w = stream_write(&f->s, f->out.data + f->out_off, front_pending(f));

		if (w == STREAM_AGAIN)
			break;
		if (w < 0)
			return -1;
		f->out_off += (size_t)w;
		done += (size_t)w;
	}
	if (!front_pending(f))
		f->out.len = f->out_off = 0;
	f->session.shared->count.bytes_out += done;
	return (ssize_t)done;
}
