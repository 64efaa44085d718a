// SPDX-License-Identifier: Apache-2.0
//
// The one rule for the port at which a cage's service listens, whoever asks: a build over an image's config, the
// Dockerfile way over EXPOSE's words, `cage init` over both.
#include "eifgen/cage_config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

// "8080/tcp" or "8080" gives its number; another protocol 0, a range of it too; what is no single port (a range, a
// variable) -1. Some builders keep the protocol's letters as they were written.
static long tcp_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	const char *protocol = strchr(text, '/');
	long n = digits > 0 && digits <= 5 ? strtol(text, NULL, 10) : -1;

	if (protocol && strcasecmp(protocol, "/tcp") && strspn(text, "0123456789-") == (size_t)(protocol - text))
		return 0;
	return n < 1 || n > 65535 || (text[digits] && text + digits != protocol) ? -1 : n;
}

uint32_t cage_port_of(char *const *exposed, size_t count)
{
	long found = 0;

	for (size_t i = 0; i < count; i++) {
		long port = tcp_port(exposed[i]);

		if (port < 0 || (port > 0 && found > 0 && port != found))
			return 0;
		if (port > 0)
			found = port;
	}
	return (uint32_t)found;
}

int cage_config_port(const struct cage_config *c, char *const *exposed, size_t count, uint32_t *port, struct err *err)
{
	*port = c->service_port ? c->service_port : cage_port_of(exposed, count);
	if (*port)
		return 0;
	return count
		   ? err_set(err, ERR_INPUT,
			     "service.port: missing, and EXPOSE names no TCP port, or several (the first is \"%.40s\")",
			     exposed[0])
		   : err_set(err, ERR_INPUT, "service.port: missing, and the image exposes none");
}
