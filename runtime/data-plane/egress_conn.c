// SPDX-License-Identifier: Apache-2.0
//
// A state machine with one state at a time and one way to end:
//
//   PEEK ──bytes or peek_ms──► DIAL ──connected──► SEND ──request out──► REPLY ──status 0──► GATE ──► RELAY ──► end
//     │                          │                   │                     │ other             │
//     └── another name ──────────┴── errors, time ───┴─────────────────────┴── reset ──────────┘
//
// GATE is passed at once when the program's first bytes went with the request; otherwise they are still to come and
// are judged there. In RELAY the relay owns both descriptors.
#include "runtime/data-plane/egress_conn.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/common/log.h"
#include "runtime/common/relay.h"
#include "runtime/common/sni_gate.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Without a byte, once one side has ended: a peer that forgot to close is not kept for long.
enum { LINGER_MS = 300 * 1000 };

struct egress_conn {
	struct chain chain; // in egress_shared's list
	struct egress_shared *s;
	struct egress_request to;
	int client, host; // owned; -1 when closed or with the relay
	bool judged;      // the first bytes passed the gate and are in `request`
	struct sni_gate *gate;
	struct dial *dial;
	struct event *event; // on host: SEND and REPLY
	struct timer timer;
	struct relay *relay;
	uint8_t *request; // from DIAL to the end of SEND
	size_t request_len, sent;
	uint8_t reply[EGRESS_REPLY_LEN];
	size_t reply_len;
};

void egress_reset(int fd)
{
	static const struct linger hard = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

// Ends it: everything that is still held is closed, the program's side with a reset.
static void conn_free(struct egress_conn *c)
{
	chain_leave(&c->chain);
	sni_gate_cancel(c->gate);
	dial_cancel(c->dial);
	if (c->event)
		event_free(c->event);
	timer_free(&c->timer);
	if (c->client >= 0)
		egress_reset(c->client);
	if (c->host >= 0)
		close(c->host);
	free(c->request);
	conncap_release(&c->s->cap);
	free(c);
}

static void conn_fail(struct egress_conn *c, enum log_level level, const char *event, const char *why)
{
	char text[IP_TEXT_MAX];
	const char *to = c->to.addr.len ? ip_format(&c->to.addr, text) : c->to.name;

	log_event(level, event, LOG_STR("to", to), LOG_U64("port", c->to.port), LOG_STR("why", why));
	conn_free(c);
}

static void host_failed(struct egress_conn *c, const char *why)
{
	c->s->stats.host_failed++;
	conn_fail(c, LOG_WARN, "egress.host_failed", why);
}

// ---- RELAY ---------------------------------------------------------------------------------------------------------

static void on_relay_end(void *ctx, const struct relay_result *result)
{
	struct egress_conn *c = ctx;

	(void)result;
	c->relay = NULL;
	conn_free(c);
}

static void start_relay(struct egress_conn *c, const uint8_t *first, size_t n)
{
	const struct relay_options options = {.idle_ms = c->s->options.idle_ms,
					      .linger_ms = LINGER_MS,
					      .total_a_to_b = &c->s->stats.bytes_out,
					      .total_b_to_a = &c->s->stats.bytes_in};
	struct stream client = stream_plain(steal_fd(&c->client)), host = stream_plain(steal_fd(&c->host));
	struct err err = ERR_INIT;

	host.whole_ends = true;

	c->s->stats.relayed++;
	c->relay = relay_start_with(c->s->loop, &client, &host, first, n, &options, on_relay_end, c, &err);
	if (!c->relay)
		conn_fail(c, LOG_ERROR, "egress.failed", err.msg);
}

// ---- GATE ----------------------------------------------------------------------------------------------------------

static void sni_refused(struct egress_conn *c)
{
	c->s->stats.sni_refused++;
	conn_fail(c, LOG_WARN, "egress.sni_refused", "the TLS hello is not for this name");
}

static void on_gate(void *ctx, enum sni_verdict verdict, const uint8_t *data, size_t n)
{
	struct egress_conn *c = ctx;

	c->gate = NULL;
	if (verdict == SNI_PASS)
		start_relay(c, data, n);
	else if (verdict == SNI_REFUSED)
		sni_refused(c);
	else
		conn_fail(c, LOG_INFO, "egress.idle", "neither side said anything");
}

static void start_gate(struct egress_conn *c)
{
	const struct sni_gate_options gate = {.client = c->client,
					      .server = c->host,
					      .name = c->to.name,
					      .wait_ms = c->s->options.idle_ms,
					      .hello_ms = c->s->options.hello_ms};
	struct err err = ERR_INIT;

	if (c->judged)
		start_relay(c, NULL, 0);
	else if (sni_gate_start(c->s->loop, &gate, on_gate, c, &c->gate, &err) < 0)
		conn_fail(c, LOG_ERROR, "egress.failed", err.msg);
}

// ---- REPLY ---------------------------------------------------------------------------------------------------------

static void on_reply_bytes(evutil_socket_t fd, short what, void *ctx)
{
	struct egress_conn *c = ctx;
	ssize_t n = recv(fd, c->reply + c->reply_len, sizeof(c->reply) - c->reply_len, 0);
	enum egress_status status;
	struct err err = ERR_INIT;
	(void)what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		host_failed(c, n ? strerrordesc_np(errno) : "closed before its reply");
		return;
	}
	c->reply_len += (size_t)n;
	if (c->reply_len < sizeof(c->reply))
		return;
	event_free(steal_ptr(&c->event));
	timer_set(&c->timer, 0);
	if (egress_reply_read(c->reply, &status, &err) < 0) {
		host_failed(c, err.msg);
	} else if (status != EGRESS_CONNECTED) {
		c->s->stats.host_refused++;
		conn_fail(c, LOG_WARN, "egress.refused_by_host", egress_status_name(status));
	} else {
		start_gate(c);
	}
}

