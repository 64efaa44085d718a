// SPDX-License-Identifier: Apache-2.0
//
// One table of keys drives the reading: a member that is not in it is unknown, a member that is has one type and one
// range. Rules that span keys come after, in check. Nothing that the data plane would refuse at its start may pass
// here: an enclave that does not start says so to nobody.
#include "eifgen/cage_config.h"
#include "base/hex.h"
#include "base/mem.h"
#include "eifgen/cage_destination.h"
#include "layerfs/json.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALLOWLIST_BYTES = 65536, TRUSTED_HEADERS_MAX = 256, HEADER_NAME_MAX = 256 }; // the data plane's own caps

enum field_type { FIELD_GROUP, FIELD_TEXT, FIELD_BOOL, FIELD_UINT, FIELD_LIST };

struct field {
	const char *path; // with dots
	enum field_type type;
	size_t offset, count_offset; // of the member; FIELD_LIST: of its count
	uint32_t min, max;	     // FIELD_UINT: value; FIELD_TEXT: bytes
};

#define AT(member) offsetof(struct cage_config, member)
static const struct field fields[] = {
	{"name", FIELD_TEXT, AT(name), 0, 1, 63},
	{"dockerfile", FIELD_TEXT, AT(dockerfile), 0, 1, 4095},
	{"service", FIELD_GROUP, 0, 0, 0, 0},
	{"service.port", FIELD_UINT, AT(service_port), 0, 1, 65535},
	{"egress", FIELD_GROUP, 0, 0, 0, 0},
	{"egress.enabled", FIELD_BOOL, AT(egress.enabled), 0, 0, 0},
	{"egress.destinations", FIELD_LIST, AT(egress.destinations), AT(egress.count), 0, 0},
	{"tls_termination", FIELD_BOOL, AT(tls_termination), 0, 0, 0},
	{"tls", FIELD_GROUP, 0, 0, 0, 0},
	{"tls.cert_file", FIELD_TEXT, AT(tls.cert_file), 0, 1, 4095},
	{"tls.key_file", FIELD_TEXT, AT(tls.key_file), 0, 1, 4095},
	{"api_keys_file", FIELD_TEXT, AT(api_keys_file), 0, 1, 4095},
	{"api_key_auth", FIELD_BOOL, AT(api_key_auth), 0, 0, 0},
	{"trx_logging", FIELD_BOOL, AT(trx_logging), 0, 0, 0},
	{"trusted_headers", FIELD_LIST, AT(trusted_headers), AT(trusted_header_count), 0, 0},
	{"forward_proxy_protocol", FIELD_BOOL, AT(forward_proxy_protocol), 0, 0, 0},
	{"healthcheck", FIELD_GROUP, 0, 0, 0, 0},
	{"healthcheck.path", FIELD_TEXT, AT(healthcheck.path), 0, 1, 1024},
	{"healthcheck.port", FIELD_UINT, AT(healthcheck.port), 0, 1, 65535},
	{"signing", FIELD_GROUP, 0, 0, 0, 0},
	{"signing.cert", FIELD_TEXT, AT(signing.cert), 0, 1, 4095},
	{"signing.key", FIELD_TEXT, AT(signing.key), 0, 1, 4095},
	{"scaling", FIELD_GROUP, 0, 0, 0, 0},
	{"scaling.desired_replicas", FIELD_UINT, AT(desired_replicas), 0, 1, 100000},
	{"acceptor", FIELD_GROUP, 0, 0, 0, 0},
	{"acceptor.max_connections", FIELD_UINT, AT(acceptor.max_connections), 0, 1, 1000000},
	{"acceptor.max_handshakes", FIELD_UINT, AT(acceptor.max_handshakes), 0, 1, 1000000},
	{"acceptor.max_service_connections", FIELD_UINT, AT(acceptor.max_service_connections), 0, 1, 1000000},
	{"acceptor.handshake_ms", FIELD_UINT, AT(acceptor.handshake_ms), 0, 1, 3600000},
	{"runtime", FIELD_GROUP, 0, 0, 0, 0},
	{"runtime.bundle", FIELD_TEXT, AT(runtime_bundle), 0, 71, 71},
	{"attestation", FIELD_GROUP, 0, 0, 0, 0},
	{"attestation.HashAlgorithm", FIELD_TEXT, (size_t)-1, 0, 1, 64},
	{"attestation.PCR0", FIELD_TEXT, AT(attestation.pcr[0]), 0, 96, 96},
	{"attestation.PCR1", FIELD_TEXT, AT(attestation.pcr[1]), 0, 96, 96},
	{"attestation.PCR2", FIELD_TEXT, AT(attestation.pcr[2]), 0, 96, 96},
	{"attestation.PCR8", FIELD_TEXT, AT(attestation.pcr[3]), 0, 96, 96},
};

