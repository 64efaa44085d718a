// SPDX-License-Identifier: Apache-2.0
//
// c-ares says which descriptors it wants watched (on_socket) and when it wants to be woken (ares_timeout); the loop
// does both. A query outlives its cancelling: c-ares calls back once in any case, and the query is freed there.
#include "runtime/control-plane/resolver.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <ares.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

struct watch { // one socket of c-ares's
	struct watch *next;
	struct resolver *r;
	int fd;
	struct event *ev;
};

struct resolver {
	struct loop *loop;
	ares_channel ares;
	struct watch *watched;
	struct timer timer;
	unsigned inflight;
};

struct resolver_query {
	struct resolver *r;
	resolver_fn *fn; // NULL: cancelled
	void *ctx;
	struct resolver_query **started; // while resolver_ask is on the stack
};

// ---- the loop's side -----------------------------------------------------------------------------------------------
static void set_timer(struct resolver *r)
{
	struct timeval tv, *next = ares_timeout(r->ares, NULL, &tv);

	timer_set(&r->timer, next ? (unsigned)(next->tv_sec * 1000 + next->tv_usec / 1000 + 1) : 0);
}

static void on_timer(void *ctx)
{
	struct resolver *r = ctx;

	ares_process_fd(r->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(r);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = ((struct watch *)arg)->r; // the watch may go in the call

	ares_process_fd(r->ares, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(r);
}

static void unwatch(struct resolver *r, int fd)
{
	for (struct watch **at = &r->watched, *w; (w = *at); at = &w->next)
		if (w->fd == fd) {
			*at = w->next;
			if (w->ev)
				event_free(w->ev);
			free(w);
			return;
		}
}

// Without memory a socket stays unwatched, and its queries end by their time.
static void on_socket(void *ctx, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = ctx;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST);
	struct watch *w;

	unwatch(r, fd);
	if (!(readable || writable) || !(w = mem_zalloc(1, sizeof(*w), NULL)))
		return;
	*w = (struct watch){.next = r->watched, .r = r, .fd = fd};
	r->watched = w;
	w->ev = event_new(loop_base(r->loop), fd, what, on_ready, w);
	if (w->ev)
		event_add(w->ev, NULL);
}

// ---- life ----------------------------------------------------------------------------------------------------------
static int set_servers(struct resolver *r, const char *servers, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(servers, err);
	char *rest = copy, *one;

	if (!copy)
		return -1;
	while ((one = strsep(&rest, ","))) // one by one first, so that the message can name the one at fault
		if (!*one || ares_set_servers_ports_csv(r->ares, one) != ARES_SUCCESS)
			return err_set(err, ERR_USAGE, "DNS server \"%.100s\": not an address", one);
	return ares_set_servers_ports_csv(r->ares, servers) == ARES_SUCCESS ? 0 : err_nomem(err);
}

struct resolver *resolver_new(struct loop *l, const char *servers, struct err *err)
{
	char lookups[] = "fb"; // /etc/hosts, then DNS
	struct ares_options o = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
				 .timeout = RESOLVER_TRY_MS,
				 .tries = RESOLVER_TRIES,
				 .ednspsz = RESOLVER_DATAGRAM,
				 .lookups = lookups,
				 .sock_state_cb = on_socket};
	struct resolver *r = mem_zalloc(1, sizeof(*r), err);
	int rc;

	if (!r)
		return NULL;
	r->loop = l;
	o.sock_state_cb_data = r;
	if (timer_init(&r->timer, l, on_timer, r, err))
		goto fail;
	rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc == ARES_SUCCESS)
		rc = ares_init_options(&r->ares, &o,
				       ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
					   ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS) {
		r->ares = NULL;
		err_set(err, ERR_UNSUPPORTED, "the resolver does not start: %s", ares_strerror(rc));
		goto fail;
	}
	if (servers && set_servers(r, servers, err))
		goto fail;
	return r;
fail:
	resolver_free(r);
	return NULL;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	if (r->ares)
		ares_destroy(r->ares);
	while (r->watched)
		unwatch(r, r->watched->fd);
	timer_free(&r->timer);
	ares_library_cleanup();
	free(r);
}

// ---- asking --------------------------------------------------------------------------------------------------------
// The next of a list that is of that family; NULL at its end.
static const struct ares_addrinfo_node *skip_to(const struct ares_addrinfo_node *a, int family)
{
	while (a && a->ai_family != family)
		a = a->ai_next;
	return a;
}

// c-ares appends what arrives in the order of arrival; here the families take turns, so that no number of addresses of
// one keeps out the other.
static size_t collect(const struct ares_addrinfo *info, struct ip_addr addrs[RESOLVER_ADDRS_MAX])
{
	static const int families[] = {AF_INET, AF_INET6};
	const struct ares_addrinfo_node *next[2];
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		next[i] = skip_to(info ? info->nodes : NULL, families[i]);
	for (int i = 0; (next[0] || next[1]) && n < RESOLVER_ADDRS_MAX; i = !i)
		if (next[i]) {
			n += ip_from_sockaddr(next[i]->ai_addr, &addrs[n]) == 0;
			next[i] = skip_to(next[i]->ai_next, families[i]);
		}
	return n;
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolver_query *q = ctx;
	struct ip_addr addrs[RESOLVER_ADDRS_MAX];
	size_t n = status == ARES_SUCCESS ? collect(info, addrs) : 0;
	resolver_fn *fn = q->fn;
	void *fn_ctx = q->ctx;

	(void)timeouts;
	if (info)
		ares_freeaddrinfo(info);
	if (q->started)
		*q->started = NULL;
	q->r->inflight--;
	free(q);
	if (!fn)
		return;
	if (n)
		fn(fn_ctx, RESOLVER_FOUND, addrs, n);
	else if (status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND ||
		 status == ARES_EBADNAME)
		fn(fn_ctx, RESOLVER_NO_NAME, NULL, 0);
	else
		fn(fn_ctx, RESOLVER_FAILED, NULL, 0);
}

int resolver_ask(struct resolver *r, const char *name, resolver_fn *fn, void *ctx, struct resolver_query **query,
		 struct err *err)
{
	static const struct ares_addrinfo_hints hints = {
	    .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct resolver_query *q, *pending;

	*query = NULL;
	if (r->inflight == RESOLVER_INFLIGHT_MAX)
		return err_set(err, ERR_LIMIT, "more than %d names at once", RESOLVER_INFLIGHT_MAX);
	pending = q = mem_zalloc(1, sizeof(*q), err);
	if (!q)
		return -1;
	*q = (struct resolver_query){.r = r, .fn = fn, .ctx = ctx, .started = &pending};
	r->inflight++;
	ares_getaddrinfo(r->ares, name, NULL, &hints, on_answer, q);
	if (pending) { // else it is answered already, and *query may be gone with its owner
		q->started = NULL;
		*query = q;
	}
	set_timer(r);
	return 0;
}

void resolver_cancel(struct resolver_query *q)
{
	if (q)
		q->fn = NULL;
}
