// SPDX-License-Identifier: Apache-2.0
//
// Both senders work alike: a batch is made, the host is dialled, the batch written, our side ended, and what the host
// answers is read and dropped until it closes or the time is up. One connection a batch, one batch at a time: a host
// that is away costs one dial an interval.
#include "runtime/data-plane/report.h"

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"
#include "runtime/common/ctl_frame.h"
#include "runtime/data-plane/exchange.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	QUEUE_MAX = 512,        // transactions that wait; more are lost and counted
	BATCH_MAX = 64,         // of them in one frame
	BATCH_MS = 2000,        // how long the first may wait
	SEND_MS = 5000,         // for one batch, all told
	METRICS_MAX = 8 * 1024, // of lines
	TEXT_MAX = 128,         // of a target
};

struct entry {
	uint8_t id[16];
	uint64_t time_ms, status, elapsed_us, bytes_in, bytes_out;
	char method[20], target[TEXT_MAX + 4], remote[INET6_ADDRSTRLEN];
	struct buf headers[2]; // request's, response's: as struct transaction has them
};

struct sender {
	struct report *report;
	const struct addr *to;
	struct dial *dial;
	struct stream s;
	struct event *ev;
	struct timer timer;
	struct buf out;
	size_t off;
};

struct report {
	struct shared *shared;
	struct sender metrics, transactions;
	struct timer tick, batch;
	struct report_metrics last;
	struct entry *queue;
	size_t n_queue;
	bool batch_set;
	uint64_t lost;
};

// ---- sending -------------------------------------------------------------------------------------------------------
static void sender_stop(struct sender *s)
{
	dial_cancel(s->dial);
	s->dial = NULL;
	if (s->ev)
		event_free(s->ev);
	s->ev = NULL;
	stream_close(&s->s);
	buf_free(&s->out);
	s->off = 0;
	if (s->timer.ev)
		timer_set(&s->timer, 0);
}

static bool sender_busy(const struct sender *s)
{
	return s->dial || s->ev;
}

static void sender_expired(void *ctx)
{
	sender_stop(ctx);
}

static void on_sendable(evutil_socket_t fd, short what, void *arg)
{
	struct sender *s = arg;
	struct loop *loop = s->report->shared->loop;

	(void)fd, (void)what;
	while (s->off < s->out.len) {
		ssize_t w = stream_write(&s->s, s->out.data + s->off, s->out.len - s->off);

		if (w == STREAM_AGAIN)
			return;
		if (w < 0) {
			sender_stop(s);
			return;
		}
		s->off += (size_t)w;
	}
	if (!s->s.shut) {
		stream_shutdown(&s->s);
		event_del(s->ev);
		event_assign(s->ev, loop_base(loop), s->s.fd, EV_READ | EV_PERSIST, on_sendable, s);
		event_add(s->ev, NULL);
		return;
	}
	// One read a wake-up: a host that writes without end has us no longer than SEND_MS, and never alone.
	ssize_t r = stream_read(&s->s, loop_scratch(loop), LOOP_SCRATCH);

	if (r == STREAM_EOF || r == STREAM_ERROR)
		sender_stop(s);
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct sender *s = ctx;

	(void)errnum;
	s->dial = NULL;
	if (fd < 0) {
		sender_stop(s);
		return;
	}
	s->s = stream_plain(fd);
	s->ev = event_new(loop_base(s->report->shared->loop), fd, EV_WRITE | EV_PERSIST, on_sendable, s);
	if (!s->ev || event_add(s->ev, NULL))
		sender_stop(s);
}

// Sends s->out.
static void sender_go(struct sender *s)
{
	timer_set(&s->timer, SEND_MS);
	s->dial = dial_start(s->report->shared->loop, s->to, SEND_MS, on_dialled, s, NULL);
	if (!s->dial)
		sender_stop(s);
}

static int sender_init(struct sender *s, struct report *r, const struct addr *to, struct err *err)
{
	*s = (struct sender){.report = r, .to = to, .s = STREAM_INIT};
	return timer_init(&s->timer, r->shared->loop, sender_expired, s, err);
}

// ---- metrics -------------------------------------------------------------------------------------------------------
static size_t read_small(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, cap - 1);

	if (fd >= 0)
		close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

// "MemTotal:   123 kB" of /proc/meminfo; 0 if absent.
static unsigned long long meminfo(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 10) : 0;
}

