// SPDX-License-Identifier: Apache-2.0
//
// A stream of HTTP/2: its request becomes an HTTP/1.1 exchange with the service, whose answer becomes frames. nghttp2
// checks the message rules (pseudo fields, no connection fields, content against content-length); what is checked here
// is what HTTP/1 needs on top, since a name or a path that is harmless in HTTP/2's binary form could split a head
// written as text.
#include "runtime/data-plane/h2_stream.h"

#include "base/mem.h"
#include "runtime/data-plane/forward.h"

#include <limits.h>
#include <string.h>

enum { OUT_MAX = 64 * 1024 };

// ---- life ----------------------------------------------------------------------------------------------------------
struct h2_stream *h2_stream_new(struct h2 *c, int32_t id)
{
	struct h2_stream *st = mem_zalloc(1, sizeof(*st), NULL);

	if (!st)
		return NULL;
	st->h2 = c;
	st->id = id;
	st->moved_ms = c->last_ms;
	h2_fields_init(&st->fields);
	st->next = c->streams;
	if (st->next)
		st->next->prev = st;
	c->streams = st;
	return st;
}

// What waits in `in` is of no use any more. The connection's window is opened for it, or it would be that much smaller
// for all other streams to its end; the stream's own stays shut.
static void drop_content(struct h2_stream *st)
{
	if (st->in.len)
		nghttp2_session_consume_connection(st->h2->ng, st->in.len);
	buf_free(&st->in);
}

void h2_stream_free(struct h2_stream *st)
{
	trx_end(&st->trx, st->h2->f.session.shared, &st->h2->f.who, "2");
	upstream_cancel(st->up);
	if (st->prev)
		st->prev->next = st->next;
	else
		st->h2->streams = st->next;
	if (st->next)
		st->next->prev = st->prev;
	h2_fields_free(&st->fields);
	drop_content(st);
	buf_free(&st->out);
	free(st);
}

// ---- time ----------------------------------------------------------------------------------------------------------
static size_t pending(const struct h2_stream *st)
{
	return st->out.len - st->out_off;
}

unsigned h2_stream_patience(const struct h2_stream *st, uint64_t now)
{
	const struct plane_config *c = st->h2->f.session.shared->config;
	uint64_t limit, quiet = now - st->moved_ms;

	if (!st->begun)
		limit = c->ingress.header_ms;
	else if (pending(st))
		limit = c->ingress.idle_ms;
	else if (!st->ended && (!st->in_ended || st->in.len))
		limit = c->ingress.body_ms;
	else
		return UINT_MAX;
	return quiet < limit ? (unsigned)(limit - quiet) : 0;
}

static void reset(struct h2_stream *st, uint32_t code)
{
	nghttp2_submit_rst_stream(st->h2->ng, NGHTTP2_FLAG_NONE, st->id, code);
}

// ---- responses -----------------------------------------------------------------------------------------------------
static ssize_t read_content(nghttp2_session *ng, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
			    nghttp2_data_source *source, void *user)
{
	struct h2_stream *st = source->ptr;
	size_t have = pending(st), k = have < n ? have : n;

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
	if (k && st->h2->last_ms > st->moved_ms)
		st->moved_ms = st->h2->last_ms; // it was the client's window that came, or its socket that took
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
		if (n)
			nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, st->id, NULL, nv, n, NULL);
		return;
	}
	st->responded = true;
	st->trx.status = head->status;
	trx_response(&st->trx, st->h2->f.session.shared, head);
	session_count_status(st->h2->f.session.shared, head->status);
	rc = n ? nghttp2_submit_response(ng, st->id, nv, n, head->body == HTTP1_NONE ? NULL : &content) : -1;
	if (rc)
		reset(st, NGHTTP2_INTERNAL_ERROR);
}

static size_t room(void *ctx)
{
	const struct h2_stream *st = ctx;

	return pending(st) < OUT_MAX ? OUT_MAX - pending(st) : 0;
}

