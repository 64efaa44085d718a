// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.0 and 1.1 with a client: one request at a time, in order, each an exchange with the service.
//
//   HEAD ─head─► BODY ─content in─► WAIT ─response out─► HEAD …          (pipelined bytes wait in `in`)
//     └─ bad ─► our own answer ─► LAST ─► the farewell's, with what is not yet written
//
// The client is read only as far as there is a use for its bytes: in BODY while the service takes them, in WAIT up to
// PIPELINE_MAX. The service is read only while `out` has room.
//
// Functions that may end the connection set `gone`; the outermost frame (h1_run, or the event that came in) frees it.
#include "runtime/data-plane/exchange.h"

#include "base/buf.h"
#include "runtime/data-plane/forward.h"
#include "runtime/data-plane/front.h"

#include <string.h>

enum {
	IN_READ = 16 * 1024,     // one read
	PIPELINE_MAX = 4 * 1024, // read ahead while a response is under way
	OUT_MAX = 64 * 1024,
};

enum h1_state { H1_HEAD, H1_BODY, H1_WAIT, H1_LAST };

struct h1 {
	struct front f;
	uint64_t since, fires_at; // the limit counts from `since`; when the timer will look
	enum h1_state state;
	struct buf in;
	size_t scanned;
	struct http1_decoder decoder; // of the request's content
	struct upstream *up;
	enum http1_body framing; // of the response
	int minor;               // the request's
	bool first, head_only, close_after, responded, eof, dry, busy, gone;
	struct trx trx;
};

static void h1_run(struct h1 *c);
static void h1_run_on(struct h1 *c);

static void tell(struct h1 *c)
{
	trx_end(&c->trx, c->f.session.shared, &c->f.who, c->minor ? "1.1" : "1.0");
}

// `end`: with its unit of the cap, which else the next station has.
static void h1_free(struct h1 *c, bool end)
{
	upstream_cancel(c->up);
	buf_free(&c->in);
	tell(c);
	front_close(&c->f, end);
}

// The last answer is made, if not written: the connection ends.
static void h1_leave(struct h1 *c)
{
	farewell_open(&c->f);
	h1_free(c, false);
}

static size_t pending(const struct h1 *c)
{
	return front_pending(&c->f);
}

// ---- time ----------------------------------------------------------------------------------------------------------
// How long the present wait may take; 0: the service's timers decide.
static unsigned limit_ms(const struct h1 *c)
{
	const struct plane_config *cfg = c->f.session.shared->config;

	if (pending(c))
		return (unsigned)cfg->ingress.idle_ms;
	if (c->state == H1_HEAD)
		return (unsigned)(c->in.len || c->first ? cfg->ingress.header_ms : cfg->ingress.idle_ms);
	return c->state == H1_BODY ? (unsigned)cfg->ingress.body_ms : 0;
}

// The timer is moved only when it would look too late.
static void touch(struct h1 *c, bool restart)
{
	unsigned limit = limit_ms(c);
	uint64_t now = loop_now_ms();

	if (restart)
		c->since = now;
	if (limit && (!c->fires_at || c->since + limit < c->fires_at)) {
		c->fires_at = c->since + limit;
		timer_set(&c->f.timer, c->fires_at > now ? (unsigned)(c->fires_at - now) : 1);
	}
}

// ---- writing -------------------------------------------------------------------------------------------------------
static void flush_out(struct h1 *c)
{
	ssize_t wrote = front_write(&c->f);

	if (wrote < 0) {
		c->gone = true;
		return;
	}
	if (c->f.out_off >= OUT_MAX / 2) {
		buf_consume(&c->f.out, c->f.out_off);
		c->f.out_off = 0;
	}
	if (wrote)
		touch(c, true);
	if (wrote && c->up && pending(c) < OUT_MAX / 2)
		upstream_resume(c->up);
}

static bool wants_read(const struct h1 *c)
{
	if (c->eof)
		return false;
	switch (c->state) {
	case H1_HEAD:
		return pending(c) < OUT_MAX / 2 || c->in.len < PIPELINE_MAX;
	case H1_BODY:
		return c->in.len == 0 && c->up && upstream_room(c->up) > 0;
	case H1_WAIT:
		return c->in.len < PIPELINE_MAX;
	default:
		return false;
	}
}

