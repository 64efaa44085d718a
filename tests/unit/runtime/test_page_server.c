// SPDX-License-Identifier: Apache-2.0
//
// The small server over a unix socket: what each kind of request gets, to the byte where that matters, and that nobody
// who asks oddly, slowly or not at all keeps a connection past its limit. The loop is turned by hand.
#include "runtime/common/page_server.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT_MS = 300, CONNS = 2, BIG = 900 * 1024, PATIENCE_MS = 5000 };

struct rig {
	struct loop *loop;
	struct page_server *server;
	struct addr at;
	char path[80];
	unsigned asked;
};

static int make_page(void *ctx, struct http1_span path, struct page *page)
{
	struct rig *r = ctx;
	struct err err = ERR_INIT;

	r->asked++;
	page->type = "text/x-test";
	if (path.n == 4 && !memcmp(path.p, "/big", 4)) {
		static char block[BIG];

		return buf_add(&page->body, memset(block, 'b', sizeof(block)), BIG, &err);
	}
	if (path.n == 5 && !memcmp(path.p, "/gone", 5)) {
		page->status = 503;
		return buf_add_str(&page->body, "no", &err);
	}
	if (path.n == 5 && !memcmp(path.p, "/fail", 5))
		return buf_add_str(&page->body, "half a page", &err), -1;
	return buf_printf(&page->body, &err, "path=%.*s", (int)path.n, path.p);
}

static void rig_up(struct rig *r)
{
	struct page_server_options o = {.conns_max = CONNS, .limit_ms = LIMIT_MS, .page = make_page, .ctx = r};
	struct err err = ERR_INIT;

	memset(r, 0, sizeof(*r));
	snprintf(r->path, sizeof(r->path), "unix:/tmp/eifgen-pages-%d.sock", getpid());
	assert_ok(addr_parse(r->path, &r->at, &err));
	o.listen = r->at;
	r->loop = loop_new(&err);
	r->server = page_server_new(r->loop, &o, &err);
	ck_assert_msg(r->server != NULL, "%s", err.msg);
}

static void rig_down(struct rig *r)
{
	page_server_free(r->server);
	loop_free(r->loop);
	unlink(r->path + strlen("unix:"));
}

static void turn(struct rig *r)
{
	for (int i = 0; i < 4; i++)
		event_base_loop(loop_base(r->loop), EVLOOP_NONBLOCK);
}

