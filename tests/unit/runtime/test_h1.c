// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1 connections whose memory fails at one point after the other: a client may be refused or cut off, but it never
// gets two answers to one request, nothing is left over, and the next connection is served.
#include "runtime/data-plane/exchange.h"

#include "base/fault.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { POINTS_MAX = 200 };

static struct plane_config config;
static struct shared shared;
static int listener, countdown; // of allocations until one fails
static char path[64];

static bool fail_once(enum fault_point point)
{
	return point == FAULT_ALLOC && countdown-- == 0;
}

static void setup(void)
{
	struct upstream_options o = {.connect_ms = 1000, .response_ms = 1000, .idle_ms = 1000, .max_idle = 4};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct err err = ERR_INIT;
	char at[80];

	snprintf(path, sizeof(path), "/tmp/eifgen-test-h1.%d", (int)getpid());
	snprintf(at, sizeof(at), "unix:%s", path);
	strcpy(sa.sun_path, path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(listener, 16), 0);
	assert_ok(addr_parse(at, &o.service, &err));
	config.ingress.header_ms = config.ingress.body_ms = config.ingress.idle_ms = config.ingress.linger_ms = 1000;
	shared.config = &config;
	shared.loop = loop_new(&err);
	shared.pool = upstream_pool_new(shared.loop, &o, &err);
	ck_assert_ptr_nonnull(shared.pool);
}

static void teardown(void)
{
	upstream_pool_free(shared.pool);
	loop_free(shared.loop);
	close(listener);
	unlink(path);
}

// The service's part of one turn: whoever has asked gets `answer`. *fd is its connection, -1 while there is none.
static void serve(int *fd, const char *answer)
{
	char b[1024];

	if (*fd < 0)
		*fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (*fd >= 0 && recv(*fd, b, sizeof(b), 0) > 0)
		ck_assert_int_gt(send(*fd, answer, strlen(answer), MSG_NOSIGNAL), 0);
}

// What a client hears to `request` until the connection ends, with the allocation after `good` ones failing (-1: none).
// False: all was over before it came to that.
static bool ask(const char *request, const char *answer, int good, char *heard, size_t max)
{
	struct client who = {.addr.kind = ADDR_NONE, .local.kind = ADDR_NONE};
	int pair[2], fd = -1;
	struct stream s;
	size_t n = 0;
	bool failed;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	ck_assert_int_eq(send(pair[1], request, strlen(request), 0), (ssize_t)strlen(request));
	s = stream_plain(pair[0]);
	countdown = good;
	base_fault_hook = fail_once;
	ck_assert(conncap_take(&shared.conns));
	h1_open(&shared, &s, &who, NULL, 0);
	shutdown(pair[1], SHUT_WR);
	for (uint64_t end = loop_now_ms() + 2500; shared.conns.in_use && loop_now_ms() < end;) {
		ssize_t r;

		serve(&fd, answer);
		event_base_loop(loop_base(shared.loop), EVLOOP_NONBLOCK);
		r = recv(pair[1], heard + n, max - 1 - n, 0);
		n += r > 0 ? (size_t)r : 0;
		if (fd >= 0 && n && strstr(answer, " 101 ")) {
			close(fd); // a tunnel has no other end
			fd = -2;
		}
	}
	base_fault_hook = NULL;
	failed = good >= 0 && countdown < 0;
	for (ssize_t r; (r = recv(pair[1], heard + n, max - 1 - n, 0)) > 0;)
		n += (size_t)r;
	heard[n] = '\0';
	ck_assert_uint_eq(shared.conns.in_use, 0);
	ck_assert_ptr_null(shared.sessions);
	close(pair[1]);
	if (fd >= 0)
		close(fd);
	event_base_loop(loop_base(shared.loop), EVLOOP_NONBLOCK);
	return failed;
}

static int answers_in(const char *heard)
{
	int n = 0;

	for (const char *p = heard; (p = strstr(p, "HTTP/1.1 ")); p++)
		n++;
	return n;
}

// Every allocation of the exchange fails once.
static void sweep(const char *request, const char *answer, const char *want)
{
	char heard[4096];
	int good = 0;

	setup();
	while (ask(request, answer, good, heard, sizeof(heard))) {
		ck_assert_msg(answers_in(heard) <= 1, "after %d allocations: %s", good, heard);
		ck_assert_int_lt(++good, POINTS_MAX);
	}
	ck_assert_int_gt(good, 4);
	ck_assert_msg(strstr(heard, want) != NULL, "%s", heard);
	teardown();
}

START_TEST(test_h1_without_memory_gives_no_second_answer)
{
	sweep("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	      "\r\n\r\nok");
}
END_TEST

START_TEST(test_h1_upgrade_without_memory_gives_no_second_answer)
{
	sweep("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
	      "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nthe tunnel's", "\r\n\r\nthe tunnel's");
}
END_TEST

UNIT_MAIN("runtime/h1", ADD(test_h1_without_memory_gives_no_second_answer)
				ADD(test_h1_upgrade_without_memory_gives_no_second_answer))
