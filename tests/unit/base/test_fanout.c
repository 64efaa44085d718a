// SPDX-License-Identifier: Apache-2.0
//
// The fan-out: every consumer sees every byte in order, with and without threads; failures; an early end.
#include "base/fanout.h"

#include "base/buf.h"
#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static struct err err;

struct taker {
	struct buf got;
	size_t fail_at; // bytes after which it fails; 0: never
	unsigned slow;	// microseconds a chunk
	int calls_after_failure;
	bool failed;
};

static int take(void *ctx, const void *p, size_t n, struct err *e)
{
	struct taker *t = ctx;

	if (t->slow)
		usleep(t->slow);
	t->calls_after_failure += t->failed;
	if (t->fail_at && t->got.len >= t->fail_at) {
		t->failed = true;
		return err_set(e, ERR_INPUT, "taker %u had enough", t->slow);
	}
	return buf_add(&t->got, p, n, e);
}

static void run(unsigned helpers, unsigned slow_a, unsigned slow_b)
{
	struct fanout *f = fanout_new(3, 16, helpers, &err);
	struct taker a = {.slow = slow_a}, b = {.slow = slow_b};
	struct buf want = BUF_INIT(0);

	assert_ok(fanout_add(f, take, &a, &err));
	assert_ok(fanout_add(f, take, &b, &err));
	for (int i = 0; i < 500; i++) {
		char text[17];
		size_t n = (size_t)snprintf(text, sizeof(text), "chunk %d ", i);

		memcpy(fanout_buffer(f), text, n);
		assert_ok(fanout_publish(f, n, &err));
		assert_ok(buf_add(&want, text, n, &err));
	}
	assert_ok(fanout_drain(f, &err));
	ck_assert(a.got.len == want.len && !memcmp(a.got.data, want.data, want.len));
	ck_assert(b.got.len == want.len && !memcmp(b.got.data, want.data, want.len));
	fanout_free(f);
	buf_free(&a.got);
	buf_free(&b.got);
	buf_free(&want);
}

START_TEST(test_fanout_every_consumer_sees_all_in_order)
{
	for (unsigned helpers = 0; helpers <= 3; helpers++) { // 3: more than consumers
		run(helpers, 0, 0);
		run(helpers, 50, 0);
		run(helpers, 0, 50);
	}
}
END_TEST

START_TEST(test_fanout_failure_is_the_first_consumers_and_ends_its_calls)
{
	for (unsigned helpers = 0; helpers < 3; helpers++) {
		struct fanout *f = fanout_new(2, 8, helpers, &err);
		struct taker a = {.fail_at = 64, .slow = 1}, b = {.fail_at = 64, .slow = 2};
		int rc = 0;

		assert_ok(fanout_add(f, take, &a, &err));
		assert_ok(fanout_add(f, take, &b, &err));
		for (int i = 0; i < 100; i++) {
			memcpy(fanout_buffer(f), "01234567", 8);
			rc = fanout_publish(f, 8, &err);
		}
		ck_assert_int_eq(rc, -1);
		ck_assert_int_eq(fanout_drain(f, &err), -1);
		ck_assert_str_eq(err.msg, "taker 1 had enough");
		ck_assert_int_eq(a.calls_after_failure + b.calls_after_failure, 0);
		ck_assert_uint_eq(a.got.len, 64);
		fanout_free(f);
		buf_free(&a.got);
		buf_free(&b.got);
	}
}
END_TEST

// One that comes late sees what is published from then on, all of it, and the others miss nothing.
START_TEST(test_fanout_add_in_the_midst_sees_what_follows)
{
	for (unsigned helpers = 0; helpers < 3; helpers++) {
		struct fanout *f = fanout_new(2, 8, helpers, &err);
		struct taker a = {.slow = 20}, b = {.slow = 0};

		assert_ok(fanout_add(f, take, &a, &err));
		for (int i = 0; i < 40; i++) {
			if (i == 15)
				assert_ok(fanout_add(f, take, &b, &err));
			memcpy(fanout_buffer(f), "01234567", 8);
			assert_ok(fanout_publish(f, 8, &err));
		}
		assert_ok(fanout_drain(f, &err));
		ck_assert_uint_eq(a.got.len, 40 * 8);
		ck_assert_uint_eq(b.got.len, 25 * 8);
		fanout_free(f);
		buf_free(&a.got);
		buf_free(&b.got);
	}
}
END_TEST

START_TEST(test_fanout_free_before_drain_waits)
{
	struct fanout *f = fanout_new(4, 8, 1, &err);
	struct taker a = {.slow = 1000};

	assert_ok(fanout_add(f, take, &a, &err));
	for (int i = 0; i < 4; i++) {
		memcpy(fanout_buffer(f), "01234567", 8);
		assert_ok(fanout_publish(f, 8, &err));
	}
	fanout_free(f);
	ck_assert_uint_eq(a.got.len, 32);
	buf_free(&a.got);
}
END_TEST

// A consumer that holds one helper up: the other consumers, the other helpers and the producer go on, as far as the
// ring lets them, and the slow one gets everything in the end.
struct gate {
	struct buf got;
	unsigned passed; // chunks that the other has seen
	atomic_bool open;
};

static int wait_and_take(void *ctx, const void *p, size_t n, struct err *e)
{
	struct gate *g = ctx;

	while (!atomic_load(&g->open))
		usleep(100);
	return buf_add(&g->got, p, n, e);
}

static int open_at_end(void *ctx, const void *p, size_t n, struct err *e)
{
	struct gate *g = ctx;

	(void)p, (void)n, (void)e;
	if (++g->passed == 4)
		atomic_store(&g->open, true);
	return 0;
}

START_TEST(test_fanout_slow_consumer_holds_up_nobody_within_the_ring)
{
	struct fanout *f = fanout_new(4, 8, 2, &err);
	struct gate g = {.open = false};

	assert_ok(fanout_add(f, wait_and_take, &g, &err));
	assert_ok(fanout_add(f, open_at_end, &g, &err)); // lets the first go on when it has seen the whole ring
	for (int i = 0; i < 4; i++) {
		memcpy(fanout_buffer(f), "01234567", 8);
		assert_ok(fanout_publish(f, 8, &err));
	}
	assert_ok(fanout_drain(f, &err));
	ck_assert_uint_eq(g.got.len, 32);
	fanout_free(f);
	buf_free(&g.got);
}
END_TEST

UNIT_MAIN("base/fanout", ADD(test_fanout_every_consumer_sees_all_in_order)
	  ADD(test_fanout_failure_is_the_first_consumers_and_ends_its_calls) ADD(test_fanout_add_in_the_midst_sees_what_follows)
	  ADD(test_fanout_free_before_drain_waits)
	  ADD(test_fanout_slow_consumer_holds_up_nobody_within_the_ring))
