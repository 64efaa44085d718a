// SPDX-License-Identifier: Apache-2.0
//
// cage.json into the data plane's measured configuration. JSON stays outside the enclave; what enters is one strict
// CBOR map of groups, keys in the order of this file, only what differs from the data plane's own defaults:
//
//   {"ingress": {"tls": …, "certificate": …, …}, "service": {"address": …}, "auth": …, "report": …, "egress": …}
#include "eifgen/cage_config.h"
#include "base/cbor.h"

#include <stdio.h>

// A group being collected: its pairs are counted while they are written, since CBOR wants the count first.
struct group {
	struct buf body;
	uint64_t pairs;
};

static int add_key(struct group *g, const char *key, struct err *err)
{
	g->pairs++;
	return cbor_put_text(&g->body, key, err);
}

static int add_bool(struct group *g, const char *key, bool v, struct err *err)
{
	return add_key(g, key, err) || cbor_put_bool(&g->body, v, err) ? -1 : 0;
}

static int add_uint(struct group *g, const char *key, uint64_t v, struct err *err)
{
	return add_key(g, key, err) || cbor_put_uint(&g->body, v, err) ? -1 : 0;
}

static int add_text(struct group *g, const char *key, const char *v, struct err *err)
{
	return add_key(g, key, err) || cbor_put_text(&g->body, v, err) ? -1 : 0;
}

// Moves a finished group into its parent, unless it is empty, and frees it.
static int close_group(struct group *parent, const char *key, struct group *g, struct err *err)
{
	int rc = 0;

	if (g->pairs)
		rc = add_key(parent, key, err) || cbor_put_map(&parent->body, g->pairs, err) ||
		     buf_add(&parent->body, g->body.data, g->body.len, err);
	buf_free(&g->body);
	g->pairs = 0;
	return rc ? -1 : 0;
}

static int put_ingress(const struct cage_config *c, struct group *g, struct err *err)
{
	const char *cert = c->tls.cert_file ? c->tls.cert_file : CAGE_CERT_FILE;
	const char *key = c->tls.key_file ? c->tls.key_file : CAGE_KEY_FILE;

	if (c->tls_termination ? add_text(g, "certificate", cert, err) || add_text(g, "key", key, err) :
				 add_bool(g, "tls", false, err))
		return -1;
	// the bytes are the client's and the service's own
	if (!c->tls_termination && add_text(g, "protocol", "tcp", err))
		return -1;
	if (c->forward_proxy_protocol && add_bool(g, "forward_proxy", true, err))
		return -1;
	if (c->acceptor.max_connections && add_uint(g, "max_connections", c->acceptor.max_connections, err))
		return -1;
	if (c->acceptor.max_handshakes && add_uint(g, "max_handshakes", c->acceptor.max_handshakes, err))
		return -1;
	if (c->acceptor.handshake_ms && add_uint(g, "handshake_ms", c->acceptor.handshake_ms, err))
		return -1;
	return 0;
}

static int put_service(const struct cage_config *c, uint32_t port, struct group *g, struct err *err)
{
	char address[32];

	snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", port);
	if (add_text(g, "address", address, err))
		return -1;
	if (c->acceptor.max_service_connections &&
	    add_uint(g, "max_connections", c->acceptor.max_service_connections, err))
		return -1;
	if (c->healthcheck.path && add_text(g, "health_path", c->healthcheck.path, err))
		return -1;
	if (!c->healthcheck.port || c->healthcheck.port == port)
		return 0;
	snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", c->healthcheck.port);
	return add_text(g, "health_address", address, err);
}

static int put_report(const struct cage_config *c, struct group *g, struct err *err)
{
	if (c->trx_logging && add_bool(g, "transactions", true, err))
		return -1;
	if (!c->trusted_header_count)
		return 0;
	if (add_key(g, "trusted_headers", err) || cbor_put_array(&g->body, c->trusted_header_count, err))
		return -1;
	for (size_t i = 0; i < c->trusted_header_count; i++)
		if (cbor_put_text(&g->body, c->trusted_headers[i], err))
			return -1;
	return 0;
}

static int put_egress(const struct cage_config *c, struct group *g, struct err *err)
{
	_cleanup_buf_ struct buf list = BUF_INIT(CAGE_FILE_MAX);

	if (!c->egress.enabled)
		return 0; // the plane without egress knows none of these keys
	for (size_t i = 0; i < c->egress.count; i++)
		if (buf_printf(&list, err, "%s%s", i ? "," : "", c->egress.destinations[i]))
			return -1;
	const char *text = buf_cstr(&list, err);

	return !text || add_bool(g, "enabled", true, err) || add_text(g, "allow", text, err) ? -1 : 0;
}

int cage_config_compile(const struct cage_config *c, uint32_t port, struct buf *out, struct err *err)
{
	struct group top = {BUF_INIT(CAGE_FILE_MAX), 0}, g = {BUF_INIT(CAGE_FILE_MAX), 0};
	const char *keys = c->api_keys_file ? c->api_keys_file : CAGE_API_KEYS_FILE;
	int rc = put_ingress(c, &g, err) || close_group(&top, "ingress", &g, err) || put_service(c, port, &g, err) ||
		 close_group(&top, "service", &g, err) ||
		 (c->api_key_auth && add_text(&g, "api_keys", keys, err)) || close_group(&top, "auth", &g, err) ||
		 put_report(c, &g, err) || close_group(&top, "report", &g, err) || put_egress(c, &g, err) ||
		 close_group(&top, "egress", &g, err) || cbor_put_map(out, top.pairs, err) ||
		 buf_add(out, top.body.data, top.body.len, err);

	buf_free(&g.body);
	buf_free(&top.body);
	return rc ? -1 : 0;
}
