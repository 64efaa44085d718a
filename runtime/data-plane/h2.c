// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2 with a client (RFC 9113), framing by nghttp2. Each stream becomes an HTTP/1.1 exchange with the service.
//
//   client DATA ─► stream window ─► upstream (≤ 64 KiB) ─► service      a window is opened again (consume) only for
//   what client DATA ◄─ stream.out (≤ 64 KiB) ◄──────────────── service      the service's side has taken
//
// nghttp2 checks the message rules (pseudo fields, no connection fields, content against content-length); what is
// checked here is what HTTP/1 needs on top, since a name or a path that is harmless in HTTP/2's binary form could split
// a head written as text. Floods of resets and settings are limited by nghttp2.
#include "base/buf.h"
#include "base/mem.h"
#include "runtime/data-plane/exchange.h"
#include "runtime/data-plane/forward.h"
#include "runtime/data-plane/h2_fields.h"

#include <string.h>

enum {
	OUT_MAX = 64 * 1024,
	READ_MAX = 16 * 1024,
	STREAMS_MAX = 100,
	CONNECTION_WINDOW = 1024 * 1024,
};

struct h2_stream {
	struct h2 *h2;
	struct h2_stream *prev, *next;
	int32_t id;
	struct upstream *up;
	struct h2_fields fields; // of the request, until it is sent on
	struct buf in;           // request content that the service had no room for; the stream's window bounds it
	bool in_ended, head_only, responded, ended;
	struct buf out; // response content not yet framed
	size_t out_off;
	struct trx trx;
};

struct h2 {
	struct session session;
	struct stream s;
	struct client who;
	struct event *ev;
	short armed;
	struct timer timer;
	uint64_t last_ms;
	nghttp2_session *ng;
	struct h2_stream *streams;
	struct buf out;
	size_t out_off;
	bool eof, busy, gone;
};

static void on_ready(evutil_socket_t fd, short what, void *arg);
static void h2_run(struct h2 *c, bool may_read);

static void stream_free(struct h2_stream *st)
{
	trx_end(&st->trx, st->h2->session.shared, &st->h2->who, "2");
	upstream_cancel(st->up);
	if (st->prev)
		st->prev->next = st->next;
	else
		st->h2->streams = st->next;
	if (st->next)
		st->next->prev = st->prev;
	h2_fields_free(&st->fields);
	buf_free(&st->in);
	buf_free(&st->out);
	free(st);
}

static void h2_free(struct h2 *c)
{
	while (c->streams)
		stream_free(c->streams);
	nghttp2_session_del(c->ng);
	if (c->ev)
		event_free(c->ev);
	timer_free(&c->timer);
	stream_close(&c->s);
	buf_free(&c->out);
	session_leave(&c->session, true);
	free(c);
}

// Something is to be sent: once all exchanges that are ready in this turn of the loop have spoken, so that their frames
// leave in one record.
static void h2_wake(struct h2 *c)
{
	if (!c->busy)
		event_active(c->ev, EV_WRITE, 1);
}

// ---- responses -----------------------------------------------------------------------------------------------------
static ssize_t read_content(nghttp2_session *ng, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
			    nghttp2_data_source *source, void *user)
{
	struct h2_stream *st = source->ptr;
	size_t have = st->out.len - st->out_off, k = have < n ? have : n;

	(void)ng, (void)id, (void)user;
	if (k)
		memcpy(p, st->out.data + st->out_off, k);
	st->out_off += k;
	if (k == have) {
		buf_free(&st->out);
		st->out_off = 0;
	}
	if (k == have && st->ended)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	else if (k == 0)
		return NGHTTP2_ERR_DEFERRED;
	if (k && st->up)
		upstream_resume(st->up);
	return (ssize_t)k;
}

