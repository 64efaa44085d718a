// SPDX-License-Identifier: Apache-2.0
//
// The relay between two socket pairs, driven from both ends by blocking test threads' stead: the ends are non-blocking
// and the loop is turned by hand, so every order of events is the test's own.
#include "runtime/common/relay.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct rig {
	struct loop *loop;
	struct relay *relay;
	int x, y; // the test's ends: x ═ a, b ═ y
	bool done, whole_ends;
	struct relay_result result;
	struct relay_options opt;
};

static void on_end(void *ctx, const struct relay_result *result)
{
	struct rig *r = ctx;

	ck_assert(!r->done);
	r->done = true;
	r->result = *result;
}

static void rig_up(struct rig *r, const void *first, size_t n)
{
	struct err err = ERR_INIT;
	struct stream a, b;
	int p[2], q[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, q), 0);
	r->loop = loop_new(&err);
	ck_assert_ptr_nonnull(r->loop);
	r->x = p[0];
	r->y = q[0];
	a = stream_plain(p[1]);
	b = stream_plain(q[1]);
	a.whole_ends = r->whole_ends;
	r->relay = relay_start_with(r->loop, &a, &b, first, n, &r->opt, on_end, r, &err);
	ck_assert_ptr_nonnull(r->relay);
	ck_assert_int_eq(a.fd, -1);
}

static void rig_down(struct rig *r)
{
	if (!r->done)
		relay_cancel(r->relay);
	ck_assert(r->done);
	loop_free(r->loop);
	close(r->x);
	close(r->y);
}

static void turn(struct rig *r)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(loop_base(r->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

// Pushes n patterned bytes from `from` to `to` with reads of `step` bytes; all must arrive in order.
static void push(struct rig *r, int from, int to, size_t n, size_t step)
{
	static uint8_t block[65536];
	size_t sent = 0, got = 0, wrong = 0;

	while (got < n) {
		ssize_t w, k;

		for (size_t i = 0; i < sizeof(block) && sent + i < n; i++)
			block[i] = pattern(sent + i);
		w = sent < n ? write(from, block, n - sent < sizeof(block) ? n - sent : sizeof(block)) : 0;
		if (w > 0)
			sent += (size_t)w;
		turn(r);
		k = read(to, block, step);
		for (ssize_t i = 0; i < k; i++)
			wrong += block[i] != pattern(got + (size_t)i);
		ck_assert_uint_eq(wrong, 0);
		if (k > 0)
			got += (size_t)k;
	}
}

START_TEST(test_stream_write_to_vsock_is_at_most_32_kib)
{
	static uint8_t block[100 * 1024];
	struct stream s;
	int p[2];

	ck_assert_uint_eq(addr_write_max(ADDR_VSOCK), 32 * 1024);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p), 0);
	s = stream_plain(p[0]);
	ck_assert_int_gt(stream_write(&s, block, sizeof(block)), 32 * 1024); // a unix socket takes more
	s.kind = ADDR_VSOCK;
	s.write_max = addr_write_max(s.kind);
	while (read(p[1], block, sizeof(block)) > 0)
		;
	ck_assert_int_eq(stream_write(&s, block, sizeof(block)), 32 * 1024);
	stream_close(&s);
	close(p[1]);
}
END_TEST

START_TEST(test_relay_bytes_both_ways_arrive_in_order)
{
	struct rig r = {0};

	rig_up(&r, NULL, 0);
	push(&r, r.x, r.y, 100000, 65536);
	push(&r, r.y, r.x, 3 << 20, 65536); // far enough to go over to splice
	push(&r, r.x, r.y, 3 << 20, 40000);
	close(r.x);
	r.x = -1;
	turn(&r);
	ck_assert(!r.done);
	shutdown(r.y, SHUT_WR);
	turn(&r);
	ck_assert(r.done);
	ck_assert_int_eq(r.result.end, RELAY_DONE);
	ck_assert_uint_eq(r.result.a_to_b, 100000 + (3 << 20));
	ck_assert_uint_eq(r.result.b_to_a, 3 << 20);
	rig_down(&r);
}
END_TEST

START_TEST(test_relay_half_close_keeps_other_way_open)
{
	struct rig r = {0};
	char c[8];

	rig_up(&r, "head", 4);
	turn(&r);
	ck_assert_int_eq(read(r.y, c, sizeof(c)), 4);
	ck_assert_int_eq(write(r.x, "ask", 3), 3);
	shutdown(r.x, SHUT_WR);
	turn(&r);
	ck_assert_int_eq(read(r.y, c, sizeof(c)), 3);
	ck_assert_int_eq(read(r.y, c, sizeof(c)), 0); // the EOF came through
	ck_assert(!r.done);
	ck_assert_int_eq(write(r.y, "answer", 6), 6);
	turn(&r);
	ck_assert_int_eq(read(r.x, c, sizeof(c)), 6);
	shutdown(r.y, SHUT_WR);
	turn(&r);
	ck_assert_int_eq(read(r.x, c, sizeof(c)), 0);
	ck_assert(r.done);
	rig_down(&r);
}
END_TEST

