// SPDX-License-Identifier: Apache-2.0
//
// A connection holds one partial line; a line that does not end within its limit ends the connection, for then the
// stream is not what it claims to be. Lines that break a rule are counted and dropped, the stream goes on.
#include "runtime/control-plane/statsd.h"

#include "base/mem.h"
#include "runtime/common/log.h"
#include "runtime/common/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
	struct conn_base base;
	struct statsd *s;
	size_t n;
	char line[METRICS_LINE_MAX + 1];
};

struct statsd {
	struct loop *loop;
	struct statsd_options o;
	struct metrics *metrics;
	struct acceptor *acceptor;
	struct conncap cap;
	struct chain *conns;
	struct timer timer;
	int out; // -1: none
	char datagram[STATSD_DATAGRAM_MAX];
	size_t datagram_len;
	struct statsd_stats stats;
};

// ---- out -----------------------------------------------------------------------------------------------------------

static void flush(struct statsd *s)
{
	if (s->datagram_len == 0)
		return;
	if (send(s->out, s->datagram, s->datagram_len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		s->stats.send_failed++;
	else
		s->stats.sent++;
	s->datagram_len = 0;
}

static void put_line(struct statsd *s, const char *line, size_t n)
{
	if (s->out < 0 || n + 1 > sizeof(s->datagram))
		return;
	if (s->datagram_len + n + 1 > sizeof(s->datagram))
		flush(s);
	memcpy(s->datagram + s->datagram_len, line, n);
	s->datagram[s->datagram_len + n] = '\n';
	s->datagram_len += n + 1;
}

static void on_interval(void *ctx)
{
	struct statsd *s = ctx;
	_cleanup_buf_ struct buf lines = BUF_INIT(256 * 1024);
	struct err err = ERR_INIT;

	s->o.refresh(s->o.ctx);
	if (metrics_put_statsd(s->metrics, &lines, &err) == 0)
		for (size_t i = 0, start = 0; i < lines.len; i++)
			if (lines.data[i] == '\n') {
				put_line(s, (const char *)lines.data + start, i - start);
				start = i + 1;
			}
	flush(s);
	timer_set(&s->timer, s->o.interval_ms);
}

static int open_out(struct statsd *s, struct err *err)
{
	char text[ADDR_TEXT_MAX];

	s->out = socket(s->o.out.u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->out < 0 || connect(s->out, &s->o.out.u.sa, s->o.out.len) < 0)
		return err_sys(err, errno, "send StatsD to %s", addr_format(&s->o.out, text));
	if (timer_init(&s->timer, s->loop, on_interval, s, err) < 0)
		return -1;
	timer_set(&s->timer, s->o.interval_ms);
	return 0;
}

// ---- in ------------------------------------------------------------------------------------------------------------

static void take_line(struct statsd *s, const char *line, size_t n)
{
	struct err err = ERR_INIT;

	if (n && line[n - 1] == '\r')
		n--;
	if (n == 0)
		return;
	s->stats.lines++;
	if (metrics_take_statsd(s->metrics, line, n, &err) == 0)
		put_line(s, line, n);
	else
		s->stats.rejected++;
}

// Takes the whole lines of c->line and keeps the rest. False: no line ends where one must.
static bool take_lines(struct conn *c)
{
	size_t start = 0;

	for (size_t i = 0; i < c->n; i++)
		if (c->line[i] == '\n') {
			take_line(c->s, c->line + start, i - start);
			start = i + 1;
		}
	c->n -= start;
	memmove(c->line, c->line + start, c->n);
	return c->n < sizeof(c->line);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;
	struct statsd *s = c->s;
	ssize_t n = what & EV_READ ? recv(fd, c->line + c->n, sizeof(c->line) - c->n, 0) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		c->n += (size_t)n;
	if (n <= 0 || !take_lines(c))
		conn_end(&c->base);
	flush(s);
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct statsd *s = ctx;
	struct conn *c = conn_begin(sizeof(*c), fd, &s->cap, &s->conns);
	(void)peer;

	if (!c)
		return;
	c->s = s;
	if (conn_wait(&c->base, s->loop, EV_READ | EV_PERSIST, STATSD_IDLE_MS, on_readable) < 0)
		conn_end(&c->base);
}

// ---- life ----------------------------------------------------------------------------------------------------------

struct statsd *statsd_new(struct loop *l, const struct statsd_options *o, struct metrics *metrics, struct err *err)
{
	struct statsd *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return NULL;
	s->loop = l;
	s->o = *o;
	s->metrics = metrics;
	s->out = -1;
	s->cap.max = STATSD_CONNS_MAX;
	if (o->out.kind != ADDR_NONE && open_out(s, err) < 0)
		goto fail;
	if (o->listen.kind != ADDR_NONE) {
		s->acceptor = acceptor_listen(l, &o->listen, &s->cap, on_accept, s, err);
		if (!s->acceptor)
			goto fail;
	}
	return s;
fail:
	err_prefix(err, "metrics: ");
	statsd_free(s);
	return NULL;
}

void statsd_free(struct statsd *s)
{
	if (!s)
		return;
	while (s->conns)
		conn_end((struct conn_base *)s->conns);
	acceptor_free(s->acceptor);
	timer_free(&s->timer);
	if (s->out >= 0)
		close(s->out);
	free(s);
}

const struct statsd_stats *statsd_stats(const struct statsd *s)
{
	return &s->stats;
}