static void arm(struct h1 *c)
{
	front_wait(&c->f, stream_events(&c->f.s, wants_read(c), pending(c) > 0));
	if (wants_read(c) && stream_pending(&c->f.s))
		event_active(c->f.ev, EV_READ, 1);
}

// ---- the end of a request ------------------------------------------------------------------------------------------
static void next_request(struct h1 *c)
{
	tell(c);
	c->state = c->close_after || c->f.session.shared->draining ? H1_LAST : H1_HEAD;
	c->scanned = 0;
	c->first = false;
	if (c->in.len == 0)
		buf_free(&c->in);
	if (pending(c) == 0)
		buf_free(&c->f.out);
	touch(c, true);
	if (!c->busy)
		h1_run_on(c);
}

// Our own answer instead of the service's. If one has begun already the stream is cut.
static void answer(struct h1 *c, int status, bool close)
{
	upstream_cancel(c->up);
	c->up = NULL;
	if (c->responded) {
		stream_abort(&c->f.s);
		c->gone = true;
		return;
	}
	c->trx.status = status;
	session_count_status(c->f.session.shared, status);
	c->close_after |= close;
	if (forward_error(&c->f.out, status, c->close_after, c->head_only, NULL)) {
		c->gone = true;
		return;
	}
	next_request(c);
}

// ---- what the service sends ----------------------------------------------------------------------------------------
// An answer from within an event: runs the connection on, which may free it.
static void answer_now(struct h1 *c, int status, bool close)
{
	c->busy = true;
	answer(c, status, close);
	c->busy = false;
	h1_run(c);
}

// The service agreed to change protocol. Frees the connection: the tunnel has its stream.
static void turn_to_tunnel(struct h1 *c)
{
	_cleanup_buf_ struct buf rest = BUF_INIT(0);
	struct shared *shared = c->f.session.shared;
	struct stream service = STREAM_INIT;

	if (buf_add(&rest, c->f.out.data + c->f.out_off, pending(c), NULL) || upstream_steal(c->up, &service, &rest)) {
		c->responded = true; // the head of the 101 waits in `out`: no other answer may follow it
		return;
	}
	c->up = NULL;
	event_del(c->f.ev);
	c->trx.status = 101;
	session_count_status(shared, 101);
	tell(c);
	// The unit of the cap goes with the connection: one more for the tunnel, ours is given back when we go.
	shared->conns.in_use++;
	tunnel_open(shared, &c->f.s, &service, c->in.data, c->in.len, rest.data, rest.len);
	h1_free(c, true);
}

static void on_head(void *ctx, const struct http1_head *head)
{
	struct h1 *c = ctx;
	bool final = head->status / 100 != 1;

	if (!final && head->status != 101 && c->minor == 0)
		return; // HTTP/1.0 knows no interim responses
	if (final && (!c->close_after && c->state == H1_BODY))
		c->close_after = true; // an early answer: where the request ends is not waited for
	if (forward_response(&c->f.out, head, c->minor, c->head_only, c->close_after, &c->framing, NULL)) {
		c->gone = true;
		return;
	}
	if (head->status == 101) {
		turn_to_tunnel(c);
	} else if (final) {
		c->responded = true;
		c->trx.status = head->status;
		trx_response(&c->trx, c->f.session.shared, head);
		session_count_status(c->f.session.shared, head->status);
		if (c->framing == HTTP1_CLOSE)
			c->close_after = true;
	}
}

static size_t room(void *ctx)
{
	const struct h1 *c = ctx;

	return pending(c) + 64 < OUT_MAX ? OUT_MAX - 64 - pending(c) : 0;
}

static void on_body(void *ctx, const char *p, size_t n)
{
	struct h1 *c = ctx;
	char line[HTTP1_CHUNK_HEAD_MAX];
	bool chunked = c->framing == HTTP1_CHUNKED;

	c->trx.bytes_out += n;
	if ((chunked && buf_add(&c->f.out, line, http1_chunk_head(line, n), NULL)) || buf_add(&c->f.out, p, n, NULL) ||
	    (chunked && buf_add(&c->f.out, "\r\n", 2, NULL)))
		c->gone = true;
}

