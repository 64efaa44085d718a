// SPDX-License-Identifier: Apache-2.0
//
// Answering a registry's challenge (distribution's token specification):
//   Bearer realm="R",service="S"
//     with an identity token   POST R  grant_type=refresh_token&service=S&scope=…&client_id=eifgen&refresh_token=…
//     else                     GET R?service=S&scope=repository:REPO:pull  with Basic credentials, if there are any
//     -> {"token": "…"} or {"access_token": "…"}
//   Basic -> user and secret
// The scope is made here, not copied from the challenge: a registry cannot make us fetch a token for anything else.
#include "layerfs/registry_priv.h"

#include "base/mem.h"
#include "layerfs/json.h"

#include <errno.h>
#include <string.h>

enum { TOKEN_ANSWER_MAX = 1 << 20, TOKEN_MAX = 64 << 10, QUOTE_MAX = 300 };

static char *make_scope(const struct registry *r, struct err *err)
{
	_cleanup_free_ char *text = mem_printf(err, "repository:%s:%s", r->repo,
					       r->access == REGISTRY_PUSH ? "pull,push" : "pull");

	return text ? http_escape(text, err) : NULL;
}

static char *token_url(const char *realm, const char *service, const char *scope, struct err *err)
{
	return mem_printf(err, "%s%cscope=%s%s%s", realm, strchr(realm, '?') ? '&' : '?', scope,
			  *service ? "&service=" : "", service);
}

static char *refresh_form(const struct registry *r, const char *service, const char *scope, struct err *err)
{
	_cleanup_free_ char *token = http_escape(r->cred.identity, err);

	if (!token)
		return NULL;
	return mem_printf(err, "grant_type=refresh_token&client_id=eifgen&service=%s&scope=%s&refresh_token=%s",
			  service, scope, token);
}

// A token becomes part of a header line: nothing but visible ASCII may be in it.
static char *read_token(struct http_stream *s, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *doc = NULL;
	const char *token = NULL;

	if (http_read_all(s, TOKEN_ANSWER_MAX, &text, err) ||
	    json_parse(text.data, text.len, TOKEN_ANSWER_MAX, &doc, err) ||
	    json_get_string(doc, "token", JSON_OPTIONAL, &token, err) ||
	    (!token && json_get_string(doc, "access_token", JSON_REQUIRED, &token, err)))
		return NULL;
	for (const char *p = token; *p; p++)
		if (*p < 0x21 || *p > 0x7e) {
			err_set(err, ERR_INPUT, "the token holds other than visible ASCII");
			return NULL;
		}
	if (!*token || strlen(token) > TOKEN_MAX) {
		err_set(err, ERR_INPUT, "the token is empty or longer than %d bytes", TOKEN_MAX);
		return NULL;
	}
	return mem_printf(err, "Bearer %s", token);
}

static int send_token_request(struct registry *r, const struct challenge *c, const char *scope, const char *service,
			      struct http_stream **out, struct err *err)
{
	static const char *const form_type[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
	_cleanup_free_ char *body = NULL, *basic = NULL, *url = NULL;
	struct http_request req = {.method = "GET", .body_fd = -1};

	if (r->cred.identity) {
		body = refresh_form(r, service, scope, err);
		if (!body)
			return -1;
		req = (struct http_request){.method = "POST", .url = c->realm, .headers = form_type, .body = body,
					    .body_fd = -1, .body_size = strlen(body)};
		return http_open(&r->http, &req, out, err);
	}
	url = token_url(c->realm, service, scope, err);
	if (!url)
		return -1;
	req.url = url;
	if (r->cred.user) {
		basic = credentials_basic(&r->cred, err);
		if (!basic)
			return -1;
		req.authorization = basic;
	}
	return http_open(&r->http, &req, out, err);
}

// One try. What may pass has errnum EAGAIN, and *wait the seconds that the server asks for.
static int try_token(struct registry *r, const struct challenge *c, const char *scope, const char *service,
		     char **authorization, int64_t *wait, struct err *err)
{
	_cleanup_http_ struct http_stream *s = NULL;

	*wait = 0;
	if (send_token_request(r, c, scope, service, &s, err))
		return -1;
	if (http_status(s) == 200) {
		*authorization = read_token(s, err);
		return *authorization ? 0 : -1;
	}
	registry_refused(s, "authentication", err);
	if (registry_status_passes(http_status(s))) {
		*wait = http_retry_after(s);
		err->errnum = EAGAIN;
	}
	return -1;
}

static int fetch_token(struct registry *r, const struct challenge *c, char **authorization, struct err *err)
{
	_cleanup_free_ char *scope = make_scope(r, err), *service = http_escape(c->service ? c->service : "", err);
	int64_t wait;

	if (!scope || !service)
		return -1;
	for (unsigned tries = 0; try_token(r, c, scope, service, authorization, &wait, err); tries++) {
		if (err->errnum != EAGAIN)
			return -1;
		err->errnum = 0; // tries that are used up are not begun anew by a caller
		if (tries + 1 >= REGISTRY_TRIES)
			return err_prefix(err, "after %d tries: ", REGISTRY_TRIES);
		if (http_back_off(tries, wait, err))
			return -1;
	}
	return 0;
}

int registry_login(struct registry *r, const struct challenge *c, char **authorization, struct err *err)
{
	char q[QUOTE_MAX];

	if (c->bearer && c->realm) {
		if (fetch_token(r, c, authorization, err))
			return err_prefix(err, "token from %s: ", err_quote(c->realm, strlen(c->realm), q, sizeof(q)));
		return 0;
	}
	if (c->basic && r->cred.user) {
		*authorization = credentials_basic(&r->cred, err);
		return *authorization ? 0 : -1;
	}
	if (c->basic)
		return err_set(err, ERR_INPUT, "it wants a user and password, and there are no credentials for it");
	return err_set(err, ERR_UNSUPPORTED, "it wants an authentication other than Bearer and Basic");
}
