// SPDX-License-Identifier: Apache-2.0
//
// A direction ("flow") is a small state machine; its bytes wait either in `data` (copied, made when a write falls short
// and freed when it drains, so that an idle relay holds no buffer) or in a pipe (splice):
//
//   OPEN ──EOF read──► DRAIN ──all written──► shutdown of dst ──► ENDED
//     └──dst broken──► SINK (read and drop) ──EOF──────────────────┘
//
// A flow between two descriptors in clear starts with read and write through the loop's scratch block, which needs two
// system calls a block as splice does and no descriptors. Once it has carried SPLICE_AFTER bytes it gets a pipe and
// moves pages from then on. vsock stays with copies: the kernel copies there in any case and the 32 KiB ceiling holds.
//
// One wake-up moves at most BURST bytes a flow, so that a fast pair does not starve the others; if more is to be had
// the level-triggered events bring us back. Bytes that TLS holds decrypted make no event, so the burst goes on while
// stream_pending says so, and if it must stop, the relay activates itself.
#include "runtime/common/relay.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	SPLICE_AFTER = 512 * 1024,
	BURST = 1024 * 1024,
};

enum flow_state { FLOW_OPEN, FLOW_DRAIN, FLOW_SINK, FLOW_ENDED };

struct flow {
	struct stream *src, *dst;
	enum flow_state state;
	uint8_t *data; // bytes read and not yet written; NULL while there are none
	size_t off, len;
	int pipe[2];            // -1 while not spliced
	size_t piped;           // bytes in the pipe
	bool no_splice;         // splice is of no use here
	bool cut;               // src failed: abort dst after draining
	bool sunk;              // dst failed
	bool src_dry, dst_full; // the last attempt met STREAM_AGAIN
	uint64_t bytes;
	uint64_t *total;
};

struct relay {
	struct loop *loop;
	struct stream a, b;
	struct event *ev_a, *ev_b;
	short armed_a, armed_b;
	struct flow ab, ba;
	struct timer timer;
	uint64_t last_ms; // of the last byte
	struct relay_options opt;
	relay_fn *fn;
	void *ctx;
	struct relay_result result;
};

static void relay_end(struct relay *r, enum relay_end end, int errnum)
{
	struct flow *flows[] = {&r->ab, &r->ba};

	r->result = (struct relay_result){.end = end, .errnum = errnum, .a_to_b = r->ab.bytes, .b_to_a = r->ba.bytes};
	// When both directions came to their end by themselves, whatever broke was on one side and the other is whole.
	if (r->ab.state != FLOW_ENDED || r->ba.state != FLOW_ENDED) {
		stream_abort(&r->a);
		stream_abort(&r->b);
	}
	if (r->ev_a)
		event_free(r->ev_a);
	if (r->ev_b)
		event_free(r->ev_b);
	timer_free(&r->timer);
	stream_close(&r->a);
	stream_close(&r->b);
	for (int i = 0; i < 2; i++) {
		free(flows[i]->data);
		if (flows[i]->pipe[0] >= 0) {
			close(flows[i]->pipe[0]);
			close(flows[i]->pipe[1]);
		}
	}
	if (r->fn)
		r->fn(r->ctx, &r->result);
	free(r);
}

static void count(struct flow *f, size_t n)
{
	f->bytes += n;
	if (f->total)
		*f->total += n;
}

// ---- copying -------------------------------------------------------------------------------------------------------
// Keeps what dst did not take. Out of memory is an error of the flow: the connection goes, the process stays.
static int flow_keep(struct flow *f, const uint8_t *p, size_t n)
{
	if (n) {
		f->data = mem_dup(p, n, NULL);
		if (!f->data)
			return -1;
		f->off = 0;
		f->len = n;
	}
	return 0;
}

// Writes p to dst until it is all out or dst is full. Bytes written, or -1 on error.
static ssize_t flow_write(struct flow *f, const uint8_t *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = stream_write(f->dst, p + done, n - done);

		if (w == STREAM_AGAIN) {
			f->dst_full = true;
			break;
		}
		if (w < 0)
			return -1;
		done += (size_t)w;
	}
	count(f, done);
	return (ssize_t)done;
}

// Moves what waits in `data`. 1 if none is left, 0 if dst is full, -1 on error.
static int flow_flush(struct flow *f)
{
	ssize_t w;

	if (!f->data)
		return 1;
	w = flow_write(f, f->data + f->off, f->len);
	if (w < 0)
		return -1;
	f->off += (size_t)w;
	f->len -= (size_t)w;
	if (f->len)
		return 0;
	free(f->data);
	f->data = NULL;
	return 1;
}

// What a read gave when it gave no bytes: sets the flow's state.
static void flow_no_bytes(struct flow *f, ssize_t r)
{
	if (r == STREAM_AGAIN) {
		f->src_dry = true;
		return;
	}
	f->state = FLOW_DRAIN;
	f->cut = r != STREAM_EOF;
}