static int put_machine(struct buf *out, struct err *err)
{
	char text[4096];
	unsigned long long a = 0, b = 0, c = 0;
	double load = 0;

	read_small("/proc/meminfo", text, sizeof(text));
	if (buf_printf(out, err, "memory.total:%llu|g\nmemory.available:%llu|g\n", meminfo(text, "MemTotal:"),
		       meminfo(text, "MemAvailable:")))
		return -1;
	read_small("/proc/sys/fs/file-nr", text, sizeof(text));
	if (sscanf(text, "%llu %llu %llu", &a, &b, &c) == 3 &&
	    buf_printf(out, err, "fd.allocated:%llu|g\nfd.max:%llu|g\n", a, c))
		return -1;
	read_small("/proc/loadavg", text, sizeof(text));
	load = strtod(text, NULL);
	return buf_printf(out, err, "cpu.cores:%ld|g\ncpu.one:%.2f|g\n", sysconf(_SC_NPROCESSORS_ONLN), load);
}

static int put_process(struct buf *out, struct err *err)
{
	char text[256];
	unsigned long long size = 0, resident = 0;
	struct rusage use;

	read_small("/proc/self/statm", text, sizeof(text));
	(void)!sscanf(text, "%llu %llu", &size, &resident);
	getrusage(RUSAGE_SELF, &use);
	return buf_printf(out, err, "plane.memory.resident:%llu|g\nplane.cpu.seconds:%lld|g\n",
			  resident * (unsigned long long)sysconf(_SC_PAGESIZE) / 1024,
			  (long long)use.ru_utime.tv_sec + use.ru_stime.tv_sec);
}

static int put_counter(struct buf *out, const char *name, uint64_t now, uint64_t *last, struct err *err)
{
	uint64_t more = now - *last;

	*last = now;
	return more ? buf_printf(out, err, "%s:%llu|c\n", name, (unsigned long long)more) : 0;
}

// StatsD reads a signed gauge as a change, so the two directions have names of their own.
static int put_clock(struct buf *out, const struct host_view *host, struct err *err)
{
	int64_t offset = host->clock_offset_ms;

	if (!host->clock_known)
		return 0;
	return buf_printf(out, err, "clock.behind.ms:%lld|g\nclock.ahead.ms:%lld|g\n",
			  offset > 0 ? (long long)offset : 0, offset < 0 ? -(long long)offset : 0);
}

int report_lines(struct buf *out, const struct shared *shared, struct report_metrics *last, struct err *err)
{
	const struct ingress_counters *c = &shared->count;
	const struct upstream_counters *up = upstream_pool_counters(shared->pool);

	if (put_machine(out, err) || put_process(out, err) || put_clock(out, &shared->host, err) ||
	    buf_printf(out, err, "ingress.connections:%u|g\n", shared->conns.in_use) ||
	    put_counter(out, "ingress.requests", c->requests, &last->requests, err) ||
	    put_counter(out, "ingress.accepted", shared->conns.admitted, &last->accepted, err) ||
	    put_counter(out, "ingress.shed", shared->conns.shed, &last->shed, err) ||
	    put_counter(out, "ingress.tls.failed", c->tls_failed, &last->tls_failed, err) ||
	    put_counter(out, "ingress.first.timeouts", c->first_timeouts, &last->first_timeouts, err) ||
	    buf_printf(out, err, "service.connections:%u|g\n", up->open) ||
	    put_counter(out, "service.shed", up->shed, &last->service_shed, err) ||
	    put_counter(out, "ingress.bytes.in", c->bytes_in, &last->bytes_in, err) ||
	    put_counter(out, "ingress.bytes.out", c->bytes_out, &last->bytes_out, err))
		return -1;
	return 0;
}

static void on_tick(void *ctx)
{
	struct report *r = ctx;
	struct sender *s = &r->metrics;

	timer_set(&r->tick, (unsigned)r->shared->config->report.interval_ms);
	if (sender_busy(s))
		return;
	s->out.max = METRICS_MAX;
	if (report_lines(&s->out, r->shared, &r->last, NULL))
		sender_stop(s);
	else
		sender_go(s);
}

// ---- transactions --------------------------------------------------------------------------------------------------
static void entry_free(struct entry *e)
{
	buf_free(&e->headers[0]);
	buf_free(&e->headers[1]);
}

// The pairs of text into h, which has room for TRX_HEADERS_MAX; their number.
static size_t split_headers(const struct buf *text, struct ctl_header *h)
{
	const char *p = (const char *)text->data, *end = text->len ? p + text->len : p;
	size_t n = 0;

	for (; p < end && n < TRX_HEADERS_MAX; n++) {
		h[n].name = p;
		h[n].value = p + strlen(p) + 1;
		p = h[n].value + strlen(h[n].value) + 1;
	}
	return n;
}

