// SPDX-License-Identifier: Apache-2.0
//
// A connection is a loop of two states: reading a frame (head, then exactly its body), writing the reply. A frame that
// breaks a rule gets {"ok": false, "error": …} and the end of the connection.
#include "runtime/control-plane/ctl_server.h"

#include "base/cbor.h"
#include "base/mem.h"
#include "runtime/common/ctl_frame.h"
#include "runtime/common/log.h"
#include "runtime/common/conn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct conn {
	struct conn_base base;
	struct ctl_server *s;
	struct buf in, out;
	size_t want, sent;
	bool last; // close once the reply is out
};

struct ctl_server {
	struct loop *loop;
	struct ctl_server_options o;
	struct buf config; // CBOR
	struct acceptor *acceptor;
	struct conncap cap;
	struct log_bucket lines;
	struct ctl_server_stats stats;
	struct chain *conns;
};

static void conn_free(struct conn *c)
{
	buf_free(&c->in);
	buf_free(&c->out);
	conn_end(&c->base);
}

// ---- requests ------------------------------------------------------------------------------------------------------

// A line over the limit, or one that the descriptor does not take at once, is lost and counted: the enclave does not
// decide how fast the log grows, and logging never blocks a plane.
static void write_line(struct ctl_server *s, const struct buf *line)
{
	struct pollfd p = {.fd = s->o.log_fd, .events = POLLOUT};

	if (log_bucket_take(&s->lines, loop_now_ms()) && poll(&p, 1, 0) == 1 &&
	    write(s->o.log_fd, line->data, line->len) == (ssize_t)line->len)
		s->stats.transactions++;
	else
		s->stats.dropped++;
}

static int take_transactions(struct ctl_server *s, struct cbor_reader *r, struct err *err)
{
	struct cbor_seq seq;
	int more;

	if (cbor_get_array(r, &seq, err) < 0)
		return -1;
	if (seq.left > CTL_ENTRIES_MAX)
		return err_set(err, ERR_INPUT, "more than %d entries", CTL_ENTRIES_MAX);
	while ((more = cbor_seq_next(r, &seq, err)) > 0) {
		_cleanup_buf_ struct buf line = BUF_INIT(CTL_LINE_ROOM);

		if (ctl_transaction_line(&s->o, r, &line, err) < 0)
			return -1;
		write_line(s, &line);
	}
	return more;
}

static int put_time(struct buf *out, struct err *err)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return cbor_put_map(out, 3, err) < 0 || cbor_put_text(out, "ok", err) < 0 ||
		       cbor_put_bool(out, true, err) < 0 || cbor_put_text(out, "seconds", err) < 0 ||
		       cbor_put_uint(out, (uint64_t)now.tv_sec, err) < 0 ||
		       cbor_put_text(out, "nanoseconds", err) < 0 || cbor_put_uint(out, (uint64_t)now.tv_nsec, err) < 0
		   ? -1
		   : 0;
}

static int put_config(const struct ctl_server *s, struct buf *out, struct err *err)
{
	return cbor_put_map(out, 2, err) < 0 || cbor_put_text(out, "ok", err) < 0 ||
		       cbor_put_bool(out, true, err) < 0 || cbor_put_text(out, "config", err) < 0 ||
		       buf_add(out, s->config.data, s->config.len, err) < 0
		   ? -1
		   : 0;
}

static int put_ok(struct buf *out, struct err *err)
{
	return cbor_put_map(out, 1, err) < 0 || cbor_put_text(out, "ok", err) < 0 || cbor_put_bool(out, true, err) < 0
		       ? -1
		       : 0;
}

static int put_error(struct buf *out, const char *why, struct err *err)
{
	return cbor_put_map(out, 2, err) < 0 || cbor_put_text(out, "ok", err) < 0 ||
			       cbor_put_bool(out, false, err) < 0 || cbor_put_text(out, "error", err) < 0 ||
			       cbor_put_text(out, why, err) < 0
		       ? -1
		       : 0;
}

// Reads {"op": …, …}; op comes first.
static int answer(struct ctl_server *s, const uint8_t *body, size_t n, struct buf *out, struct err *err)
{
	struct cbor_reader r;
	struct cbor_seq map;
	const char *op, *key;
	size_t op_len, key_len;

	cbor_reader_init(&r, body, n, CBOR_STRICT);
	if (cbor_get_map(&r, &map, err) < 0 || cbor_get_text(&r, &key, &key_len, err) < 0)
		return -1;
	if (!cbor_text_is(key, key_len, "op") || map.left < 1 || map.left > 2)
		return err_set(err, ERR_INPUT, "the first key is not op");
	if (cbor_get_text(&r, &op, &op_len, err) < 0)
		return -1;
	if (cbor_text_is(op, op_len, "config"))
		return cbor_end(&r, err) < 0 ? -1 : put_config(s, out, err);
	if (cbor_text_is(op, op_len, "time"))
		return cbor_end(&r, err) < 0 ? -1 : put_time(out, err);
	if (!cbor_text_is(op, op_len, "transactions"))
		return err_set(err, ERR_INPUT, "an unknown op");
	if (cbor_get_text(&r, &key, &key_len, err) < 0)
		return -1;
	if (!cbor_text_is(key, key_len, "entries"))
		return err_set(err, ERR_INPUT, "transactions without entries");
	if (take_transactions(s, &r, err) < 0 || cbor_end(&r, err) < 0)
		return -1;
	return put_ok(out, err);
}