static void on_head(void *ctx, const struct http1_head *head)
{
	struct h2_stream *st = ctx;
	nghttp2_session *ng = st->h2->ng;
	_cleanup_buf_ struct buf names = BUF_INIT(0);
	nghttp2_nv nv[H2_SENT_FIELDS_MAX];
	nghttp2_data_provider content = {.source.ptr = st, .read_callback = read_content};
	char status[3];
	size_t n = h2_fields_response(head, status, nv, &names);
	int rc;

	if (head->status / 100 == 1) {
		nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, st->id, NULL, nv, n, NULL);
		return;
	}
	st->responded = true;
	st->trx.status = head->status;
	trx_response(&st->trx, st->h2->session.shared, head);
	session_count_status(st->h2->session.shared, head->status);
	rc = n ? nghttp2_submit_response(ng, st->id, nv, n, head->body == HTTP1_NONE ? NULL : &content) : -1;
	if (rc)
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_INTERNAL_ERROR);
}

static size_t room(void *ctx)
{
	const struct h2_stream *st = ctx;
	size_t have = st->out.len - st->out_off;

	return have < OUT_MAX ? OUT_MAX - have : 0;
}

static void on_body(void *ctx, const char *p, size_t n)
{
	struct h2_stream *st = ctx;

	st->trx.bytes_out += n;
	if (st->out_off) {
		buf_consume(&st->out, st->out_off);
		st->out_off = 0;
	}
	if (buf_add(&st->out, p, n, NULL))
		nghttp2_submit_rst_stream(st->h2->ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_INTERNAL_ERROR);
}

static void on_flush(void *ctx)
{
	struct h2_stream *st = ctx;
	struct h2 *c = st->h2;

	if (st->out.len)
		nghttp2_session_resume_data(c->ng, st->id);
	h2_wake(c);
}

static void on_end(void *ctx)
{
	struct h2_stream *st = ctx;

	st->up = NULL;
	st->ended = true;
	buf_free(&st->in);
	nghttp2_session_resume_data(st->h2->ng, st->id);
	on_flush(st);
}

// Our own answer.
static void answer(struct h2_stream *st, int status)
{
	nghttp2_session *ng = st->h2->ng;
	nghttp2_data_provider content = {.source.ptr = st, .read_callback = read_content};
	char body[FORWARD_ERROR_BODY_MAX], code[3];
	size_t n = forward_error_body(body, status);
	nghttp2_nv nv[] = {h2_nv(":status", 7, code, 3), h2_nv("content-type", 12, "application/json", 16)};

	upstream_cancel(st->up);
	st->up = NULL;
	st->ended = true;
	if (st->responded || buf_add(&st->out, body, st->head_only ? 0 : n, NULL)) {
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	st->responded = true;
	st->trx.status = status;
	session_count_status(st->h2->session.shared, status);
	h2_put_status(code, status);
	nghttp2_submit_response(ng, st->id, nv, 2, &content);
}

static void on_fail(void *ctx, int status)
{
	struct h2_stream *st = ctx;
	struct h2 *c = st->h2;

	st->up = NULL;
	answer(st, status);
	h2_wake(c);
}

// ---- requests ------------------------------------------------------------------------------------------------------
// Passes waiting content on and opens the window by as much.
static void pass_content(struct h2_stream *st)
{
	size_t n;

	if (!st->up)
		return;
	n = upstream_room(st->up) < st->in.len ? upstream_room(st->up) : st->in.len;
	if (n && upstream_body(st->up, (const char *)st->in.data, n)) {
		answer(st, 503);
		return;
	}
	if (n)
		nghttp2_session_consume(st->h2->ng, st->id, n);
	buf_consume(&st->in, n);
	if (st->in.len == 0) {
		buf_free(&st->in);
		if (st->in_ended && upstream_body_end(st->up))
			answer(st, 503);
	}
}

static void on_drain(void *ctx)
{
	struct h2_stream *st = ctx;

	pass_content(st);
	h2_wake(st->h2);
}

static const struct upstream_events events = {on_head, room, on_body, on_drain, on_flush, on_end, on_fail};

static void begin_request(struct h2_stream *st, bool ended)
{
	struct shared *shared = st->h2->session.shared;
	struct http1_head *rq = &shared->head;
	_cleanup_buf_ struct buf cookie = BUF_INIT(HTTP1_HEAD_MAX);
	int status = h2_fields_head(&st->fields, rq, &cookie, ended);

	st->in_ended = ended;
	if (status) {
		shared->count.requests++;
		shared->count.refused++;
		answer(st, status);
		return;
	}
	st->head_only = exchange_is_head(rq);
	trx_begin(&st->trx, shared, rq);
	status = exchange_admit(shared, rq);
	if (!status) {
		st->up = exchange_start(shared, &st->h2->who, st->h2->s.ssl != NULL, rq, false, &events, st);
		status = st->up ? 0 : 503;
	}
	if (status)
		answer(st, status);
	h2_fields_free(&st->fields);
}

// ---- nghttp2's calls -----------------------------------------------------------------------------------------------
static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2 *c = user;
	struct h2_stream *st;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = mem_zalloc(1, sizeof(*st), NULL);
	if (!st)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	st->h2 = c;
	st->id = frame->hd.stream_id;
	h2_fields_init(&st->fields);
	st->next = c->streams;
	if (st->next)
		st->next->prev = st;
	c->streams = st;
	nghttp2_session_set_stream_user_data(ng, st->id, st);
	return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
		     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);

	(void)flags, (void)user;
	if (!st || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0; // trailers are dropped
	h2_fields_add(&st->fields, name, name_n, value, value_n);
	return 0;
}