static int put_batch(struct report *r, size_t n)
{
	_cleanup_free_ struct ctl_header *headers = mem_alloc(2 * BATCH_MAX * TRX_HEADERS_MAX * sizeof(*headers), NULL);
	struct ctl_transaction t[BATCH_MAX];
	char ids[BATCH_MAX][33];

	if (!headers)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct entry *e = &r->queue[i];
		struct ctl_header *rq = headers + 2 * i * TRX_HEADERS_MAX, *rs = rq + TRX_HEADERS_MAX;

		t[i] = (struct ctl_transaction){.id = hex_encode(e->id, sizeof(e->id), ids[i]),
						.time_ms = e->time_ms,
						.kind = e->status == 101 ? "websocket" : "http",
						.method = e->method,
						.target = e->target,
						.remote = e->remote[0] ? e->remote : NULL,
						.status = e->status,
						.elapsed_us = e->elapsed_us,
						.bytes_in = e->bytes_in,
						.bytes_out = e->bytes_out,
						.request_headers = rq,
						.request_header_count = split_headers(&e->headers[0], rq),
						.response_headers = rs,
						.response_header_count = split_headers(&e->headers[1], rs)};
	}
	return ctl_put_transactions(&r->transactions.out, t, n, NULL);
}

static void on_batch(void *ctx)
{
	struct report *r = ctx;
	size_t n = r->n_queue < BATCH_MAX ? r->n_queue : BATCH_MAX;

	r->batch_set = false;
	if (n && !sender_busy(&r->transactions)) {
		if (put_batch(r, n)) {
			sender_stop(&r->transactions);
			r->lost += n;
		} else {
			sender_go(&r->transactions);
		}
		for (size_t i = 0; i < n; i++)
			entry_free(&r->queue[i]);
		r->n_queue -= n;
		memmove(r->queue, r->queue + n, r->n_queue * sizeof(*r->queue));
	}
	if (r->n_queue) {
		r->batch_set = true;
		timer_set(&r->batch, r->n_queue >= BATCH_MAX ? 50 : BATCH_MS);
	}
}

static void on_transaction(void *ctx, const struct transaction *t)
{
	struct report *r = ctx;
	struct timespec now;
	struct entry *e;

	if (r->n_queue == QUEUE_MAX) {
		r->lost++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	e = &r->queue[r->n_queue++];
	*e = (struct entry){.status = (uint64_t)t->status,
			    .elapsed_us = t->elapsed_us,
			    .bytes_in = t->bytes_in,
			    .bytes_out = t->bytes_out};
	e->time_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 - t->elapsed_us / 1000;
	RAND_bytes(e->id, sizeof(e->id));
	snprintf(e->method, sizeof(e->method), "%s", t->method ? t->method : "");
	snprintf(e->target, sizeof(e->target), "%s", t->path ? t->path : "");
	addr_host(&t->who->addr, e->remote);
	e->headers[0].max = e->headers[1].max = TRX_TEXT_MAX;
	// Without memory the entry goes without them.
	(void)!buf_add(&e->headers[0], t->request_headers->data, t->request_headers->len, NULL);
	(void)!buf_add(&e->headers[1], t->response_headers->data, t->response_headers->len, NULL);
	if (!r->batch_set) {
		r->batch_set = true;
		timer_set(&r->batch, BATCH_MS);
	}
}

// ---- life ----------------------------------------------------------------------------------------------------------
struct report *report_new(struct shared *shared, struct err *err)
{
	struct report *r = mem_zalloc(1, sizeof(*r), err);
	const struct plane_config *c = shared->config;

	if (!r)
		return NULL;
	r->shared = shared;
	if (sender_init(&r->metrics, r, &c->report.metrics, err) ||
	    sender_init(&r->transactions, r, &c->report.transactions_to, err) ||
	    timer_init(&r->tick, shared->loop, on_tick, r, err) ||
	    timer_init(&r->batch, shared->loop, on_batch, r, err))
		goto fail;
	if (c->report.transactions) {
		r->queue = mem_zalloc(QUEUE_MAX, sizeof(*r->queue), err);
		if (!r->queue)
			goto fail;
		shared->on_transaction = on_transaction;
		shared->transaction_ctx = r;
	}
	if (c->report.metrics.kind != ADDR_NONE)
		timer_set(&r->tick, (unsigned)c->report.interval_ms);
	return r;
fail:
	report_free(r);
	return NULL;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	r->shared->on_transaction = NULL;
	sender_stop(&r->metrics);
	sender_stop(&r->transactions);
	timer_free(&r->metrics.timer);
	timer_free(&r->transactions.timer);
	timer_free(&r->tick);
	timer_free(&r->batch);
	for (size_t i = 0; i < r->n_queue; i++)
		entry_free(&r->queue[i]);
	free(r->queue);
	free(r);
}
