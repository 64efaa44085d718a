// SPDX-License-Identifier: Apache-2.0
//
// The response is read to its end (we ask for `Connection: close`) within one time limit for all steps; Content-Length
// is honoured so that a peer which keeps the connection open is not waited for.
#include "runtime/control-plane/probe.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

static const char request[] = "GET /health HTTP/1.1\r\nHost: enclave\r\nConnection: close\r\n\r\n";

struct probe {
	struct loop *loop;
	struct addr to;
	unsigned interval_ms, timeout_ms;
	struct timer next, limit;
	struct dial *dial;
	struct event *event;
	int fd;
	char reply[PROBE_REPLY_MAX + 1];
	size_t n;
	bool known, healthy;
	unsigned status;
	char why[PROBE_WHY_MAX];
	char body[PROBE_REPLY_MAX + 1];
};

unsigned probe_parse(const char *reply, size_t n, const char **body, size_t *body_len)
{
	const char *end = memmem(reply, n, "\r\n\r\n", 4);
	unsigned status = 0;

	if (!end || n < 12 || memcmp(reply, "HTTP/1.", 7) != 0 || reply[8] != ' ')
		return 0;
	for (int i = 9; i < 12; i++) {
		if (reply[i] < '0' || reply[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(reply[i] - '0');
	}
	*body = end + 4;
	*body_len = n - (size_t)(end + 4 - reply);
	return status;
}

// Is the body as long as its Content-Length says?
static bool is_complete(const char *reply, size_t n)
{
	static const char key[] = "\r\ncontent-length:";
	const char *body;
	size_t body_len;

	if (!probe_parse(reply, n, &body, &body_len))
		return false;
	for (const char *p = reply; p + sizeof(key) < body; p++)
		if (!strncasecmp(p, key, sizeof(key) - 1))
			return body_len >= strtoul(p + sizeof(key) - 1, NULL, 10);
	return false;
}

static void end_round(struct probe *p, const char *why)
{
	const char *body = "";
	size_t len = 0;

	dial_cancel(steal_ptr(&p->dial));
	if (p->event)
		event_free(steal_ptr(&p->event));
	if (p->fd >= 0)
		close(steal_fd(&p->fd));
	p->status = why ? 0 : probe_parse(p->reply, p->n, &body, &len);
	p->known = true;
	p->healthy = p->status == 200;
	memcpy(p->body, body, len);
	p->body[len] = '\0';
	snprintf(p->why, sizeof(p->why), "%s", why ? why : p->status ? "" : "the answer is no HTTP");
	timer_set(&p->limit, 0);
	timer_set(&p->next, p->interval_ms);
}

static void on_limit(void *ctx)
{
	end_round(ctx, "no answer in time");
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct probe *p = ctx;
	ssize_t n = recv(fd, p->reply + p->n, PROBE_REPLY_MAX - p->n, 0);
	(void)what;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		p->n += (size_t)n;
	p->reply[p->n] = '\0';
	if (n < 0)
		end_round(p, strerrordesc_np(errno));
	else if (n == 0 || p->n == PROBE_REPLY_MAX || is_complete(p->reply, p->n))
		end_round(p, NULL);
}

static void on_dialled(void *ctx, int fd, int errnum)
{
	struct probe *p = ctx;

	p->dial = NULL;
	if (fd < 0) {
		end_round(p, strerrordesc_np(errnum));
		return;
	}
	p->fd = fd;
	// 60 bytes into an empty socket: they fit, or the peer is gone.
	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof(request) - 1)) {
		end_round(p, "the connection takes no request");
		return;
	}
	p->event = event_new(loop_base(p->loop), fd, EV_READ | EV_PERSIST, on_readable, p);
	if (!p->event || event_add(p->event, NULL) < 0)
		end_round(p, "no memory");
}

static void on_next(void *ctx)
{
	struct probe *p = ctx;
	struct err err = ERR_INIT;

	p->n = 0;
	timer_set(&p->limit, p->timeout_ms);
	p->dial = dial_start(p->loop, &p->to, p->timeout_ms, on_dialled, p, &err);
	if (!p->dial)
		end_round(p, err.msg);
}

struct probe *probe_new(struct loop *l, const struct addr *to, unsigned interval_ms, unsigned timeout_ms,
			struct err *err)
{
	struct probe *p = mem_zalloc(1, sizeof(*p), err);

	if (!p)
		return NULL;
	p->loop = l;
	p->to = *to;
	p->interval_ms = interval_ms;
	p->timeout_ms = timeout_ms;
	p->fd = -1;
	if (timer_init(&p->next, l, on_next, p, err) < 0 || timer_init(&p->limit, l, on_limit, p, err) < 0) {
		probe_free(p);
		return NULL;
	}
	timer_set(&p->next, 1);
	return p;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	dial_cancel(p->dial);
	if (p->event)
		event_free(p->event);
	if (p->fd >= 0)
		close(p->fd);
	timer_free(&p->next);
	timer_free(&p->limit);
	free(p);
}

struct probe_result probe_result(const struct probe *p)
{
	struct probe_result r = {.known = p->known, .healthy = p->healthy, .http_status = p->status, .body = p->body};

	memcpy(r.why, p->why, sizeof(r.why));
	return r;
}
