// SPDX-License-Identifier: Apache-2.0
//
// The data plane's program, built twice: with CAGE_EGRESS it also lets the service out; without, nothing here names the
// egress parts and the linker leaves them out.
//
//   limits ─► configuration ─► keys, certificate ─► listeners (health, egress, ingress) ─► sandbox ─► ready ─► serve
//
// Exit: 0 after a drain on SIGTERM, 1 when a part died while it served, 2 when it could not start (one line on standard
// error says why). It never restarts a part of itself: the supervisor restarts the whole, and the gate closes
// meanwhile.
#include "base/cleanup.h"
#include "runtime/common/log.h"
#include "runtime/common/sandbox.h"
#include "runtime/common/tls.h"
#include "runtime/data-plane/health.h"
#include "runtime/data-plane/host_link.h"
#include "runtime/data-plane/report.h"
#include "runtime/data-plane/session.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CAGE_EGRESS
#define CAGE_EGRESS 1
#endif
#if CAGE_EGRESS
#include "runtime/data-plane/egress.h"
#define PROGRAM "cage-data-plane"
#else
#define PROGRAM "cage-data-plane-no-egress"
#endif

enum { DRAIN_MS = 30000, DRAIN_LOOK_MS = 50 };

struct plane {
	struct plane_config config;
	struct shared shared;
	struct acceptor *ingress;
	struct health *health;
	struct report *report;
	struct host_link *host;
	struct timer drain;
	unsigned drained_ms;
#if CAGE_EGRESS
	struct egress *egress;
#endif
};

static const char usage[] =
    "usage: " PROGRAM " --config FILE [--ready-fd N]\n"
    "\n"
    "  --config FILE   the measured configuration (CBOR)\n"
    "  --ready-fd N    write one byte to descriptor N once connections are served, and keep it open\n"
    "  --version, --help\n";

struct options {
	const char *config;
	int ready_fd;
};

static int parse_fd(const char *text, int *out)
{
	char *end;
	long v = strtol(text, &end, 10);
	struct stat st;

	*out = (int)v;
	return *text && !*end && v > 2 && v < 65536 && !fstat(*out, &st) ? 0 : -1;
}

// 0 go on, 1 done, -1 error.
static int parse_options(int argc, char **argv, struct options *o, struct err *err)
{
	*o = (struct options){.ready_fd = -1};
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (!strcmp(argv[i], "--help")) {
			fputs(usage, stdout);
			return 1;
		}
		if (!strcmp(argv[i], "--version")) {
			puts(PROGRAM " " EIFGEN_VERSION);
			return 1;
		}
		if (!strcmp(argv[i], "--config") && value) {
			o->config = argv[++i];
		} else if (!strcmp(argv[i], "--ready-fd") && value) {
			if (parse_fd(argv[++i], &o->ready_fd))
				return err_set(err, ERR_USAGE, "--ready-fd wants an open descriptor above 2");
		} else {
			return err_set(err, ERR_USAGE, "unknown option or missing value: %s", argv[i]);
		}
	}
	return o->config ? 0 : err_set(err, ERR_USAGE, "--config is missing");
}

// ---- parts ---------------------------------------------------------------------------------------------------------
static int load_keys(struct plane *p, struct err *err)
{
	static const enum tls_alpn alpn[] = {
	    [PLANE_HTTP] = TLS_ALPN_HTTP, [PLANE_AUTO] = TLS_ALPN_HTTP1, [PLANE_TCP] = TLS_ALPN_NONE};
	_cleanup_secret_ struct secret chain = SECRET_INIT, key = SECRET_INIT;
	struct plane_config *c = &p->config;

	if (c->auth.api_keys && !(p->shared.keys = apikeys_load(c->auth.api_keys, err)))
		return -1;
	if (!c->ingress.tls)
		return 0;
	if (secret_read_file(&chain, c->ingress.certificate, err) || secret_read_file(&key, c->ingress.key, err))
		return -1;
	p->shared.tls = tls_server_new(&chain, &key, alpn[c->ingress.protocol], err);
	return p->shared.tls ? 0 : -1;
}

static void on_accept(void *ctx, int fd, const struct addr *peer)
{
	struct plane *p = ctx;

	arrival_open(&p->shared, fd, peer);
}

#if CAGE_EGRESS
static int start_egress(struct plane *p, struct err *err)
{
	const struct plane_config *c = &p->config;
	struct egress_options o = {.allow = c->egress.allow ? c->egress.allow : "",
				   .host = c->egress.host,
				   .dns = c->egress.dns,
				   .redirect_port = (uint16_t)c->egress.redirect_port,
				   .set_up_net = c->egress.set_up_net,
				   .conns_max = (uint32_t)c->egress.max_connections,
				   .idle_ms = (unsigned)c->egress.idle_ms};

	if (!c->egress.enabled)
		return 0;
	if (c->egress.ports.n > EGRESS_PORTS_MAX)
		return err_set(err, ERR_INPUT, "key \"egress.ports\": more than %d", EGRESS_PORTS_MAX);
	for (size_t i = 0; i < c->egress.ports.n; i++) {
		char *end;
		unsigned long port = strtoul(c->egress.ports.items[i], &end, 10);

		if (*end || port == 0 || port > 65535)
			return err_set(err, ERR_INPUT, "key \"egress.ports\": \"%s\" is no port",
				       c->egress.ports.items[i]);
		o.ports[o.port_count++] = (uint16_t)port;
	}
	p->egress = egress_new(p->shared.loop, &o, err);
	return p->egress ? 0 : -1;
}
#endif

