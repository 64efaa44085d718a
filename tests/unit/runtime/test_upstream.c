// SPDX-License-Identifier: Apache-2.0
//
// Exchanges with a service that this test plays itself, step by step: it answers and closes before the loop looks, so
// that what the loop finds is the same each time.
#include "runtime/data-plane/upstream_conn.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct fixture {
	struct loop *loop;
	struct upstream_pool *pool;
	int listener;
	char path[64];
} f;

struct front {
	struct upstream *up;
	int heads, ends, fails, status;
	size_t body, room;
	struct front *then; // started from on_end
};

static void start(struct front *c);

static void on_head(void *ctx, const struct http1_head *head)
{
	struct front *c = ctx;

	c->heads++;
	c->status = head->status;
}

static size_t room(void *ctx)
{
	return ((struct front *)ctx)->room;
}

static void on_body(void *ctx, const char *p, size_t n)
{
	(void)p;
	((struct front *)ctx)->body += n;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void on_end(void *ctx)
{
	struct front *c = ctx;

	c->up = NULL;
	c->ends++;
	if (c->then)
		start(c->then);
}

static void on_fail(void *ctx, int status)
{
	struct front *c = ctx;

	c->up = NULL;
	c->fails++;
	c->status = status;
}

static const struct upstream_events events = {on_head, room, on_body, nothing, nothing, on_end, on_fail};
static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

static void start(struct front *c)
{
	const struct upstream_request rq = {.head = request, .head_len = sizeof(request) - 1, .idempotent = true};

	c->room = 65536;
	c->up = upstream_start(f.pool, &rq, &events, c, NULL);
	ck_assert_ptr_nonnull(c->up);
}

static void setup(size_t max_open)
{
	struct upstream_options o = {
	    .connect_ms = 2000, .response_ms = 2000, .idle_ms = 2000, .max_idle = 4, .max_open = max_open};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct err err = ERR_INIT;
	char at[80];

	snprintf(f.path, sizeof(f.path), "/tmp/eifgen-test-upstream.%d", (int)getpid());
	snprintf(at, sizeof(at), "unix:%s", f.path);
	strcpy(sa.sun_path, f.path);
	unlink(f.path);
	f.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(f.listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(f.listener, 16), 0);
	assert_ok(addr_parse(at, &o.service, &err));
	f.loop = loop_new(&err);
	f.pool = upstream_pool_new(f.loop, &o, &err);
	ck_assert_ptr_nonnull(f.pool);
}

static void teardown(void)
{
	upstream_pool_free(f.pool);
	loop_free(f.loop);
	close(f.listener);
	unlink(f.path);
}

// The loop goes on until `what` is no longer 0, at most two seconds.
static void wait_for(const int *what)
{
	for (uint64_t end = loop_now_ms() + 2000; !*what && loop_now_ms() < end;)
		event_base_loop(loop_base(f.loop), EVLOOP_NONBLOCK);
	ck_assert(*what);
}

// The service takes a connection and reads a request.
static int take(void)
{
	int fd = accept(f.listener, NULL, NULL);
	char b[512];

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(recv(fd, b, sizeof(b), 0), 0);
	return fd;
}

static void say(int fd, const char *s)
{
	ck_assert_int_eq(send(fd, s, strlen(s), MSG_NOSIGNAL), (ssize_t)strlen(s));
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

START_TEST(test_upstream_start_takes_a_kept_connection)
{
	struct front a = {.then = NULL}, b = {.then = NULL};
	int fd;

	setup(0);
	start(&a);
	fd = take();
	say(fd, OK);
	wait_for(&a.ends);
	start(&b);
	say(fd, OK);
	wait_for(&b.ends);
	ck_assert_uint_eq(a.body, 2);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->connects, 1);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->reuses, 1);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_upstream_start_passes_over_a_kept_connection_that_died)
{
	struct front a = {.then = NULL}, b = {.then = NULL};
	int fd;

	setup(0);
	start(&a);
	fd = take();
	say(fd, OK);
	wait_for(&a.ends);
	close(fd); // unseen by the loop
	start(&b);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->open, 1);
	fd = take();
	say(fd, OK);
	wait_for(&b.ends);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->connects, 2);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->reuses, 0);
	close(fd);
	teardown();
}
END_TEST