static void on_drain(void *ctx)
{
	struct h1 *c = ctx;

	if (!c->busy)
		h1_run(c);
}

static void on_flush(void *ctx)
{
	struct h1 *c = ctx;

	if (!c->gone)
		flush_out(c);
	if (c->busy)
		return;
	if (c->gone)
		h1_free(c, true);
	else
		arm(c);
}

static void on_end(void *ctx)
{
	struct h1 *c = ctx;

	c->up = NULL;
	if (c->framing == HTTP1_CHUNKED && buf_add(&c->f.out, "0\r\n\r\n", 5, NULL))
		c->gone = true;
	if (c->state == H1_BODY)
		c->close_after = true;
	if (c->gone) {
		if (!c->busy)
			h1_free(c, true);
		return;
	}
	next_request(c);
}

static void on_fail(void *ctx, int status)
{
	struct h1 *c = ctx;

	c->up = NULL;
	answer_now(c, status, c->state == H1_BODY);
}

static const struct upstream_events events = {on_head, room, on_body, on_drain, on_flush, on_end, on_fail};

// ---- what the client sends -----------------------------------------------------------------------------------------
// A whole head is there.
static void begin_request(struct h1 *c, const struct http1_head *rq)
{
	struct shared *shared = c->f.session.shared;
	int refused = exchange_admit(shared, rq);

	c->minor = rq->minor;
	c->head_only = exchange_is_head(rq);
	c->close_after = !rq->keep_alive || shared->draining;
	c->responded = false;
	c->framing = HTTP1_NONE;
	trx_begin(&c->trx, shared, rq);
	http1_decoder_init(&c->decoder, rq);
	c->state = rq->body == HTTP1_NONE ? H1_WAIT : H1_BODY;
	if (refused) {
		answer(c, refused, c->state == H1_BODY);
		return;
	}
	c->up = exchange_start(shared, &c->f.who, c->f.s.ssl != NULL, rq, forward_may_upgrade(rq), &events, c);
	if (!c->up)
		answer(c, 503, c->state == H1_BODY);
}

// True if it got on.
static bool head_step(struct h1 *c)
{
	struct http1_head *rq = &c->f.session.shared->head;
	int n = c->in.len ? http1_parse_request((const char *)c->in.data, c->in.len, &c->scanned, rq) : 0;

	if (n == 0 && c->eof) {
		c->state = H1_LAST; // between requests, or in the middle of a head: there is nobody to answer to
		return true;
	}
	if (n == 0)
		return false;
	if (n < 0) {
		c->f.session.shared->count.refused++;
		c->responded = c->head_only = false;
		c->in.len = 0;
		answer(c, -n, true);
		return true;
	}
	begin_request(c, rq);
	if (!c->gone)
		buf_consume(&c->in, (size_t)n);
	touch(c, true);
	return true;
}

// Passes content on to the service. True if it got on.
static bool body_step(struct h1 *c)
{
	uint64_t max = c->f.session.shared->config->ingress.body_max;
	size_t at = 0;

	while (at < c->in.len && c->up && !http1_done(&c->decoder)) {
		size_t space = upstream_room(c->up), n = c->in.len - at;
		struct http1_span content;
		long took;

		if (space == 0)
			break;
		took = http1_decode(&c->decoder, (const char *)c->in.data + at, n < space ? n : space, &content);
		if (took < 0 || (max && c->decoder.total > max)) {
			c->f.session.shared->count.refused++;
			answer(c, took < 0 ? 400 : 413, true);
			return true;
		}
		at += (size_t)took;
		c->trx.bytes_in += content.n;
		if (content.n && upstream_body(c->up, content.p, content.n)) {
			answer(c, 503, true);
			return true;
		}
	}
	buf_consume(&c->in, at);
	if (at)
		touch(c, true);
	if (http1_done(&c->decoder)) {
		c->state = H1_WAIT;
		if (c->up && upstream_body_end(c->up))
			answer(c, 503, true);
		return true;
	}
	if (c->eof && c->in.len == 0) { // cut in the middle of its content
		upstream_cancel(c->up);
		c->up = NULL;
		c->gone = true;
	}
	return false;
}