static int flow_copy(struct flow *f, uint8_t *scratch, size_t *moved)
{
	ssize_t r = stream_read(f->src, scratch, RELAY_BUFFER_MAX), w;

	if (r <= 0) {
		flow_no_bytes(f, r);
		return 0;
	}
	*moved += (size_t)r;
	w = flow_write(f, scratch, (size_t)r);
	return w < 0 ? -1 : flow_keep(f, scratch + w, (size_t)(r - w));
}

// ---- splicing ------------------------------------------------------------------------------------------------------
static void flow_try_splice(struct flow *f)
{
	if (f->no_splice || f->pipe[0] >= 0 || f->bytes < SPLICE_AFTER)
		return;
	if (f->src->ssl || f->dst->ssl || f->src->kind == ADDR_VSOCK || f->dst->kind == ADDR_VSOCK ||
	    pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC)) {
		f->pipe[0] = f->pipe[1] = -1;
		f->no_splice = true;
	}
}

// Fills the (empty) pipe from src.
static void flow_splice(struct flow *f, size_t *moved)
{
	ssize_t n = splice(f->src->fd, NULL, f->pipe[1], NULL, RELAY_BUFFER_MAX, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n > 0) {
		f->piped = (size_t)n;
		*moved += (size_t)n;
	} else if (n == 0) {
		flow_no_bytes(f, stream_at_end(f->src));
	} else if (errno == EAGAIN) {
		flow_no_bytes(f, STREAM_AGAIN);
	} else if (errno != EINTR) {
		f->src->errnum = errno;
		flow_no_bytes(f, STREAM_ERROR);
	}
}

// Empties the pipe into dst. 1 if none is left, 0 if dst is full, -1 on error.
static int flow_unsplice(struct flow *f)
{
	while (f->piped) {
		ssize_t n = splice(f->pipe[0], NULL, f->dst->fd, NULL, f->piped, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n > 0) {
			f->piped -= (size_t)n;
			count(f, (size_t)n);
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && errno == EAGAIN) {
			f->dst_full = true;
			return 0;
		} else {
			f->dst->errnum = errno;
			return -1;
		}
	}
	return 1;
}

// ---- the pump ------------------------------------------------------------------------------------------------------
// dst is broken: nothing more can be delivered, src is read to its end.
static void flow_sink(struct flow *f)
{
	free(f->data);
	f->data = NULL;
	f->piped = f->len = 0;
	f->sunk = true;
	f->state = f->state == FLOW_DRAIN ? FLOW_ENDED : FLOW_SINK;
}

static void flow_drop(struct flow *f, uint8_t *scratch, size_t *moved)
{
	ssize_t r = stream_read(f->src, scratch, RELAY_BUFFER_MAX);

	if (r > 0)
		*moved += (size_t)r;
	else if (r == STREAM_AGAIN)
		f->src_dry = true;
	else
		f->state = FLOW_ENDED;
}

// All that was read is out: passes the EOF on. 0, or -1 if src was cut.
static int flow_finish(struct flow *f)
{
	int rc;

	if (f->cut)
		return -1;
	rc = stream_shutdown(f->dst);
	f->dst_full = rc == STREAM_AGAIN;
	f->sunk |= rc == STREAM_ERROR;
	if (rc != STREAM_AGAIN)
		f->state = FLOW_ENDED;
	return 0;
}

static int flow_step(struct flow *f, uint8_t *scratch, size_t *moved)
{
	int rc = flow_flush(f);

	if (rc > 0)
		rc = flow_unsplice(f);
	if (rc < 0)
		flow_sink(f);
	if (rc <= 0)
		return 0;
	switch (f->state) {
	case FLOW_DRAIN:
		return flow_finish(f);
	case FLOW_SINK:
		flow_drop(f, scratch, moved);
		return 0;
	default:
		flow_try_splice(f);
		if (f->pipe[0] >= 0)
			flow_splice(f, moved);
		else if (flow_copy(f, scratch, moved))
			flow_sink(f);
		return 0;
	}
}

// Moves up to BURST bytes of one flow. 0, or -1 when the relay must be cut.
static int flow_pump(struct flow *f, uint8_t *scratch, size_t *moved)
{
	f->src_dry = f->dst_full = false;
	while (f->state != FLOW_ENDED && *moved < BURST && !f->src_dry && !f->dst_full)
		if (flow_step(f, scratch, moved))
			return -1;
	return 0;
}

static void on_ready(evutil_socket_t fd, short what, void *arg);

static int rearm(struct relay *r, struct event **ev, short *armed, struct stream *s, short want)
{
	if (*armed == want)
		return 0;
	event_del(*ev);
	*armed = want;
	if (!want)
		return 0;
	event_assign(*ev, loop_base(r->loop), s->fd, (short)(want | EV_PERSIST), on_ready, r);
	return event_add(*ev, NULL);
}

static bool wants_read(const struct flow *f)
{
	return (f->state == FLOW_OPEN || f->state == FLOW_SINK) && !f->data && !f->piped;
}

static bool wants_write(const struct flow *f)
{
	return f->data || f->piped || f->state == FLOW_DRAIN;
}