static const struct field *field_find(const char *path)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i].path, path))
			return &fields[i];
	return NULL;
}

static int wants(const char *path, const char *what, struct err *err)
{
	return err_set(err, ERR_INPUT, "%s: wants %s", path, what);
}

static int take_text(const struct field *f, const cJSON *v, struct cage_config *c, struct err *err)
{
	size_t n = cJSON_IsString(v) ? strlen(v->valuestring) : 0;

	if (!cJSON_IsString(v))
		return wants(f->path, "a text", err);
	if (n < f->min || n > f->max)
		return f->min == f->max
			   ? err_set(err, ERR_INPUT, "%s: wants %u characters, has %zu", f->path, f->min, n)
			   : err_set(err, ERR_INPUT, "%s: wants %u to %u bytes, has %zu", f->path, f->min, f->max, n);
	if (f->offset == (size_t)-1)
		return 0; // known, and of no use
	char **member = (char **)((char *)c + f->offset);

	free(*member);
	*member = mem_strdup(v->valuestring, err);
	return *member ? 0 : -1;
}

static int take_list(const struct field *f, const cJSON *v, struct cage_config *c, struct err *err)
{
	char ***items = (char ***)((char *)c + f->offset);
	size_t *count = (size_t *)((char *)c + f->count_offset), i = 0;
	const cJSON *item;

	if (!cJSON_IsArray(v))
		return wants(f->path, "a list of texts", err);
	if (cJSON_GetArraySize(v) > CAGE_LIST_MAX)
		return err_set(err, ERR_LIMIT, "%s: has more than %d elements", f->path, CAGE_LIST_MAX);
	*items = mem_zalloc((size_t)cJSON_GetArraySize(v), sizeof(**items), err);
	if (!*items)
		return -1;
	cJSON_ArrayForEach(item, v)
	{
		if (!cJSON_IsString(item))
			return err_set(err, ERR_INPUT, "%s[%zu]: wants a text", f->path, i);
		(*items)[i] = mem_strdup(item->valuestring, err);
		if (!(*items)[i])
			return -1;
		*count = ++i;
	}
	return 0;
}

static int take_value(const struct field *f, const cJSON *v, struct cage_config *c, struct err *err)
{
	switch (f->type) {
	case FIELD_TEXT:
		return take_text(f, v, c, err);
	case FIELD_LIST:
		return take_list(f, v, c, err);
	case FIELD_BOOL:
		if (!cJSON_IsBool(v))
			return wants(f->path, "true or false", err);
		*(bool *)((char *)c + f->offset) = cJSON_IsTrue(v);
		return 0;
	default:
		if (!cJSON_IsNumber(v) || v->valuedouble < f->min || v->valuedouble > f->max ||
		    v->valuedouble != (double)(uint32_t)v->valuedouble)
			return err_set(err, ERR_INPUT, "%s: wants a whole number from %u to %u", f->path, f->min,
				       f->max);
		*(uint32_t *)((char *)c + f->offset) = (uint32_t)v->valuedouble;
		return 0;
	}
}

