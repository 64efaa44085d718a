// SPDX-License-Identifier: Apache-2.0
//
// UDP: a readable socket is drained in batches of 64, so that a flood does not starve the relays that share the loop.
// TCP: connections are capped and timed; each holds one query at a time, reads stop until its reply is out.
//
//   TCP message: u16 length | message         (RFC 1035 4.2.2, RFC 7766)
#include "runtime/data-plane/dns_responder.h"

#include "base/be.h"
#include "base/mem.h"
#include "runtime/common/conn.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { UDP_BATCH = 64, UDP_QUERY_MAX = 4096, UDP_RECEIVE_BUFFER = 1 << 20 };

struct dns_responder {
	struct loop *loop;
	const struct allowlist *allow;
	struct names *names;
	struct dns_stats stats;
	int udp;
	struct event *udp_event;
	struct acceptor *tcp;
	struct conncap tcp_cap;
	struct chain *conns; // of struct tcp_conn
};

struct tcp_conn {
	struct conn_base base;
	struct dns_responder *r;
	size_t in_len, out_len, out_off;
	uint8_t in[2 + DNS_TCP_QUERY_MAX], out[2 + DNS_REPLY_MAX];
};

// ---- the rules -----------------------------------------------------------------------------------------------------

static bool is_localhost(const char *name)
{
	static const char suffix[] = ".localhost";
	size_t n = strlen(name);

	return !strcmp(name, suffix + 1) ||
	       (n > sizeof(suffix) - 1 && !strcmp(name + n - (sizeof(suffix) - 1), suffix));
}

// Sets *has_addr and ip when the answer holds an address.
static enum dns_rcode decide(const struct allowlist *allow, struct names *names, const struct dns_query *q,
			     struct ip_addr *ip, bool *has_addr)
{
	bool wants_v4 = q->qtype == DNS_A || q->qtype == DNS_ANY;

	if (q->qclass != DNS_CLASS_IN)
		return DNS_REFUSED;
	if (q->has_name && is_localhost(q->name)) {
		*ip = (struct ip_addr){4, {127, 0, 0, 1}};
		*has_addr = wants_v4;
		return DNS_NOERROR;
	}
	if (!q->has_name || !allowlist_knows_name(allow, q->name, strlen(q->name)))
		return DNS_NXDOMAIN;
	if (!wants_v4)
		return DNS_NOERROR;
	if (names_assign(names, q->name, ip) < 0)
		return DNS_SERVFAIL;
	*has_addr = true;
	return DNS_NOERROR;
}

size_t dns_respond(const struct allowlist *allow, struct names *names, struct dns_stats *stats, const void *query,
		   size_t n, uint8_t *out)
{
	struct dns_query q;
	struct ip_addr ip;
	enum dns_rcode rcode = DNS_NOERROR;
	bool has_addr = false;
	enum dns_parsed parsed = dns_query_read(query, n, &q, &rcode);

	stats->queries++;
	if (parsed == DNS_PARSED_IGNORE) {
		stats->ignored++;
		return 0;
	}
	if (parsed == DNS_PARSED_QUERY)
		rcode = decide(allow, names, &q, &ip, &has_addr);
	else
		stats->malformed++;
	stats->answered += rcode == DNS_NOERROR;
	stats->not_allowed += rcode == DNS_NXDOMAIN;
	stats->failed += rcode == DNS_SERVFAIL;
	return dns_reply_write(&q, rcode, has_addr ? &ip : NULL, DNS_TTL, out);
}

// ---- UDP -----------------------------------------------------------------------------------------------------------

static void on_udp(evutil_socket_t fd, short what, void *ctx)
{
	struct dns_responder *r = ctx;
	uint8_t query[UDP_QUERY_MAX], reply[DNS_REPLY_MAX];
	(void)what;

	for (int i = 0; i < UDP_BATCH; i++) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0) {
			if (errno == EAGAIN || errno == EINTR)
				return;
			continue; // an ICMP error of an earlier reply, reported here; the next datagram may be fine
		}
		size_t len = dns_respond(r->allow, r->names, &r->stats, query, (size_t)n, reply);

		// On loopback a reply is delivered within the call or its receiver has no room: there is nothing to
		// wait for.
		if (len)
			(void)sendto(fd, reply, len, 0, (struct sockaddr *)&from, from_len);
	}
}

