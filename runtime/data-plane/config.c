// SPDX-License-Identifier: Apache-2.0
//
// The table of keys, the defaults, and the checks that span keys. Egress keys stand last, so that the program without
// egress simply has a shorter table: to it they are unknown keys, and it does not start.
#include "runtime/data-plane/config.h"

#include "base/mem.h"

#include <string.h>

#define MS_MAX (24 * 3600 * 1000)
#define F(key, type, member, min, max, required)                                                                       \
	{                                                                                                              \
		key, type, offsetof(struct plane_config, member), min, max, required                                   \
	}
static const struct config_field fields[] = {
    F("ingress.listen", CONFIG_ADDR, ingress.listen, 0, 0, false),
    F("ingress.tls", CONFIG_BOOL, ingress.tls, 0, 0, false),
    F("ingress.proxy", CONFIG_BOOL, ingress.proxy, 0, 0, false),
    F("ingress.forward_proxy", CONFIG_BOOL, ingress.forward_proxy, 0, 0, false),
    F("ingress.protocol", CONFIG_TEXT, ingress.protocol_word, 1, 8, false),
    F("ingress.certificate", CONFIG_TEXT, ingress.certificate, 1, 0, false),
    F("ingress.key", CONFIG_TEXT, ingress.key, 1, 0, false),
    F("ingress.max_connections", CONFIG_UINT, ingress.max_connections, 1, 1000000, false),
    F("ingress.max_handshakes", CONFIG_UINT, ingress.max_handshakes, 1, 1000000, false),
    F("ingress.proxy_ms", CONFIG_UINT, ingress.proxy_ms, 1, MS_MAX, false),
    F("ingress.handshake_ms", CONFIG_UINT, ingress.handshake_ms, 1, MS_MAX, false),
    F("ingress.header_ms", CONFIG_UINT, ingress.header_ms, 1, MS_MAX, false),
    F("ingress.body_ms", CONFIG_UINT, ingress.body_ms, 1, MS_MAX, false),
    F("ingress.idle_ms", CONFIG_UINT, ingress.idle_ms, 1, MS_MAX, false),
    F("ingress.linger_ms", CONFIG_UINT, ingress.linger_ms, 1, MS_MAX, false),
    F("ingress.body_max", CONFIG_UINT, ingress.body_max, 0, INT64_MAX, false),
    F("service.address", CONFIG_ADDR, service.address, 0, 0, false),
    F("service.connect_ms", CONFIG_UINT, service.connect_ms, 1, MS_MAX, false),
    F("service.response_ms", CONFIG_UINT, service.response_ms, 1, MS_MAX, false),
    F("service.idle_ms", CONFIG_UINT, service.idle_ms, 1, MS_MAX, false),
    F("service.max_idle", CONFIG_UINT, service.max_idle, 0, 65536, false),
    F("service.max_connections", CONFIG_UINT, service.max_connections, 1, 1000000, false),
    F("service.health_path", CONFIG_TEXT, service.health_path, 1, 1024, false),
    F("service.health_address", CONFIG_ADDR, service.health_address, 0, 0, false),
    F("service.health_interval_ms", CONFIG_UINT, service.health_interval_ms, 10, MS_MAX, false),
    F("service.health_timeout_ms", CONFIG_UINT, service.health_timeout_ms, 10, MS_MAX, false),
    F("auth.api_keys", CONFIG_TEXT, auth.api_keys, 1, 0, false),
    F("health.listen", CONFIG_ADDR, health.listen, 0, 0, false),
    F("report.metrics", CONFIG_ADDR, report.metrics, 0, 0, false),
    F("report.interval_ms", CONFIG_UINT, report.interval_ms, 10, MS_MAX, false),
    F("report.transactions", CONFIG_BOOL, report.transactions, 0, 0, false),
    F("report.transactions_to", CONFIG_ADDR, report.transactions_to, 0, 0, false),
    F("report.trusted_headers", CONFIG_LIST, report.trusted_headers, 0, 256, false),
    F("control.host", CONFIG_ADDR, control.host, 0, 0, false),
    F("control.interval_ms", CONFIG_UINT, control.interval_ms, 0, MS_MAX, false),
    // The program without egress knows the keys above alone.
    F("egress.enabled", CONFIG_BOOL, egress.enabled, 0, 0, false),
    F("egress.allow", CONFIG_TEXT, egress.allow, 0, 65536, false),
    F("egress.ports", CONFIG_LIST, egress.ports, 0, 64, false),
    F("egress.host", CONFIG_ADDR, egress.host, 0, 0, false),
    F("egress.dns", CONFIG_ADDR, egress.dns, 0, 0, false),
    F("egress.redirect_port", CONFIG_UINT, egress.redirect_port, 0, 65535, false),
    F("egress.max_connections", CONFIG_UINT, egress.max_connections, 1, 1000000, false),
    F("egress.set_up_net", CONFIG_BOOL, egress.set_up_net, 0, 0, false),
    F("egress.idle_ms", CONFIG_UINT, egress.idle_ms, 1, MS_MAX, false),
};
enum { N_FIELDS = sizeof(fields) / sizeof(*fields) };

