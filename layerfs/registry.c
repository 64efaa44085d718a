// SPDX-License-Identifier: Apache-2.0
//
// The registry itself: where it is, requests with authentication and tries, manifests.
//
//   send ─► failed on the way, or 408 429 500 502 503 504 ─► pause, again (REGISTRY_TRIES in all)
//     │  └► 401, and not logged in anew for this request ─► challenge ─► login ─► again
//     └► any other response is the caller's
//
// Threads share one login: each remembers how many there had been when it took the header, and only who finds that
// number unchanged after a 401 logs in.
#include "layerfs/registry_priv.h"

#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { REFUSAL_MAX = 64 << 10, QUOTE_MAX = 300 };

// ---- refusals ------------------------------------------------------------------------------------------------------
// {"errors": [{"code": "…", "message": "…"}]} (distribution-spec, Error Codes); "" if the body is anything else.
static void read_refusal(struct http_stream *s, char *out, size_t cap)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *doc = NULL;
	const char *code = "", *message = "";
	const cJSON *list = NULL;
	char q[QUOTE_MAX];

	*out = '\0';
	if (http_read_all(s, REFUSAL_MAX, &text, NULL) || json_parse(text.data, text.len, REFUSAL_MAX, &doc, NULL) ||
	    json_get_array(doc, "errors", JSON_REQUIRED, &list, NULL) || !list->child ||
	    json_get_string(list->child, "code", JSON_OPTIONAL, &code, NULL) ||
	    json_get_string(list->child, "message", JSON_OPTIONAL, &message, NULL))
		return;
	if (!*message)
		message = code;
	if (*message)
		snprintf(out, cap, " %s", err_quote(message, strlen(message), q, sizeof(q)));
}

int registry_refused(struct http_stream *s, const char *what, struct err *err)
{
	long status = http_status(s);
	char why[QUOTE_MAX + 1];

	read_refusal(s, why, sizeof(why));
	err_set(err, status >= 500 ? ERR_IO : ERR_INPUT, "%s: the registry answers %ld%s%s", what, status, why,
		status == 401 || status == 403 ? " (are there credentials for it?)" : "");
	if (err && status == 404)
		err->errnum = ENOENT;
	return -1;
}