// What a relay that keeps to half-closes makes of a peer that closes without one, after n bytes.
static void assert_cut(size_t n)
{
	struct rig r = {.whole_ends = true};
	char c;

	rig_up(&r, NULL, 0);
	push(&r, r.x, r.y, n, 65536);
	close(r.x);
	r.x = -1;
	turn(&r);
	ck_assert(r.done);
	ck_assert_int_eq(r.result.end, RELAY_ERROR);
	ck_assert_int_eq(r.result.errnum, ECONNRESET);
	ck_assert_uint_eq(r.result.a_to_b, n);
	ck_assert_int_eq(read(r.y, &c, 1), 0);
	rig_down(&r);
}

START_TEST(test_relay_close_without_half_close_is_a_cut)
{
	assert_cut(5);
	assert_cut(3 << 20); // by splice
}
END_TEST

START_TEST(test_relay_half_close_or_close_after_ours_is_an_end)
{
	struct rig r = {.whole_ends = true};
	char c[8];

	rig_up(&r, NULL, 0);
	shutdown(r.x, SHUT_WR);
	turn(&r);
	ck_assert_int_eq(read(r.y, c, sizeof(c)), 0);
	ck_assert(!r.done);
	shutdown(r.y, SHUT_WR);
	turn(&r);
	ck_assert_int_eq(r.result.end, RELAY_DONE);
	rig_down(&r);
	r = (struct rig){.whole_ends = true};
	rig_up(&r, NULL, 0);
	shutdown(r.y, SHUT_WR);
	turn(&r);
	ck_assert_int_eq(write(r.x, "tail", 4), 4);
	close(r.x);
	r.x = -1;
	turn(&r);
	ck_assert_int_eq(read(r.y, c, sizeof(c)), 4);
	ck_assert(r.done);
	ck_assert_int_eq(r.result.end, RELAY_DONE);
	rig_down(&r);
}
END_TEST

START_TEST(test_relay_slow_reader_bounds_what_is_held)
{
	static char block[65536];
	struct rig r = {0};
	size_t sent = 0;
	int room = 4096;

	rig_up(&r, NULL, 0);
	setsockopt(r.y, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	for (int i = 0; i < 200; i++) {
		ssize_t w = write(r.x, block, sizeof(block));

		if (w > 0)
			sent += (size_t)w;
		turn(&r);
	}
	// Two kernel buffers and ours lie between: far less than what was offered.
	ck_assert_uint_lt(sent, 2u << 20);
	ck_assert_int_eq(write(r.x, block, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
	rig_down(&r);
	ck_assert_int_eq(r.result.end, RELAY_CANCELLED);
}
END_TEST

START_TEST(test_relay_early_answer_survives_a_broken_upload)
{
	static char block[65536];
	struct rig r = {0};
	char c[64];

	rig_up(&r, NULL, 0);
	ck_assert_int_eq(write(r.y, "413 too much", 12), 12);
	close(r.y);
	r.y = -1;
	for (int i = 0; i < 4; i++) {
		(void)!write(r.x, block, sizeof(block));
		turn(&r);
	}
	ck_assert_int_eq(read(r.x, c, sizeof(c)), 12);
	ck_assert_int_eq(read(r.x, c, sizeof(c)), 0);
	ck_assert(!r.done); // the rest of the upload is still read and dropped
	shutdown(r.x, SHUT_WR);
	for (int i = 0; i < 8; i++)
		turn(&r);
	ck_assert(r.done);
	ck_assert_int_eq(r.result.end, RELAY_ERROR);
	rig_down(&r);
}
END_TEST

START_TEST(test_relay_idle_limit_ends_it)
{
	struct rig r = {.opt = {.idle_ms = 40}};
	char c;

	rig_up(&r, NULL, 0);
	for (int i = 0; i < 20; i++) {
		(void)!write(r.x, "x", 1);
		usleep(5000);
		turn(&r);
		ck_assert(!r.done);
	}
	for (int i = 0; i < 60 && !r.done; i++) {
		usleep(5000);
		turn(&r);
	}
	ck_assert(r.done);
	ck_assert_int_eq(r.result.end, RELAY_IDLE);
	while (read(r.y, &c, 1) > 0)
		;
	rig_down(&r);
}
END_TEST

START_TEST(test_relay_linger_limit_is_shorter)
{
	struct rig r = {.opt = {.idle_ms = 10000, .linger_ms = 20}};

	rig_up(&r, NULL, 0);
	turn(&r);
	ck_assert(!r.done);
	shutdown(r.x, SHUT_WR);
	for (int i = 0; i < 100 && !r.done; i++) {
		usleep(5000);
		turn(&r);
	}
	ck_assert(r.done);
	ck_assert_int_eq(r.result.end, RELAY_IDLE);
	rig_down(&r);
}
END_TEST

UNIT_MAIN("runtime/relay",
	  ADD(test_stream_write_to_vsock_is_at_most_32_kib)
	  ADD(test_relay_bytes_both_ways_arrive_in_order) ADD(test_relay_half_close_keeps_other_way_open)
	      ADD(test_relay_close_without_half_close_is_a_cut)
	      ADD(test_relay_half_close_or_close_after_ours_is_an_end)
	      ADD(test_relay_slow_reader_bounds_what_is_held) ADD(test_relay_early_answer_survives_a_broken_upload)
		  ADD(test_relay_idle_limit_ends_it) ADD(test_relay_linger_limit_is_shorter))
