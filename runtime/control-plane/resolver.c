// SPDX-License-Identifier: Apache-2.0
//
// A query outlives its cancelling: evdns calls back once in any case, and the query is freed there.
#include "runtime/control-plane/resolver.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

struct resolver {
	struct evdns_base *dns;
};

struct resolver_query {
	resolver_fn *fn; // NULL: cancelled
	void *ctx;
	struct resolver_query **started; // while resolver_ask is on the stack
	struct evdns_getaddrinfo_request *request;
};

static int add_servers(struct resolver *r, const char *servers, struct err *err)
{
	_cleanup_free_ char *copy = mem_strdup(servers, err);
	char *rest = copy, *one;

	if (!copy)
		return -1;
	while ((one = strsep(&rest, ",")))
		if (evdns_base_nameserver_ip_add(r->dns, one) != 0)
			return err_set(err, ERR_USAGE, "DNS server \"%.100s\": not an address", one);
	return 0;
}

static int set_options(struct resolver *r, struct err *err)
{
	char timeout[16], inflight[16], tries[16];

	snprintf(timeout, sizeof(timeout), "%d.%d", RESOLVER_TRY_MS / 1000, RESOLVER_TRY_MS % 1000);
	snprintf(inflight, sizeof(inflight), "%d", RESOLVER_INFLIGHT_MAX);
	snprintf(tries, sizeof(tries), "%d", RESOLVER_TRIES);
	if (evdns_base_set_option(r->dns, "timeout:", timeout) != 0 ||
	    evdns_base_set_option(r->dns, "max-inflight:", inflight) != 0 ||
	    evdns_base_set_option(r->dns, "attempts:", tries) != 0)
		return err_set(err, ERR_UNSUPPORTED, "the resolver refuses its options");
	return 0;
}

struct resolver *resolver_new(struct loop *l, const char *servers, struct err *err)
{
	struct resolver *r = mem_zalloc(1, sizeof(*r), err);

	if (!r)
		return NULL;
	r->dns = evdns_base_new(loop_base(l), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (!r->dns) {
		err_nomem(err);
		goto fail;
	}
	evdns_base_load_hosts(r->dns, "/etc/hosts");
	if (servers ? add_servers(r, servers, err) < 0 : false)
		goto fail;
	if (!servers && evdns_base_resolv_conf_parse(r->dns, DNS_OPTION_NAMESERVERS, "/etc/resolv.conf") != 0)
		evdns_base_nameserver_ip_add(r->dns, "127.0.0.1"); // what resolv.conf(5) says of a missing file
	evdns_base_search_clear(r->dns);
	if (set_options(r, err) < 0)
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
	if (r->dns)
		evdns_base_free(r->dns, 1);
	free(r);
}

static size_t collect(const struct evutil_addrinfo *list, struct ip_addr addrs[RESOLVER_ADDRS_MAX])
{
	size_t n = 0;

	for (; list && n < RESOLVER_ADDRS_MAX; list = list->ai_next)
		n += ip_from_sockaddr(list->ai_addr, &addrs[n]) == 0;
	return n;
}

static void on_answer(int result, struct evutil_addrinfo *list, void *ctx)
{
	struct resolver_query *q = ctx;
	struct ip_addr addrs[RESOLVER_ADDRS_MAX];
	size_t n = collect(list, addrs);
	resolver_fn *fn = q->fn;
	void *fn_ctx = q->ctx;

	if (list)
		evutil_freeaddrinfo(list);
	if (q->started)
		*q->started = NULL;
	free(q);
	if (!fn)
		return;
	if (n)
		fn(fn_ctx, RESOLVER_FOUND, addrs, n);
	else if (result == 0 || result == EVUTIL_EAI_NONAME || result == EVUTIL_EAI_NODATA)
		fn(fn_ctx, RESOLVER_NO_NAME, NULL, 0);
	else
		fn(fn_ctx, RESOLVER_FAILED, NULL, 0);
}

int resolver_ask(struct resolver *r, const char *name, resolver_fn *fn, void *ctx, struct resolver_query **query,
		 struct err *err)
{
	static const struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct resolver_query *q = mem_zalloc(1, sizeof(*q), err);
	struct resolver_query *pending = q; // NULL once answered: then *query may be gone with its owner
	struct evdns_getaddrinfo_request *request;

	*query = NULL;
	if (!q)
		return -1;
	q->fn = fn;
	q->ctx = ctx;
	q->started = &pending;
	request = evdns_getaddrinfo(r->dns, name, NULL, &hints, on_answer, q);
	if (pending) {
		q->started = NULL;
		q->request = request;
		*query = q;
	}
	return 0;
}

void resolver_cancel(struct resolver_query *q)
{
	if (!q)
		return;
	q->fn = NULL;
	if (q->request)
		evdns_getaddrinfo_cancel(q->request);
}
