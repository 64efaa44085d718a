// SPDX-License-Identifier: Apache-2.0
//
// One table says what each option is called, takes and means; parser and --help both read it, so they cannot differ.
// The egress options stand last: the program without egress has a shorter table.
#include "runtime/control-plane/options.h"

#include "base/buf.h"
#include "base/io.h"
#include "base/mem.h"

#include <stddef.h>
#include <string.h>

enum kind { OPT_ADDR, OPT_ADDR_OR_NONE, OPT_U32, OPT_SECONDS, OPT_TEXT, OPT_FILE, OPT_ON, OPT_OFF, OPT_TRUSTED };
enum { FILE_MAX = 1 << 20 };

struct option {
	const char *name, *arg, *help;
	enum kind kind;
	size_t offset;
	bool egress;
};

#define O(name, arg, kind, member, egress, help)                                                                       \
	{                                                                                                              \
		name, arg, help, kind, offsetof(struct options, member), egress                                        \
	}
static const struct option table[] = {
    O("ingress", "ADDR", OPT_ADDR, ingress, false, "clients connect here [tcp:0.0.0.0:443]"),
    O("enclave", "ADDR", OPT_ADDR, enclave, false, "the data plane's ingress [vsock:2021:7777]"),
    O("expect-proxy", NULL, OPT_ON, expect_proxy, false, "a load balancer writes a PROXY header in front"),
    O("no-proxy", NULL, OPT_OFF, send_proxy, false, "write no PROXY header to the enclave"),
    O("max-connections", "N", OPT_U32, max_connections, false, "clients at once; more are shed [16384]"),
    O("idle", "SECONDS", OPT_SECONDS, idle_ms, false, "end a connection without a byte for so long [3600]"),
    O("linger", "SECONDS", OPT_SECONDS, linger_ms, false, "the same once one side has ended [300]"),
    O("dial-timeout", "SECONDS", OPT_SECONDS, dial_ms, false, "to reach the enclave or an upstream [5]"),
    O("health", "ADDR", OPT_ADDR, health, false, "health and /metrics [tcp:0.0.0.0:3032]"),
    O("enclave-health", "ADDR", OPT_ADDR, enclave_health, false, "the data plane's health [vsock:2021:7779]"),
    O("no-deep-health", NULL, OPT_OFF, deep_health, false, "do not ask the data plane"),
    O("control", "ADDR", OPT_ADDR, control, false, "configuration, time, transactions [vsock:any:7776]"),
    O("metrics-in", "ADDR|none", OPT_ADDR_OR_NONE, metrics_in, false, "StatsD lines of the enclave [vsock:any:8128]"),
    O("statsd", "ADDR|none", OPT_ADDR_OR_NONE, statsd, false,
      "send StatsD datagrams, tcp:HOST:PORT taken as UDP [none]"),
    O("statsd-interval", "SECONDS", OPT_SECONDS, statsd_ms, false, "of our own metrics [10]"),
    O("runtime-config", "FILE", OPT_FILE, runtime_config, false, "a JSON object, served to the enclave"),
    O("name", "NAME", OPT_TEXT, name, false, "of the cage, in transaction lines"),
    O("trusted-header", "NAME", OPT_TRUSTED, trusted, false, "its value may be logged; NAME* for a prefix; repeatable"),
    O("launch", "COMMAND", OPT_TEXT, launch, false, "shell command that starts the enclave, once we listen"),
    O("launch-tries", "N", OPT_U32, launch_tries, false, "before we give up and end with 1 [10]"),
    O("stop", "COMMAND", OPT_TEXT, stop, false, "shell command that ends the enclave, after the drain"),
    O("drain", "SECONDS", OPT_SECONDS, drain_ms, false, "from SIGTERM to the end, at most [55]"),
    O("verbose", NULL, OPT_ON, verbose, false, "log each connection"),
    O("egress", "ADDR", OPT_ADDR, egress, true, "the enclave asks for connections here [vsock:any:4433]"),
    O("allow", "LIST", OPT_TEXT, allow, true, "where to: names, *.suffixes, CIDRs, ports; empty: nowhere"),
    O("allow-file", "FILE", OPT_FILE, allow, true, "the same from a file, one entry a line"),
    O("dns", "SERVERS", OPT_TEXT, dns, true, "ADDR[:PORT],… instead of /etc/resolv.conf"),
    O("test-allow-loopback-destinations", NULL, OPT_ON, test_allow_loopback, true,
      "FOR TESTS: let enclaves reach this host's loopback"),
};
enum { N_OPTIONS = sizeof(table) / sizeof(table[0]) };

static void print_help(bool with_egress, FILE *out)
{
	fprintf(out, "usage: cage-control-plane%s [OPTION…]\n\n", with_egress ? "" : "-no-egress");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		char left[64];

		if (table[i].egress && !with_egress)
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", table[i].name, table[i].arg ? " " : "",
			 table[i].arg ? table[i].arg : "");
		fprintf(out, "  %-34s %s\n", left, table[i].help);
	}
	fputs("  --help, --version\n\nADDR is vsock:CID:PORT (CID may be `any`), tcp:HOST:PORT or unix:PATH.\n"
	      "Exit status: 0 drained and done, 1 the enclave could not be launched or a listener died, 2 usage or "
	      "trouble.\n",
	      out);
}