// A field that HTTP does not allow: the stream is reset. (Without this call nghttp2 would leave the field out.)
static int on_invalid_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
			     const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	(void)ng, (void)frame, (void)name, (void)name_n, (void)value, (void)value_n, (void)flags, (void)user;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
	struct h2 *c = user;
	uint64_t max = c->session.shared->config->ingress.body_max;

	(void)flags;
	if (!st || !st->up) { // answered already: take it off the windows and forget it
		nghttp2_session_consume(ng, id, n);
		return 0;
	}
	st->trx.bytes_in += n;
	if (max && st->trx.bytes_in > max) {
		nghttp2_session_consume(ng, id, n);
		answer(st, 413);
	} else if (buf_add(&st->in, p, n, NULL)) {
		answer(st, 503);
	} else {
		pass_content(st);
	}
	return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)user;
	if (!st)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		begin_request(st, ended);
	} else if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && ended) {
		st->in_ended = true;
		pass_content(st);
	}
	return 0;
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

	(void)user;
	// Answered before the request was all there: the rest is not wanted (RFC 9113 8.1).
	if (st && ended && !st->in_ended && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
		nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t code, void *user)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

	(void)code, (void)user;
	if (st)
		stream_free(st);
	return 0;
}

// ---- the connection ------------------------------------------------------------------------------------------------
static void flush_out(struct h2 *c)
{
	while (!c->gone) {
		const uint8_t *p;
		ssize_t n;

		while (c->out_off < c->out.len) {
			n = stream_write(&c->s, c->out.data + c->out_off, c->out.len - c->out_off);
			if (n == STREAM_AGAIN)
				return;
			if (n < 0) {
				c->gone = true;
				return;
			}
			c->out_off += (size_t)n;
			c->last_ms = loop_now_ms();
			c->session.shared->count.bytes_out += (size_t)n;
		}
		c->out.len = c->out_off = 0;
		// Many small frames leave in one write.
		while (c->out.len < OUT_MAX / 2 && (n = nghttp2_session_mem_send(c->ng, &p)) > 0)
			if (buf_add(&c->out, p, (size_t)n, NULL)) {
				c->gone = true;
				return;
			}
		if (c->out.len == 0) {
			buf_free(&c->out);
			return;
		}
	}
}

static bool read_some(struct h2 *c)
{
	uint8_t *p = loop_scratch(c->session.shared->loop);
	ssize_t r = stream_read(&c->s, p, READ_MAX);

	if (r == STREAM_AGAIN)
		return false;
	if (r <= 0) {
		c->gone = true; // without a client there is nobody to answer to
		return false;
	}
	c->last_ms = loop_now_ms();
	c->session.shared->count.bytes_in += (size_t)r;
	if (nghttp2_session_mem_recv(c->ng, p, (size_t)r) < 0) {
		flush_out(c); // the GOAWAY that says why
		c->gone = true;
	}
	return !c->gone && (r >= READ_MAX / 2 || stream_pending(&c->s));
}

