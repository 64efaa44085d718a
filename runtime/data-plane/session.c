// SPDX-License-Identifier: Apache-2.0
//
// The list of live connections, and the first station: who comes in, and under which protocol.
//
//   PROXY ─header─► TLS ─handshake─► FIRST ─first bytes─► h1, h2 or raw
//
// A state that the configuration does not ask for is passed over. Each waits under a timer of its own; the number of
// handshakes under way is capped (handshakes.h). A client asks for its turn when its first bytes are there, so that one
// that says nothing holds none; until it has it the bytes stay in the kernel.
#include "runtime/data-plane/session.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/common/log.h"
#include "runtime/common/proxy.h"
#include "runtime/common/tls.h"

#include <stddef.h>
#include <unistd.h>

enum { FIRST_MAX = 16 * 1024 + 1024 };

void session_enter(struct session *s, struct shared *shared, void (*drain)(struct session *),
		   void (*kill)(struct session *))
{
	*s = (struct session){.shared = shared, .next = shared->sessions, .drain = drain, .kill = kill};
	if (s->next)
		s->next->prev = s;
	shared->sessions = s;
}

void session_leave(struct session *s, bool end)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		s->shared->sessions = s->next;
	if (s->next)
		s->next->prev = s->prev;
	if (end)
		conncap_release(&s->shared->conns);
}

void session_count_status(struct shared *shared, int status)
{
	shared->count.status[status >= 100 && status < 600 ? status / 100 : 0]++;
}

// ---- arrival -------------------------------------------------------------------------------------------------------
enum arrival_state { A_PROXY, A_HELLO, A_TLS, A_FIRST };

struct arrival {
	struct session session;
	struct stream s;
	struct client who;
	struct event *ev;
	struct timer timer;
	enum arrival_state state;
	struct turn turn;
	uint8_t *head; // PROXY header or first bytes; only while they come in
	size_t have, want;
};

static void arrival_free(struct arrival *a, bool end)
{
	handshakes_leave(a->session.shared->handshakes, &a->turn);
	if (a->ev)
		event_free(a->ev);
	timer_free(&a->timer);
	stream_close(&a->s);
	free(a->head);
	session_leave(&a->session, end);
	free(a);
}

static void arrival_kill(struct session *s)
{
	arrival_free((struct arrival *)s, true);
}

static void arrival_drain(struct session *s)
{
	(void)s; // it will be told when it gets to HTTP
}

static void on_ready(evutil_socket_t fd, short what, void *arg);

static void wait_for(struct arrival *a, short what)
{
	if (event_pending(a->ev, EV_READ | EV_WRITE, NULL) == what)
		return; // most waits are for what was waited for before
	event_del(a->ev);
	event_assign(a->ev, loop_base(a->session.shared->loop), a->s.fd, (short)(what | EV_PERSIST), on_ready, a);
	event_add(a->ev, NULL);
}

// Hands the connection on.
static void leave_to(struct arrival *a, bool h2, bool raw)
{
	struct shared *shared = a->session.shared;
	struct stream s = a->s;
	struct client who = a->who;
	uint8_t *first = a->head;
	size_t n = a->have;

	a->s = (struct stream)STREAM_INIT;
	a->head = NULL;
	arrival_free(a, false);
	if (h2)
		h2_open(shared, &s, &who);
	else if (raw)
		raw_open(shared, &s, &who, first, n);
	else
		h1_open(shared, &s, &who, first, n);
	free(first);
}

static void begin_first(struct arrival *a)
{
	const struct plane_config *c = a->session.shared->config;

	a->have = 0;
	if (a->s.ssl && tls_is_h2(a->s.ssl)) {
		leave_to(a, true, false);
	} else if (c->ingress.protocol != PLANE_AUTO) {
		leave_to(a, false, c->ingress.protocol == PLANE_TCP);
	} else {
		a->state = A_FIRST;
		timer_set(&a->timer, (unsigned)c->ingress.idle_ms);
		wait_for(a, EV_READ);
		event_active(a->ev, EV_READ, 1); // bytes may wait decrypted
	}
}

static void begin_tls(struct arrival *a)
{
	struct shared *shared = a->session.shared;

	if (!shared->tls) {
		begin_first(a);
		return;
	}
	a->state = A_HELLO;
	timer_set(&a->timer, (unsigned)shared->config->ingress.handshake_ms);
	wait_for(a, EV_READ);
}

static struct arrival *arrival_of(struct turn *t)
{
	return (struct arrival *)((char *)t - offsetof(struct arrival, turn));
}

// The hello is read by who asked, or when the loop comes by: nothing can fail here.
static void turn_granted(struct turn *t)
{
	struct arrival *a = arrival_of(t);

	a->state = A_TLS;
	timer_set(&a->timer, (unsigned)a->session.shared->config->ingress.handshake_ms);
	wait_for(a, EV_READ);
}

static void turn_over(struct turn *t)
{
	struct arrival *a = arrival_of(t);

	a->session.shared->count.tls_timeouts++;
	arrival_free(a, true);
}

