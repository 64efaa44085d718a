// SPDX-License-Identifier: Apache-2.0
//
// HTTP/2 with a client (RFC 9113), framing by nghttp2: the connection, its windows, limits and end. What becomes of a
// request is h2_stream.h's.
//
// Floods of settings, pings, continuations and of the client's resets are limited by nghttp2; resets that the client
// brings us to send ourselves (a window past its limit, content past its length) cost the service as much, so all of
// them together are limited here.
#include "runtime/data-plane/h2_stream.h"

#include <limits.h>

enum {
	OUT_MAX = 64 * 1024,
	READ_MAX = 16 * 1024,
	STREAMS_MAX = 100,
	CONNECTION_WINDOW = 1024 * 1024,
	RESETS_BURST = 1000, // as nghttp2 has it for those of the client
	RESETS_A_SECOND = 33,
};

static void h2_run(struct h2 *c, bool may_read);

// `end`: with its unit of the cap, which else the next station has.
static void h2_free(struct h2 *c, bool end)
{
	while (c->streams)
		h2_stream_free(c->streams);
	nghttp2_session_del(c->ng);
	front_close(&c->f, end);
}

// All is said, if not written: the connection ends.
static void h2_leave(struct h2 *c)
{
	farewell_open(&c->f);
	h2_free(c, false);
}

void h2_wake(struct h2 *c)
{
	if (!c->busy)
		event_active(c->f.ev, EV_WRITE, 1);
}

// ---- time ----------------------------------------------------------------------------------------------------------
// How often the streams are looked at: their waits begin and change without the timer's being told.
static unsigned look_ms(const struct h2 *c)
{
	const struct plane_config *cfg = c->f.session.shared->config;
	uint64_t least = cfg->ingress.header_ms < cfg->ingress.body_ms ? cfg->ingress.header_ms : cfg->ingress.body_ms;

	return (unsigned)(cfg->ingress.idle_ms < least ? cfg->ingress.idle_ms : least);
}

// Has the timer look in `wait`, if it would not sooner.
static void look_in(struct h2 *c, uint64_t now, uint64_t wait)
{
	if (c->fires_at && c->fires_at <= now + wait)
		return;
	c->fires_at = now + wait;
	timer_set(&c->f.timer, wait ? (unsigned)wait : 1);
}

static void on_timer(void *ctx)
{
	struct h2 *c = ctx;
	uint64_t now = loop_now_ms(), quiet = now - c->last_ms, idle = c->f.session.shared->config->ingress.idle_ms;
	unsigned next = look_ms(c), patience;
	bool expired = false;

	for (struct h2_stream *st = c->streams, *after; st; st = after) {
		after = st->next;
		patience = h2_stream_patience(st, now);
		if (patience == 0) {
			if (!h2_stream_expire(st, now)) {
				h2_free(c, true);
				return;
			}
			expired = true;
		} else if (patience < next) {
			next = patience;
		}
	}
	// Streams that wait for the service keep a quiet connection; one that does not take what we write is over.
	if (quiet >= idle && (!c->streams || front_pending(&c->f))) {
		h2_free(c, true);
		return;
	}
	c->fires_at = 0;
	look_in(c, now, c->streams ? next : idle - quiet);
	if (expired)
		h2_run(c, false);
}

// Too many streams that ended by a reset, whoever sent it: the connection is closed.
static void count_reset(struct h2 *c)
{
	uint64_t now = loop_now_ms(), forgiven = (now - c->resets_ms) * RESETS_A_SECOND / 1000;

	if (forgiven) {
		c->resets = c->resets > forgiven ? c->resets - (unsigned)forgiven : 0;
		c->resets_ms = now;
	}
	if (++c->resets > RESETS_BURST)
		nghttp2_session_terminate_session(c->ng, NGHTTP2_ENHANCE_YOUR_CALM);
}

// ---- nghttp2's calls -----------------------------------------------------------------------------------------------
static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
	struct h2 *c = user;
	struct h2_stream *st;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = h2_stream_new(c, frame->hd.stream_id);
	if (!st)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	look_in(c, c->last_ms, look_ms(c));
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

	(void)flags, (void)user;
	if (st)
		h2_stream_content(st, p, n);
	else
		nghttp2_session_consume(ng, id, n);
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
		h2_stream_begin(st, ended);
	} else if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && ended) {
		h2_stream_content_end(st);
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

	if (code != NGHTTP2_NO_ERROR)
		count_reset(user);
	if (st)
		h2_stream_free(st);
	return 0;
}

// ---- the connection ------------------------------------------------------------------------------------------------
static void flush_out(struct h2 *c)
{
	while (!c->gone) {
		const uint8_t *p;
		ssize_t n = front_write(&c->f);

		if (n < 0)
			c->gone = true;
		if (n > 0)
			c->last_ms = loop_now_ms();
		if (n < 0 || front_pending(&c->f))
			return;
		// Many small frames leave in one write.
		while (c->f.out.len < OUT_MAX / 2 && (n = nghttp2_session_mem_send(c->ng, &p)) > 0)
			if (buf_add(&c->f.out, p, (size_t)n, NULL)) {
				c->gone = true;
				return;
			}
		if (c->f.out.len == 0) {
			buf_free(&c->f.out);
			return;
		}
	}
}

static bool read_some(struct h2 *c)
{
	uint8_t *p = loop_scratch(c->f.session.shared->loop);
	ssize_t r = stream_read(&c->f.s, p, READ_MAX);

	if (r == STREAM_AGAIN)
		return false;
	if (r <= 0) {
		stream_shutdown(&c->f.s);
		c->gone = true; // without a client there is nobody to answer to
		return false;
	}
	c->last_ms = loop_now_ms();
	c->f.session.shared->count.bytes_in += (size_t)r;
	c->over |= nghttp2_session_mem_recv(c->ng, p, (size_t)r) < 0; // what it says to that is still to be sent
	return !c->over && (r >= READ_MAX / 2 || stream_pending(&c->f.s));
}

static void arm(struct h2 *c)
{
	bool blocked = front_pending(&c->f) > 0;

	// A client that does not take what it asked for is not asked for more.
	front_wait(&c->f, stream_events(&c->f.s, !blocked, blocked));
	if (!blocked && stream_pending(&c->f.s))
		event_active(c->f.ev, EV_READ, 1);
}

static void h2_run(struct h2 *c, bool may_read)
{
	c->busy = true;
	flush_out(c);
	for (int turns = 0; may_read && !c->gone && !c->over && !front_pending(&c->f) && turns < 16; turns++) {
		bool more = read_some(c);

		flush_out(c);
		if (!more)
			break;
	}
	c->busy = false;
	c->over |= !nghttp2_session_want_read(c->ng) && !nghttp2_session_want_write(c->ng);
	if (c->gone)
		h2_free(c, true);
	else if (c->over)
		h2_leave(c);
	else
		arm(c);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct h2 *c = arg;

	(void)fd;
	// TLS may wait for writability before it can read.
	h2_run(c, (what & EV_READ) || c->f.s.read_on != EV_READ);
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
	h2_free((struct h2 *)s, true);
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
	static const struct front_calls calls = {h2_drain, h2_kill, on_ready, on_timer};
	struct h2 *c = front_open(sizeof(*c), shared, s, who, &calls);

	if (!c)
		return;
	c->last_ms = loop_now_ms();
	if (make_session(c)) {
		h2_free(c, true);
		return;
	}
	look_in(c, c->last_ms, shared->config->ingress.idle_ms);
	if (shared->draining) // it was on its way when the others were told
		h2_drain(&c->f.session);
	else
		h2_run(c, true);
}
