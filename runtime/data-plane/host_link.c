// SPDX-License-Identifier: Apache-2.0
//
//   WAIT ─interval─► dial ─► ask time ─► reply ─► ask config ─► reply ─► close ─► WAIT
//     └───────────── any fault, or LIMIT_MS over: close ◄──────┘
//
// The offset is the host's reading less the middle of our two; a round trip longer than TRIP_MAX_US leaves it too
// uncertain to be told.
#include "runtime/data-plane/host_link.h"

#include "base/mem.h"
#include "runtime/common/ctl_frame.h"
#include "runtime/common/log.h"
#include "runtime/data-plane/advice.h"

#include <time.h>

enum {
	FIRST_MS = 200, // after start-up, so that a wish of the host's does not wait an interval
	LIMIT_MS = 5000,
	TRIP_MAX_US = 500 * 1000,
	OFFSET_WARN_MS = 1000,
	OFFSET_NEWS_MS = 100, // a change worth a line
};

enum question { ASK_TIME, ASK_CONFIG, ASK_END };

struct host_link {
	struct shared *shared;
	struct health *health;
	struct timer next, limit;
	struct dial *dial;
	struct stream s;
	struct event *ev;
	enum question at;
	int64_t asked_us; // on our clock
	struct buf in;
	size_t want;
	struct advice advice;
	int64_t logged_ms;
	bool logged;
};

static int64_t unix_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void end_round(struct host_link *h, const char *fault)
{
	if (fault) {
		h->shared->host.failed++;
		log_event(LOG_DEBUG, "host.unheard", LOG_STR("why", fault));
	}
	dial_cancel(h->dial);
	h->dial = NULL;
	if (h->ev)
		event_free(h->ev);
	h->ev = NULL;
	stream_close(&h->s);
	buf_free(&h->in);
	timer_set(&h->limit, 0);
	timer_set(&h->next, (unsigned)h->shared->config->control.interval_ms);
}

// ---- what is made of the replies -----------------------------------------------------------------------------------
static int take_time(struct host_link *h, struct err *err)
{
	struct host_view *view = &h->shared->host;
	int64_t now = unix_now_us(), trip = now - h->asked_us, host_us, offset;

	if (advice_read_time(h->in.data + CTL_HEAD, h->in.len - CTL_HEAD, &host_us, err))
		return -1;
	if (trip < 0 || trip > TRIP_MAX_US)
		return 0; // slow, or our own clock was moved meanwhile
	offset = (host_us - (h->asked_us + trip / 2)) / 1000;
	view->clock_known = true;
	view->clock_offset_ms = offset;
	if (h->logged && offset - h->logged_ms < OFFSET_NEWS_MS && h->logged_ms - offset < OFFSET_NEWS_MS)
		return 0;
	h->logged = true;
	h->logged_ms = offset;
	log_event(offset < -OFFSET_WARN_MS || offset > OFFSET_WARN_MS ? LOG_WARN : LOG_INFO, "host.clock",
		  LOG_I64("offset_ms", offset), LOG_I64("round_trip_us", trip));
	return 0;
}

static int take_config(struct host_link *h, struct err *err)
{
	struct shared *shared = h->shared;
	uint64_t measured = shared->config->ingress.max_connections;
	struct advice a;

	if (advice_read(h->in.data + CTL_HEAD, h->in.len - CTL_HEAD, &a, err))
		return -1;
	if (a.log_level != h->advice.log_level || a.draining != h->advice.draining ||
	    a.transaction_sample != h->advice.transaction_sample || a.max_connections != h->advice.max_connections)
		log_event(LOG_WARN, "host.config", LOG_BOOL("draining", a.draining),
			  LOG_U64("transaction_sample", a.transaction_sample),
			  LOG_U64("max_connections", a.max_connections), LOG_U64("unknown_keys", a.unknown));
	h->advice = a;
	log_set_level(a.log_level);
	health_set_host_drains(h->health, a.draining);
	shared->host.transaction_sample = a.transaction_sample;
	shared->conns.max =
	    (uint32_t)(a.max_connections && a.max_connections < measured ? a.max_connections : measured);
	return 0;
}