static int start(struct plane *p, struct err *err)
{
	const struct plane_config *c = &p->config;
	const struct upstream_options service = {.service = c->service.address,
						 .connect_ms = (unsigned)c->service.connect_ms,
						 .response_ms = (unsigned)c->service.response_ms,
						 .idle_ms = (unsigned)c->service.idle_ms,
						 .max_idle = c->ingress.forward_proxy ? 0 : c->service.max_idle,
						 .max_open = c->service.max_connections};

	if (load_keys(p, err))
		return -1;
	p->shared.handshakes = arrival_handshakes(p->shared.loop, (uint32_t)c->ingress.max_handshakes, err);
	p->shared.pool = upstream_pool_new(p->shared.loop, &service, err);
	if (!p->shared.handshakes || !p->shared.pool || !(p->health = health_new(&p->shared, err)) ||
	    !(p->report = report_new(&p->shared, err)) || !(p->host = host_link_new(&p->shared, p->health, err)))
		return -1;
#if CAGE_EGRESS
	if (start_egress(p, err))
		return err_prefix(err, "egress: ");
#endif
	p->ingress = acceptor_listen(p->shared.loop, &c->ingress.listen, &p->shared.conns, on_accept, p, err);
	return p->ingress ? 0 : -1;
}

static void stop(struct plane *p)
{
	acceptor_free(p->ingress);
	while (p->shared.sessions)
		p->shared.sessions->kill(p->shared.sessions);
#if CAGE_EGRESS
	egress_free(p->egress);
#endif
	host_link_free(p->host);
	report_free(p->report);
	health_free(p->health);
	upstream_pool_free(p->shared.pool);
	handshakes_free(p->shared.handshakes);
	timer_free(&p->drain);
	SSL_CTX_free(p->shared.tls);
	apikeys_free(p->shared.keys);
	plane_config_release(&p->config);
	loop_free(p->shared.loop);
}

// ---- draining ------------------------------------------------------------------------------------------------------
static void look_drained(void *ctx)
{
	struct plane *p = ctx;

	p->drained_ms += DRAIN_LOOK_MS;
	if (!p->shared.sessions || p->drained_ms >= DRAIN_MS) {
		log_event(LOG_INFO, "plane.stopped", LOG_U64("connections", p->shared.conns.in_use));
		loop_stop(p->shared.loop, 0);
		return;
	}
	timer_set(&p->drain, DRAIN_LOOK_MS);
}

static void on_term(void *ctx)
{
	struct plane *p = ctx;
	struct session *s, *next;

	if (p->shared.draining)
		return;
	p->shared.draining = true;
	health_set(p->health, PLANE_DRAINING);
	acceptor_pause(p->ingress, true);
	log_event(LOG_INFO, "plane.draining", LOG_U64("connections", p->shared.conns.in_use));
	for (s = p->shared.sessions; s; s = next) {
		next = s->next; // drain may free s, never another
		s->drain(s);
	}
	timer_set(&p->drain, 1);
}

// ---- the program ---------------------------------------------------------------------------------------------------
static int say_ready(struct plane *p, int fd, struct err *err)
{
	char at[ADDR_TEXT_MAX];

	health_set(p->health, PLANE_OK);
	log_event(LOG_INFO, "plane.ready", LOG_STR("version", EIFGEN_VERSION),
		  LOG_STR("listen", addr_format(&p->config.ingress.listen, at)), LOG_BOOL("tls", p->config.ingress.tls),
		  LOG_BOOL("egress", CAGE_EGRESS));
	if (fd >= 0 && write(fd, "\n", 1) != 1)
		return err_set(err, ERR_IO, "unable to say ready on descriptor %d", fd);
	return 0;
}

static int serve(struct plane *p, const struct options *o, struct err *err)
{
	bool enforced;

	if (timer_init(&p->drain, p->shared.loop, look_drained, p, err) ||
	    loop_on_signal(p->shared.loop, SIGTERM, on_term, p, err) ||
	    loop_on_signal(p->shared.loop, SIGINT, on_term, p, err) || start(p, err) ||
	    sandbox_enter(SANDBOX_SOCKETS | SANDBOX_READ_FILES, &enforced, err) || say_ready(p, o->ready_fd, err))
		return 2;
	return loop_run(p->shared.loop);
}

static int run(struct plane *p, const struct options *o, struct err *err)
{
	if (!sandbox_prepare(err) || tls_init(err) || plane_config_load(&p->config, o->config, CAGE_EGRESS, err))
		return 2;
	p->shared.config = &p->config;
	p->shared.conns.max = (uint32_t)p->config.ingress.max_connections;
	p->shared.loop = loop_new(err);
	return p->shared.loop ? serve(p, o, err) : 2;
}

int main(int argc, char **argv)
{
	static struct plane plane; // half a megabyte with its heads: not on the stack
	struct err err = ERR_INIT;
	struct options o;
	int rc = parse_options(argc, argv, &o, &err);

	if (rc > 0)
		return 0;
	log_open(STDERR_FILENO, LOG_INFO, PROGRAM);
	rc = rc < 0 ? 2 : run(&plane, &o, &err);
	if (rc == 2)
		fprintf(stderr, PROGRAM ": %s\n", err.msg);
	stop(&plane);
	return rc;
}