static int dial(struct rig *r)
{
	struct err err = ERR_INIT;
	bool pending;
	int fd = addr_connect(&r->at, &pending, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	turn(r);
	return fd;
}

static void say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

// Everything up to the server's end; at most PATIENCE_MS. The caller's.
static char *hear(struct rig *r, int fd)
{
	struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	uint64_t start = loop_now_ms();
	char block[65536];
	ssize_t n = -1;

	while (n != 0 && loop_now_ms() - start < PATIENCE_MS) {
		turn(r);
		n = recv(fd, block, sizeof(block), 0);
		if (n < 0 && errno != EAGAIN)
			break;
		if (n < 0)
			usleep(1000);
		else
			assert_ok(buf_add(&b, block, (size_t)n, &err));
	}
	ck_assert_msg(n == 0, "no end: %s", strerror(errno));
	char *text = mem_strdup(b.len ? buf_cstr(&b, &err) : "", &err);

	buf_free(&b);
	return text;
}

// Says ask on a connection of its own, hears the answer and closes.
static void assert_answer(struct rig *r, const char *ask, const char *want)
{
	int fd = dial(r);

	say(fd, ask);
	char *got = hear(r, fd);

	ck_assert_str_eq(got, want);
	free(got);
	close(fd);
	turn(r);
}

#define HEAD(status, type, length, more)                                                                               \
	"HTTP/1.1 " status "\r\nContent-Type: " type "\r\nContent-Length: " length                                     \
	"\r\nCache-Control: no-store\r\n" more "Connection: close\r\n\r\n"

START_TEST(test_page_server_get_and_head)
{
	struct rig r;

	rig_up(&r);
	assert_answer(&r, "GET /a?token=s3cret HTTP/1.1\r\nHost: x\r\n\r\n", HEAD("200 OK", "text/x-test", "7", "") "path=/a");
	assert_answer(&r, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n", HEAD("200 OK", "text/x-test", "7", ""));
	assert_answer(&r, "GET /gone HTTP/1.0\r\n\r\n", HEAD("503 Service Unavailable", "text/x-test", "2", "") "no");
	assert_answer(&r, "GET /fail HTTP/1.1\r\nHost: x\r\n\r\n", HEAD("500 Internal Server Error", "text/x-test", "0", ""));
	ck_assert_uint_eq(r.asked, 4);
	rig_down(&r);
}
END_TEST

START_TEST(test_page_server_what_is_no_question_makes_no_page)
{
	static char endless[9000];
	struct rig r;

	rig_up(&r);
	assert_answer(&r, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
		      HEAD("405 Method Not Allowed", "text/plain", "0", "Allow: GET, HEAD\r\n"));
	assert_answer(&r, "GET / HTTP/1.1\r\n\r\n", HEAD("400 Bad Request", "text/plain", "0", "")); // no Host
	assert_answer(&r, "nonsense\r\n\r\n", HEAD("400 Bad Request", "text/plain", "0", ""));
	int n = snprintf(endless, sizeof(endless), "GET / HTTP/1.1\r\nHost: x\r\nX: ");

	memset(endless + n, 'x', 8 * 1024 - (size_t)n);
	assert_answer(&r, endless, HEAD("431 Request Header Fields Too Large", "text/plain", "0", ""));
	ck_assert_uint_eq(r.asked, 0);
	rig_down(&r);
}
END_TEST

START_TEST(test_page_server_head_in_pieces_is_joined)
{
	static const char ask[] = "GET /pieces HTTP/1.1\r\nHost: x\r\n\r\n";
	struct rig r;

	rig_up(&r);
	int fd = dial(&r);

	for (size_t i = 0; i < sizeof(ask) - 1; i++) {
		ck_assert_uint_eq(r.asked, 0);
		ck_assert_int_eq(send(fd, ask + i, 1, MSG_NOSIGNAL), 1);
		turn(&r);
	}
	char *got = hear(&r, fd);

	ck_assert_str_eq(got, HEAD("200 OK", "text/x-test", "12", "") "path=/pieces");
	free(got);
	close(fd);
	rig_down(&r);
}
END_TEST

START_TEST(test_page_server_large_page_to_a_slow_reader_is_whole)
{
	struct rig r;

	rig_up(&r);
	int fd = dial(&r);

	say(fd, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	turn(&r);
	usleep(LIMIT_MS * 1000 / 3); // the socket's buffer is full meanwhile
	turn(&r);
	char *got = hear(&r, fd), *body = strstr(got, "\r\n\r\n");

	ck_assert_ptr_nonnull(body);
	ck_assert_uint_eq(strspn(body + 4, "b"), BIG);
	free(got);
	close(fd);
	rig_down(&r);
}
END_TEST

START_TEST(test_page_server_over_the_cap_is_shed)
{
	struct rig r;
	char c;

	rig_up(&r);
	int first = dial(&r), second = dial(&r), third = dial(&r);

	ck_assert_int_eq(recv(third, &c, 1, 0), 0);
	ck_assert_int_eq(recv(second, &c, 1, 0), -1);
	close(first);
	turn(&r);
	assert_answer(&r, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", HEAD("200 OK", "text/x-test", "7", "") "path=/a");
	close(second);
	close(third);
	rig_down(&r);
}
END_TEST

// Waits until the server is rid of both connections, and says how long that took.
static uint64_t until_gone(struct rig *r, int a, int b)
{
	uint64_t start = loop_now_ms();

	while (loop_now_ms() - start < PATIENCE_MS) {
		turn(r);
		// A send of nothing tells whether the other end is closed.
		if (send(a, "", 0, MSG_NOSIGNAL) < 0 && send(b, "", 0, MSG_NOSIGNAL) < 0)
			break;
		usleep(2000);
	}
	return loop_now_ms() - start;
}

START_TEST(test_page_server_limit_ends_whoever_holds_on)
{
	struct rig r;
	uint64_t took;

	rig_up(&r);
	int silent = dial(&r), half = dial(&r);

	say(half, "GET / HT");
	took = until_gone(&r, silent, half);
	ck_assert_msg(took >= LIMIT_MS - 50 && took < PATIENCE_MS, "%d ms", (int)took);
	close(silent);
	close(half);
	int deaf = dial(&r), stays = dial(&r); // one does not read, the other not close

	say(deaf, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
	say(stays, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	took = until_gone(&r, deaf, stays);
	ck_assert_msg(took >= LIMIT_MS - 50 && took < PATIENCE_MS, "%d ms", (int)took);
	ck_assert_uint_eq(r.asked, 2);
	close(deaf);
	close(stays);
	rig_down(&r);
}
END_TEST

UNIT_MAIN("runtime/page_server",
	  ADD(test_page_server_get_and_head) ADD(test_page_server_what_is_no_question_makes_no_page)
	      ADD(test_page_server_head_in_pieces_is_joined) ADD(test_page_server_large_page_to_a_slow_reader_is_whole)
		  ADD(test_page_server_over_the_cap_is_shed) ADD(test_page_server_limit_ends_whoever_holds_on))