// ---- SEND ----------------------------------------------------------------------------------------------------------

static int wait_host(struct egress_conn *c, short what, event_callback_fn fn)
{
	if (c->event)
		event_free(c->event);
	c->event = event_new(loop_base(c->s->loop), c->host, (short)(what | EV_PERSIST), fn, c);
	return c->event && event_add(c->event, NULL) == 0 ? 0 : -1;
}

static void on_send(evutil_socket_t fd, short what, void *ctx)
{
	struct egress_conn *c = ctx;
	size_t max = addr_write_max(c->s->options.host.kind), left = c->request_len - c->sent;
	ssize_t n = send(fd, c->request + c->sent, left < max ? left : max, MSG_NOSIGNAL);
	(void)what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		host_failed(c, strerrordesc_np(errno));
		return;
	}
	c->sent += (size_t)n;
	if (c->sent < c->request_len)
		return;
	free(steal_ptr(&c->request));
	if (wait_host(c, EV_READ, on_reply_bytes) < 0)
		host_failed(c, "no memory");
}

// ---- DIAL ----------------------------------------------------------------------------------------------------------

static void on_time(void *ctx)
{
	host_failed(ctx, "no reply in time");
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct egress_conn *c = ctx;

	c->dial = NULL;
	if (fd < 0) {
		host_failed(c, strerrordesc_np(errnum));
		return;
	}
	c->host = fd;
	timer_set(&c->timer, c->s->options.reply_ms);
	if (wait_host(c, EV_WRITE, on_send) < 0)
		host_failed(c, "no memory");
}

static void start_dial(struct egress_conn *c, const uint8_t *data, size_t n)
{
	struct err err = ERR_INIT;
	struct egress_request request = c->to;

	request.data = data;
	request.data_len = n;
	c->request = mem_alloc(EGRESS_REQUEST_HEAD + HOSTNAME_MAX + 16 + 2 + n, &err);
	if (c->request) {
		c->request_len = egress_request_write(&request, c->request);
		c->dial = dial_start(c->s->loop, &c->s->options.host, c->s->options.dial_ms, on_dialled, c, &err);
	}
	if (!c->dial)
		host_failed(c, err.msg);
}

// ---- PEEK ----------------------------------------------------------------------------------------------------------

static void on_peek(void *ctx, enum sni_verdict verdict, const uint8_t *data, size_t n)
{
	struct egress_conn *c = ctx;

	c->gate = NULL;
	if (verdict == SNI_REFUSED) {
		sni_refused(c);
		return;
	}
	c->judged = verdict == SNI_PASS;
	start_dial(c, data, n);
}

void egress_conn_start(struct egress_shared *s, int fd, const struct egress_request *to)
{
	const struct sni_gate_options peek = {.client = fd,
					      .server = -1,
					      .name = to->name,
					      .wait_ms = s->options.peek_ms,
					      .hello_ms = s->options.hello_ms};
	struct err err = ERR_INIT;
	struct egress_conn *c = mem_zalloc(1, sizeof(*c), &err);

	if (!c) {
		egress_reset(fd);
		conncap_release(&s->cap);
		return;
	}
	c->s = s;
	c->client = fd;
	c->host = -1;
	c->to = *to;
	c->to.data = NULL;
	c->to.data_len = 0;
	chain_enter(&s->conns, &c->chain);
	if (timer_init(&c->timer, s->loop, on_time, c, &err) < 0 ||
	    sni_gate_start(s->loop, &peek, on_peek, c, &c->gate, &err) < 0)
		conn_fail(c, LOG_ERROR, "egress.failed", err.msg);
}

void egress_conn_free_all(struct egress_shared *s)
{
	while (s->conns) {
		struct egress_conn *c = (struct egress_conn *)s->conns;

		if (c->relay)
			relay_cancel(c->relay); // frees the connection through on_relay_end
		else
			conn_free(c);
	}
}
