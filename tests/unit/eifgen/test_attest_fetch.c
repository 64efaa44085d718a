// SPDX-License-Identifier: Apache-2.0
//
// Hosts that take their time: one that never speaks, one whose handshake comes byte by byte, one whose answer does.
// With a timeout of one second none may hold its caller for more than a few.
#include "eifgen/attest_fetch.h"
#include "pcr/cert_new.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIFE = 30, PAUSE = 200 * 1000, PATIENCE = 10 };

static void say_nothing(int fd)
{
	(void)fd;
	pause();
}

// A record of a handshake, announced as 16 KiB long.
static void drip_handshake(int fd)
{
	static const char head[] = {0x16, 3, 3, 0x40, 0};

	for (size_t i = 0;; i++, usleep(PAUSE))
		if (write(fd, i < sizeof(head) ? &head[i] : "x", 1) != 1)
			return;
}

static SSL_CTX *server_context(void)
{
	struct cert_request req = {.subject = "CN=slow", .from = 1700000000, .days = 3650};
	struct buf key = BUF_INIT(0), cert = BUF_INIT(0);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (!ctx || cert_new(&req, &key, &cert, NULL))
		abort();
	SSL_CTX_use_PrivateKey(ctx, PEM_read_bio_PrivateKey(BIO_new_mem_buf(key.data, (int)key.len), NULL, NULL, NULL));
	SSL_CTX_use_certificate(ctx, PEM_read_bio_X509(BIO_new_mem_buf(cert.data, (int)cert.len), NULL, NULL, NULL));
	return ctx;
}

static void drip_answer(int fd)
{
	SSL *ssl = SSL_new(server_context());

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) != 1)
		return;
	while (SSL_write(ssl, "H", 1) == 1)
		usleep(PAUSE);
}

// A child that serves one connection and lives for LIFE seconds at most. Returns its pid; port gets its port.
static pid_t serve(void (*talk)(int fd), char port[8])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	pid_t pid;

	ck_assert(fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof(a)) && !listen(fd, 1) &&
		  !getsockname(fd, (struct sockaddr *)&a, &len));
	snprintf(port, 8, "%u", ntohs(a.sin_port));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_IGN);
		alarm(LIFE);
		talk(accept(fd, NULL, NULL));
		_exit(0);
	}
	close(fd);
	return pid;
}

static void check_slow(void (*talk)(int fd), const char *reason)
{
	struct attest_answer answer = ATTEST_ANSWER_INIT;
	struct err err = ERR_INIT;
	struct timespec from, to;
	char port[8];
	pid_t pid = serve(talk, port);
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &from);
	rc = attest_fetch(&(struct attest_target){.host = "127.0.0.1", .port = port, .timeout = 1}, &answer, &err);
	clock_gettime(CLOCK_MONOTONIC, &to);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	buf_free(&answer.doc);
	buf_free(&answer.spki);
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(err.class, ERR_IO);
	ck_assert_msg(strstr(err.msg, reason) != NULL, "%s", err.msg);
	ck_assert_int_lt(to.tv_sec - from.tv_sec, PATIENCE);
}

START_TEST(test_attest_fetch_a_silent_host_is_given_up)
{
	check_slow(say_nothing, "TLS handshake: the host says nothing");
}
END_TEST

START_TEST(test_attest_fetch_a_handshake_by_the_byte_is_given_up)
{
	check_slow(drip_handshake, "TLS handshake: the host is too slow");
}
END_TEST

START_TEST(test_attest_fetch_an_answer_by_the_byte_is_given_up)
{
	check_slow(drip_answer, "the host is too slow: 3 s");
}
END_TEST

START_TEST(test_attest_fetch_what_is_no_port_is_not_cut_to_one)
{
	static const char *const ports[] = {"", "0", "65536", "65979", "-1", "+1", "https", "4294967739", " 443", "443 "};

	for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++) {
		struct attest_answer answer = ATTEST_ANSWER_INIT;
		struct err err = ERR_INIT;

		ck_assert_int_eq(attest_fetch(&(struct attest_target){.host = "127.0.0.1", .port = ports[i], .timeout = 1},
					      &answer, &err),
				 -1);
		ck_assert_msg(err.class == ERR_USAGE, "%s: %s", ports[i], err.msg);
	}
}
END_TEST

UNIT_MAIN("eifgen/attest_fetch",
	  ADD(test_attest_fetch_a_silent_host_is_given_up) ADD(test_attest_fetch_a_handshake_by_the_byte_is_given_up)
	      ADD(test_attest_fetch_an_answer_by_the_byte_is_given_up)
	      ADD(test_attest_fetch_what_is_no_port_is_not_cut_to_one))
