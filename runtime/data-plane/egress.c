// SPDX-License-Identifier: Apache-2.0
//
// Listeners, and what each accepted connection was meant for:
//
//   own address of the socket, or SO_ORIGINAL_DST      destination
//   127.128.0.0/9, known to the name table             that name
//   127.128.0.0/9, unknown                             nobody: reset (a stale address of an earlier life)
//   other 127/8, ::1, our second address               nobody: reset
//   anything else                                      that address itself
//
// On a redirect listener a connection without an original destination, or whose original destination is the listener,
// was dialled to us directly and is reset too.
#include "runtime/data-plane/egress.h"

#include "base/mem.h"
#include "runtime/common/log.h"
#include "runtime/data-plane/egress_conn.h"
#include "runtime/data-plane/net_setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IP6_ORIGINAL_DST = 80, LISTENERS_MAX = 2 * (EGRESS_PORTS_MAX + 1) };

struct listener {
	struct egress *e;
	struct acceptor *acceptor;
	uint16_t port;
	bool redirected;
};

struct egress {
	struct egress_shared shared;
	struct allowlist *allow;
	struct names *names;
	struct dns_responder *dns;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
};

// ---- the destination -----------------------------------------------------------------------------------------------

static int original_destination(const struct listener *l, int fd, struct sockaddr_storage *ss)
{
	socklen_t len = sizeof(*ss);

	if (!l->redirected)
		return getsockname(fd, (struct sockaddr *)ss, &len);
	if (getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, ss, &len) == 0)
		return 0;
	len = sizeof(*ss);
	return getsockopt(fd, SOL_IPV6, IP6_ORIGINAL_DST, ss, &len);
}

static bool is_own(const struct ip_addr *ip)
{
	static const struct ip_addr second = {4, NET_SECOND_ADDRESS};

	return ip_classify(ip) == IP_LOOPBACK || !memcmp(ip, &second, sizeof(second));
}

// Fills `to`, or returns why the connection leads nowhere.
static const char *find_destination(struct egress *e, const struct listener *l, int fd, struct egress_request *to)
{
	struct sockaddr_storage ss;
	struct ip_addr ip;

	memset(to, 0, sizeof(*to));
	if (original_destination(l, fd, &ss) < 0 || ip_from_sockaddr((struct sockaddr *)&ss, &ip) < 0)
		return "no original destination";
	to->port = ntohs(((struct sockaddr_in *)(void *)&ss)->sin_port); // at the same place in both families
	if (names_in_range(&ip)) {
		const char *name = names_find(e->names, &ip);

		if (!name)
			return "an address that stands for no name";
		memccpy(to->name, name, '\0', sizeof(to->name));
		return NULL;
	}
	if (is_own(&ip) || to->port == 0)
		return "not an outside address";
	to->addr = ip;
	return NULL;
}

static bool is_allowed(const struct egress *e, const struct egress_request *to)
{
	return to->addr.len ? allowlist_allows_addr(e->allow, &to->addr, to->port)
			    : allowlist_allows_name(e->allow, to->name, strlen(to->name), to->port);
}

static void refuse(struct egress *e, int fd, uint64_t *counter)
{
	++*counter;
	conncap_release(&e->shared.cap);
	egress_reset(fd);
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	const struct listener *l = ctx;
	struct egress *e = l->e;
	struct egress_request to;
	char text[IP_TEXT_MAX];
	const char *fault = find_destination(e, l, fd, &to);
	(void)peer;

	if (fault) {
		log_event(LOG_WARN, "egress.unknown_destination", LOG_U64("port", l->port), LOG_STR("why", fault));
		refuse(e, fd, &e->shared.stats.unknown_addr);
		return;
	}
	if (!is_allowed(e, &to)) {
		log_event(LOG_WARN, "egress.not_allowed",
			  LOG_STR("to", to.addr.len ? ip_format(&to.addr, text) : to.name), LOG_U64("port", to.port));
		refuse(e, fd, &e->shared.stats.not_allowed);
		return;
	}
	egress_conn_start(&e->shared, fd, &to);
}

// ---- listeners -----------------------------------------------------------------------------------------------------

static int add_listener(struct egress *e, const struct addr *at, bool redirected, struct err *err)
{
	struct listener *l = &e->listeners[e->listener_count];

	*l = (struct listener){.e = e, .port = (uint16_t)addr_port(at), .redirected = redirected};
	l->acceptor = acceptor_listen(e->shared.loop, at, &e->shared.cap, on_accept, l, err);
	if (!l->acceptor)
		return -1;
	e->listener_count++;
	return 0;
}

static struct addr tcp4(struct in_addr host, uint16_t port)
{
	struct addr a = {.kind = ADDR_TCP, .len = sizeof(a.u.in)};

	a.u.in.sin_family = AF_INET;
	a.u.in.sin_addr = host;
	a.u.in.sin_port = htons(port);
	return a;
}

