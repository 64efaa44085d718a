// SPDX-License-Identifier: Apache-2.0
//
// The control plane: the host's half of a cage. It listens first, launches the enclave then, carries clients in and (in
// the program built with CAGE_EGRESS=1) the enclave's connections out, answers for health and metrics, and leaves in
// good order:
//
//   SIGTERM ─► health says draining ─► clients are still served ─► none left, or time is up ─► stop hook ─► exit 0
//   a second SIGTERM: at once
#ifndef CAGE_EGRESS
#define CAGE_EGRESS 1
#endif
#include "base/cleanup.h"
#include "base/mem.h"
#include "runtime/common/log.h"
#include "runtime/common/sandbox.h"
#include "runtime/control-plane/ctl_server.h"
#include "runtime/control-plane/status_page.h"
#include "runtime/control-plane/hook.h"
#include "runtime/control-plane/ingress.h"
#include "runtime/control-plane/options.h"
#include "runtime/control-plane/statsd.h"
#if CAGE_EGRESS
#include "runtime/control-plane/egress_host.h"
#endif

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	STOP_LIMIT_MS = 20 * 1000,
	LAUNCH_LIMIT_MS = 300 * 1000, // a large image on a small instance takes minutes to load
	PROBE_INTERVAL_MS = 1000,
	PROBE_TIMEOUT_MS = 2000,
	DRAIN_CHECK_MS = 200,
	DRAIN_LEAST_MS = 2000, // so that a load balancer's next look sees the draining before we are gone
	REQUEST_MS = 5000,
	HELLO_MS = 10 * 1000,
};

struct plane {
	struct options o;
	struct loop *loop;
	struct metrics *metrics;
	struct ingress_relay *ingress;
#if CAGE_EGRESS
	struct egress_host *egress;
#endif
	struct ctl_server *control;
	struct statsd *statsd;
	struct probe *probe;
	struct status_page *health;
	struct hook *hook;
	struct timer drain;
	uint64_t draining_since;
	uint64_t up, draining, enclave_healthy;
	bool stopping;
};

// ---- metrics -------------------------------------------------------------------------------------------------------

static void refresh(void *ctx)
{
	struct plane *p = ctx;

	ingress_relay_stats(p->ingress);
#if CAGE_EGRESS
	egress_host_stats(p->egress);
#endif
	p->up = 1;
	p->draining = p->draining_since != 0;
	p->enclave_healthy = p->probe && probe_result(p->probe).healthy;
}

static void add_ingress_metrics(struct metrics *m, const struct ingress_stats *in)
{
	metrics_add(m, METRIC_GAUGE, "cage_ingress_connections", "Client connections open now.", NULL, &in->open);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_accepted_total", "Client connections accepted.", NULL,
		    &in->accepted);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_shed_total", "Client connections over the cap.", NULL, &in->shed);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_relayed_total", "Client connections that reached the enclave.",
		    NULL, &in->relayed);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_enclave_failed_total", "Connects to the enclave that failed.",
		    NULL, &in->enclave_failed);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_proxy_failed_total", "Clients without a sound PROXY header.", NULL,
		    &in->proxy_failed);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_bytes_total", "Bytes relayed.", "direction=\"in\"", &in->bytes_in);
	metrics_add(m, METRIC_COUNTER, "cage_ingress_bytes_total", "Bytes relayed.", "direction=\"out\"",
		    &in->bytes_out);
}

#if CAGE_EGRESS
static void add_egress_metrics(struct metrics *m, const struct egress_host_stats *e)
{
	static char labels[EGRESS_STATUS_COUNT][64];

	metrics_add(m, METRIC_GAUGE, "cage_egress_connections", "Egress connections open now.", NULL, &e->open);
	metrics_add(m, METRIC_COUNTER, "cage_egress_shed_total", "Egress connections over the cap.", NULL, &e->shed);
	metrics_add(m, METRIC_COUNTER, "cage_egress_malformed_total", "Egress requests that broke a rule.", NULL,
		    &e->malformed);
	for (unsigned i = 0; i < EGRESS_STATUS_COUNT; i++) {
		snprintf(labels[i], sizeof(labels[i]), "status=\"%s\"", egress_status_name(i));
		metrics_add(m, METRIC_COUNTER, "cage_egress_requests_total", "Egress requests by outcome.", labels[i],
			    &e->by_status[i]);
	}
	metrics_add(m, METRIC_COUNTER, "cage_egress_bytes_total", "Bytes relayed.", "direction=\"out\"", &e->bytes_out);
	metrics_add(m, METRIC_COUNTER, "cage_egress_bytes_total", "Bytes relayed.", "direction=\"in\"", &e->bytes_in);
}
#endif

