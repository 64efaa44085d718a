// SPDX-License-Identifier: Apache-2.0
//
// States of a connection:
//
//   CONNECT ─writable─► HEAD ─final head─► BODY ─end─► IDLE (pool) ─upstream_start─► HEAD …
//
// The read event stays armed from connecting on, so a request on a kept connection needs no change to epoll; it is
// taken down only while the front has no room. Events to the front may end the exchange (cancel): `gone` is set then
// and the object is freed by the outermost frame of ours on the stack.
#include "runtime/data-plane/upstream_conn.h"

enum {
	READ_MAX = 32 * 1024,
	// interim heads before a response: the front keeps them for a client that does not read
	INTERIM_MAX = HTTP1_HEAD_MAX,
	INTERIM_COST = 512,      // what keeping one takes beside its bytes
	INTERIM_A_SECOND = 1024, // forgiven: who says every second that it is still at work may do so for ever
};

// ---- ends ----------------------------------------------------------------------------------------------------------
static void fail(struct upstream *u, int status)
{
	u->pool->count.failures++;
	upstream_retire(u);
	u->events->on_fail(u->ctx, status);
}

// A clean end: to the pool, or closed.
static void finish(struct upstream *u)
{
	const struct upstream_events *events = u->events;
	void *ctx = u->ctx;
	bool keep = u->response_keep && u->request_done && u->in.len == 0 && u->out.len == 0 && !u->private &&
		    !u->s.write_broken;

	if (!keep || !upstream_pool_keep(u))
		upstream_retire(u);
	events->on_end(ctx);
}

// The kept connection had been closed by the service: once more on a fresh one.
static bool try_again(struct upstream *u)
{
	struct buf spare;

	if (!u->used || u->got_bytes || !u->idempotent || u->again.len == 0)
		return false;
	upstream_arm(u, 0);
	stream_close(&u->s);
	spare = u->out;
	u->out = u->again;
	u->again = spare;
	u->again.len = 0;
	u->out_off = 0;
	if (upstream_connect(u, NULL))
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
			// What the service said before it stopped reading is still to be read; that decides, and
			// from here on it is the service that is waited for.
			u->out_off = u->out.len;
			u->request_done = true;
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

// Counts an interim head of n bytes. True: too many have come in too short a time.
static bool interim_is_over(struct upstream *u, size_t n)
{
	uint64_t now = loop_now_ms(), forgiven = (now - u->interim_ms) * INTERIM_A_SECOND / 1000;

	if (forgiven) {
		u->interim = u->interim > forgiven ? u->interim - (size_t)forgiven : 0;
		u->interim_ms = now;
	}
	u->interim += n + INTERIM_COST;
	return u->interim > INTERIM_MAX;
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
			upstream_retire(u);
			return 0;
		}
		if (head->status / 100 == 1 && interim_is_over(u, (size_t)n))
			return -1;
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
	upstream_arm(u, stream_events(&u->s, !u->starved, u->out.len > 0 || u->state == U_CONNECT));
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

void upstream_on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *u = arg;

	(void)fd;
	if (u->state == U_IDLE) { // closed by the service, or it speaks out of turn
		upstream_pool_forget(u);
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

void upstream_on_timer(void *ctx)
{
	struct upstream *u = ctx;
	uint64_t quiet = loop_now_ms() - u->last_ms;

	if (u->state == U_IDLE) {
		upstream_pool_forget(u);
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
struct upstream *upstream_start(struct upstream_pool *p, const struct upstream_request *rq,
				const struct upstream_events *events, void *ctx, struct err *err)
{
	struct upstream *u = upstream_pool_take(p, rq, err);

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
	u->scanned = u->interim = 0;
	u->last_ms = u->interim_ms = loop_now_ms();
	u->in.max = HTTP1_HEAD_MAX + READ_MAX;
	p->count.exchanges++;
	if (buf_add(&u->out, rq->greeting, rq->greeting_len, err) || buf_add(&u->out, rq->head, rq->head_len, err) ||
	    (u->used && u->idempotent && buf_add(&u->again, rq->head, rq->head_len, err))) {
		upstream_drop(u);
		return NULL;
	}
	if (u->state == U_HEAD)
		flush_out(u);
	if (u->s.fd >= 0)
		upstream_arm(u, stream_events(&u->s, true, u->out.len > 0 || u->state == U_CONNECT));
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
		upstream_arm(u, stream_events(&u->s, true, true));
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
	upstream_drop(u);
}

int upstream_steal(struct upstream *u, struct stream *out, struct buf *rest)
{
	int rc = buf_add(rest, u->in.data + u->scanned, u->in.len - u->scanned, NULL);

	if (rc == 0 && u->out.len > u->out_off)
		rc = -1; // an upgrade request has no content, so its head is out before the answer
	if (rc)
		return -1;
	upstream_arm(u, 0);
	*out = u->s;
	u->s = (struct stream)STREAM_INIT;
	u->stolen = true;
	return 0;
}