// The members of an object; prefix is "" at the top. Groups stand in the top object only, so this nests once.
static int take_members(const cJSON *obj, const char *prefix, struct cage_config *c, struct err *err)
{
	const cJSON *v;
	char path[128], quoted[160];

	cJSON_ArrayForEach(v, obj)
	{
		int n = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", v->string);
		const struct field *f = n > 0 && (size_t)n < sizeof(path) ? field_find(path) : NULL;

		if (!f || strchr(v->string, '.'))
			return err_set(err, ERR_INPUT, "%s%s%s: unknown key", prefix, *prefix ? "." : "",
				       err_quote(v->string, strlen(v->string), quoted, sizeof(quoted)));
		if (f->type != FIELD_GROUP) {
			if (take_value(f, v, c, err))
				return -1;
			continue;
		}
		if (!cJSON_IsObject(v))
			return wants(path, "an object", err);
		if (!strcmp(path, "attestation"))
			c->attestation.present = true;
		if (take_members(v, path, c, err))
			return -1;
	}
	return 0;
}

static bool is_label(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (!((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= '0' && s[i] <= '9') ||
		      (s[i] == '-' && i > 0 && i < n - 1)))
			return false;
	return n > 0 && n <= 63;
}

static int check_egress(const struct cage_config *c, struct err *err)
{
	if (c->egress.enabled && c->egress.count == 0)
		return err_set(err, ERR_INPUT,
			       "egress.destinations: wants at least one destination when egress.enabled is true "
			       "([\"*\"] for every name)");
	if (!c->egress.enabled && c->egress.count > 0)
		return err_set(err, ERR_INPUT, "egress.destinations: of no use while egress.enabled is not true");
	size_t bytes = 0;

	for (size_t i = 0; i < c->egress.count; i++) {
		const char *fault = cage_destination_fault(c->egress.destinations[i], c->egress.count);

		if (fault)
			return err_set(err, ERR_INPUT, "egress.destinations[%zu]: %s", i, fault);
		bytes += strlen(c->egress.destinations[i]) + 1; // a comma behind each but the last
	}
	return bytes > ALLOWLIST_BYTES + 1
		   ? err_set(err, ERR_LIMIT, "egress.destinations: more than %d bytes in all", ALLOWLIST_BYTES)
		   : 0;
}

static int check_attestation(const struct cage_config *c, struct err *err)
{
	static const char *const names[] = {"PCR0", "PCR1", "PCR2", "PCR8"};
	uint8_t bytes[PCR_SIZE];

	for (size_t i = 0; c->attestation.present && i < 4; i++) {
		const char *hex = c->attestation.pcr[i];

		if (!hex && i < 3)
			return err_set(err, ERR_INPUT, "attestation.%s: missing", names[i]);
		if (hex && (hex_decode(hex, strlen(hex), bytes, sizeof(bytes)) || strpbrk(hex, "ABCDEF")))
			return err_set(err, ERR_INPUT, "attestation.%s: wants 96 lower-case hex digits", names[i]);
	}
	return 0;
}

// A place in the enclave: the data plane opens it as it stands.
static int check_place(const char *key, const char *path, struct err *err)
{
	return path && (path[0] != '/' || strchr(path, '\n')) ? wants(key, "an absolute path in the enclave", err) : 0;
}

static int check_secrets(const struct cage_config *c, struct err *err)
{
	if (!c->tls.cert_file != !c->tls.key_file)
		return err_set(err, ERR_INPUT, "tls.%s: missing", c->tls.cert_file ? "key_file" : "cert_file");
	if (c->tls.cert_file && !c->tls_termination)
		return err_set(err, ERR_INPUT, "tls.cert_file: of no use while tls_termination is false");
	if (c->api_keys_file && !c->api_key_auth)
		return err_set(err, ERR_INPUT, "api_keys_file: of no use while api_key_auth is not true");
	return check_place("tls.cert_file", c->tls.cert_file, err) ||
		       check_place("tls.key_file", c->tls.key_file, err) ||
		       check_place("api_keys_file", c->api_keys_file, err)
		   ? -1
		   : 0;
}

