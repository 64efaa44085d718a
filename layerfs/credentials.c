// SPDX-License-Identifier: Apache-2.0
//
// Credentials from Docker's config.json and containers-auth.json(5), which are one format:
//   {"auths": {"<key>": {"auth": base64("user:secret"), "identitytoken": "…"}},
//    "credHelpers": {"<key>": "<helper>"}, "credsStore": "<helper>"}
// A key is a host with port, optionally followed by a part of the repository's path; Docker also writes URLs
// (`https://index.docker.io/v1/`), of which only the host counts.
#include "layerfs/registry_auth.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/json.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

enum { AUTHFILE_MAX = 1 << 20, HELPER_OUT_MAX = 1 << 16, SECRET_MAX = 1 << 15, QUOTE_MAX = 300 };

static void wipe(char **text)
{
	if (*text)
		OPENSSL_cleanse(*text, strlen(*text));
	free(steal_ptr(text));
}

void credentials_clear(struct credentials *c)
{
	wipe(&c->user);
	wipe(&c->secret);
	wipe(&c->identity);
}

char *credentials_basic(const struct credentials *c, struct err *err)
{
	_cleanup_free_ char *pair = mem_printf(err, "%s:%s", c->user, c->secret);
	_cleanup_free_ char *text = NULL;
	size_t n;
	char *out;

	if (!pair)
		return NULL;
	n = strlen(pair);
	text = mem_alloc((n + 2) / 3 * 4 + 1, err);
	if (!text)
		return NULL;
	EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)pair, (int)n);
	out = mem_printf(err, "Basic %s", text);
	OPENSSL_cleanse(pair, n);
	OPENSSL_cleanse(text, strlen(text));
	return out;
}

// ---- one file ------------------------------------------------------------------------------------------------------
// How well a key fits host/repo: 0 not at all, else the longer the better.
static size_t key_rank(const char *key, const char *host, const char *repo)
{
	bool url = false;
	size_t n;

	if (!strncmp(key, "https://", 8) || !strncmp(key, "http://", 7)) {
		key = strchr(key, '/') + 2;
		url = true;
	}
	n = strcspn(key, "/");
	if (!strcmp(host, "docker.io")) {
		if ((n != 15 || strncmp(key, "index.docker.io", 15)) && (n != 9 || strncmp(key, "docker.io", 9)))
			return 0;
	} else if (n != strlen(host) || strncasecmp(key, host, n)) {
		return 0;
	}
	key += n;
	if (url || !*key || !key[1])
		return 1;
	key++;
	n = strlen(key);
	if (strncmp(repo, key, n) || (repo[n] != '\0' && repo[n] != '/'))
		return 0;
	return 1 + n;
}

static const cJSON *best_key(const cJSON *map, const char *host, const char *repo)
{
	const cJSON *c, *best = NULL;
	size_t rank = 0;

	cJSON_ArrayForEach(c, map) {
		size_t r = key_rank(c->string, host, repo);

		if (r > rank) {
			rank = r;
			best = c;
		}
	}
	return best;
}

// base64("user:secret")
static int decode_auth(const char *auth, struct credentials *out, struct err *err)
{
	size_t n = strlen(auth);
	_cleanup_free_ char *pair = NULL;
	char *colon;
	int len;

	if (n == 0 || n % 4 || n > SECRET_MAX)
		return err_set(err, ERR_INPUT, "key \"auth\" is no base64");
	pair = mem_alloc(n + 1, err);
	if (!pair)
		return -1;
	len = EVP_DecodeBlock((unsigned char *)pair, (const unsigned char *)auth, (int)n);
	if (len < 0)
		return err_set(err, ERR_INPUT, "key \"auth\" is no base64");
	len -= (auth[n - 1] == '=') + (auth[n - 2] == '=');
	pair[len] = '\0';
	colon = memchr(pair, ':', (size_t)len);
	if (!colon || strlen(pair) != (size_t)len)
		return err_set(err, ERR_INPUT, "key \"auth\" holds no user and secret");
	out->user = mem_dup(pair, (size_t)(colon - pair), err);
	out->secret = mem_strdup(colon + 1, err);
	OPENSSL_cleanse(pair, (size_t)len);
	return out->user && out->secret ? 0 : -1;
}

static int from_entry(const cJSON *entry, struct credentials *out, struct err *err)
{
	const char *auth = "", *identity = "";

	if (json_get_string(entry, "auth", JSON_OPTIONAL, &auth, err) ||
	    json_get_string(entry, "identitytoken", JSON_OPTIONAL, &identity, err) ||
	    (*auth && decode_auth(auth, out, err)))
		return -1;
	if (*identity) {
		out->identity = mem_strdup(identity, err);
		return out->identity ? 0 : -1;
	}
	return 0;
}

