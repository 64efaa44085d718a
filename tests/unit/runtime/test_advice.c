// SPDX-License-Identifier: Apache-2.0
//
// What the host may say at run time: each key is taken, and whatever is out of bounds refuses the whole.
#include "runtime/data-plane/advice.h"

#include "base/cbor.h"
#include "tests/unit/unit.h"

#include <string.h>

#define OK	"\x62" "ok" "\xf5"
#define CONFIG	"\xa2" OK "\x66" "config"
#define LEVEL	"\x69" "log_level"
#define DRAIN	"\x68" "draining"
#define SAMPLE	"\x72" "transaction_sample"
#define CAP	"\x6f" "max_connections"
#define B(s)	{s, sizeof(s) - 1}

struct bytes {
	const char *p;
	size_t n;
};

START_TEST(test_advice_read_every_key_is_taken)
{
	static const char reply[] = CONFIG "\xa5" LEVEL "\x64" "warn" DRAIN "\xf5" SAMPLE "\x0a" "\x65" "other" "\x82\x01\xa0" CAP
					   "\x19\x01\xf4";
	struct advice a = ADVICE_INIT;
	struct err err = ERR_INIT;

	assert_ok(advice_read(reply, sizeof(reply) - 1, &a, &err));
	ck_assert_int_eq(a.log_level, LOG_WARN);
	ck_assert(a.draining);
	ck_assert_uint_eq(a.transaction_sample, 10);
	ck_assert_uint_eq(a.max_connections, 500);
	ck_assert_uint_eq(a.unknown, 1);
	for (size_t n = 0; n < sizeof(reply) - 1; n++) // each cut of it is refused
		ck_assert_int_eq(advice_read(reply, n, &a, &err), -1);
}
END_TEST

START_TEST(test_advice_read_empty_gives_what_holds_without_a_host)
{
	struct advice a = {.log_level = LOG_ERROR, .draining = true, .max_connections = 7};
	struct err err = ERR_INIT;

	assert_ok(advice_read(CONFIG "\xa0", sizeof(CONFIG "\xa0") - 1, &a, &err));
	ck_assert_int_eq(a.log_level, LOG_INFO);
	ck_assert(!a.draining);
	ck_assert_uint_eq(a.transaction_sample, 1);
	ck_assert_uint_eq(a.max_connections, 0);
}
END_TEST

static const struct bytes refused[] = {
    B(""),
    B("\x01"),					      // no map
    B("\xa0"),					      // without ok
    B("\xa2\x62" "ok" "\xf4\x65" "error\x61x"),	      // the host refuses
    B("\xa2\x62" "ok" "\x01\x66" "config\xa0"),	      // ok is no bool
    B("\xa1" OK),				      // without config
    B("\xa2" OK "\x66" "confix\xa0"),		      // another key
    B(CONFIG "\x80"),				      // no map in it
    B(CONFIG "\xa0\x00"),			      // bytes behind
    B("\xa3" OK "\x66" "config\xa0\x61x\x01"),	      // a member behind
    B(CONFIG "\xa1" LEVEL "\x65" "quiet"),	      // no level
    B(CONFIG "\xa1" LEVEL "\x01"),		      // of another type
    B(CONFIG "\xa1" DRAIN "\x01"),		      //
    B(CONFIG "\xa1" SAMPLE "\x00"),		      // below 1
    B(CONFIG "\xa1" SAMPLE "\x1a\x00\x0f\x42\x41"),   // past a million
    B(CONFIG "\xa1" CAP "\x20"),		      // negative
    B(CONFIG "\xa2" DRAIN "\xf5" DRAIN "\xf4"),	      // twice
};

START_TEST(test_advice_read_odd_reply_is_refused_and_changes_nothing)
{
	struct advice a = {.log_level = LOG_ERROR, .max_connections = 7};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg(advice_read(refused[i].p, refused[i].n, &a, &err) == -1, "case %zu", i);
		ck_assert(err.msg[0]);
	}
	ck_assert_int_eq(a.log_level, LOG_ERROR);
	ck_assert_uint_eq(a.max_connections, 7);
}
END_TEST

#define TIME "\xa3" OK "\x67" "seconds"
#define NANO "\x6b" "nanoseconds"

START_TEST(test_advice_read_time_bounds)
{
	static const char sound[] = TIME "\x1a\x65\x53\xf1\x00" NANO "\x19\x03\xe8";
	static const struct bytes odd[] = {
	    B(TIME "\x1a\x5e\x0b\xe0\xff" NANO "\x00"),		    // a second before 2020
	    B(TIME "\x1b\x00\x00\x00\x01\x00\x00\x00\x00" NANO "\x00"), // after 2100
	    B(TIME "\x1a\x65\x53\xf1\x00" NANO "\x1a\x3b\x9a\xca\x00"), // a whole second of nanoseconds
	    B(TIME "\x39\x00\x01" NANO "\x00"),			    // negative
	    B("\xa2" OK "\x67" "seconds\x1a\x65\x53\xf1\x00"),	    // without nanoseconds
	    B(TIME "\x1a\x65\x53\xf1\x00" NANO "\x00\x00"),	    // bytes behind
	};
	struct err err = ERR_INIT;
	int64_t at = 0;

	assert_ok(advice_read_time(sound, sizeof(sound) - 1, &at, &err));
	ck_assert_int_eq(at, 1700000000000001);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		ck_assert_msg(advice_read_time(odd[i].p, odd[i].n, &at, &err) == -1, "case %zu", i);
	ck_assert_int_eq(at, 1700000000000001);
}
END_TEST

UNIT_MAIN("runtime/advice", ADD(test_advice_read_every_key_is_taken) ADD(test_advice_read_empty_gives_what_holds_without_a_host)
				ADD(test_advice_read_odd_reply_is_refused_and_changes_nothing) ADD(test_advice_read_time_bounds))
