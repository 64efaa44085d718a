// SPDX-License-Identifier: Apache-2.0
//
// States of a connection:
//
//   CONNECT ─writable─► HEAD ─final head─► BODY ─end─► IDLE (pool) ─upstream_start─► HEAD …
//
// The read event stays armed from connecting on, so a request on a kept connection needs no change to epoll; it is
// taken down only while the front has no room. Events to the front may end the exchange (cancel): `gone` is set then
// and the object is freed by the outermost frame of ours on the stack.
#include "runtime/data-plane/upstream.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { READ_MAX = 32 * 1024 };

enum upstream_state { U_CONNECT, U_HEAD, U_BODY, U_IDLE };

struct upstream {
	struct upstream_pool *pool;
	struct upstream *prev, *next; // in the idle list
	struct stream s;
	struct event *ev;
	short armed;
	struct timer timer;
	enum upstream_state state;
	const struct upstream_events *events;
	void *ctx;
	struct buf out; // request bytes not yet written
	size_t out_off;
	struct buf in;  // of a response: an unfinished head, or content that had no room
	size_t scanned; // of the head in `in`
	struct http1_decoder decoder;
	enum http1_body body; // of the request
	bool is_head, idempotent, upgrade, private;
	bool request_done, response_keep, used, got_bytes, starved, busy, gone, stolen;
	bool kick;        // to be run from the loop though no event may come; survives re-arming
	bool refused;     // the kernel said no at once; told from the timer
	uint64_t last_ms; // of the last byte of the response
	struct buf again; // the request's head, kept while it may have to be sent again
};

struct upstream_pool {
	struct loop *loop;
	struct upstream_options opt;
	struct upstream *idle; // most recently used first
	struct upstream *idle_last;
	struct upstream_counters count;
	struct http1_head head; // of the response being read: one for all, it lives no longer than a callback
};

static void on_ready(evutil_socket_t fd, short what, void *arg);
static void on_timer(void *ctx);

// ---- life ----------------------------------------------------------------------------------------------------------
static void upstream_free(struct upstream *u)
{
	if (u->ev)
		event_free(u->ev);
	timer_free(&u->timer);
	stream_close(&u->s);
	buf_free(&u->out);
	buf_free(&u->in);
	buf_free(&u->again);
	u->pool->count.open--;
	free(u);
}

static void unlink_idle(struct upstream *u)
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

static void arm(struct upstream *u, short want)
{
	if (want == u->armed)
		return;
	event_del(u->ev);
	u->armed = want;
	if (want) {
		event_assign(u->ev, loop_base(u->pool->loop), u->s.fd, (short)(want | EV_PERSIST), on_ready, u);
		event_add(u->ev, NULL);
	}
	if (u->kick)
		event_active(u->ev, EV_READ, 1);
}

static int open_connection(struct upstream *u, struct err *err)
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
	arm(u, EV_READ | EV_WRITE);
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
	u->ev = event_new(loop_base(p->loop), -1, 0, on_ready, u);
	if (!u->ev || timer_init(&u->timer, p->loop, on_timer, u, err)) {
		err_nomem(err);
		upstream_free(u);
		return NULL;
	}
	return u;
}

// Ends the exchange; the connection is closed.
static void drop(struct upstream *u)
{
	u->gone = true;
	if (!u->busy)
		upstream_free(u);
}

static void fail(struct upstream *u, int status)
{
	u->pool->count.failures++;
	u->gone = true;
	u->events->on_fail(u->ctx, status);
}

// A clean end: to the pool, or closed.
static void finish(struct upstream *u)
{
	struct upstream_pool *p = u->pool;
	const struct upstream_events *events = u->events;
	void *ctx = u->ctx;
	bool keep = u->response_keep && u->request_done && u->in.len == 0 && u->out.len == 0 && !u->private &&
		    p->count.idle < p->opt.max_idle;

	if (keep) {
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
		arm(u, EV_READ);
		timer_set(&u->timer, p->opt.idle_ms);
	} else {
		u->gone = true;
	}
	events->on_end(ctx);
}

// The kept connection had been closed by the service: once more on a fresh one.
static bool try_again(struct upstream *u)
{
	struct buf spare;

	if (!u->used || u->got_bytes || !u->idempotent || u->again.len == 0)
		return false;
	arm(u, 0);
	stream_close(&u->s);
	spare = u->out;
	u->out = u->again;
	u->again = spare;
	u->again.len = 0;
	u->out_off = 0;
	if (open_connection(u, NULL))
		return false;
	u->pool->count.retries++;
	return true;
}

