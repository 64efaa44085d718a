// SPDX-License-Identifier: Apache-2.0
//
// What the files of the registry client share. Private to layerfs.
#ifndef LAYERFS_REGISTRY_PRIV_H
#define LAYERFS_REGISTRY_PRIV_H

#include "layerfs/http.h"
#include "layerfs/registry.h"
#include "layerfs/registry_auth.h"

#include <pthread.h>

struct registry {
	struct registry_options opt; // its strings are the caller's
	struct http_settings http;
	char *host, *repo; // host as in the reference
	char *base;	   // scheme://host[:port], no trailing slash
	enum registry_access access;
	struct credentials cred;
	pthread_mutex_t lock;
	char *authorization; // header value that worked last, or NULL; under lock
	uint64_t logins;     // times that authorization was made anew; under lock
};

struct registry_request {
	const char *method;
	const char *path; // after /v2/REPO/, or a full URL
	const char *const *headers;
	const void *body; // as struct http_request
	int body_fd;
	uint64_t body_size;
	bool once; // no tries: what may pass is an error with errnum EAGAIN at once
};

// Sends it with authentication (anew if the registry asks) and with tries. Returns whatever response comes in the end,
// except those that pass: after the last try they are an error, as everything that http_open fails on.
int registry_send(struct registry *r, const struct registry_request *req, struct http_stream **out, struct err *err);

// A status after which another try may help: 408, 429, 500, 502, 503, 504.
bool registry_status_passes(long status);

// Makes an error of a response that was not the one wanted: status and what the registry says of it. 404 has errnum
// ENOENT. Always -1.
int registry_refused(struct http_stream *s, const char *what, struct err *err);

// Answers a challenge: *authorization is the caller's, NULL if no authentication is wanted.
int registry_login(struct registry *r, const struct challenge *c, char **authorization, struct err *err);

#endif
