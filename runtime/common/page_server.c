// SPDX-License-Identifier: Apache-2.0
//
// A connection is in one of three states, told by what it has: no answer yet, an answer that is not all out, its side
// ended. Each event says what to wait for next, or that it is over.
#include "runtime/common/page_server.h"

#include "runtime/common/conn.h"
#include "runtime/common/log.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { ASKER_HEAD_MAX = 8 * 1024, PAGE_MAX = 1 << 20 };

struct asker { // one connection that asks
	struct conn_base base;
	struct page_server *s;
	uint64_t ends_ms;
	char head[ASKER_HEAD_MAX];
	size_t n, scanned;
	struct buf out;
	size_t off;
	bool ended; // our side
};

struct page_server {
	struct loop *loop;
	struct page_server_options o;
	struct acceptor *acceptor;
	struct conncap cap;
	struct chain *askers;
	struct http1_head head; // of the request being read: one for all, it lives no longer than a callback
};

static void asker_free(struct asker *a)
{
	buf_free(&a->out);
	conn_end(&a->base);
}

static bool method_is(const struct http1_head *rq, const char *want)
{
	return rq->method.n == strlen(want) && !memcmp(rq->method.p, want, rq->method.n);
}

// Makes the page that the head asks for; rc is what its parser said.
static void make_page(struct page_server *s, int rc, struct page *page)
{
	struct http1_span path = s->head.path;

	*page = (struct page){.status = 200, .type = "text/plain", .body = BUF_INIT(PAGE_MAX)};
	if (rc <= 0)
		page->status = rc < 0 ? -rc : 431;
	if (rc > 0 && !method_is(&s->head, "GET") && !method_is(&s->head, "HEAD"))
		page->status = 405;
	if (page->status != 200)
		return;
	path.n = log_target_len(path.p, path.n);
	if (s->o.page(s->o.ctx, path, page) < 0) {
		page->status = 500;
		page->body.len = 0;
	}
}

// The whole answer into a->out. 0, or -1 without memory.
static int answer(struct asker *a, int rc)
{
	struct page page;
	bool with_body = rc <= 0 || !method_is(&a->s->head, "HEAD");
	int failed;

	make_page(a->s, rc, &page);
	failed = buf_printf(&a->out, NULL,
			    "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
			    "%sConnection: close\r\n\r\n",
			    page.status, http1_reason(page.status), page.type, page.body.len,
			    page.status == 405 ? "Allow: GET, HEAD\r\n" : "") ||
		 (with_body && buf_add(&a->out, page.body.data, page.body.len, NULL));
	buf_free(&page.body);
	return failed ? -1 : 0;
}

// Writes on. What to wait for; 0: it is over.
static short flush(struct asker *a)
{
	while (a->off < a->out.len) {
		size_t left = a->out.len - a->off, max = addr_write_max(a->s->o.listen.kind);
		ssize_t n = send(a->base.fd, a->out.data + a->off, left < max ? left : max, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? EV_WRITE : 0;
		a->off += (size_t)n;
	}
	a->ended = true;
	return shutdown(a->base.fd, SHUT_WR) ? 0 : EV_READ;
}

static short take(struct asker *a)
{
	ssize_t n = recv(a->base.fd, a->head + a->n, sizeof(a->head) - a->n, 0);
	int rc;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? EV_READ : 0;
	a->n += (size_t)n;
	rc = http1_parse_request(a->head, a->n, &a->scanned, &a->s->head);
	if (rc == 0 && a->n < sizeof(a->head))
		return EV_READ;
	return answer(a, rc) < 0 ? 0 : flush(a);
}

static short drop(struct asker *a)
{
	ssize_t n = recv(a->base.fd, a->head, sizeof(a->head), 0);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? EV_READ : 0;
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	struct asker *a = ctx;
	uint64_t now = loop_now_ms();
	short next = 0;

	(void)fd;
	if (what & EV_READ)
		next = a->ended ? drop(a) : take(a);
	else if (what & EV_WRITE)
		next = flush(a);
	if (!next || now >= a->ends_ms ||
	    conn_wait(&a->base, a->s->loop, next, (unsigned)(a->ends_ms - now), on_event) < 0)
		asker_free(a);
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct page_server *s = ctx;
	struct asker *a = conn_begin(sizeof(*a), fd, &s->cap, &s->askers);

	(void)peer;
	if (!a)
		return;
	a->s = s;
	a->ends_ms = loop_now_ms() + s->o.limit_ms;
	if (conn_wait(&a->base, s->loop, EV_READ, s->o.limit_ms, on_event) < 0)
		asker_free(a);
}

struct page_server *page_server_new(struct loop *l, const struct page_server_options *o, struct err *err)
{
	struct page_server *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return NULL;
	s->loop = l;
	s->o = *o;
	s->cap.max = o->conns_max;
	s->acceptor = acceptor_listen(l, &o->listen, &s->cap, on_accept, s, err);
	if (!s->acceptor) {
		free(s);
		return NULL;
	}
	return s;
}

void page_server_free(struct page_server *s)
{
	if (!s)
		return;
	while (s->askers)
		asker_free((struct asker *)s->askers);
	acceptor_free(s->acceptor);
	free(s);
}
