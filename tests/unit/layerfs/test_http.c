// SPDX-License-Identifier: Apache-2.0
//
// Peers that fall silent: before the head, in the body, while they are sent something; and one that is only slow. Each
// is a process of its own on loopback that lives no longer than the case. And what the Link header of a page says.
#include "layerfs/http.h"

#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct script {
	const char *text;  // sent after a request has come
	unsigned drip_ms;  // pause after each piece of it
	size_t piece;	   // bytes at a time; 0: all at once
};

static pid_t server;
static char url[64];

static void serve(int fd, const struct script *s)
{
	int c = accept(fd, NULL, NULL);
	char request[4096];

	alarm(60);
	if (c < 0 || read(c, request, sizeof(request)) <= 0)
		_exit(1);
	for (const char *p = s->text; *p;) {
		size_t n = s->piece && s->piece < strlen(p) ? s->piece : strlen(p);

		if (write(c, p, n) < 0)
			_exit(1);
		p += n;
		usleep(s->drip_ms * 1000);
	}
	pause(); // silent, the connection open
}

static void start(const struct script *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	ck_assert(!bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 1) && !getsockname(fd, (struct sockaddr *)&at, &len));
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(at.sin_port));
	server = fork();
	if (server == 0)
		serve(fd, s);
	close(fd);
}

static void stop(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static const struct http_settings quick = {.idle_seconds = 1};

START_TEST(test_http_open_silent_peer_is_given_up)
{
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	struct http_stream *s = NULL;
	struct err err = ERR_INIT;

	start(&(struct script){"", 0, 0});
	ck_assert_int_eq(http_open(&quick, &req, &s, &err), -1);
	ck_assert_int_eq(err.class, ERR_IO);
	ck_assert_int_eq(err.errnum, EAGAIN); // another try may help
	ck_assert_str_eq(err.msg, "HTTP: nothing came for 1 seconds");
	stop();
}
END_TEST

START_TEST(test_http_read_peer_silent_in_body_gives_what_came_then_fails)
{
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	struct http_stream *s = NULL;
	struct err err = ERR_INIT;
	char got[16];

	start(&(struct script){"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.", 0, 0});
	assert_ok(http_open(&quick, &req, &s, &err));
	ck_assert_int_eq(http_read(s, got, sizeof(got), &err), 5);
	ck_assert_int_eq(http_read(s, got, sizeof(got), &err), -1);
	ck_assert_int_eq(err.errnum, EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.msg, "nothing came for 1 seconds"));
	http_free(s);
	stop();
}
END_TEST

// A head and 20 000 bytes.
static const char *long_answer(void)
{
	static char text[20100];
	int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n");

	memset(text + n, 'x', 20000);
	return text;
}

START_TEST(test_http_read_all_slow_peer_is_waited_for)
{
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	struct http_stream *s = NULL;
	struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;

	// Longer in all than the limit, but never silent for so long, nor slower than 1 KiB a second (it is 6).
	start(&(struct script){long_answer(), 80, 512});
	assert_ok(http_open(&quick, &req, &s, &err));
	assert_ok(http_read_all(s, 20000, &out, &err));
	ck_assert_uint_eq(out.len, 20000);
	buf_free(&out);
	http_free(s);
	stop();
}
END_TEST

// Never silent, and never to be done: in the head, and in the body.
START_TEST(test_http_peer_that_drips_is_given_up)
{
	static const struct script in_head = {"HTTP/1.1 200 OK\r\nX: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n", 80, 1};
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	struct http_stream *s = NULL;
	struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;

	start(&in_head);
	ck_assert_int_eq(http_open(&quick, &req, &s, &err), -1);
	ck_assert_int_eq(err.errnum, EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.msg, "nothing came for 1 seconds")); // (a line that has no end yet is nothing)
	stop();

	start(&(struct script){long_answer(), 150, 60}); // 400 bytes a second
	assert_ok(http_open(&quick, &req, &s, &err));
	ck_assert_int_eq(http_read_all(s, 20000, &out, &err), -1);
	ck_assert_int_eq(err.errnum, EAGAIN);
	ck_assert_str_eq(err.msg, "HTTP: next to nothing came for 1 seconds");
	ck_assert_uint_gt(out.len, 0); // what came is the reader's
	ck_assert_uint_lt(out.len, 2000);
	buf_free(&out);
	http_free(s);
	stop();
}
END_TEST