// ---- moving bytes --------------------------------------------------------------------------------------------------
static void flush_out(struct upstream *u)
{
	bool was_full = upstream_room(u) == 0;

	while (u->out_off < u->out.len) {
		ssize_t w = stream_write(&u->s, u->out.data + u->out_off, u->out.len - u->out_off);

		if (w == STREAM_AGAIN)
			break;
		if (w < 0) {
			// What the service said before it stopped reading is still to be read; that decides.
			u->out_off = u->out.len;
			u->request_done = false;
			u->response_keep = false;
			break;
		}
		u->out_off += (size_t)w;
	}
	if (u->out_off == u->out.len) {
		u->out.len = u->out_off = 0;
		if (u->out.cap > 8192)
			buf_free(&u->out);
	}
	if (was_full && upstream_room(u) && !u->gone)
		u->events->on_drain(u->ctx);
}

// Passes content bytes p[0..n) through the decoder to the front; what has no room stays in `in`. -1: broken framing.
static int deliver(struct upstream *u, const char *p, size_t n)
{
	while (n && !http1_done(&u->decoder) && !u->gone) {
		size_t room = u->events->room(u->ctx);
		struct http1_span content;
		long took;

		if (room == 0) {
			u->starved = true;
			break;
		}
		took = http1_decode(&u->decoder, p, n < room ? n : room, &content);
		if (took < 0)
			return -1;
		if (content.n)
			u->events->on_body(u->ctx, content.p, content.n);
		p += took;
		n -= (size_t)took;
	}
	if (u->gone)
		return 0;
	if (http1_done(&u->decoder) && n)
		u->response_keep = false; // bytes that nobody asked for
	else if (n && buf_add(&u->in, p, n, NULL))
		return -1;
	return 0;
}

static int on_head_bytes(struct upstream *u)
{
	struct http1_head *head = &u->pool->head;

	for (;;) {
		int n = http1_parse_response((const char *)u->in.data, u->in.len, &u->scanned, u->is_head, head);
		struct buf rest;
		int rc;

		if (n < 0 || (n > 0 && head->status == 101 && !u->upgrade))
			return -1;
		if (n == 0)
			return 0;
		u->response_keep = head->keep_alive;
		u->scanned = 0;
		timer_set(&u->timer, u->pool->opt.response_ms);
		if (head->status == 101) {
			u->decoder.state = HTTP1_S_DONE;
			u->stolen = false;
			u->scanned = (size_t)n; // where the rest begins, for upstream_steal
			u->events->on_head(u->ctx, head);
			if (!u->stolen && !u->gone)
				return -1;
			u->gone = true;
			return 0;
		}
		u->events->on_head(u->ctx, head);
		if (u->gone)
			return 0;
		if (head->status / 100 == 1) {
			buf_consume(&u->in, (size_t)n);
			continue;
		}
		u->state = U_BODY;
		http1_decoder_init(&u->decoder, head);
		rest = u->in;
		u->in = (struct buf)BUF_INIT(0);
		rc = deliver(u, (const char *)rest.data + n, rest.len - (size_t)n);
		buf_free(&rest);
		return rc;
	}
}

// The stream ended or broke. True if that completes the response.
static void on_stream_end(struct upstream *u, ssize_t r)
{
	if (u->state == U_BODY && u->in.len == 0 && r == STREAM_EOF && http1_decode_eof(&u->decoder))
		return; // the caller sees http1_done
	if (u->state == U_HEAD && try_again(u))
		return;
	fail(u, 502);
}

// Content that waited for room.
static int deliver_waiting(struct upstream *u)
{
	struct buf waiting = u->in;
	int rc;

	u->in = (struct buf)BUF_INIT(0);
	rc = deliver(u, (const char *)waiting.data, waiting.len);
	buf_free(&waiting);
	return rc;
}

