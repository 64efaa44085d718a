// SPDX-License-Identifier: Apache-2.0
//
// The gate over socket pairs: each line of its table of verdicts, and that every byte it read is handed out.
#include "runtime/common/sni_gate.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A ClientHello for a.example: record, handshake, version and random, session id, suite, compression, extensions.
static const uint8_t hello[] = {
    0x16, 3, 1, 0, 65, 1, 0, 0, 61, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 2, 0x13, 1, 1, 0, 0, 18, 0, 0, 0, 14, 0, 12, 0, 0, 9, 'a', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e'};

struct fixture {
	struct loop *loop;
	int client[2], server[2]; // [0] the gate's end, [1] ours
	struct sni_gate *gate;
	bool called;
	enum sni_verdict verdict;
	uint8_t data[256];
	size_t n;
};

static void on_verdict(void *ctx, enum sni_verdict verdict, const uint8_t *data, size_t n)
{
	struct fixture *f = ctx;

	ck_assert(!f->called);
	f->called = true;
	f->verdict = verdict;
	f->n = n;
	if (n)
		memcpy(f->data, data, n);
	loop_stop(f->loop, 0);
}

static void setup(struct fixture *f)
{
	struct err err = ERR_INIT;

	memset(f, 0, sizeof(*f));
	f->loop = loop_new(&err);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->client), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->server), 0);
}

static void start(struct fixture *f, const char *name, bool with_server, const void *first, size_t n)
{
	const struct sni_gate_options o = {.client = f->client[0], .server = with_server ? f->server[0] : -1, .name = name,
					   .first = first, .first_len = n, .wait_ms = 50, .hello_ms = 50};
	struct err err = ERR_INIT;

	assert_ok(sni_gate_start(f->loop, &o, on_verdict, f, &f->gate, &err));
}

// Runs to the verdict and checks it.
static void finish(struct fixture *f, enum sni_verdict want, const void *bytes, size_t n)
{
	if (!f->called)
		loop_run(f->loop);
	ck_assert(f->called);
	ck_assert_int_eq(f->verdict, want);
	ck_assert_uint_eq(f->n, n);
	if (n)
		ck_assert_mem_eq(f->data, bytes, n);
	loop_free(f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->client[i]);
		close(f->server[i]);
	}
}

static void say(int fd, const void *p, size_t n)
{
	ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
}

START_TEST(test_sni_gate_start_first_bytes_decide_at_once)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", true, hello, sizeof(hello));
	ck_assert(f.called);
	ck_assert_ptr_null(f.gate);
	finish(&f, SNI_PASS, hello, sizeof(hello));
	setup(&f);
	start(&f, "b.example", true, hello, sizeof(hello));
	finish(&f, SNI_REFUSED, hello, sizeof(hello));
	setup(&f);
	start(&f, "", true, hello, sizeof(hello)); // to an address: any name
	finish(&f, SNI_PASS, hello, sizeof(hello));
}
END_TEST

START_TEST(test_sni_gate_split_hello_is_joined)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", true, hello, 10);
	ck_assert(!f.called);
	say(f.client[1], hello + 10, 30);
	say(f.server[1], "alert", 5); // changes nothing while a hello is held back
	say(f.client[1], hello + 40, sizeof(hello) - 40);
	finish(&f, SNI_PASS, hello, sizeof(hello));
}
END_TEST

START_TEST(test_sni_gate_other_protocol_passes)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", true, NULL, 0);
	say(f.client[1], "GET /", 5);
	finish(&f, SNI_PASS, "GET /", 5);
}
END_TEST

START_TEST(test_sni_gate_server_first_passes)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", true, NULL, 0);
	say(f.server[1], "220", 3);
	finish(&f, SNI_PASS, NULL, 0);
}
END_TEST

START_TEST(test_sni_gate_silence_is_undecided)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", false, NULL, 0);
	finish(&f, SNI_UNDECIDED, NULL, 0);
}
END_TEST

START_TEST(test_sni_gate_half_hello_is_refused)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", false, NULL, 0);
	say(f.client[1], hello, 30);
	finish(&f, SNI_REFUSED, hello, 30); // time
	setup(&f);
	start(&f, "a.example", false, NULL, 0);
	say(f.client[1], hello, 30);
	shutdown(f.client[1], SHUT_WR);
	finish(&f, SNI_REFUSED, hello, 30); // end of stream
}
END_TEST

START_TEST(test_sni_gate_end_before_a_byte_passes)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", true, NULL, 0);
	shutdown(f.client[1], SHUT_WR);
	finish(&f, SNI_PASS, NULL, 0);
}
END_TEST

START_TEST(test_sni_gate_cancel_never_calls)
{
	struct fixture f;

	setup(&f);
	start(&f, "a.example", true, hello, 20);
	sni_gate_cancel(f.gate);
	sni_gate_cancel(NULL);
	ck_assert(!f.called);
	start(&f, "a.example", true, hello, sizeof(hello));
	finish(&f, SNI_PASS, hello, sizeof(hello));
}
END_TEST

UNIT_MAIN("runtime/sni_gate",
	  ADD(test_sni_gate_start_first_bytes_decide_at_once) ADD(test_sni_gate_split_hello_is_joined)
	      ADD(test_sni_gate_other_protocol_passes) ADD(test_sni_gate_server_first_passes)
		  ADD(test_sni_gate_silence_is_undecided) ADD(test_sni_gate_half_hello_is_refused)
		      ADD(test_sni_gate_end_before_a_byte_passes) ADD(test_sni_gate_cancel_never_calls))