// A reader that takes its time is not the peer's fault.
START_TEST(test_http_read_slow_reader_is_no_slow_peer)
{
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	struct http_stream *s = NULL;
	struct err err = ERR_INIT;
	char got[8000];
	size_t all = 0;
	ssize_t n;

	start(&(struct script){long_answer(), 5, 100});
	assert_ok(http_open(&quick, &req, &s, &err));
	for (int i = 0; (n = http_read(s, got, sizeof(got), &err)) > 0; i++) {
		all += (size_t)n;
		if (i < 2)
			usleep(1200000);
	}
	assert_ok((int)n);
	ck_assert_uint_eq(all, 20000);
	http_free(s);
	stop();
}
END_TEST

START_TEST(test_http_set_idle_holds_from_there_on)
{
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	struct http_settings long_idle = {.idle_seconds = 1000};
	struct http_stream *s = NULL;
	struct err err = ERR_INIT;
	char got[16];

	start(&(struct script){"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.", 0, 0});
	assert_ok(http_open(&long_idle, &req, &s, &err));
	ck_assert_int_eq(http_read(s, got, sizeof(got), &err), 5);
	http_set_idle(s, 1);
	ck_assert_int_eq(http_read(s, got, sizeof(got), &err), -1);
	ck_assert_str_eq(err.msg, "HTTP: nothing came for 1 seconds");
	http_free(s);
	stop();
}
END_TEST

START_TEST(test_http_open_peer_that_takes_no_more_is_given_up)
{
	static char body[8 << 20];
	struct http_request req = {.method = "PUT", .url = url, .body = body, .body_fd = -1, .body_size = sizeof(body)};
	struct http_stream *s = NULL;
	struct err err = ERR_INIT;

	start(&(struct script){"", 0, 0}); // reads 4 KiB, then nothing
	ck_assert_int_eq(http_open(&quick, &req, &s, &err), -1);
	ck_assert_int_eq(err.errnum, EAGAIN);
	ck_assert_str_eq(err.msg, "HTTP: nothing came for 1 seconds");
	stop();
}
END_TEST

START_TEST(test_http_link_next_finds_the_relation)
{
	static const struct {
		const char *line, *uri; // NULL: no such link
	} rows[] = {
		{"</v2/a/referrers/x?last=1>; rel=\"next\"", "/v2/a/referrers/x?last=1"},
		{"<a>;rel=next", "a"},
		{" <a> ; title=\"x, <b>; rel=next \\\" y\" ; REL = \"prev NEXT\" ", "a"},
		{"<a>; rel=prev,, <b>; flag; rel=next", "b"},
		{"<a>; rel=\"nextnext\", <b>; xrel=next, <c>; title=next", NULL},
		{"<a>", NULL},
		{"", NULL},
		{"<a>; rel=\"next", "a"},
	};
	static const char *const bad[] = {"a; rel=next", "<a; rel=next", "<a> b", "<a>; rel=next x", "<a>; rel=\"next\" x"};
	struct err err = ERR_INIT;
	char *uri;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_ok(http_link_next(rows[i].line, &uri, &err));
		ck_assert_msg(rows[i].uri ? uri && !strcmp(uri, rows[i].uri) : !uri, "%s: %s", rows[i].line, uri);
		free(uri);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(http_link_next(bad[i], &uri, &err) == -1 && !uri, "%s", bad[i]);
}
END_TEST

UNIT_MAIN("layerfs/http", ADD(test_http_open_silent_peer_is_given_up)
	  ADD(test_http_read_peer_silent_in_body_gives_what_came_then_fails) ADD(test_http_read_all_slow_peer_is_waited_for)
	  ADD(test_http_peer_that_drips_is_given_up) ADD(test_http_read_slow_reader_is_no_slow_peer)
	  ADD(test_http_set_idle_holds_from_there_on)
	  ADD(test_http_open_peer_that_takes_no_more_is_given_up)
	  ADD(test_http_link_next_finds_the_relation))