static int open_udp(struct dns_responder *r, const struct addr *at, struct err *err)
{
	int size = UDP_RECEIVE_BUFFER;
	char text[ADDR_TEXT_MAX];

	r->udp = socket(at->u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->udp < 0 || bind(r->udp, &at->u.sa, at->len) < 0)
		return err_sys(err, errno, "listen for DNS on %s", addr_format(at, text));
	setsockopt(r->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	r->udp_event = event_new(loop_base(r->loop), r->udp, EV_READ | EV_PERSIST, on_udp, r);
	if (!r->udp_event || event_add(r->udp_event, NULL) < 0)
		return err_nomem(err);
	return 0;
}

// ---- TCP -----------------------------------------------------------------------------------------------------------

// Turns the whole message at the start of c->in into a reply in c->out. False: the connection is to end.
static bool conn_answer(struct tcp_conn *c)
{
	struct dns_responder *r = c->r;
	size_t n = get_be16(c->in), len;

	len = dns_respond(r->allow, r->names, &r->stats, c->in + 2, n, c->out + 2);
	if (len == 0)
		return false;
	put_be16(c->out, (uint16_t)len);
	c->out_len = len + 2;
	c->out_off = 0;
	c->in_len -= n + 2;
	memmove(c->in, c->in + n + 2, c->in_len);
	return true;
}

// Writes what is pending. 1 all out, 0 wait, -1 over.
static int conn_flush(struct tcp_conn *c)
{
	while (c->out_off < c->out_len) {
		ssize_t n = send(c->base.fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		c->out_off += (size_t)n;
	}
	return 1;
}

// Answers all whole messages that are there. 1 wait for more, 0 wait until writable, -1 over.
static int conn_serve(struct tcp_conn *c)
{
	for (;;) {
		int flushed = conn_flush(c);

		if (flushed <= 0)
			return flushed;
		if (c->in_len < 2)
			return 1;
		if (get_be16(c->in) > DNS_TCP_QUERY_MAX)
			return -1;
		if (c->in_len < 2u + get_be16(c->in))
			return 1;
		if (!conn_answer(c))
			return -1;
	}
}

static void on_conn(evutil_socket_t fd, short what, void *ctx)
{
	struct tcp_conn *c = ctx;
	int state = -1;

	if (what & EV_READ) {
		ssize_t n = recv(fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);

		if (n > 0) {
			c->in_len += (size_t)n;
			state = conn_serve(c);
		} else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			state = 1;
		}
	} else if (what & EV_WRITE) {
		state = conn_serve(c);
	}
	if (state < 0 || conn_wait(&c->base, c->r->loop, state ? EV_READ : EV_WRITE, DNS_TCP_IDLE_MS, on_conn) < 0)
		conn_end(&c->base);
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct dns_responder *r = ctx;
	struct tcp_conn *c = conn_begin(sizeof(*c), fd, &r->tcp_cap, &r->conns);
	(void)peer;

	if (!c)
		return;
	c->r = r;
	if (conn_wait(&c->base, r->loop, EV_READ, DNS_TCP_IDLE_MS, on_conn) < 0)
		conn_end(&c->base);
}

// ---- life ----------------------------------------------------------------------------------------------------------

struct dns_responder *dns_responder_new(struct loop *l, const struct addr *at, const struct allowlist *allow,
					struct names *names, struct err *err)
{
	struct dns_responder *r = mem_zalloc(1, sizeof(*r), err);

	if (!r)
		return NULL;
	r->loop = l;
	r->allow = allow;
	r->names = names;
	r->udp = -1;
	r->tcp_cap.max = DNS_TCP_CONNS_MAX;
	if (open_udp(r, at, err) < 0)
		goto fail;
	r->tcp = acceptor_listen(l, at, &r->tcp_cap, on_accept, r, err);
	if (!r->tcp)
		goto fail;
	return r;
fail:
	dns_responder_free(r);
	return NULL;
}

void dns_responder_free(struct dns_responder *r)
{
	if (!r)
		return;
	while (r->conns)
		conn_end((struct conn_base *)r->conns);
	acceptor_free(r->tcp);
	if (r->udp_event)
		event_free(r->udp_event);
	if (r->udp >= 0)
		close(r->udp);
	free(r);
}

const struct dns_stats *dns_responder_stats(const struct dns_responder *r)
{
	return &r->stats;
}
