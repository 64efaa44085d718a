// SPDX-License-Identifier: Apache-2.0
//
// StatsD lines in, Prometheus text and StatsD lines out.
#include "runtime/control-plane/metrics.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char *page(const struct metrics *m, struct buf *b)
{
	struct err err = ERR_INIT;

	b->len = 0;
	assert_ok(metrics_put_prometheus(m, b, &err));
	return buf_cstr(b, &err);
}

static void take(struct metrics *m, const char *line)
{
	struct err err = ERR_INIT;

	ck_assert_msg(metrics_take_statsd(m, line, strlen(line), &err) == 0, "%s: %s", line, err.msg);
}

START_TEST(test_metrics_put_prometheus_page_is_exact)
{
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);
	struct buf b = BUF_INIT(0);
	uint64_t up = 1, in = 18446744073709551615u, out = 7;

	metrics_add(m, METRIC_GAUGE, "cage_up", "Up.", NULL, &up);
	metrics_add(m, METRIC_COUNTER, "cage_bytes_total", "Bytes.", "direction=\"in\"", &in);
	metrics_add(m, METRIC_COUNTER, "cage_bytes_total", "Bytes.", "direction=\"out\"", &out);
	take(m, "request.count:2|c|#app:1");
	take(m, "request.count:3|c|@0.5");
	take(m, "memory-avail:1024.5|g");
	take(m, "memory-avail:-24.5|g");
	take(m, "fd.count:9|g");
	take(m, "latency:12|ms");
	take(m, "latency:8|ms");
	take(m, "users:alice|s");
	ck_assert_str_eq(page(m, &b),
			 "# HELP cage_up Up.\n# TYPE cage_up gauge\ncage_up 1\n"
			 "# HELP cage_bytes_total Bytes.\n# TYPE cage_bytes_total counter\n"
			 "cage_bytes_total{direction=\"in\"} 18446744073709551615\n"
			 "cage_bytes_total{direction=\"out\"} 7\n"
			 "# HELP cage_enclave_request_count_total Reported by the enclave.\n"
			 "# TYPE cage_enclave_request_count_total counter\ncage_enclave_request_count_total 8\n"
			 "# HELP cage_enclave_memory_avail Reported by the enclave.\n"
			 "# TYPE cage_enclave_memory_avail gauge\ncage_enclave_memory_avail 1000\n"
			 "# HELP cage_enclave_fd_count_value Reported by the enclave.\n"
			 "# TYPE cage_enclave_fd_count_value gauge\ncage_enclave_fd_count_value 9\n"
			 "# HELP cage_enclave_latency Reported by the enclave.\n"
			 "# TYPE cage_enclave_latency summary\ncage_enclave_latency_sum 20\ncage_enclave_latency_count 2\n");
	buf_free(&b);
	metrics_free(m);
	metrics_free(NULL);
}
END_TEST

START_TEST(test_metrics_take_statsd_bad_line_is_refused)
{
	static const char *const lines[] = {
	    "",	      "a",	   "a:1",      ":1|c",	    "a b:1|c",	"a:|c",	     "a:x|c",	 "a:1|",     "a:1|x",	 "a:1|cc",
	    "a:0x1|c", "a:inf|g", "a:nan|g",  "a:1e999|g", "a:-1|c",	"a:1|c|@0",  "a:1|c|@2", "a:1|c|@x", "a{b=\"\"}:1|c", "\xc3\xa4:1|c",
	    "a:1|c\n", "a:1\t|c",
	};
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);
	struct buf b = BUF_INIT(0);
	char longer[METRICS_LINE_MAX + 2];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(metrics_take_statsd(m, lines[i], strlen(lines[i]), &err) == -1, "\"%s\"", lines[i]);
	memset(longer, 'a', sizeof(longer));
	ck_assert_int_eq(metrics_take_statsd(m, longer, sizeof(longer) - 1, &err), -1);
	memcpy(longer + METRICS_NAME_MAX + 1, ":1|c", 4);
	ck_assert_int_eq(metrics_take_statsd(m, longer, METRICS_NAME_MAX + 5, &err), -1);
	ck_assert_int_eq(metrics_take_statsd(m, longer + 1, METRICS_NAME_MAX + 4, &err), 0);
	ck_assert_int_eq(strncmp(page(m, &b), "# HELP cage_enclave_aaa", 20), 0);
	buf_free(&b);
	metrics_free(m);
}
END_TEST

