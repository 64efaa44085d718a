// SPDX-License-Identifier: Apache-2.0
//
// The method and path that are kept for the log are cut, and the path ends before its query: what follows may be
// secret. Header values are `***` but for those of the built-in list and report.trusted_headers
// (facts/runtime.md 2.13). All of it leaves as printable ASCII, so that no client can write an entry that the host's
// reader refuses.
#include "runtime/data-plane/exchange.h"

#include "base/buf.h"
#include "base/mem.h"
#include "runtime/common/log.h"
#include "runtime/common/proxy.h"
#include "runtime/data-plane/forward.h"

#include <string.h>
#include <time.h>

enum { METHOD_LOG_MAX = 16, PATH_LOG_MAX = 128 };

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void make_printable(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] > '~')
			p[i] = '?';
}

static char *short_copy(const char *p, size_t n, size_t max)
{
	char *copy = mem_dup(p, n < max ? n : max, NULL);

	if (copy)
		make_printable(copy, n < max ? n : max);
	return copy;
}

static int put_clean(struct buf *out, struct http1_span s)
{
	size_t at = out->len, n = s.n < TRX_VALUE_MAX ? s.n : TRX_VALUE_MAX;

	if (buf_add(out, s.p, n, NULL))
		return -1;
	make_printable((char *)out->data + at, n);
	return buf_add_byte(out, '\0', NULL);
}

static void note_headers(struct buf *out, const struct http1_head *head, const struct config_list *trusted)
{
	*out = (struct buf)BUF_INIT(TRX_TEXT_MAX);
	for (size_t i = 0; i < head->n_fields && i < TRX_HEADERS_MAX; i++) {
		const struct http1_field *f = &head->fields[i];
		struct http1_span value = {"***", 3};
		size_t before = out->len;

		if (log_header_allowed(f->name.p, f->name.n, (const char *const *)trusted->items, trusted->n))
			value = f->value;
		if (put_clean(out, f->name) || put_clean(out, value)) {
			out->len = before; // a pair that does not fit whole is not told
			return;
		}
	}
}

// Is this request told? One of so many, as the host asks; that none is told at all is the measured configuration's say.
static bool is_sampled(const struct shared *shared)
{
	uint64_t every = shared->host.transaction_sample;

	return shared->on_transaction && (every < 2 || shared->count.requests % every == 0);
}

void trx_begin(struct trx *t, struct shared *shared, const struct http1_head *rq)
{
	*t = (struct trx){.started_us = 0};
	shared->count.requests++;
	if (!is_sampled(shared))
		return;
	t->started_us = now_us();
	t->method = short_copy(rq->method.p, rq->method.n, METHOD_LOG_MAX);
	t->path = short_copy(rq->path.p, log_target_len(rq->path.p, rq->path.n), PATH_LOG_MAX);
	note_headers(&t->request_headers, rq, &shared->config->report.trusted_headers);
}

void trx_response(struct trx *t, const struct shared *shared, const struct http1_head *rs)
{
	if (t->method && !t->response_headers.len)
		note_headers(&t->response_headers, rs, &shared->config->report.trusted_headers);
}

void trx_end(struct trx *t, struct shared *shared, const struct client *who, const char *version)
{
	struct transaction told = {.who = who,
				   .method = t->method,
				   .path = t->path,
				   .status = t->status,
				   .bytes_in = t->bytes_in,
				   .bytes_out = t->bytes_out,
				   .version = version,
				   .request_headers = &t->request_headers,
				   .response_headers = &t->response_headers};

	if (shared->on_transaction && t->method) {
		told.elapsed_us = now_us() - t->started_us;
		shared->on_transaction(shared->transaction_ctx, &told);
	}
	free(t->method);
	free(t->path);
	buf_free(&t->request_headers);
	buf_free(&t->response_headers);
	t->method = t->path = NULL;
}

int exchange_admit(struct shared *shared, const struct http1_head *rq)
{
	uint64_t max = shared->config->ingress.body_max;

	if (shared->keys && !apikeys_admit(shared->keys, rq)) {
		shared->count.unauthorized++;
		return 401;
	}
	return max && rq->body == HTTP1_LENGTH && rq->length > max ? 413 : 0;
}

bool exchange_is_head(const struct http1_head *rq)
{
	return rq->method.n == 4 && !memcmp(rq->method.p, "HEAD", 4);
}

struct upstream *exchange_start(struct shared *shared, const struct client *who, bool tls, const struct http1_head *rq,
				bool upgrade, const struct upstream_events *events, void *ctx)
{
	_cleanup_buf_ struct buf head = BUF_INIT(FORWARD_HEAD_MAX);
	uint8_t greeting[PROXY_OUT_MAX];
	struct upstream_request up = {.is_head = exchange_is_head(rq),
				      .idempotent = rq->body == HTTP1_NONE && forward_is_idempotent(rq) && !upgrade,
				      .upgrade = upgrade,
				      .body = rq->body};

	if (forward_request(&head, rq, rq->body, &who->addr, tls, upgrade, NULL))
		return NULL;
	up.head = (const char *)head.data;
	up.head_len = head.len;
	if (shared->config->ingress.forward_proxy) {
		up.greeting = (const char *)greeting;
		up.greeting_len = proxy_format(&who->addr, &who->local, greeting);
	}
	return upstream_start(shared->pool, &up, events, ctx, NULL);
}