static void add_metrics(struct plane *p)
{
	const struct ctl_server_stats *c = ctl_server_stats(p->control);
	const struct statsd_stats *s = statsd_stats(p->statsd);

	metrics_add(p->metrics, METRIC_GAUGE, "cage_up", "Always 1.", NULL, &p->up);
	metrics_add(p->metrics, METRIC_GAUGE, "cage_draining", "1 after SIGTERM.", NULL, &p->draining);
	metrics_add(p->metrics, METRIC_GAUGE, "cage_enclave_health", "1 while the data plane says that all is well.",
		    NULL, &p->enclave_healthy);
	add_ingress_metrics(p->metrics, ingress_relay_stats(p->ingress));
#if CAGE_EGRESS
	add_egress_metrics(p->metrics, egress_host_stats(p->egress));
#endif
	metrics_add(p->metrics, METRIC_COUNTER, "cage_control_requests_total", "Control frames.", NULL, &c->requests);
	metrics_add(p->metrics, METRIC_COUNTER, "cage_control_malformed_total", "Control frames refused.", NULL,
		    &c->malformed);
	metrics_add(p->metrics, METRIC_COUNTER, "cage_transactions_total", "Transactions logged.", NULL,
		    &c->transactions);
	metrics_add(p->metrics, METRIC_COUNTER, "cage_transactions_dropped_total",
		    "Transactions past the limit of lines, or that the log did not take.", NULL, &c->dropped);
	metrics_add(p->metrics, METRIC_COUNTER, "cage_statsd_lines_total", "StatsD lines from the enclave.", NULL,
		    &s->lines);
	metrics_add(p->metrics, METRIC_COUNTER, "cage_statsd_rejected_total", "Those that broke a rule.", NULL,
		    &s->rejected);
}

// ---- draining ------------------------------------------------------------------------------------------------------

static void on_stopped(void *ctx, bool done)
{
	struct plane *p = ctx;
	(void)done;
	loop_stop(p->loop, 0);
}

static void leave(struct plane *p)
{
	struct err err = ERR_INIT;

	timer_set(&p->drain, 0);
	ingress_relay_stop_listening(p->ingress);
#if CAGE_EGRESS
	egress_host_stop_listening(p->egress);
#endif
	p->stopping = true;
	hook_free(steal_ptr(&p->hook));
	if (p->o.stop)
		p->hook = hook_start(p->loop, p->o.stop, 1, STOP_LIMIT_MS, on_stopped, p, &err);
	log_event(LOG_INFO, "control.leaving");
	if (!p->hook)
		loop_stop(p->loop, 0);
}

static void on_drain_check(void *ctx)
{
	struct plane *p = ctx;
	uint64_t waited = loop_now_ms() - p->draining_since;
	uint64_t open = ingress_relay_stats(p->ingress)->open;

	if (waited >= p->o.drain_ms || (open == 0 && waited >= DRAIN_LEAST_MS)) {
		log_event(LOG_INFO, "control.drained", LOG_U64("left", open), LOG_U64("waited_ms", waited));
		leave(p);
	} else {
		timer_set(&p->drain, DRAIN_CHECK_MS);
	}
}

static void on_term(void *ctx)
{
	struct plane *p = ctx;

	if (p->draining_since) {
		if (p->stopping)
			loop_stop(p->loop, 0);
		else
			leave(p);
		return;
	}
	p->draining_since = loop_now_ms();
	status_page_set_draining(p->health);
	log_event(LOG_INFO, "control.draining", LOG_U64("open", ingress_relay_stats(p->ingress)->open));
	timer_set(&p->drain, DRAIN_CHECK_MS);
}

static void on_launched(void *ctx, bool done)
{
	struct plane *p = ctx;

	if (done)
		return;
	log_event(LOG_ERROR, "control.launch_failed");
	loop_stop(p->loop, 1);
}

// ---- life ----------------------------------------------------------------------------------------------------------

static int start_traffic(struct plane *p, struct err *err)
{
	const struct options *o = &p->o;
	const struct ingress_options ingress = {
	    .listen = o->ingress, .enclave = o->enclave, .send_proxy = o->send_proxy, .expect_proxy = o->expect_proxy,
	    .conns_max = o->max_connections, .proxy_ms = 2000, .dial_ms = o->dial_ms, .idle_ms = o->idle_ms,
	    .linger_ms = o->linger_ms};

	p->ingress = ingress_relay_new(p->loop, &ingress, err);
	if (!p->ingress)
		return -1;
#if CAGE_EGRESS
	const struct egress_host_options egress = {
	    .listen = o->egress, .allow = o->allow ? o->allow : "", .dns_servers = o->dns,
	    .conns_max = o->max_connections, .request_ms = REQUEST_MS, .connect_ms = o->dial_ms, .hello_ms = HELLO_MS,
	    .idle_ms = o->idle_ms, .linger_ms = o->linger_ms, .test_allow_loopback = o->test_allow_loopback};

	p->egress = egress_host_new(p->loop, &egress, err);
	if (!p->egress)
		return -1;
#endif
	return 0;
}