// ---- requests ------------------------------------------------------------------------------------------------------
bool registry_status_passes(long status)
{
	return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

static int current_login(struct registry *r, char **authorization, uint64_t *logins, struct err *err)
{
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	*logins = r->logins;
	if (r->authorization) {
		*authorization = mem_strdup(r->authorization, err);
		rc = *authorization ? 0 : -1;
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static int parse_challenges(struct http_stream *s, struct challenge *c, struct err *err)
{
	const char *line;

	for (size_t i = 0; (line = http_header(s, "WWW-Authenticate", i)); i++)
		if (challenge_parse(line, c, err))
			return -1;
	return 0;
}

// After a 401 that met the login number `seen`.
static int login_again(struct registry *r, struct http_stream *s, uint64_t seen, struct err *err)
{
	struct challenge c = {0};
	char *authorization = NULL;
	int rc;

	pthread_mutex_lock(&r->lock);
	rc = r->logins != seen ? 0 : parse_challenges(s, &c, err);
	if (!rc && r->logins == seen) {
		rc = registry_login(r, &c, &authorization, err);
		if (!rc) {
			free(r->authorization);
			r->authorization = authorization;
			r->logins++;
		}
	}
	pthread_mutex_unlock(&r->lock);
	challenge_clear(&c);
	return rc;
}

static char *make_url(const struct registry *r, const char *path, struct err *err)
{
	if (!strncmp(path, "http://", 7) || !strncmp(path, "https://", 8))
		return mem_strdup(path, err);
	return mem_printf(err, "%s/v2/%s/%s", r->base, r->repo, path);
}

// One try. *out: the response. Our authorization goes along only if the URL is the registry's own.
static int try_once(struct registry *r, const struct registry_request *req, const char *url, uint64_t *seen,
		    struct http_stream **out, struct err *err)
{
	_cleanup_free_ char *authorization = NULL;
	struct http_request h = {.method = req->method, .url = url, .headers = req->headers, .body = req->body,
				 .body_fd = req->body_fd, .body_size = req->body_size};

	if (current_login(r, &authorization, seen, err))
		return -1;
	if (http_same_origin(url, r->base))
		h.authorization = authorization;
	return http_open(&r->http, &h, out, err);
}

int registry_send(struct registry *r, const struct registry_request *req, struct http_stream **out, struct err *err)
{
	_cleanup_free_ char *url = make_url(r, req->path, err);
	bool logged_in = false;
	unsigned tries = 0;

	while (url) {
		_cleanup_http_ struct http_stream *s = NULL;
		struct err why = ERR_INIT;
		uint64_t seen = 0;
		bool failed = try_once(r, req, url, &seen, &s, &why) != 0;

		if (failed && why.errnum != EAGAIN) {
			*err = why;
			return -1;
		}
		if (!failed && http_status(s) == 401 && !logged_in && http_same_origin(http_url(s), r->base)) {
			logged_in = true;
			if (login_again(r, s, seen, err))
				return -1;
			continue;
		}
		if (!failed && !registry_status_passes(http_status(s))) {
			*out = steal_ptr(&s);
			return 0;
		}
		if (req->once || ++tries >= REGISTRY_TRIES) {
			if (failed)
				*err = why;
			else
				registry_refused(s, req->method, err);
			err->errnum = req->once ? EAGAIN : 0; // tries that are used up are not begun anew by a caller
			return req->once ? -1 : err_prefix(err, "after %d tries: ", REGISTRY_TRIES);
		}
		if (http_back_off(tries - 1, failed ? 0 : http_retry_after(s), err))
			return -1;
	}
	return -1;
}

// ---- opening -------------------------------------------------------------------------------------------------------
// Asks GET /v2/ at r->base. Whatever HTTP answer comes shows that somebody is there.
static int ping(struct registry *r, struct err *err)
{
	_cleanup_free_ char *url = mem_printf(err, "%s/v2/", r->base);
	struct registry_request req = {.method = "GET", .path = url, .body_fd = -1};
	_cleanup_http_ struct http_stream *s = NULL;

	if (!url || registry_send(r, &req, &s, err))
		return -1;
	if (http_status(s) == 404)
		return err_set(err, ERR_INPUT, "%s is no registry of version 2 (no /v2/)", r->base);
	return 0;
}

static int set_base(struct registry *r, const char *scheme, struct err *err)
{
	free(r->base);
	r->base = mem_printf(err, "%s://%s", scheme, strcmp(r->host, "docker.io") ? r->host : "registry-1.docker.io");
	return r->base ? 0 : -1;
}

// HTTPS, but for --plain-http; a loopback registry that speaks no TLS may have HTTP, unless --tls-ca says that it must.
static int find_scheme(struct registry *r, struct err *err)
{
	struct err first = ERR_INIT;

	if (set_base(r, r->opt.plain_http ? "http" : "https", err))
		return -1;
	if (!ping(r, &first))
		return 0;
	if (first.errnum == EPROTO && !r->opt.tls_ca && http_is_loopback(r->host))
		return set_base(r, "http", err) || ping(r, err) ? -1 : 0;
	*err = first;
	return -1;
}

int registry_open(const char *host, const char *repo, enum registry_access access, const struct registry_options *opt,
		  struct registry **out, struct err *err)
{
	_cleanup_registry_ struct registry *r = mem_zalloc(1, sizeof(*r), err);

	if (!r)
		return -1;
	pthread_mutex_init(&r->lock, NULL);
	if (opt)
		r->opt = *opt;
	r->http = (struct http_settings){.tls_ca = r->opt.tls_ca, .plain_http = r->opt.plain_http,
					 .proxy = r->opt.proxy, .http_proxy = r->opt.http_proxy,
					 .no_proxy = r->opt.no_proxy, .idle_seconds = r->opt.idle_seconds};
	r->access = access;
	r->host = mem_strdup(host, err);
	r->repo = mem_strdup(repo, err);
	if (!r->host || !r->repo || credentials_find(&r->opt, host, repo, &r->cred, err))
		return -1;
	if (find_scheme(r, err))
		return err_prefix(err, "registry %s: ", host);
	*out = steal_ptr(&r);
	return 0;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	credentials_clear(&r->cred);
	pthread_mutex_destroy(&r->lock);
	free(r->authorization);
	free(r->host);
	free(r->repo);
	free(r->base);
	free(r);
}

// ---- manifests -----------------------------------------------------------------------------------------------------
static const char *const accept_manifests[] = {
	"Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
	"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json",
	NULL,
};

// What the document calls itself, or else what the header calls it, parameters cut off.
static char *manifest_type(struct http_stream *s, const void *p, size_t n, size_t max, struct err *err)
{
	const char *header = http_header(s, "Content-Type", 0), *own = NULL;
	_cleanup_json_ cJSON *doc = NULL;

	if (json_parse(p, n, max, &doc, err) || json_get_string(doc, "mediaType", JSON_OPTIONAL, &own, err))
		return NULL;
	if (own)
		return mem_strdup(own, err);
	return header ? mem_dup(header, strcspn(header, "; \t"), err) : mem_strdup("", err);
}

static int check_manifest(struct http_stream *s, const char *name, const char *digest, struct err *err)
{
	const char *said = http_header(s, "Docker-Content-Digest", 0);

	if (!strncmp(name, "sha256:", 7) && strcmp(name, digest))
		return err_set(err, ERR_MISMATCH, "manifest %s: the registry sends one with the digest %s", name,
			       digest);
	if (said && !strncmp(said, "sha256:", 7) && strcmp(said, digest))
		return err_set(err, ERR_MISMATCH,
			       "manifest %s: the registry sends bytes with the digest %s, not the one "
			       "that its header names",
			       name, digest);
	return 0;
}

static int fetch_manifest(struct registry *r, const char *name, size_t max, struct buf *out, char **media_type,
			  char digest[DIGEST_TEXT_MAX], char **etag, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "manifests/%s", name);
	struct registry_request req = {.method = "GET", .path = path, .headers = accept_manifests, .body_fd = -1};
	_cleanup_http_ struct http_stream *s = NULL;
	_cleanup_free_ char *version = NULL;
	size_t start = out->len;
	const char *tag;

	if (!path || registry_send(r, &req, &s, err))
		return -1;
	if (http_status(s) != 200)
		return registry_refused(s, "GET", err);
	if (http_read_all(s, max, out, err) || digest_of(out->data + start, out->len - start, digest, err) ||
	    check_manifest(s, name, digest, err))
		return -1;
	tag = etag ? http_header(s, "ETag", 0) : NULL;
	if (tag && !(version = mem_strdup(tag, err)))
		return -1;
	*media_type = manifest_type(s, out->data + start, out->len - start, max, err);
	if (!*media_type)
		return -1;
	if (etag)
		*etag = steal_ptr(&version);
	return 0;
}

int registry_get_manifest_version(struct registry *r, const char *name, size_t max, struct buf *out, char **media_type,
				  char digest[DIGEST_TEXT_MAX], char **etag, struct err *err)
{
	size_t start = out->len;

	for (unsigned tries = 0;; tries++) {
		out->len = start;
		if (!fetch_manifest(r, name, max, out, media_type, digest, etag, err))
			return 0;
		if (err->errnum != EAGAIN || tries + 1 >= REGISTRY_TRIES || http_back_off(tries, 0, err))
			return err_prefix(err, "%s/%s, manifest %s: ", r->host, r->repo, name);
	}
}

int registry_get_manifest(struct registry *r, const char *name, size_t max, struct buf *out, char **media_type,
			  char digest[DIGEST_TEXT_MAX], struct err *err)
{
	return registry_get_manifest_version(r, name, max, out, media_type, digest, NULL, err);
}