// One read and what follows from it. False when there is nothing more to do now.
static bool read_step(struct upstream *u)
{
	uint8_t *scratch = loop_scratch(u->pool->loop);
	size_t want = READ_MAX;
	ssize_t r;
	int rc;

	if (u->state == U_BODY) {
		size_t room = u->events->room(u->ctx);

		if (room == 0) {
			u->starved = true;
			return false;
		}
		if (want > room)
			want = room;
	}
	r = stream_read(&u->s, scratch, want);
	if (r == STREAM_AGAIN)
		return false;
	if (r <= 0) {
		on_stream_end(u, r);
		return false;
	}
	u->got_bytes = true;
	u->last_ms = loop_now_ms();
	if (u->state == U_BODY) {
		rc = deliver(u, (const char *)scratch, (size_t)r);
	} else {
		rc = buf_add(&u->in, scratch, (size_t)r, NULL);
		if (rc == 0)
			rc = on_head_bytes(u);
	}
	if (rc && !u->gone)
		fail(u, 502);
	// A short read means that the socket is empty: asking again would only say so.
	return !u->gone && (size_t)r == want && u->state == U_BODY;
}

static bool body_complete(const struct upstream *u)
{
	return u->state == U_BODY && http1_done(&u->decoder) && !u->gone;
}

// Arms for what comes next. The flush just now may have made the room that was missing.
static void wait_next(struct upstream *u)
{
	if (u->starved && u->events->room(u->ctx) > 0) {
		u->starved = false;
		u->kick = u->in.len > 0;
	}
	arm(u, stream_events(&u->s, !u->starved, u->out.len > 0 || u->state == U_CONNECT));
	if (u->kick)
		event_active(u->ev, EV_READ, 1);
}

static void run(struct upstream *u)
{
	int turns = 0;

	u->busy = true;
	u->starved = u->kick = false;
	flush_out(u);
	if (!u->gone && u->in.len && u->state == U_BODY && deliver_waiting(u) && !u->gone)
		fail(u, 502);
	while (!u->gone && !u->starved && !body_complete(u) && turns++ < 16 && read_step(u))
		;
	if (!u->gone && u->state != U_IDLE) {
		if (body_complete(u))
			finish(u);
		else
			u->events->on_flush(u->ctx);
		if (!u->gone && u->state != U_IDLE)
			wait_next(u);
	}
	u->busy = false;
	if (u->gone)
		upstream_free(u);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *u = arg;

	(void)fd;
	if (u->state == U_IDLE) { // closed by the service, or it speaks out of turn
		unlink_idle(u);
		upstream_free(u);
		return;
	}
	if (u->state == U_CONNECT) {
		int errnum = addr_connect_result(u->s.fd);

		if (!errnum && !(what & EV_WRITE))
			return;
		if (errnum) {
			u->busy = true;
			fail(u, 502);
			upstream_free(u);
			return;
		}
		u->state = U_HEAD;
		timer_set(&u->timer, u->pool->opt.response_ms);
	}
	run(u);
}

static void on_timer(void *ctx)
{
	struct upstream *u = ctx;
	uint64_t quiet = loop_now_ms() - u->last_ms;

	if (u->state == U_IDLE) {
		unlink_idle(u);
	} else if (u->state != U_CONNECT && (u->starved || !u->request_done || quiet < u->pool->opt.response_ms)) {
		// While the front has no room or more to say, it is not the service that is late.
		bool late = u->starved || !u->request_done;

		timer_set(&u->timer, late ? u->pool->opt.response_ms : (unsigned)(u->pool->opt.response_ms - quiet));
		return;
	} else {
		u->busy = true;
		fail(u, u->refused ? 502 : 504);
	}
	upstream_free(u);
}

// ---- the front's calls ---------------------------------------------------------------------------------------------
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

		unlink_idle(u);
		upstream_free(u);
	}
	free(p);
}

const struct upstream_counters *upstream_pool_counters(const struct upstream_pool *p)
{
	return &p->count;
}

// A kept connection that is still open, or a new one.
static struct upstream *take_connection(struct upstream_pool *p, const struct upstream_request *rq, struct err *err)
{
	struct upstream *u;

