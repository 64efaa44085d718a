// SPDX-License-Identifier: Apache-2.0
//
// The event is made anew whenever what is waited for changes: that happens once or twice a frame, and the small servers
// see few frames.
#include "runtime/common/conn.h"

#include "base/mem.h"

#include <unistd.h>

void *conn_begin(size_t size, int fd, struct conncap *cap, struct chain **list)
{
	struct conn_base *c = mem_zalloc(1, size, NULL);

	if (!c) {
		close(fd);
		conncap_release(cap);
		return NULL;
	}
	c->cap = cap;
	c->fd = fd;
	chain_enter(list, &c->chain);
	return c;
}

int conn_wait(struct conn_base *c, struct loop *l, short what, unsigned idle_ms,
	      void (*fn)(evutil_socket_t fd, short what, void *ctx))
{
	const struct timeval idle = {.tv_sec = idle_ms / 1000, .tv_usec = (long)(idle_ms % 1000) * 1000};

	if (c->event)
		event_free(c->event);
	c->event = event_new(loop_base(l), c->fd, what, fn, c);
	return c->event && event_add(c->event, &idle) == 0 ? 0 : -1;
}

void conn_end(struct conn_base *c)
{
	chain_leave(&c->chain);
	if (c->event)
		event_free(c->event);
	close(c->fd);
	conncap_release(c->cap);
	free(c);
}
