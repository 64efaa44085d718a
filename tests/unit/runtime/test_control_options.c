// SPDX-License-Identifier: Apache-2.0
//
// The control plane's command line: defaults, each kind of value, and what is refused.
#include "runtime/control-plane/options.h"

#include "tests/unit/unit.h"

#include <string.h>

enum { ARGS_MAX = 8 };

static int parse(struct options *o, bool egress, struct err *err, const char *const *args)
{
	char *argv[ARGS_MAX + 2] = {(char *)(uintptr_t)"prog"};
	int argc = 1;
	FILE *null = fopen("/dev/null", "w");

	for (; *args; args++)
		argv[argc++] = (char *)(uintptr_t)*args;
	int rc = options_parse(o, argc, argv, egress, null, err);

	fclose(null);
	return rc;
}
#define PARSE(o, egress, err, ...) parse(o, egress, err, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_options_parse_defaults_are_the_ports_of_the_table)
{
	struct options o;
	struct err err = ERR_INIT;
	char text[ADDR_TEXT_MAX];
	const char *const none[] = {NULL};

	ck_assert_int_eq(parse(&o, true, &err, none), 0);
	ck_assert_str_eq(addr_format(&o.ingress, text), "tcp:0.0.0.0:443");
	ck_assert_str_eq(addr_format(&o.enclave, text), "vsock:2021:7777");
	ck_assert_str_eq(addr_format(&o.egress, text), "vsock:any:4433");
	ck_assert_str_eq(addr_format(&o.control, text), "vsock:any:7776");
	ck_assert_uint_eq(o.drain_ms, 55000);
	ck_assert(o.deep_health && o.send_proxy && !o.expect_proxy && !o.test_allow_loopback);
	ck_assert_int_eq(o.statsd.kind, ADDR_NONE);
	options_release(&o);
}
END_TEST

START_TEST(test_options_parse_values_are_taken)
{
	struct options o;
	struct err err = ERR_INIT;

	ck_assert_int_eq(PARSE(&o, true, &err, "--drain=3", "--trusted-header", "X-Mine", "--no-proxy", "--metrics-in", "none",
			       "--allow=a.example"), 0);
	ck_assert_uint_eq(o.drain_ms, 3000);
	ck_assert_str_eq(o.trusted[0], "x-mine");
	ck_assert(!o.send_proxy);
	ck_assert_int_eq(o.metrics_in.kind, ADDR_NONE);
	ck_assert_str_eq(o.allow, "a.example");
	options_release(&o);
	ck_assert_int_eq(PARSE(&o, true, &err, "--help"), 1);
	options_release(&o);
}
END_TEST

START_TEST(test_options_parse_bad_words_are_usage)
{
	static const char *const words[] = {"x",	 "--nothing",	 "-h",		"--drain",  "--drain=", "--drain=0",
					    "--drain=-1", "--drain=9999999999", "--verbose=1", "--ingress=tcp:example.com:1",
					    "--ingress=none", "--drai=1",	 "--allow-file=/nonexistent"};
	struct options o;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg(PARSE(&o, true, &err, words[i]) == -1, "%s", words[i]);
		options_release(&o);
	}
}
END_TEST

START_TEST(test_options_parse_without_egress_knows_no_egress_option)
{
	struct options o;
	struct err err = ERR_INIT;

	ck_assert_int_eq(PARSE(&o, false, &err, "--allow=*"), -1);
	ck_assert(strstr(err.msg, "unknown option") != NULL);
	options_release(&o);
}
END_TEST

UNIT_MAIN("runtime/control_options",
	  ADD(test_options_parse_defaults_are_the_ports_of_the_table) ADD(test_options_parse_values_are_taken)
	      ADD(test_options_parse_bad_words_are_usage) ADD(test_options_parse_without_egress_knows_no_egress_option))
