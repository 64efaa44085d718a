// SPDX-License-Identifier: Apache-2.0
//
// The responder's table of rules, and its two sockets: bytes go in on UDP and TCP, replies come out, over the limit a
// connection ends.
#include "runtime/data-plane/dns_responder.h"

#include "base/be.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t make_query(uint8_t *out, const char *name, unsigned type, unsigned class)
{
	static const uint8_t head[DNS_HEADER_LEN] = {0xab, 0xcd, 1, 0, 0, 1};
	size_t n = sizeof(head);

	memcpy(out, head, n);
	while (*name) {
		size_t len = strcspn(name, ".");

		out[n++] = (uint8_t)len;
		memcpy(out + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	out[n++] = 0;
	put_be16(out + n, (uint16_t)type);
	put_be16(out + n + 2, (uint16_t)class);
	return n + 4;
}

static struct allowlist *make_allow(const char *text)
{
	struct err err = ERR_INIT;
	struct allowlist *allow = allowlist_new(&err);

	assert_ok(allowlist_parse(allow, text, strlen(text), &err));
	return allow;
}

START_TEST(test_dns_respond_table_matches)
{
	enum { NONE, NAMED, LOCAL };
	static const struct {
		const char *name;
		unsigned type, class, rcode, answer;
	} cases[] = {
	    {"api.example.com", DNS_A, 1, DNS_NOERROR, NAMED},
	    {"API.Example.com", DNS_A, 1, DNS_NOERROR, NAMED},
	    {"api.example.com", DNS_ANY, 1, DNS_NOERROR, NAMED},
	    {"api.example.com", DNS_AAAA, 1, DNS_NOERROR, NONE},
	    {"api.example.com", DNS_HTTPS, 1, DNS_NOERROR, NONE},
	    {"api.example.com", DNS_SVCB, 1, DNS_NOERROR, NONE},
	    {"api.example.com", 15, 1, DNS_NOERROR, NONE},
	    {"api.example.com", DNS_A, 3, DNS_REFUSED, NONE},
	    {"x.y.example.org", DNS_A, 1, DNS_NOERROR, NAMED},
	    {"example.org", DNS_A, 1, DNS_NXDOMAIN, NONE},
	    {"example.org", DNS_AAAA, 1, DNS_NXDOMAIN, NONE},
	    {"other.example.com", DNS_A, 1, DNS_NXDOMAIN, NONE},
	    {"8.8.8.8.in-addr.arpa", 12, 1, DNS_NXDOMAIN, NONE},
	    {"", DNS_A, 1, DNS_NXDOMAIN, NONE},
	    {"localhost", DNS_A, 1, DNS_NOERROR, LOCAL},
	    {"a.localhost", DNS_A, 1, DNS_NOERROR, LOCAL},
	    {"localhost", DNS_AAAA, 1, DNS_NOERROR, NONE},
	    {"notlocalhost", DNS_A, 1, DNS_NXDOMAIN, NONE},
	};
	struct err err = ERR_INIT;
	struct allowlist *allow = make_allow("api.example.com:443,*.example.org");
	struct names *names = names_new(16, &err);
	struct dns_stats stats = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t query[600], reply[DNS_REPLY_MAX];
		size_t n = make_query(query, cases[i].name, cases[i].type, cases[i].class);
		size_t len = dns_respond(allow, names, &stats, query, n, reply);

		ck_assert_uint_eq(len, n + (cases[i].answer ? 16 : 0));
		ck_assert_msg((reply[3] & 0xfu) == cases[i].rcode, "%s: rcode %d", cases[i].name, reply[3] & 0xf);
		if (cases[i].answer)
			ck_assert_uint_eq(reply[len - 3] >= 128, cases[i].answer == NAMED);
	}
	ck_assert_uint_eq(stats.queries, sizeof(cases) / sizeof(cases[0]));
	names_free(names);
	allowlist_free(allow);
}
END_TEST

START_TEST(test_dns_respond_full_table_is_servfail)
{
	struct err err = ERR_INIT;
	struct allowlist *allow = make_allow("*");
	struct names *names = names_new(10, &err);
	struct dns_stats stats = {0};
	uint8_t query[600], reply[DNS_REPLY_MAX];

	for (int i = 0; i < 1000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "h%d.example", i);
		ck_assert_uint_gt(dns_respond(allow, names, &stats, query, make_query(query, name, DNS_A, 1), reply), 0);
		ck_assert_uint_eq(reply[3] & 0xf, i < 10 ? DNS_NOERROR : DNS_SERVFAIL);
	}
	ck_assert_uint_eq(stats.failed, 990);
	names_free(names);
	allowlist_free(allow);
}
END_TEST