// A front's next request, begun within on_end, meets in the pool the connection that on_end speaks of.
START_TEST(test_upstream_start_within_on_end_passes_over_a_connection_that_died)
{
	struct front b = {.then = NULL}, a = {.then = &b};
	int fd;

	setup(0);
	start(&a);
	fd = take();
	say(fd, OK);
	close(fd);
	wait_for(&a.ends);
	fd = take();
	say(fd, OK);
	wait_for(&b.ends);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->open, 1);
	ck_assert_int_eq(a.fails + b.fails, 0);
	ck_assert_uint_eq(b.body, 2);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_upstream_start_within_on_end_takes_the_same_connection)
{
	struct front b = {.then = NULL}, a = {.then = &b};
	int fd;

	setup(0);
	start(&a);
	fd = take();
	say(fd, OK);
	wait_for(&a.ends);
	say(fd, OK);
	wait_for(&b.ends);
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->connects, 1);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_upstream_start_past_the_ceiling_is_refused)
{
	const struct upstream_request rq = {.head = request, .head_len = sizeof(request) - 1};
	struct front a = {.then = NULL}, b = {.then = NULL};
	int fd;

	setup(1);
	start(&a);
	ck_assert_ptr_null(upstream_start(f.pool, &rq, &events, &b, NULL));
	ck_assert_uint_eq(upstream_pool_counters(f.pool)->shed, 1);
	fd = take();
	say(fd, OK);
	wait_for(&a.ends);
	start(&b); // the kept one counts, and is there to be used
	upstream_cancel(b.up);
	close(fd);
	start(&b);
	fd = take();
	say(fd, OK);
	wait_for(&b.ends);
	close(fd);
	teardown();
}
END_TEST

// The connection that on_end speaks of is over, if it cannot be kept: it takes no place from the next request.
START_TEST(test_upstream_start_within_on_end_has_the_place_of_what_ended)
{
	struct front b = {.then = NULL}, a = {.then = &b};
	int fd;

	setup(1);
	start(&a);
	fd = take();
	say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
	wait_for(&a.ends);
	close(fd);
	fd = take();
	say(fd, OK);
	wait_for(&b.ends);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_upstream_interim_answers_without_end_fail)
{
	struct front a = {.then = NULL};
	int fd;

	setup(0);
	start(&a);
	fd = take();
	for (int i = 0; i < 50; i++)
		say(fd, "HTTP/1.1 103 Early Hints\r\n\r\n");
	say(fd, OK);
	wait_for(&a.ends);
	ck_assert_int_eq(a.heads, 51);
	a.heads = 0;
	start(&a);
	for (int i = 0; i < 200; i++)
		say(fd, "HTTP/1.1 103 Early Hints\r\n\r\n");
	wait_for(&a.fails);
	ck_assert_int_eq(a.status, 502);
	ck_assert_int_lt(a.heads, 129);
	close(fd);
	teardown();
}
END_TEST

START_TEST(test_upstream_interim_answers_are_forgiven_in_time)
{
	struct front a = {.then = NULL};
	int fd;

	setup(0);
	start(&a);
	fd = take();
	for (int minute = 1; minute < 5; minute++) {
		for (int i = 0; i < 60; i++)
			say(fd, "HTTP/1.1 102 Processing\r\n\r\n");
		for (uint64_t end = loop_now_ms() + 2000; a.heads < 60 * minute && loop_now_ms() < end;)
			event_base_loop(loop_base(f.loop), EVLOOP_NONBLOCK);
		ck_assert_int_eq(a.heads, 60 * minute);
		a.up->interim_ms -= 60000;
	}
	say(fd, OK);
	wait_for(&a.ends);
	close(fd);
	teardown();
}
END_TEST

UNIT_MAIN("runtime/upstream",
	  ADD(test_upstream_start_takes_a_kept_connection)
	      ADD(test_upstream_start_passes_over_a_kept_connection_that_died)
		  ADD(test_upstream_start_within_on_end_passes_over_a_connection_that_died)
		      ADD(test_upstream_start_within_on_end_takes_the_same_connection)
	  ADD(test_upstream_start_past_the_ceiling_is_refused)
	      ADD(test_upstream_start_within_on_end_has_the_place_of_what_ended)
		  ADD(test_upstream_interim_answers_without_end_fail)
		      ADD(test_upstream_interim_answers_are_forgiven_in_time))