// One read. True if bytes or an EOF came.
static bool read_step(struct h1 *c)
{
	ssize_t r;

	if (!wants_read(c) || c->dry)
		return false;
	if (buf_reserve(&c->in, IN_READ, NULL)) {
		c->gone = true;
		return false;
	}
	r = stream_read(&c->f.s, c->in.data + c->in.len, c->in.cap - c->in.len);
	if (r > 0) {
		bool fresh = c->in.len == 0 && c->state == H1_HEAD;

		// After little there is hardly more: asking costs a system call, and epoll will tell.
		c->dry = r < IN_READ / 2 && !stream_pending(&c->f.s);
		c->f.session.shared->count.bytes_in += (size_t)r;
		c->in.len += (size_t)r;
		touch(c, fresh); // a head's time runs from its first byte
	} else if (r == STREAM_EOF) {
		c->eof = true;
	} else if (r == STREAM_ERROR) {
		c->gone = true;
	} else if (c->in.len == 0 && c->state == H1_HEAD) {
		buf_free(&c->in); // an idle connection holds no buffer
	}
	return r >= 0;
}

static bool step(struct h1 *c)
{
	switch (c->state) {
	case H1_HEAD:
		// Answers that pile up unread are not added to, and no more requests read meanwhile (wants_read).
		return pending(c) < OUT_MAX / 2 && head_step(c);
	case H1_BODY:
		return body_step(c);
	default:
		return false;
	}
}

static void h1_pump(struct h1 *c)
{
	bool again = true;

	c->busy = true;
	for (int turns = 0; again && !c->gone && turns < 64; turns++) {
		if (pending(c))
			flush_out(c);
		again = !c->gone && (step(c) || (!c->gone && read_step(c)));
	}
	if (!c->gone && pending(c))
		flush_out(c);
	c->busy = false;
	if (c->gone) {
		h1_free(c, true);
		return;
	}
	if (c->state == H1_LAST) {
		h1_leave(c);
		return;
	}
	arm(c);
	if (again) // others have their turn first; after arm, which takes an event down and with it its activation
		event_active(c->f.ev, EV_READ, 1);
}

// Something may be there to read.
static void h1_run(struct h1 *c)
{
	c->dry = false;
	h1_pump(c);
}

// It was the service that moved us: bytes of the client's would be told by epoll, unless TLS holds them.
static void h1_run_on(struct h1 *c)
{
	c->dry = !stream_pending(&c->f.s);
	h1_pump(c);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	h1_run(arg);
}

static void on_timer(void *ctx)
{
	struct h1 *c = ctx;
	unsigned limit = limit_ms(c);

	c->fires_at = 0;
	if (!limit || loop_now_ms() < c->since + limit) {
		touch(c, false);
		return;
	}
	if (pending(c) || (c->state == H1_HEAD && c->in.len == 0)) {
		h1_free(c, true); // silence, or nobody who reads
		return;
	}
	if (c->state == H1_HEAD)
		c->responded = c->head_only = false;
	c->f.session.shared->count.refused++;
	// Who takes nothing more is the service, or who says nothing more the client.
	answer_now(c, c->state == H1_BODY && c->up && upstream_room(c->up) == 0 ? 504 : 408, true);
}

// ---- life ----------------------------------------------------------------------------------------------------------
static void h1_drain(struct session *s)
{
	struct h1 *c = (struct h1 *)s;

	c->close_after = true;
	if (c->state == H1_HEAD && c->in.len == 0) {
		c->state = H1_LAST;
		h1_run(c);
	}
}

static void h1_kill(struct session *s)
{
	h1_free((struct h1 *)s, true);
}

void h1_open(struct shared *shared, struct stream *s, const struct client *who, const void *first, size_t n)
{
	static const struct front_calls calls = {h1_drain, h1_kill, on_ready, on_timer};
	struct h1 *c = front_open(sizeof(*c), shared, s, who, &calls);

	if (!c)
		return;
	c->first = true;
	c->minor = 1;
	c->in.max = HTTP1_HEAD_MAX + IN_READ * 2;
	if (buf_add(&c->in, first, n, NULL)) {
		h1_free(c, true);
		return;
	}
	touch(c, true);
	h1_run(c);
}
