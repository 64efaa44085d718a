// SPDX-License-Identifier: Apache-2.0
//
// URLs, by libcurl's own parser, so that what is judged here is what libcurl will contact.
#include "layerfs/http.h"

#include "base/mem.h"
#include "layerfs/curl_api.h"

#include <string.h>

// Where libcurl could not be loaded there is nothing to free, and nothing to free it with.
static void free_url(CURLU *u)
{
	if (u)
		curl->url_cleanup(u);
}

static void free_text(char *text)
{
	if (text)
		curl->free(text);
}

CLEANUP_DEFINE(CURLU, cleanup_curlu, free_url)
#define _cleanup_curlu_ _cleanup_(cleanup_curlup)
CLEANUP_DEFINE(char, cleanup_curlstr, free_text)
#define _cleanup_curlstr_ _cleanup_(cleanup_curlstrp)

enum { QUOTE_MAX = 300 };

bool http_is_loopback(const char *host)
{
	size_t n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");

	if (n == 9 && !strncmp(host, "localhost", 9))
		return true;
	if (n == 5 && !strncmp(host, "[::1]", 5))
		return true;
	// A dotted quad only: 127.example.org is somebody's host.
	return !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == n;
}

static int allowed(const struct http_settings *set, CURLU *u, const char *text, struct err *err)
{
	_cleanup_curlstr_ char *scheme = NULL, *host = NULL, *user = NULL;
	char q[QUOTE_MAX];

	err_quote(text, strlen(text), q, sizeof(q));
	if (curl->url_get(u, CURLUPART_SCHEME, &scheme, 0) || curl->url_get(u, CURLUPART_HOST, &host, 0))
		return err_set(err, ERR_INPUT, "URL %s has no scheme or host", q);
	if (!curl->url_get(u, CURLUPART_USER, &user, 0))
		return err_set(err, ERR_INPUT, "URL %s names a user", q);
	if (!strcmp(scheme, "https"))
		return 0;
	if (strcmp(scheme, "http"))
		return err_set(err, ERR_INPUT, "URL %s is neither https nor http", q);
	if (set->plain_http || set->unix_socket || http_is_loopback(host))
		return 0;
	return err_set(err, ERR_INPUT, "URL %s is plain HTTP to another machine (--plain-http allows it)", q);
}

char *http_resolve(const struct http_settings *set, const char *base, const char *location, struct err *err)
{
	_cleanup_curlu_ CURLU *u = NULL;
	_cleanup_curlstr_ char *full = NULL;
	char q[QUOTE_MAX];

	if (curl_load(err))
		return NULL;
	u = curl->url();
	if (!u) {
		err_nomem(err);
		return NULL;
	}
	if (curl->url_set(u, CURLUPART_URL, base, 0) || curl->url_set(u, CURLUPART_URL, location, 0) ||
	    curl->url_get(u, CURLUPART_URL, &full, 0)) {
		err_set(err, ERR_INPUT, "%s is no URL", err_quote(location, strlen(location), q, sizeof(q)));
		return NULL;
	}
	if (allowed(set, u, full, err))
		return NULL;
	if (!strncmp(base, "https:", 6) && strncmp(full, "https:", 6)) {
		err_set(err, ERR_INPUT, "redirected from https to %s", err_quote(full, strlen(full), q, sizeof(q)));
		return NULL;
	}
	return mem_strdup(full, err);
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part)
{
	_cleanup_curlstr_ char *x = NULL, *y = NULL;

	return !curl->url_get(a, part, &x, CURLU_DEFAULT_PORT) && !curl->url_get(b, part, &y, CURLU_DEFAULT_PORT) &&
	       !strcasecmp(x, y);
}

bool http_same_origin(const char *a, const char *b)
{
	_cleanup_curlu_ CURLU *x = NULL, *y = NULL;

	if (curl_load(NULL))
		return false;
	x = curl->url();
	y = curl->url();
	return x && y && !curl->url_set(x, CURLUPART_URL, a, 0) && !curl->url_set(y, CURLUPART_URL, b, 0) &&
	       same_part(x, y, CURLUPART_SCHEME) && same_part(x, y, CURLUPART_HOST) && same_part(x, y, CURLUPART_PORT);
}

char *http_escape(const char *text, struct err *err)
{
	_cleanup_curlstr_ char *e = NULL;

	if (curl_load(err))
		return NULL;
	e = curl->easy_escape(NULL, text, 0);
	if (!e) {
		err_nomem(err);
		return NULL;
	}
	return mem_strdup(e, err);
}
