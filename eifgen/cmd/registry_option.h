// SPDX-License-Identifier: Apache-2.0
//
// How registries and the Docker daemon are reached: the options of every command that takes an image or pushes one, and
// what of the environment matters there (credential files, proxies, the daemon's socket: where bytes are fetched from,
// never what they are). A command puts REGISTRY_LONGS among its options and hands values it does not know to
// registry_option_take.
#ifndef EIFGEN_CMD_REGISTRY_OPTION_H
#define EIFGEN_CMD_REGISTRY_OPTION_H

#include "base/err.h"
#include "layerfs/registry.h"

#include <getopt.h>

enum {
	REGISTRY_OPT_FIRST = 2000,
	REGISTRY_OPT_AUTHFILE = REGISTRY_OPT_FIRST,
	REGISTRY_OPT_TLS_CA,
	REGISTRY_OPT_PLAIN_HTTP,
	REGISTRY_OPT_DOCKER_HOST,
	REGISTRY_OPT_LAST = REGISTRY_OPT_DOCKER_HOST,
};

// clang-format off
#define REGISTRY_LONGS                                                                                                 \
	{"authfile", required_argument, NULL, REGISTRY_OPT_AUTHFILE},                                                  \
	{"tls-ca", required_argument, NULL, REGISTRY_OPT_TLS_CA},                                                      \
	{"plain-http", no_argument, NULL, REGISTRY_OPT_PLAIN_HTTP}
#define DAEMON_LONGS {"docker-host", required_argument, NULL, REGISTRY_OPT_DOCKER_HOST}
// clang-format on
#define REGISTRY_HELP                                                                                                  \
	"      --authfile FILE       credentials (default: REGISTRY_AUTH_FILE, containers/auth.json, docker's\n"       \
	"                            config.json)\n"                                                                    \
	"      --tls-ca FILE         trust these certificates in place of the system's\n"                              \
	"      --plain-http          reach the registry without TLS\n"
#define DAEMON_HELP "      --docker-host unix:///PATH  the Docker daemon's socket (default: DOCKER_HOST)\n"

enum { REGISTRY_AUTH_PATHS = 3 };

struct registry_option {
	struct registry_options opt;
	const char *daemon_socket; // NULL: the library's default
	char paths[REGISTRY_AUTH_PATHS][4096];
	const char *list[REGISTRY_AUTH_PATHS + 1];
};

// Reads the environment. The object must stay where it is while it is used.
void registry_option_init(struct registry_option *o);
// Takes option `opt` (REGISTRY_OPT_FIRST to _LAST) with optarg. 0, or EXIT_TROUBLE with the usage error said.
int registry_option_take(struct registry_option *o, int opt, const char *command);

#endif
