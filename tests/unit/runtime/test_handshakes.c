// SPDX-License-Identifier: Apache-2.0
//
// Turns by hand: who gets one, in which order, and who loses it when others wait. The loop runs only for the timer.
#include "runtime/data-plane/handshakes.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

enum { N = 6 };

static struct handshakes *h;
static struct turn turns[N];
static char said[64]; // "+2" granted, "-2" evicted

static void say(char what, const struct turn *t)
{
	char one[3] = {what, (char)('0' + (t - turns)), '\0'};

	ck_assert_uint_lt(strlen(said), sizeof(said) - 3);
	strcat(said, one);
}

static void on_grant(struct turn *t)
{
	say('+', t);
}

static void on_evict(struct turn *t)
{
	say('-', t);
	handshakes_leave(h, t);
}

static struct loop *begin(uint32_t max)
{
	struct err err = ERR_INIT;
	struct loop *l = loop_new(&err);

	memset(turns, 0, sizeof(turns));
	said[0] = '\0';
	h = handshakes_new(l, max, on_grant, on_evict, &err);
	ck_assert_ptr_nonnull(h);
	return l;
}

static void end(struct loop *l)
{
	for (int i = 0; i < N; i++)
		handshakes_leave(h, &turns[i]);
	handshakes_free(h);
	loop_free(l);
}

START_TEST(test_handshakes_ask_over_the_cap_waits_in_order)
{
	struct loop *l = begin(2);

	for (int i = 0; i < 5; i++)
		handshakes_ask(h, &turns[i]);
	ck_assert_str_eq(said, "+0+1");
	handshakes_leave(h, &turns[3]); // one who waits goes
	handshakes_leave(h, &turns[3]);
	ck_assert_str_eq(said, "+0+1");
	handshakes_leave(h, &turns[1]);
	ck_assert_str_eq(said, "+0+1+2");
	handshakes_leave(h, &turns[0]);
	ck_assert_str_eq(said, "+0+1+2+4");
	handshakes_leave(h, &turns[5]); // never asked
	handshakes_leave(h, &turns[2]);
	handshakes_ask(h, &turns[0]);
	ck_assert_str_eq(said, "+0+1+2+4+0");
	end(l);
}
END_TEST

START_TEST(test_handshakes_ask_full_ends_those_who_ran_longest)
{
	struct loop *l = begin(2);

	handshakes_ask(h, &turns[0]);
	handshakes_ask(h, &turns[1]);
	usleep((HANDSHAKE_TURN_MS + 20) * 1000);
	event_base_loop(loop_base(l), EVLOOP_NONBLOCK);
	ck_assert_str_eq(said, "+0+1"); // nobody waits: they have all the time
	handshakes_ask(h, &turns[2]);
	ck_assert_str_eq(said, "+0+1-0+2");
	handshakes_ask(h, &turns[3]);
	handshakes_ask(h, &turns[4]);
	ck_assert_str_eq(said, "+0+1-0+2-1+3");
	end(l);
}
END_TEST

START_TEST(test_handshakes_who_waits_gets_a_turn_in_time)
{
	struct loop *l = begin(1);
	uint64_t start = loop_now_ms();

	handshakes_ask(h, &turns[0]);
	handshakes_ask(h, &turns[1]);
	ck_assert_str_eq(said, "+0");
	while (strlen(said) == 2 && loop_now_ms() - start < 5000)
		event_base_loop(loop_base(l), EVLOOP_ONCE);
	ck_assert_str_eq(said, "+0-0+1");
	ck_assert_uint_ge(loop_now_ms() - start, HANDSHAKE_TURN_MS - 1);
	end(l);
}
END_TEST

UNIT_MAIN("runtime/handshakes",
	  ADD(test_handshakes_ask_over_the_cap_waits_in_order) ADD(test_handshakes_ask_full_ends_those_who_ran_longest)
	      ADD(test_handshakes_who_waits_gets_a_turn_in_time))