	while (!rq->greeting && p->idle) {
		char c;

		u = p->idle;
		unlink_idle(u);
		if (recv(u->s.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			u->state = U_HEAD;
			p->count.reuses++;
			timer_set(&u->timer, p->opt.response_ms);
			return u;
		}
		upstream_free(u);
	}
	u = upstream_new(p, err);
	if (!u || (open_connection(u, NULL) == 0))
		return u;
	// The refusal is told from the loop, as every other: the timer fires at once.
	u->state = U_CONNECT;
	u->refused = true;
	timer_set(&u->timer, 1);
	return u;
}

struct upstream *upstream_start(struct upstream_pool *p, const struct upstream_request *rq,
				const struct upstream_events *events, void *ctx, struct err *err)
{
	struct upstream *u = take_connection(p, rq, err);

	if (!u)
		return NULL;
	u->events = events;
	u->ctx = ctx;
	u->is_head = rq->is_head;
	u->idempotent = rq->idempotent;
	u->upgrade = rq->upgrade;
	u->body = rq->body;
	u->private = rq->greeting != NULL;
	u->request_done = rq->body == HTTP1_NONE;
	u->response_keep = u->got_bytes = u->starved = u->kick = false;
	u->scanned = 0;
	u->last_ms = loop_now_ms();
	u->in.max = HTTP1_HEAD_MAX + READ_MAX;
	p->count.exchanges++;
	if (buf_add(&u->out, rq->greeting, rq->greeting_len, err) || buf_add(&u->out, rq->head, rq->head_len, err) ||
	    (u->used && u->idempotent && buf_add(&u->again, rq->head, rq->head_len, err))) {
		drop(u);
		return NULL;
	}
	if (u->state == U_HEAD)
		flush_out(u);
	if (u->s.fd >= 0)
		arm(u, stream_events(&u->s, true, u->out.len > 0 || u->state == U_CONNECT));
	return u;
}

size_t upstream_room(const struct upstream *u)
{
	size_t waiting = u->out.len - u->out_off;

	return waiting + 64 < UPSTREAM_BUFFER_MAX ? UPSTREAM_BUFFER_MAX - 64 - waiting : 0;
}

// Writes at once if the connection stands; what it does not take waits.
static void push(struct upstream *u)
{
	bool was_busy = u->busy;

	if (u->state == U_CONNECT)
		return;
	u->busy = true;
	while (u->out_off < u->out.len) {
		ssize_t w = stream_write(&u->s, u->out.data + u->out_off, u->out.len - u->out_off);

		if (w < 0)
			break; // an error is met again, and told, in run
		u->out_off += (size_t)w;
	}
	if (u->out_off == u->out.len)
		u->out.len = u->out_off = 0;
	u->busy = was_busy;
	if (!u->busy && (u->out.len || u->s.write_broken))
		arm(u, stream_events(&u->s, true, true));
}

int upstream_body(struct upstream *u, const char *p, size_t n)
{
	char line[HTTP1_CHUNK_HEAD_MAX];
	bool chunked = u->body == HTTP1_CHUNKED;

	if (n == 0)
		return 0;
	if (u->out_off >= UPSTREAM_BUFFER_MAX / 2) {
		buf_consume(&u->out, u->out_off);
		u->out_off = 0;
	}
	if ((chunked && buf_add(&u->out, line, http1_chunk_head(line, n), NULL)) || buf_add(&u->out, p, n, NULL) ||
	    (chunked && buf_add(&u->out, "\r\n", 2, NULL)))
		return -1;
	push(u);
	return 0;
}

int upstream_body_end(struct upstream *u)
{
	if (u->request_done)
		return 0;
	if (u->body == HTTP1_CHUNKED && buf_add(&u->out, "0\r\n\r\n", 5, NULL))
		return -1;
	u->request_done = true;
	if (u->state != U_CONNECT)
		timer_set(&u->timer, u->pool->opt.response_ms);
	push(u);
	return 0;
}

void upstream_resume(struct upstream *u)
{
	if (u->starved && !u->busy) {
		u->kick = true;
		event_active(u->ev, EV_READ, 1);
	}
}

void upstream_cancel(struct upstream *u)
{
	if (!u)
		return;
	stream_abort(&u->s);
	drop(u);
}

int upstream_steal(struct upstream *u, struct stream *out, struct buf *rest)
{
	int rc = buf_add(rest, u->in.data + u->scanned, u->in.len - u->scanned, NULL);

	if (rc == 0 && u->out.len > u->out_off)
		rc = -1; // an upgrade request has no content, so its head is out before the answer
	if (rc)
		return -1;
	arm(u, 0);
	*out = u->s;
	u->s = (struct stream)STREAM_INIT;
	u->stolen = true;
	return 0;
}