// A token of RFC 9110 5.6.2.
static bool is_token(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= HEADER_NAME_MAX &&
	       strspn(s, "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == n;
}

// It stands in a request line as it is.
static bool is_request_path(const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f) // other bytes are written as %XX there
			return false;
	return s[0] == '/';
}

static int check(const struct cage_config *c, struct err *err)
{
	uint8_t digest[32];

	if (!c->name)
		return err_set(err, ERR_INPUT, "name: missing");
	if (!is_label(c->name) || !strcmp(c->name, "data-plane"))
		return wants("name", "lower-case letters, digits and inner hyphens, and not data-plane", err);
	if (c->dockerfile[0] == '/')
		return wants("dockerfile", "a path relative to this file", err);
	if (c->trx_logging && !c->tls_termination)
		return err_set(err, ERR_INPUT,
			       "trx_logging: wants tls_termination: what is not decrypted cannot be logged");
	if (c->api_key_auth && !c->tls_termination)
		return err_set(err, ERR_INPUT, "api_key_auth: wants tls_termination: a key cannot be seen otherwise");
	if (c->trusted_header_count > TRUSTED_HEADERS_MAX)
		return err_set(err, ERR_LIMIT, "trusted_headers: has more than %d elements", TRUSTED_HEADERS_MAX);
	for (size_t i = 0; i < c->trusted_header_count; i++)
		if (!is_token(c->trusted_headers[i]))
			return err_set(err, ERR_INPUT, "trusted_headers[%zu]: wants a header's name", i);
	if (c->healthcheck.path && !is_request_path(c->healthcheck.path))
		return wants("healthcheck.path", "a path that begins with / and holds visible ASCII alone", err);
	if (c->healthcheck.port && !c->healthcheck.path)
		return err_set(err, ERR_INPUT, "healthcheck.path: missing");
	if (!c->signing.cert != !c->signing.key)
		return err_set(err, ERR_INPUT, "signing.%s: missing", c->signing.cert ? "key" : "cert");
	if (c->acceptor.max_handshakes && c->acceptor.max_connections &&
	    c->acceptor.max_handshakes > c->acceptor.max_connections)
		return err_set(err, ERR_INPUT, "acceptor.max_handshakes: is more than acceptor.max_connections");
	if (c->runtime_bundle &&
	    (strncmp(c->runtime_bundle, "sha256:", 7) || strpbrk(c->runtime_bundle + 7, "ABCDEF") ||
	     hex_decode(c->runtime_bundle + 7, 64, digest, sizeof(digest))))
		return wants("runtime.bundle", "sha256: and 64 lower-case hex digits", err);
	return check_secrets(c, err) || check_egress(c, err) || check_attestation(c, err) ? -1 : 0;
}

int cage_config_parse(const void *text, size_t n, struct cage_config **out, struct err *err)
{
	_cleanup_json_ cJSON *root = NULL;
	_cleanup_(cage_config_freep) struct cage_config *c = mem_zalloc(1, sizeof(*c), err);

	if (!c || json_parse(text, n, CAGE_FILE_MAX, &root, err))
		return -1;
	if (!cJSON_IsObject(root))
		return err_set(err, ERR_INPUT, "the file is no JSON object");
	c->tls_termination = true;
	c->dockerfile = mem_strdup("Dockerfile", err);
	if (!c->dockerfile || take_members(root, "", c, err) || check(c, err))
		return -1;
	*out = steal_ptr(&c);
	return 0;
}

void cage_config_free(struct cage_config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *f = &fields[i];

		if (f->type == FIELD_TEXT && f->offset != (size_t)-1)
			free(*(char **)((char *)c + f->offset));
		if (f->type == FIELD_LIST)
			json_strings_free(*(char ***)((char *)c + f->offset), *(size_t *)((char *)c + f->count_offset));
	}
	free(c);
}