static size_t known_fields(bool with_egress)
{
	size_t n = N_FIELDS;

	while (!with_egress && !strncmp(fields[n - 1].key, "egress.", 7))
		n--;
	return n;
}

// The ports are those of facts/runtime.md 1.2; CID 3 is the parent instance as seen from within an enclave.
static int set_defaults(struct plane_config *c, struct err *err)
{
	static const struct {
		size_t offset;
		const char *text;
	} addresses[] = {
	    {offsetof(struct plane_config, ingress.listen), "vsock:any:7777"},
	    {offsetof(struct plane_config, service.address), "tcp:127.0.0.1:8008"},
	    {offsetof(struct plane_config, health.listen), "vsock:any:7779"},
	    {offsetof(struct plane_config, report.metrics), "vsock:3:8128"},
	    {offsetof(struct plane_config, report.transactions_to), "vsock:3:7776"},
	    {offsetof(struct plane_config, control.host), "vsock:3:7776"},
	    {offsetof(struct plane_config, egress.host), "vsock:3:4433"},
	    {offsetof(struct plane_config, egress.dns), "tcp:127.0.0.1:53"},
	};

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		if (addr_parse(addresses[i].text, (struct addr *)((char *)c + addresses[i].offset), err))
			return -1;
	c->ingress.tls = c->ingress.proxy = true;
	c->ingress.max_connections = 16384;
	c->ingress.max_handshakes = 256;
	c->ingress.proxy_ms = 2000;
	c->ingress.handshake_ms = 10000;
	c->ingress.header_ms = 10000;
	c->ingress.body_ms = 30000;
	c->ingress.idle_ms = 75000;
	c->ingress.linger_ms = 30000;
	c->service.connect_ms = 2000;
	c->service.response_ms = 60000;
	c->service.idle_ms = 60000;
	c->service.max_idle = 128;
	c->service.max_connections = 1000; // a program that asks for no more has 1024 descriptors
	c->service.health_interval_ms = 1000;
	c->service.health_timeout_ms = 2000;
	c->report.interval_ms = 60000;
	c->control.interval_ms = 300000;
	c->egress.max_connections = 1024;
	c->egress.idle_ms = 3600000;
	c->egress.set_up_net = true;
	c->egress.redirect_port = 4444;
	return 0;
}

static int check(struct plane_config *c, struct err *err)
{
	static const char *const words[] = {"http", "tcp", "auto"};
	const char *word = c->ingress.protocol_word;
	size_t i = 0;

	while (word && i < 3 && strcmp(word, words[i]))
		i++;
	if (i == 3)
		return err_set(err, ERR_INPUT, "key \"ingress.protocol\": wants http, tcp or auto");
	c->ingress.protocol = (enum plane_protocol)i;
	if (c->ingress.tls && (!c->ingress.certificate || !c->ingress.key))
		return err_set(err, ERR_INPUT, "key \"ingress.tls\": wants ingress.certificate and ingress.key too");
	if (!c->ingress.tls && (c->ingress.certificate || c->ingress.key))
		return err_set(err, ERR_INPUT, "key \"ingress.certificate\": of no use without ingress.tls");
	if (c->service.health_address.kind != ADDR_NONE && !c->service.health_path)
		return err_set(err, ERR_INPUT, "key \"service.health_address\": wants service.health_path too");
	if (c->auth.api_keys && c->ingress.protocol != PLANE_HTTP)
		return err_set(err, ERR_INPUT,
			       "key \"auth.api_keys\": wants ingress.protocol http: nothing else is asked for a key");
	return 0;
}

static int finish(struct plane_config *c, int rc, struct err *err)
{
	return rc ? -1 : check(c, err);
}

int plane_config_decode(struct plane_config *c, const void *cbor, size_t n, bool with_egress, struct err *err)
{
	if (set_defaults(c, err))
		return -1;
	return finish(c, config_decode(cbor, n, fields, known_fields(with_egress), c, err), err);
}

int plane_config_load(struct plane_config *c, const char *path, bool with_egress, struct err *err)
{
	if (set_defaults(c, err))
		return -1;
	return finish(c, config_load(path, fields, known_fields(with_egress), c, err), err);
}

void plane_config_release(struct plane_config *c)
{
	config_release(fields, N_FIELDS, c);
}