static void arm(struct h2 *c)
{
	bool blocked = c->out_off < c->out.len;
	// A client that does not take what it asked for is not asked for more.
	short want = stream_events(&c->s, !blocked, blocked);

	if (want != c->armed) {
		event_del(c->ev);
		c->armed = want;
		event_assign(c->ev, loop_base(c->session.shared->loop), c->s.fd, (short)(want | EV_PERSIST), on_ready,
			     c);
		event_add(c->ev, NULL);
	}
	if (!blocked && stream_pending(&c->s))
		event_active(c->ev, EV_READ, 1);
}

static void h2_run(struct h2 *c, bool may_read)
{
	c->busy = true;
	flush_out(c);
	for (int turns = 0; may_read && !c->gone && c->out_off == c->out.len && turns < 16; turns++) {
		bool more = read_some(c);

		flush_out(c);
		if (!more)
			break;
	}
	c->busy = false;
	if (!c->gone && c->out_off == c->out.len && !nghttp2_session_want_read(c->ng) &&
	    !nghttp2_session_want_write(c->ng))
		c->gone = true;
	if (c->gone) {
		stream_shutdown(&c->s);
		h2_free(c);
	} else {
		arm(c);
	}
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct h2 *c = arg;

	(void)fd;
	// TLS may wait for writability before it can read.
	h2_run(c, (what & EV_READ) || c->s.read_on != EV_READ);
}

static void on_timer(void *ctx)
{
	struct h2 *c = ctx;
	const struct plane_config *cfg = c->session.shared->config;
	bool uploading = false;
	uint64_t quiet = loop_now_ms() - c->last_ms, limit = cfg->ingress.idle_ms;

	for (const struct h2_stream *st = c->streams; st; st = st->next)
		uploading |= !st->in_ended;
	if (uploading)
		limit = cfg->ingress.body_ms;
	// Streams that only wait for the service are under the service's timers.
	if (quiet < limit || (c->streams && !uploading && c->out_off == c->out.len)) {
		timer_set(&c->timer, quiet < limit ? (unsigned)(limit - quiet) : (unsigned)limit);
		return;
	}
	h2_free(c);
}

static void h2_drain(struct session *s)
{
	struct h2 *c = (struct h2 *)s;

	nghttp2_submit_goaway(c->ng, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->ng),
			      NGHTTP2_NO_ERROR, NULL, 0);
	h2_run(c, true);
}

static void h2_kill(struct session *s)
{
	h2_free((struct h2 *)s);
}

static int make_session(struct h2 *c)
{
	static const nghttp2_settings_entry settings[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS_MAX},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP1_HEAD_MAX},
	};
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	int rc = -1;

	if (nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&opt) == 0) {
		nghttp2_option_set_no_auto_window_update(opt, 1);
		nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
		nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
		nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
		nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
		nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
		rc = nghttp2_session_server_new2(&c->ng, cb, c, opt);
	}
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	if (rc == 0)
		rc = nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, settings, 2);
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(c->ng, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
	return rc;
}

void h2_open(struct shared *shared, struct stream *s, const struct client *who)
{
	struct h2 *c = mem_zalloc(1, sizeof(*c), NULL);

	if (!c) {
		stream_close(s);
		conncap_release(&shared->conns);
		return;
	}
	session_enter(&c->session, shared, h2_drain, h2_kill);
	c->s = *s;
	*s = (struct stream)STREAM_INIT;
	c->who = *who;
	c->last_ms = loop_now_ms();
	c->ev = event_new(loop_base(shared->loop), c->s.fd, 0, on_ready, c);
	if (!c->ev || timer_init(&c->timer, shared->loop, on_timer, c, NULL) || make_session(c)) {
		h2_free(c);
		return;
	}
	timer_set(&c->timer, (unsigned)shared->config->ingress.idle_ms);
	h2_run(c, true);
}