static int from_helper(const struct registry_options *opt, const char *helper, const char *host,
		       struct credentials *out, struct err *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const char *server = strcmp(host, "docker.io") ? host : "https://index.docker.io/v1/";
	_cleanup_buf_ struct buf text = BUF_INIT(HELPER_OUT_MAX);
	_cleanup_json_ cJSON *doc = NULL;
	const char *user, *secret;

	if (!opt->run_helper)
		return 0;
	if (!*helper || helper[strspn(helper, allowed)])
		return err_set(err, ERR_INPUT, "a credential helper's name holds other than letters, digits, . _ -");
	if (opt->run_helper(opt->helper_ctx, helper, server, &text, err))
		return err_prefix(err, "credential helper %s: ", helper);
	if (!text.len)
		return 0;
	if (json_parse(text.data, text.len, HELPER_OUT_MAX, &doc, err) ||
	    json_get_string(doc, "Username", JSON_REQUIRED, &user, err) ||
	    json_get_string(doc, "Secret", JSON_REQUIRED, &secret, err))
		return err_prefix(err, "credential helper %s: ", helper);
	if (!strcmp(user, "<token>")) {
		out->identity = mem_strdup(secret, err);
		return out->identity ? 0 : -1;
	}
	out->user = mem_strdup(user, err);
	out->secret = mem_strdup(secret, err);
	return out->user && out->secret ? 0 : -1;
}

static int from_document(const struct registry_options *opt, const cJSON *doc, const char *host, const char *repo,
			 struct credentials *out, struct err *err)
{
	const cJSON *auths = NULL, *helpers = NULL, *c;
	const char *store = NULL;

	if (json_get_object(doc, "auths", JSON_OPTIONAL, &auths, err) ||
	    json_get_object(doc, "credHelpers", JSON_OPTIONAL, &helpers, err) ||
	    json_get_string(doc, "credsStore", JSON_OPTIONAL, &store, err))
		return -1;
	c = best_key(helpers, host, repo);
	if (cJSON_IsString(c))
		return from_helper(opt, c->valuestring, host, out, err);
	c = best_key(auths, host, repo);
	if (c && from_entry(c, out, err))
		return -1;
	if (!out->user && !out->identity && store && *store)
		return from_helper(opt, store, host, out, err);
	return 0;
}

static int from_file(const struct registry_options *opt, const char *path, const char *host, const char *repo,
		     struct credentials *out, struct err *err)
{
	_cleanup_json_ cJSON *doc = NULL;
	char q[QUOTE_MAX];

	if (json_parse_file(path, AUTHFILE_MAX, &doc, err))
		return -1;
	if (from_document(opt, doc, host, repo, out, err))
		return err_prefix(err, "%s: ", err_quote(path, strlen(path), q, sizeof(q)));
	return 0;
}

int credentials_find(const struct registry_options *opt, const char *host, const char *repo, struct credentials *out,
		     struct err *err)
{
	memset(out, 0, sizeof(*out));
	if (opt->authfile && from_file(opt, opt->authfile, host, repo, out, err))
		return -1;
	for (size_t i = 0; opt->authfiles && opt->authfiles[i] && !out->user && !out->identity; i++) {
		if (access(opt->authfiles[i], F_OK) && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (from_file(opt, opt->authfiles[i], host, repo, out, err))
			return -1;
	}
	return 0;
}

// ---- challenges ----------------------------------------------------------------------------------------------------
static const char *skip_blank(const char *p)
{
	return p + strspn(p, " \t,");
}

// token68 and token bytes, near enough to tell names from punctuation
static size_t token_length(const char *p)
{
	return strcspn(p, " \t,=\"");
}

// value or "quoted value" at p; *out is the caller's, NULL out: skipped. Returns what follows, or NULL.
static const char *read_value(const char *p, char **out, struct err *err)
{
	_cleanup_buf_ struct buf v = BUF_INIT(0);

	if (*p != '"') {
		size_t n = strcspn(p, " \t,");

		if (buf_add(&v, p, n, err))
			return NULL;
		p += n;
	} else {
		for (p++; *p != '"'; p++) {
			if (*p == '\\')
				p++;
			if (!*p) {
				err_set(err, ERR_INPUT, "WWW-Authenticate: a quote is not closed");
				return NULL;
			}
			if (buf_add(&v, p, 1, err))
				return NULL;
		}
		p++;
	}
	if (out) {
		free(*out);
		*out = mem_dup(v.data, v.len, err);
		if (!*out)
			return NULL;
	}
	return p;
}

int challenge_parse(const char *header, struct challenge *c, struct err *err)
{
	bool in_bearer = false;
	const char *p = skip_blank(header);

	while (*p) {
		size_t n = token_length(p), blanks;
		const char *name = p;
		char **want = NULL;

		if (!n)
			return err_set(err, ERR_INPUT, "WWW-Authenticate: cannot be read");
		p += n;
		blanks = strspn(p, " \t"); // RFC 9110 11.2: taken around the equals sign, though nobody may send it
		if (p[blanks] == '=')
			p += blanks;
		if (*p != '=') { // a scheme
			in_bearer = n == 6 && !strncasecmp(name, "Bearer", 6);
			c->bearer |= in_bearer;
			c->basic |= n == 5 && !strncasecmp(name, "Basic", 5);
		} else {
			if (in_bearer && n == 5 && !strncasecmp(name, "realm", 5))
				want = &c->realm;
			else if (in_bearer && n == 7 && !strncasecmp(name, "service", 7))
				want = &c->service;
			p++;
			p = read_value(p + strspn(p, " \t"), want, err);
			if (!p)
				return -1;
		}
		p = skip_blank(p);
	}
	return 0;
}

void challenge_clear(struct challenge *c)
{
	free(c->realm);
	free(c->service);
	memset(c, 0, sizeof(*c));
}