static int take_number(const char *text, uint64_t max, uint64_t *out, struct err *err)
{
	uint64_t v = 0;
	size_t n = strlen(text);

	if (n == 0 || n > 9 || strspn(text, "0123456789") < n)
		return err_set(err, ERR_USAGE, "wants a number");
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (uint64_t)(text[i] - '0');
	if (v == 0 || v > max)
		return err_set(err, ERR_USAGE, "wants a number from 1 to %llu", (unsigned long long)max);
	*out = v;
	return 0;
}

static int take_text(char **member, char *fresh)
{
	if (!fresh)
		return -1;
	free(*member);
	*member = fresh;
	return 0;
}

static int take_file(char **member, const char *path, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(FILE_MAX);

	if (io_slurp(path, FILE_MAX - 1, &text, err) < 0)
		return -1;
	if (text.len && memchr(text.data, '\0', text.len))
		return err_set(err, ERR_INPUT, "holds a NUL byte");
	return take_text(member, mem_dup(text.data ? (void *)text.data : "", text.len, err));
}

static int take_trusted(struct options *o, const char *name, struct err *err)
{
	char *copy;

	if (o->trusted_count == OPTIONS_TRUSTED_MAX)
		return err_set(err, ERR_USAGE, "more than %d", OPTIONS_TRUSTED_MAX);
	copy = mem_strdup(name, err);
	if (!copy)
		return -1;
	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	o->trusted[o->trusted_count++] = copy;
	return 0;
}

static int take(struct options *o, const struct option *opt, const char *value, struct err *err)
{
	void *member = (char *)o + opt->offset;
	uint64_t v;

	switch (opt->kind) {
	case OPT_ADDR_OR_NONE:
		if (!strcmp(value, "none")) {
			*(struct addr *)member = (struct addr){.kind = ADDR_NONE};
			return 0;
		}
		return addr_parse(value, member, err);
	case OPT_ADDR:
		return addr_parse(value, member, err);
	case OPT_U32:
		if (take_number(value, 1000000, &v, err) < 0)
			return -1;
		*(uint32_t *)member = (uint32_t)v;
		return 0;
	case OPT_SECONDS:
		if (take_number(value, 86400, &v, err) < 0)
			return -1;
		*(unsigned *)member = (unsigned)v * 1000;
		return 0;
	case OPT_TEXT:
		return take_text(member, mem_strdup(value, err));
	case OPT_FILE:
		return take_file(member, value, err);
	case OPT_ON:
	case OPT_OFF:
		*(bool *)member = opt->kind == OPT_ON;
		return 0;
	case OPT_TRUSTED:
		return take_trusted(o, value, err);
	}
	return -1;
}

static const struct option *find(const char *arg, size_t n, bool with_egress)
{
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (strlen(table[i].name) == n && !memcmp(table[i].name, arg, n) && (with_egress || !table[i].egress))
			return &table[i];
	return NULL;
}

static int set_defaults(struct options *o, struct err *err)
{
	memset(o, 0, sizeof(*o));
	o->deep_health = o->send_proxy = true;
	o->max_connections = 16384;
	o->idle_ms = 3600 * 1000;
	o->linger_ms = 300 * 1000;
	o->dial_ms = 5000;
	o->drain_ms = 55 * 1000; // orchestrators kill after 60
	o->statsd_ms = 10 * 1000;
	o->launch_tries = 10;
	return addr_parse("tcp:0.0.0.0:443", &o->ingress, err) || addr_parse("vsock:2021:7777", &o->enclave, err) ||
			       addr_parse("tcp:0.0.0.0:3032", &o->health, err) ||
			       addr_parse("vsock:2021:7779", &o->enclave_health, err) ||
			       addr_parse("vsock:any:7776", &o->control, err) ||
			       addr_parse("vsock:any:8128", &o->metrics_in, err) ||
			       addr_parse("vsock:any:4433", &o->egress, err)
		       ? -1
		       : 0;
}

int options_parse(struct options *o, int argc, char **argv, bool with_egress, FILE *out, struct err *err)
{
	if (set_defaults(o, err) < 0)
		return -1;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i], *value = NULL, *equals = strchr(arg, '=');

		if (!strcmp(arg, "--help")) {
			print_help(with_egress, out);
			return 1;
		}
		if (!strcmp(arg, "--version")) {
			fprintf(out, "cage-control-plane%s %s\n", with_egress ? "" : "-no-egress", EIFGEN_VERSION);
			return 1;
		}
		size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
		const struct option *opt = n > 2 && !memcmp(arg, "--", 2) ? find(arg + 2, n - 2, with_egress) : NULL;

		if (!opt)
			return err_set(err, ERR_USAGE, "unknown option \"%.100s\" (see --help)", arg);
		if (opt->arg) {
			value = equals ? equals + 1 : i + 1 < argc ? argv[++i] : NULL;
			if (!value)
				return err_set(err, ERR_USAGE, "--%s: wants %s", opt->name, opt->arg);
		} else if (equals) {
			return err_set(err, ERR_USAGE, "--%s: takes no value", opt->name);
		}
		if (take(o, opt, value, err) < 0)
			return err_prefix(err, "--%s: ", opt->name);
	}
	return 0;
}

void options_release(struct options *o)
{
	free(o->runtime_config);
	free(o->name);
	for (size_t i = 0; i < o->trusted_count; i++)
		free(o->trusted[i]);
	free(o->launch);
	free(o->stop);
	free(o->allow);
	free(o->dns);
	memset(o, 0, sizeof(*o));
}