struct handshakes *arrival_handshakes(struct loop *l, uint32_t max, struct err *err)
{
	return handshakes_new(l, max, turn_granted, turn_over, err);
}

// Reads no byte past the header: what follows is TLS's.
static void read_proxy(struct arrival *a)
{
	struct shared *shared = a->session.shared;
	struct proxy_info info;
	int n = 0;

	while (n == 0) {
		ssize_t r = stream_read(&a->s, a->head + a->have, a->want - a->have);

		if (r == STREAM_AGAIN)
			return;
		if (r <= 0)
			break;
		a->have += (size_t)r;
		n = proxy_parse(a->head, a->have, &a->want, &info, NULL);
	}
	if (n <= 0) {
		shared->count.proxy_bad++;
		arrival_free(a, true);
		return;
	}
	free(a->head);
	a->head = NULL;
	a->who = (struct client){.addr = info.src, .local = info.dst};
	begin_tls(a);
}

static void read_handshake(struct arrival *a)
{
	struct shared *shared = a->session.shared;
	SSL *ssl = a->s.ssl ? NULL : tls_server_session(shared->tls);
	int rc;

	if (!a->s.ssl && (!ssl || stream_start_tls(&a->s, ssl, NULL))) {
		arrival_free(a, true);
		return;
	}
	rc = stream_accept_tls(&a->s);
	if (rc == STREAM_AGAIN) {
		wait_for(a, stream_events(&a->s, true, false));
		return;
	}
	if (rc != 1) {
		shared->count.tls_failed++;
		arrival_free(a, true);
		return;
	}
	shared->count.tls_ok++;
	shared->count.tls_resumed += SSL_session_reused(a->s.ssl) == 1;
	handshakes_leave(shared->handshakes, &a->turn);
	begin_first(a);
}

static void read_first(struct arrival *a)
{
	int verdict = 0;

	if (!a->head && !(a->head = mem_alloc(FIRST_MAX, NULL))) {
		arrival_free(a, true);
		return;
	}
	while (verdict == 0) {
		ssize_t r =
		    a->have < FIRST_MAX ? stream_read(&a->s, a->head + a->have, FIRST_MAX - a->have) : STREAM_EOF;

		if (r == STREAM_AGAIN) {
			if (a->have == 0)
				free(steal_ptr(&a->head)); // who waits holds no buffer
			return;
		}
		if (r == STREAM_ERROR || (r == STREAM_EOF && a->have == 0)) {
			arrival_free(a, true);
			return;
		}
		if (r == STREAM_EOF)
			break; // an unfinished first line: not HTTP
		a->have += (size_t)r;
		verdict = http1_sniff((const char *)a->head, a->have);
	}
	leave_to(a, false, verdict != 1);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct arrival *a = arg;

	(void)fd, (void)what;
	switch (a->state) {
	case A_PROXY:
		read_proxy(a);
		break;
	case A_HELLO:
		handshakes_ask(a->session.shared->handshakes, &a->turn);
		if (a->state == A_TLS)
			read_handshake(a);
		else
			event_del(a->ev);
		break;
	case A_TLS:
		read_handshake(a);
		break;
	case A_FIRST:
		read_first(a);
		break;
	}
}

static void on_timer(void *ctx)
{
	struct arrival *a = ctx;
	struct shared *shared = a->session.shared;

	shared->count.tls_timeouts += a->state == A_HELLO || a->state == A_TLS;
	shared->count.proxy_timeouts += a->state == A_PROXY;
	shared->count.first_timeouts += a->state == A_FIRST && a->have; // who said nothing is idle
	arrival_free(a, true);
}

void arrival_open(struct shared *shared, int fd, const struct addr *peer)
{
	struct arrival *a = mem_zalloc(1, sizeof(*a), NULL);

	if (!a) {
		close(fd);
		conncap_release(&shared->conns);
		return;
	}
	session_enter(&a->session, shared, arrival_drain, arrival_kill);
	a->s = stream_plain(fd);
	a->s.whole_ends = true; // the host's relay
	if (peer->kind == ADDR_TCP)
		a->who.addr = *peer;
	a->ev = event_new(loop_base(shared->loop), fd, EV_READ | EV_PERSIST, on_ready, a);
	if (!a->ev || timer_init(&a->timer, shared->loop, on_timer, a, NULL)) {
		arrival_free(a, true);
		return;
	}
	if (!shared->config->ingress.proxy) {
		begin_tls(a);
		return;
	}
	a->head = mem_alloc(PROXY_MAX, NULL);
	if (!a->head) {
		arrival_free(a, true);
		return;
	}
	proxy_parse(NULL, 0, &a->want, &(struct proxy_info){.local = false}, NULL);
	a->who.addr = (struct addr){.kind = ADDR_NONE};
	timer_set(&a->timer, (unsigned)shared->config->ingress.proxy_ms);
	wait_for(a, EV_READ);
}