START_TEST(test_metrics_take_statsd_line_at_end_of_memory_is_not_passed)
{
	static const char *const lines[] = {"a:1", "a:1|c", "a:1|c|@0.5", "a:1|c|@0.", "a:1|c|@", "a", "a:"};
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) { // no NUL behind: a read too far is seen
		size_t n = strlen(lines[i]);
		char *exact = malloc(n);

		memcpy(exact, lines[i], n);
		metrics_take_statsd(m, exact, n, &err);
		free(exact);
	}
	metrics_free(m);
}
END_TEST

START_TEST(test_metrics_take_statsd_second_type_is_refused)
{
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);

	take(m, "a.b:1|g");
	take(m, "a-b:1|g"); // the same series
	ck_assert_int_eq(metrics_take_statsd(m, "a_b:1|ms", 8, &err), -1);
	ck_assert(strstr(err.msg, "another type") != NULL);
	metrics_free(m);
}
END_TEST

START_TEST(test_metrics_take_statsd_too_many_series_is_limit)
{
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);
	char line[32];

	for (int i = 0; i < METRICS_ENCLAVE_MAX; i++) {
		snprintf(line, sizeof(line), "m%d:1|c", i);
		take(m, line);
	}
	ck_assert_int_eq(metrics_take_statsd(m, "other:1|c", 9, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	take(m, "m0:1|c");
	metrics_free(m);
}
END_TEST

START_TEST(test_metrics_take_statsd_past_a_double_is_refused)
{
	static const char *const lines[] = {"g:+1e308|g|@1e-9", "g:-1e308|g|@1e-9", "s:1e308|ms|@0.1", "c:1e308|c|@0.1"};
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);
	struct buf b = BUF_INIT(0);

	take(m, "g:+1e308|g");
	take(m, "s:1e308|ms");
	ck_assert_int_eq(metrics_take_statsd(m, "g:+1e308|g", 10, &err), -1);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(metrics_take_statsd(m, lines[i], strlen(lines[i]), &err) == -1, "%s", lines[i]);
	assert_ok(metrics_put_prometheus(m, &b, &err));
	ck_assert_ptr_null(strstr(buf_cstr(&b, &err), "inf"));
	ck_assert_ptr_null(strstr(buf_cstr(&b, &err), "nan"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&b, &err), "cage_enclave_g 1e+308\n"));
	buf_free(&b);
	metrics_free(m);
}
END_TEST

START_TEST(test_metrics_put_statsd_counters_are_deltas)
{
	struct err err = ERR_INIT;
	struct metrics *m = metrics_new(&err);
	struct buf b = BUF_INIT(0);
	uint64_t open = 3, total = 5;

	metrics_add(m, METRIC_GAUGE, "open", "x", NULL, &open);
	metrics_add(m, METRIC_COUNTER, "total", "x", "status=\"no such name\"", &total);
	assert_ok(metrics_put_statsd(m, &b, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "open:3|g\ntotal:5|c|#status:no_such_name\n");
	total = 6;
	b.len = 0;
	assert_ok(metrics_put_statsd(m, &b, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "open:3|g\ntotal:1|c|#status:no_such_name\n");
	b.len = 0;
	assert_ok(metrics_put_statsd(m, &b, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), "open:3|g\n");
	buf_free(&b);
	metrics_free(m);
}
END_TEST

UNIT_MAIN("runtime/metrics",
	  ADD(test_metrics_put_prometheus_page_is_exact) ADD(test_metrics_take_statsd_bad_line_is_refused)
	      ADD(test_metrics_take_statsd_line_at_end_of_memory_is_not_passed)
	      ADD(test_metrics_take_statsd_second_type_is_refused) ADD(test_metrics_take_statsd_too_many_series_is_limit)
		  ADD(test_metrics_take_statsd_past_a_double_is_refused)
		      ADD(test_metrics_put_statsd_counters_are_deltas))
