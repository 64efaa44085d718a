// SPDX-License-Identifier: Apache-2.0
//
// The loop's glue: accepting under a cap, dialling, refusals and time limits, timers, signals, the ending status.
#include "runtime/common/loop.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct seen {
	struct loop *loop;
	int accepted[8], n_accepted;
	int dialled[8], errnums[8], n_dialled;
	int ticks;
};

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct seen *s = ctx;

	ck_assert_int_eq(peer->kind, ADDR_TCP);
	s->accepted[s->n_accepted++] = fd;
}

static void on_dial(void *ctx, int fd, int errnum)
{
	struct seen *s = ctx;

	s->dialled[s->n_dialled] = fd;
	s->errnums[s->n_dialled++] = errnum;
}

static void on_tick(void *ctx)
{
	struct seen *s = ctx;

	s->ticks++;
	loop_stop(s->loop, 7);
}

static void turn(struct loop *l, int n)
{
	for (int i = 0; i < n; i++) {
		usleep(2000);
		event_base_loop(loop_base(l), EVLOOP_ONCE | EVLOOP_NONBLOCK);
	}
}

START_TEST(test_acceptor_over_the_cap_sheds)
{
	struct err err = ERR_INIT;
	struct conncap cap = {.max = 2};
	struct seen s = {0};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct acceptor *a;
	struct addr at;
	char c;
	int lfd;

	s.loop = loop_new(&err);
	assert_ok(addr_parse("tcp:127.0.0.1:0", &at, &err));
	lfd = addr_listen(&at, 8, &err);
	getsockname(lfd, (struct sockaddr *)&ss, &len);
	addr_from_sockaddr(&at, (struct sockaddr *)&ss, len);
	a = acceptor_new(s.loop, lfd, &cap, on_accept, &s, &err);
	ck_assert_ptr_nonnull(a);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(dial_start(s.loop, &at, 1000, on_dial, &s, &err));
	turn(s.loop, 10);
	ck_assert_int_eq(s.n_dialled, 3);
	ck_assert_int_eq(s.n_accepted, 2);
	ck_assert_uint_eq(cap.shed, 1);
	ck_assert_uint_eq(cap.peak, 2);
	ck_assert_int_le(read(s.dialled[2], &c, 1), 0);
	conncap_release(&cap);
	dial_start(s.loop, &at, 1000, on_dial, &s, &err);
	turn(s.loop, 10);
	ck_assert_int_eq(s.n_accepted, 3);
	for (int i = 0; i < s.n_accepted; i++)
		close(s.accepted[i]);
	for (int i = 0; i < s.n_dialled; i++)
		close(s.dialled[i]);
	acceptor_free(a);
	loop_free(s.loop);
}
END_TEST

START_TEST(test_dial_start_refused_reports_errno_later)
{
	struct err err = ERR_INIT;
	struct seen s = {0};
	struct addr at;
	struct dial *d;

	s.loop = loop_new(&err);
	assert_ok(addr_parse("unix:/nonexistent/socket", &at, &err));
	ck_assert_ptr_nonnull(dial_start(s.loop, &at, 1000, on_dial, &s, &err));
	ck_assert_int_eq(s.n_dialled, 0);
	assert_ok(addr_parse("tcp:127.0.0.1:1", &at, &err));
	ck_assert_ptr_nonnull(dial_start(s.loop, &at, 1000, on_dial, &s, &err));
	d = dial_start(s.loop, &at, 1000, on_dial, &s, &err);
	dial_cancel(d);
	turn(s.loop, 10);
	ck_assert_int_eq(s.n_dialled, 2);
	ck_assert_int_eq(s.errnums[0], ENOENT);
	ck_assert_int_eq(s.errnums[1], ECONNREFUSED);
	ck_assert_int_eq(s.dialled[1], -1);
	loop_free(s.loop);
}
END_TEST

START_TEST(test_dial_start_silent_peer_times_out)
{
	struct err err = ERR_INIT;
	struct seen s = {0};
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;
	int lfd, fill[4];
	bool pending;

	s.loop = loop_new(&err);
	assert_ok(addr_parse("tcp:127.0.0.1:0", &at, &err));
	lfd = addr_listen(&at, 0, &err); // a queue of one that nobody serves: later ones get no answer
	getsockname(lfd, (struct sockaddr *)&ss, &len);
	addr_from_sockaddr(&at, (struct sockaddr *)&ss, len);
	for (int i = 0; i < 4; i++)
		fill[i] = addr_connect(&at, &pending, &err);
	dial_start(s.loop, &at, 30, on_dial, &s, &err);
	for (int i = 0; i < 100 && !s.n_dialled; i++)
		turn(s.loop, 1);
	ck_assert_int_eq(s.n_dialled, 1);
	ck_assert_int_eq(s.errnums[0], ETIMEDOUT);
	for (int i = 0; i < 4; i++)
		close(fill[i]);
	close(lfd);
	loop_free(s.loop);
}
END_TEST

START_TEST(test_loop_run_ends_with_the_first_status)
{
	struct err err = ERR_INIT;
	struct seen s = {0};
	struct timer t = TIMER_INIT;

	s.loop = loop_new(&err);
	assert_ok(timer_init(&t, s.loop, on_tick, &s, &err));
	timer_set(&t, 5);
	ck_assert_int_eq(loop_run(s.loop), 7);
	loop_stop(s.loop, 3);
	ck_assert_int_eq(loop_run(s.loop), 7);
	timer_free(&t);
	timer_free(&t);
	loop_free(s.loop);
}
END_TEST

START_TEST(test_acceptor_whose_listener_dies_ends_the_loop)
{
	struct err err = ERR_INIT;
	struct seen s = {.loop = loop_new(&err)};
	struct acceptor *a;
	struct addr at;
	int fd;

	assert_ok(addr_parse("tcp:127.0.0.1:0", &at, &err));
	fd = addr_listen(&at, 4, &err);
	ck_assert_int_ge(fd, 0);
	a = acceptor_new(s.loop, fd, NULL, on_accept, &s, &err);
	ck_assert_ptr_nonnull(a);
	shutdown(fd, SHUT_RDWR); // the kernel's socket stops listening
	ck_assert_int_eq(loop_run(s.loop), LOOP_PART_DIED);
	acceptor_free(a);
	loop_free(s.loop);
}
END_TEST

START_TEST(test_loop_on_signal_calls)
{
	struct err err = ERR_INIT;
	struct seen s = {0};

	s.loop = loop_new(&err);
	assert_ok(loop_on_signal(s.loop, SIGUSR1, on_tick, &s, &err));
	raise(SIGUSR1);
	ck_assert_int_eq(loop_run(s.loop), 7);
	ck_assert_int_eq(s.ticks, 1);
	loop_free(s.loop);
}
END_TEST

UNIT_MAIN("runtime/loop", ADD(test_acceptor_over_the_cap_sheds) ADD(test_dial_start_refused_reports_errno_later)
			      ADD(test_dial_start_silent_peer_times_out) ADD(test_loop_run_ends_with_the_first_status)
				  ADD(test_loop_on_signal_calls) ADD(test_acceptor_whose_listener_dies_ends_the_loop))