// The whole frame is in c->in: puts the reply into c->out. False on no memory.
static bool reply(struct conn *c, struct err *fault)
{
	struct err err = ERR_INIT;
	size_t start;

	c->s->stats.requests++;
	c->out.len = c->sent = 0;
	if (ctl_begin(&c->out, &start, &err) < 0)
		return false;
	if (fault || answer(c->s, c->in.data + CTL_HEAD, c->in.len - CTL_HEAD, &c->out, &err) < 0) {
		const char *why = fault ? fault->msg : err.msg;

		c->s->stats.malformed++;
		log_peer_event(LOG_WARN, "control.malformed", LOG_STR("why", why));
		c->last = true;
		c->out.len = CTL_HEAD;
		if (put_error(&c->out, why, &err) < 0)
			return false;
	}
	ctl_end(&c->out, start);
	c->in.len = 0;
	c->want = CTL_HEAD;
	return true;
}

// ---- the connection ------------------------------------------------------------------------------------------------

// 1 all out, 0 wait, -1 over
static int flush(struct conn *c)
{
	while (c->sent < c->out.len) {
		size_t left = c->out.len - c->sent, max = addr_write_max(c->s->o.listen.kind);
		ssize_t n = send(c->base.fd, c->out.data + c->sent, left < max ? left : max, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->sent += (size_t)n;
	}
	return c->last ? -1 : 1;
}

// Reads what the frame still wants. 1 the frame is whole, 0 wait, -1 over.
static int fill(struct conn *c)
{
	struct err err = ERR_INIT;

	while (c->in.len < c->want) {
		if (buf_reserve(&c->in, c->want - c->in.len, &err) < 0)
			return -1;
		ssize_t n = recv(c->base.fd, c->in.data + c->in.len, c->want - c->in.len, 0);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		if (n == 0)
			return -1;
		c->in.len += (size_t)n;
		if (c->in.len == CTL_HEAD && c->want == CTL_HEAD) {
			long body = ctl_head_read(c->in.data, &err);

			if (body < 0)
				return reply(c, &err) ? 1 : -1;
			c->want += (size_t)body;
		}
	}
	return reply(c, NULL) ? 1 : -1;
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct conn *c = ctx;
	int state = -1;
	(void)fd;

	if (what & EV_READ)
		state = fill(c);
	else if (what & EV_WRITE)
		state = 1;
	if (state == 1)
		state = flush(c) + 2; // 1 over, 2 wait to write, 3 read on
	if (state < 0 || state == 1 ||
	    conn_wait(&c->base, c->s->loop, state == 2 ? EV_WRITE : EV_READ, CTL_IDLE_MS, on_event) < 0)
		conn_free(c);
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct ctl_server *s = ctx;
	struct conn *c = conn_begin(sizeof(*c), fd, &s->cap, &s->conns);
	(void)peer;

	if (!c)
		return;
	c->s = s;
	c->in.max = c->out.max = CTL_HEAD + CTL_BODY_MAX + 64;
	c->want = CTL_HEAD;
	if (conn_wait(&c->base, s->loop, EV_READ, CTL_IDLE_MS, on_event) < 0)
		conn_free(c);
}

struct ctl_server *ctl_server_new(struct loop *l, const struct ctl_server_options *o, struct err *err)
{
	struct ctl_server *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return NULL;
	s->loop = l;
	s->o = *o;
	s->o.config_json = NULL;
	s->cap.max = CTL_CONNS_MAX;
	s->lines = (struct log_bucket){.per_s = LOG_PEER_PER_S, .burst = LOG_PEER_BURST};
	s->config.max = CTL_BODY_MAX;
	if (ctl_json_to_cbor(o->config_json ? o->config_json : "{}", &s->config, err) < 0)
		goto fail;
	s->acceptor = acceptor_listen(l, &o->listen, &s->cap, on_accept, s, err);
	if (!s->acceptor) {
		err_prefix(err, "control: ");
		goto fail;
	}
	return s;
fail:
	ctl_server_free(s);
	return NULL;
}

void ctl_server_free(struct ctl_server *s)
{
	if (!s)
		return;
	while (s->conns)
		conn_free((struct conn *)s->conns);
	acceptor_free(s->acceptor);
	buf_free(&s->config);
	free(s);
}

const struct ctl_server_stats *ctl_server_stats(const struct ctl_server *s)
{
	return &s->stats;
}