// ---- asking --------------------------------------------------------------------------------------------------------
// The question is some twenty bytes into an empty socket: it goes at once, or the peer is gone.
static int ask(struct host_link *h)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);

	h->in.len = 0;
	h->in.max = CTL_HEAD + CTL_BODY_MAX;
	h->want = CTL_HEAD;
	h->asked_us = unix_now_us();
	return ctl_put_request(&out, h->at == ASK_TIME ? "time" : "config", NULL) ||
			       stream_write(&h->s, out.data, out.len) != (ssize_t)out.len
		       ? -1
		       : 0;
}

// The frame is whole.
static void take_reply(struct host_link *h)
{
	struct err err = ERR_INIT;
	int rc = h->at == ASK_TIME ? take_time(h, &err) : take_config(h, &err);

	if (rc)
		log_event(LOG_WARN, "host.refused", LOG_STR("why", err.msg));
	h->shared->host.failed += rc != 0;
	h->at++;
	if (h->at == ASK_END)
		end_round(h, NULL);
	else if (ask(h))
		end_round(h, "the connection takes no request");
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct host_link *h = arg;
	struct err err = ERR_INIT;
	ssize_t r;

	(void)fd, (void)what;
	if (buf_reserve(&h->in, h->want - h->in.len, &err)) {
		end_round(h, err.msg);
		return;
	}
	r = stream_read(&h->s, h->in.data + h->in.len, h->want - h->in.len);
	if (r == STREAM_AGAIN)
		return;
	if (r <= 0) {
		end_round(h, "closed before its reply");
		return;
	}
	h->in.len += (size_t)r;
	if (h->in.len == CTL_HEAD && h->want == CTL_HEAD) {
		long body = ctl_head_read(h->in.data, &err);

		if (body <= 0) {
			end_round(h, body ? err.msg : "an empty reply");
			return;
		}
		h->want += (size_t)body;
	}
	if (h->in.len == h->want)
		take_reply(h);
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct host_link *h = ctx;

	(void)errnum;
	h->dial = NULL;
	if (fd < 0) {
		end_round(h, "not reached");
		return;
	}
	h->s = stream_plain(fd);
	h->ev = event_new(loop_base(h->shared->loop), fd, EV_READ | EV_PERSIST, on_readable, h);
	if (!h->ev || event_add(h->ev, NULL) || ask(h))
		end_round(h, "the connection takes no request");
}

static void on_limit(void *ctx)
{
	end_round(ctx, "no reply in time");
}

static void on_next(void *ctx)
{
	struct host_link *h = ctx;

	h->shared->host.asked++;
	h->at = ASK_TIME;
	timer_set(&h->limit, LIMIT_MS);
	h->dial = dial_start(h->shared->loop, &h->shared->config->control.host, LIMIT_MS, on_dialled, h, NULL);
	if (!h->dial)
		end_round(h, "no memory");
}

struct host_link *host_link_new(struct shared *shared, struct health *health, struct err *err)
{
	struct host_link *h = mem_zalloc(1, sizeof(*h), err);

	if (!h)
		return NULL;
	h->shared = shared;
	h->health = health;
	h->s = (struct stream)STREAM_INIT;
	h->advice = ADVICE_INIT;
	if (timer_init(&h->next, shared->loop, on_next, h, err) ||
	    timer_init(&h->limit, shared->loop, on_limit, h, err)) {
		host_link_free(h);
		return NULL;
	}
	if (shared->config->control.interval_ms)
		timer_set(&h->next, FIRST_MS);
	return h;
}

void host_link_free(struct host_link *h)
{
	if (!h)
		return;
	dial_cancel(h->dial);
	if (h->ev)
		event_free(h->ev);
	stream_close(&h->s);
	buf_free(&h->in);
	timer_free(&h->next);
	timer_free(&h->limit);
	free(h);
}