// ---- over sockets: the loop runs in a thread, the test talks to it with blocking sockets ----------------------------

struct served {
	struct loop *loop;
	struct allowlist *allow;
	struct names *names;
	struct dns_responder *r;
	struct sockaddr_in at;
	int stop[2];
	pthread_t thread;
};

static void on_end(evutil_socket_t fd, short what, void *ctx)
{
	struct served *s = ctx;
	(void)fd;
	(void)what;
	loop_stop(s->loop, 0);
}

static void *run_loop(void *ctx)
{
	struct served *s = ctx;
	struct event *ev = event_new(loop_base(s->loop), s->stop[0], EV_READ, on_end, s);

	event_add(ev, NULL);
	loop_run(s->loop);
	event_free(ev);
	return NULL;
}

// A port that is free for UDP and TCP at the time of asking.
static in_port_t free_port(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
	getsockname(fd, (struct sockaddr *)&sin, &len);
	close(fd);
	return ntohs(sin.sin_port);
}

static void serve(struct served *s)
{
	struct err err = ERR_INIT;
	struct addr at;
	char text[64];

	snprintf(text, sizeof(text), "tcp:127.0.0.1:%u", free_port());
	assert_ok(addr_parse(text, &at, &err));
	s->at = at.u.in;
	s->loop = loop_new(&err);
	s->allow = make_allow("api.example.com");
	s->names = names_new(16, &err);
	s->r = dns_responder_new(s->loop, &at, s->allow, s->names, &err);
	ck_assert_msg(s->r != NULL, "%s", err.msg);
	ck_assert_int_eq(pipe(s->stop), 0);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, run_loop, s), 0);
}

static void unserve(struct served *s)
{
	close(s->stop[1]);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	dns_responder_free(s->r);
	names_free(s->names);
	allowlist_free(s->allow);
	loop_free(s->loop);
}

static int dial(const struct served *s, int type)
{
	int fd = socket(AF_INET, type, 0);
	struct timeval limit = {5, 0};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)), 0);
	return fd;
}

START_TEST(test_dns_responder_udp_flood_every_query_is_answered)
{
	struct served s;
	uint8_t query[600], reply[600];

	serve(&s);
	int fd = dial(&s, SOCK_DGRAM);
	size_t n = make_query(query, "api.example.com", DNS_A, 1);

	send(fd, "short", 5, 0); // no query: no reply, and no harm
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 100; i++) {
			put_be16(query, (uint16_t)i);
			ck_assert_int_eq(send(fd, query, n, 0), (ssize_t)n);
		}
		for (int i = 0; i < 100; i++) {
			ck_assert_int_eq(recv(fd, reply, sizeof(reply), 0), (ssize_t)n + 16);
			ck_assert_uint_eq(get_be16(reply), (unsigned)i);
		}
	}
	close(fd);
	unserve(&s);
}
END_TEST

START_TEST(test_dns_responder_tcp_split_and_pipelined_are_answered)
{
	struct served s;
	uint8_t one[600], two[1200], reply[600];

	serve(&s);
	int fd = dial(&s, SOCK_STREAM);
	size_t n = make_query(one + 2, "api.example.com", DNS_A, 1) + 2;

	put_be16(one, (uint16_t)(n - 2));
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(send(fd, one + i, 1, 0), 1);
	ck_assert_int_eq(recv(fd, reply, n + 16, MSG_WAITALL), (ssize_t)n + 16);
	memcpy(two, one, n);
	memcpy(two + n, one, n);
	ck_assert_int_eq(send(fd, two, 2 * n, 0), (ssize_t)(2 * n));
	shutdown(fd, SHUT_WR);
	ck_assert_int_eq(recv(fd, reply, 2 * (n + 16), MSG_WAITALL), (ssize_t)(2 * (n + 16)));
	ck_assert_uint_eq(get_be16(reply), n + 14);
	ck_assert_int_eq(recv(fd, reply, 1, 0), 0);
	close(fd);
	unserve(&s);
}
END_TEST

START_TEST(test_dns_responder_tcp_oversize_ends_connection)
{
	struct served s;
	uint8_t byte;

	serve(&s);
	int fd = dial(&s, SOCK_STREAM);

	ck_assert_int_eq(send(fd, "\xff\xff", 2, 0), 2);
	ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
	close(fd);
	unserve(&s);
}
END_TEST

UNIT_MAIN("runtime/dns_responder",
	  ADD(test_dns_respond_table_matches) ADD(test_dns_respond_full_table_is_servfail)
	      ADD(test_dns_responder_udp_flood_every_query_is_answered)
		  ADD(test_dns_responder_tcp_split_and_pipelined_are_answered)
		      ADD(test_dns_responder_tcp_oversize_ends_connection))