static struct addr tcp6(struct in6_addr host, uint16_t port)
{
	struct addr a = {.kind = ADDR_TCP, .len = sizeof(a.u.in6)};

	a.u.in6.sin6_family = AF_INET6;
	a.u.in6.sin6_addr = host;
	a.u.in6.sin6_port = htons(port);
	return a;
}

// IPv6 is a bonus: a kernel without it has no program that dials it.
static void add_listener6(struct egress *e, struct in6_addr host, uint16_t port, bool redirected)
{
	struct addr at = tcp6(host, port);
	struct err err = ERR_INIT;

	if (add_listener(e, &at, redirected, &err) < 0)
		log_event(LOG_INFO, "egress.no_ipv6", LOG_U64("port", port), LOG_STR("why", err.msg));
}

static int open_listeners(struct egress *e, struct err *err)
{
	const struct egress_options *o = &e->shared.options;
	bool everywhere = o->listen.s_addr == htonl(INADDR_ANY);
	struct addr at;

	for (size_t i = 0; i < o->port_count; i++) {
		at = tcp4(o->listen, o->ports[i]);
		if (add_listener(e, &at, false, err) < 0)
			return -1;
		if (everywhere)
			add_listener6(e, in6addr_any, o->ports[i], false);
	}
	if (!o->redirect_port)
		return 0;
	at = tcp4((struct in_addr){htonl(INADDR_LOOPBACK)}, o->redirect_port);
	if (add_listener(e, &at, true, err) < 0)
		return -1;
	add_listener6(e, in6addr_loopback, o->redirect_port, true);
	return 0;
}

// ---- life ----------------------------------------------------------------------------------------------------------

static void fill_defaults(struct egress_options *o)
{
	o->names_max = o->names_max ? o->names_max : NAMES_MAX;
	o->conns_max = o->conns_max ? o->conns_max : 1024;
	o->peek_ms = o->peek_ms ? o->peek_ms : 10;
	o->hello_ms = o->hello_ms ? o->hello_ms : 5000;
	o->dial_ms = o->dial_ms ? o->dial_ms : 5000;
	o->reply_ms = o->reply_ms ? o->reply_ms : 20000;
	o->idle_ms = o->idle_ms ? o->idle_ms : 3600 * 1000;
}

// Exact names get their addresses now: an address that a program kept over our restart still means its name.
static int assign_exact_names(struct egress *e, struct err *err)
{
	struct ip_addr ip;

	for (size_t i = 0; i < allowlist_count(e->allow); i++) {
		const char *name = allowlist_exact_name(e->allow, i);

		if (name && names_assign(e->names, name, &ip) < 0)
			return err_set(err, ERR_LIMIT, "allowlist: more names than the table's %zu",
				       e->shared.options.names_max);
	}
	return 0;
}

static int prepare(struct egress *e, struct err *err)
{
	const struct egress_options *o = &e->shared.options;

	e->allow = allowlist_new(err);
	e->names = e->allow ? names_new(o->names_max, err) : NULL;
	if (!e->names || allowlist_parse(e->allow, o->allow, strlen(o->allow), err) < 0 ||
	    assign_exact_names(e, err) < 0)
		return -1;
	if (o->set_up_net)
		net_setup(o->redirect_port);
	if (open_listeners(e, err) < 0)
		return -1;
	e->dns = dns_responder_new(e->shared.loop, &o->dns, e->allow, e->names, err);
	return e->dns ? 0 : -1;
}

struct egress *egress_new(struct loop *l, const struct egress_options *options, struct err *err)
{
	struct egress *e;

	if (options->port_count > EGRESS_PORTS_MAX) {
		err_set(err, ERR_LIMIT, "egress: more than %d ports", EGRESS_PORTS_MAX);
		return NULL;
	}
	e = mem_zalloc(1, sizeof(*e), err);
	if (!e)
		return NULL;
	e->shared.loop = l;
	e->shared.options = *options;
	fill_defaults(&e->shared.options);
	e->shared.cap.max = e->shared.options.conns_max;
	if (prepare(e, err) < 0) {
		err_prefix(err, "egress: ");
		egress_free(e);
		return NULL;
	}
	e->shared.options.allow = NULL; // borrowed from the caller, who may drop it now
	return e;
}

void egress_free(struct egress *e)
{
	if (!e)
		return;
	egress_conn_free_all(&e->shared);
	for (size_t i = 0; i < e->listener_count; i++)
		acceptor_free(e->listeners[i].acceptor);
	dns_responder_free(e->dns);
	names_free(e->names);
	allowlist_free(e->allow);
	free(e);
}

struct egress_stats egress_stats(const struct egress *e)
{
	struct egress_stats s = e->shared.stats;

	s.accepted = e->shared.cap.admitted;
	s.shed = e->shared.cap.shed;
	s.open = e->shared.cap.in_use;
	return s;
}

const struct dns_stats *egress_dns_stats(const struct egress *e)
{
	return dns_responder_stats(e->dns);
}