static int start_services(struct plane *p, struct err *err)
{
	const struct options *o = &p->o;
	const struct ctl_server_options control = {
	    .listen = o->control, .config_json = o->runtime_config, .trusted_headers = (const char *const *)o->trusted,
	    .trusted_count = o->trusted_count, .name = o->name, .log_fd = 2};
	const struct statsd_options statsd = {.listen = o->metrics_in, .out = o->statsd, .interval_ms = o->statsd_ms,
					      .refresh = refresh, .ctx = p};

	p->metrics = metrics_new(err);
	p->control = p->metrics ? ctl_server_new(p->loop, &control, err) : NULL;
	p->statsd = p->control ? statsd_new(p->loop, &statsd, p->metrics, err) : NULL;
	if (!p->statsd)
		return -1;
	if (o->deep_health) {
		p->probe = probe_new(p->loop, &o->enclave_health, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS, err);
		if (!p->probe)
			return -1;
	}
	const struct status_page_options health = {.listen = o->health, .probe = p->probe, .metrics = p->metrics,
					      .refresh = refresh, .ctx = p, .test_option = o->test_allow_loopback};

	p->health = status_page_new(p->loop, &health, err);
	return p->health ? 0 : -1;
}

// libevent and its resolver would write lines of their own to standard error, between ours.
static void on_libevent(int severity, const char *text)
{
	log_event(severity >= EVENT_LOG_WARN ? LOG_WARN : LOG_DEBUG, "libevent", LOG_STR("text", text));
}

// A hook is a program that may need whatever the operator has, and it would inherit all that we give up here: only a
// control plane without hooks closes itself in.
static int close_in(const struct options *o, struct err *err)
{
	bool enforced = false, hooks = o->launch || o->stop;

	if (!hooks && sandbox_enter(SANDBOX_SOCKETS | SANDBOX_READ_FILES, &enforced, err) < 0)
		return -1;
	log_event(LOG_INFO, "control.ready", LOG_BOOL("egress", CAGE_EGRESS), LOG_BOOL("sandbox", enforced));
	return 0;
}

static int start(struct plane *p, struct err *err)
{
	event_set_log_callback(on_libevent);
	p->loop = loop_new(err);
	if (!p->loop || start_traffic(p, err) < 0 || start_services(p, err) < 0)
		return -1;
	add_metrics(p);
	if (timer_init(&p->drain, p->loop, on_drain_check, p, err) < 0 ||
	    loop_on_signal(p->loop, SIGTERM, on_term, p, err) < 0 ||
	    loop_on_signal(p->loop, SIGINT, on_term, p, err) < 0)
		return -1;
	if (close_in(&p->o, err) < 0)
		return -1;
	if (p->o.launch) {
		p->hook = hook_start(p->loop, p->o.launch, p->o.launch_tries, LAUNCH_LIMIT_MS, on_launched, p, err);
		if (!p->hook)
			return -1;
	}
	return 0;
}

static void end(struct plane *p)
{
	hook_free(p->hook);
	timer_free(&p->drain);
	status_page_free(p->health);
	probe_free(p->probe);
	statsd_free(p->statsd);
	ctl_server_free(p->control);
#if CAGE_EGRESS
	egress_host_free(p->egress);
#endif
	ingress_relay_free(p->ingress);
	metrics_free(p->metrics);
	loop_free(p->loop);
	options_release(&p->o);
}

int main(int argc, char **argv)
{
	struct plane p = {.drain = TIMER_INIT};
	struct err err = ERR_INIT;
	const char *name = CAGE_EGRESS ? "cage-control-plane" : "cage-control-plane-no-egress";
	int rc = options_parse(&p.o, argc, argv, CAGE_EGRESS, stdout, &err);

	if (rc == 0) {
		log_open(2, p.o.verbose ? LOG_DEBUG : LOG_INFO, name);
		rc = sandbox_prepare(&err) == 0 || start(&p, &err) < 0 ? -1 : loop_run(p.loop);
	} else if (rc > 0) {
		rc = fflush(stdout) ? 2 : 0;
	}
	if (rc < 0) {
		fprintf(stderr, "%s: unable to start: %s\n", name, err.msg);
		rc = 2;
	}
	end(&p);
	return rc;
}