static void on_body(void *ctx, const char *p, size_t n)
{
	struct h2_stream *st = ctx;

	st->trx.bytes_out += n;
	if (!pending(st))
		st->moved_ms = loop_now_ms(); // from here on it is the client that is waited for
	if (st->out_off) {
		buf_consume(&st->out, st->out_off);
		st->out_off = 0;
	}
	if (buf_add(&st->out, p, n, NULL))
		reset(st, NGHTTP2_INTERNAL_ERROR);
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
	drop_content(st);
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
	nghttp2_nv nv[] = {h2_nv(":status", 7, code, 3), h2_nv("content-type", 12, "application/json", 16),
			   h2_nv("retry-after", 11, "1", 1)};

	upstream_cancel(st->up);
	st->up = NULL;
	st->ended = true;
	drop_content(st);
	if (st->responded || buf_add(&st->out, body, st->head_only ? 0 : n, NULL)) {
		reset(st, NGHTTP2_INTERNAL_ERROR);
		return;
	}
	st->moved_ms = loop_now_ms();
	st->responded = true;
	st->trx.status = status;
	session_count_status(st->h2->f.session.shared, status);
	h2_put_status(code, status);
	nghttp2_submit_response(ng, st->id, nv, status == 503 ? 3 : 2, &content);
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

	st->moved_ms = loop_now_ms();
	pass_content(st);
	h2_wake(st->h2);
}

static const struct upstream_events events = {on_head, room, on_body, on_drain, on_flush, on_end, on_fail};

void h2_stream_begin(struct h2_stream *st, bool ended)
{
	struct shared *shared = st->h2->f.session.shared;
	struct http1_head *rq = &shared->head;
	_cleanup_buf_ struct buf cookie = BUF_INIT(HTTP1_HEAD_MAX);
	int status = h2_fields_head(&st->fields, rq, &cookie, ended);

	st->begun = true;
	st->moved_ms = st->h2->last_ms;
	st->in_ended = ended;
	st->head_only = exchange_is_head(rq); // of a refused head, too: as far as it was read
	if (status) {
		shared->count.requests++;
		shared->count.refused++;
		h2_fields_free(&st->fields); // the client may take its time with the answer
		answer(st, status);
		return;
	}
	trx_begin(&st->trx, shared, rq);
	status = exchange_admit(shared, rq);
	if (!status) {
		st->up = exchange_start(shared, &st->h2->f.who, st->h2->f.s.ssl != NULL, rq, false, &events, st);
		status = st->up ? 0 : 503;
	}
	if (status)
		answer(st, status);
	else if (ended)
		pass_content(st);
	h2_fields_free(&st->fields);
}

void h2_stream_content(struct h2_stream *st, const uint8_t *p, size_t n)
{
	nghttp2_session *ng = st->h2->ng;
	uint64_t max = st->h2->f.session.shared->config->ingress.body_max;

	st->moved_ms = st->h2->last_ms;
	if (!st->up) { // answered already: take it off the windows and forget it
		nghttp2_session_consume(ng, st->id, n);
		return;
	}
	st->trx.bytes_in += n;
	if (max && st->trx.bytes_in > max) {
		nghttp2_session_consume(ng, st->id, n);
		answer(st, 413);
	} else if (buf_add(&st->in, p, n, NULL)) {
		nghttp2_session_consume(ng, st->id, n);
		answer(st, 503);
	} else {
		pass_content(st);
	}
}

void h2_stream_content_end(struct h2_stream *st)
{
	st->in_ended = true;
	pass_content(st);
}

bool h2_stream_expire(struct h2_stream *st, uint64_t now)
{
	if (!st->begun)
		return false;
	st->h2->f.session.shared->count.refused++;
	st->moved_ms = now;
	if (!st->responded) {
		answer(st, st->in.len ? 504 : 408);
		return true;
	}
	upstream_cancel(st->up);
	st->up = NULL;
	st->ended = true;
	drop_content(st);
	buf_free(&st->out);
	st->out_off = 0;
	reset(st, NGHTTP2_CANCEL);
	return true;
}