static int arm(struct relay *r)
{
	short a = stream_events(&r->a, wants_read(&r->ab), wants_write(&r->ba));
	short b = stream_events(&r->b, wants_read(&r->ba), wants_write(&r->ab));

	if (rearm(r, &r->ev_a, &r->armed_a, &r->a, a) || rearm(r, &r->ev_b, &r->armed_b, &r->b, b))
		return -1;
	// The burst ended with bytes inside TLS, which no descriptor will announce.
	if ((wants_read(&r->ab) && stream_pending(&r->a)) || (wants_read(&r->ba) && stream_pending(&r->b)))
		event_active(r->ev_a, EV_READ, 1);
	return 0;
}

static void relay_pump(struct relay *r)
{
	size_t moved_ab = 0, moved_ba = 0;
	int rc_ab = flow_pump(&r->ab, loop_scratch(r->loop), &moved_ab);
	int rc_ba = flow_pump(&r->ba, loop_scratch(r->loop), &moved_ba);
	int errnum = r->a.errnum ? r->a.errnum : r->b.errnum ? r->b.errnum : ECONNRESET;
	bool ended = r->ab.state == FLOW_ENDED && r->ba.state == FLOW_ENDED;

	if (moved_ab || moved_ba)
		r->last_ms = loop_now_ms();
	if (rc_ab || rc_ba || (ended && (r->ab.sunk || r->ba.sunk))) {
		relay_end(r, RELAY_ERROR, errnum);
	} else if (ended) {
		relay_end(r, RELAY_DONE, 0);
	} else if (arm(r)) {
		relay_end(r, RELAY_ERROR, ENOMEM);
	}
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	relay_pump(arg);
}

// The limit that holds now; 0 for none.
static unsigned limit_ms(const struct relay *r)
{
	bool half = r->ab.state == FLOW_ENDED || r->ba.state == FLOW_ENDED;

	return half && r->opt.linger_ms ? r->opt.linger_ms : r->opt.idle_ms;
}

// The timer is not moved with every byte: it wakes at the earliest possible end and looks at last_ms then. Since the
// linger limit can begin at any moment it wakes at least that often.
static void set_timer(struct relay *r, unsigned wait)
{
	unsigned linger = r->opt.linger_ms;

	timer_set(&r->timer, linger && (!wait || linger < wait) ? linger : wait);
}

static void on_limit(void *ctx)
{
	struct relay *r = ctx;
	unsigned limit = limit_ms(r);
	uint64_t quiet = loop_now_ms() - r->last_ms;

	if (limit && quiet >= limit)
		relay_end(r, RELAY_IDLE, ETIMEDOUT);
	else
		set_timer(r, limit ? (unsigned)(limit - quiet) : 0);
}

static struct flow flow_make(struct stream *src, struct stream *dst, uint64_t *total)
{
	return (struct flow){.src = src, .dst = dst, .pipe = {-1, -1}, .total = total};
}

struct relay *relay_start_both(struct loop *l, struct stream *a, struct stream *b, const void *from_a, size_t n_a,
			       const void *from_b, size_t n_b, const struct relay_options *options, relay_fn *fn,
			       void *ctx, struct err *err)
{
	struct relay *r = mem_zalloc(1, sizeof(*r), err);

	if (!r) {
		stream_close(a);
		stream_close(b);
		return NULL;
	}
	r->loop = l;
	r->a = *a;
	r->b = *b;
	*a = *b = (struct stream)STREAM_INIT;
	r->opt = *options;
	r->ab = flow_make(&r->a, &r->b, options->total_a_to_b);
	r->ba = flow_make(&r->b, &r->a, options->total_b_to_a);
	r->last_ms = loop_now_ms();
	r->ev_a = event_new(loop_base(l), r->a.fd, 0, on_ready, r);
	r->ev_b = event_new(loop_base(l), r->b.fd, 0, on_ready, r);
	if (!r->ev_a || !r->ev_b || timer_init(&r->timer, l, on_limit, r, NULL) || flow_keep(&r->ab, from_a, n_a) ||
	    flow_keep(&r->ba, from_b, n_b)) {
		err_nomem(err);
		relay_end(r, RELAY_ERROR, ENOMEM);
		return NULL;
	}
	set_timer(r, r->opt.idle_ms);
	r->fn = fn;
	r->ctx = ctx;
	event_active(r->ev_a, EV_READ, 1);
	return r;
}

struct relay *relay_start_with(struct loop *l, struct stream *a, struct stream *b, const void *first, size_t n,
			       const struct relay_options *options, relay_fn *fn, void *ctx, struct err *err)
{
	return relay_start_both(l, a, b, first, n, NULL, 0, options, fn, ctx, err);
}

struct relay *relay_start(struct loop *l, struct stream *a, struct stream *b, const struct relay_options *options,
			  relay_fn *fn, void *ctx, struct err *err)
{
	return relay_start_both(l, a, b, NULL, 0, NULL, 0, options, fn, ctx, err);
}

void relay_cancel(struct relay *r)
{
	relay_end(r, RELAY_CANCELLED, 0);
}
