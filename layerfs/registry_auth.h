// SPDX-License-Identifier: Apache-2.0
//
// Who we are to a registry: credentials found in files or by helpers, and what a challenge asks for. Private to
// layerfs.
#ifndef LAYERFS_REGISTRY_AUTH_H
#define LAYERFS_REGISTRY_AUTH_H

#include "layerfs/registry.h"

struct credentials {
	char *user, *secret; // both or neither
	char *identity;	     // a refresh token (Docker's identitytoken), or NULL
};

// Looks for credentials of host (and repo: containers-auth.json(5) allows keys that name a part of it; the longest
// key wins). None found leaves *out empty. An unreadable or malformed file is an error that names it.
int credentials_find(const struct registry_options *opt, const char *host, const char *repo, struct credentials *out,
		     struct err *err);
void credentials_clear(struct credentials *c); // wipes the secrets

// The value of an Authorization header with these (user must be set). The caller's.
char *credentials_basic(const struct credentials *c, struct err *err);

// One challenge of a WWW-Authenticate header (RFC 9110 11.6.1).
struct challenge {
	bool bearer, basic;
	char *realm, *service; // of Bearer; NULL if not said
};

// Adds what one header line offers. ERR_INPUT if it cannot be read. c starts zeroed; challenge_clear releases it.
int challenge_parse(const char *header, struct challenge *c, struct err *err);
void challenge_clear(struct challenge *c);

#endif
