// SPDX-License-Identifier: Apache-2.0
//
// Transports by prefix, then each transport's own little grammar. Docker names follow distribution's reference
// grammar: components of lower-case letters, digits and separators (one '.', one or two '_', any number of '-'),
// joined by '/'; a first component with a dot, a colon or the word localhost is a host; tags are [A-Za-z0-9_.-]{1,128}
// that do not begin with '.' or '-'. What passes here goes into URLs and messages without further escaping.
#include "layerfs/reference.h"

#include "base/mem.h"
#include "layerfs/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { QUOTE_MAX = 300, REPO_MAX = 255, HOST_MAX = 261, TAG_MAX = 128 };

static const char lower_digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char tag_bytes[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

static int refuse(const char *text, const char *why, struct err *err)
{
	char q[QUOTE_MAX];

	return err_set(err, ERR_USAGE, "image reference %s: %s", err_quote(text, strlen(text), q, sizeof(q)), why);
}

static char *dup_range(const char *from, const char *to, struct err *err)
{
	return mem_dup(from, (size_t)(to - from), err);
}

// ---- Docker names --------------------------------------------------------------------------------------------------
static bool separator_ok(const char *s, size_t n)
{
	return strspn(s, "-") >= n || (n == 1 && (*s == '.' || *s == '_')) || (n == 2 && s[0] == '_' && s[1] == '_');
}

static bool component_ok(const char *s, const char *end)
{
	while (s < end) {
		size_t n = strspn(s, lower_digits);

		if (n == 0)
			return false;
		s += n;
		if (s >= end)
			return s == end;
		n = strspn(s, "._-");
		if (n == 0 || s + n >= end || !separator_ok(s, n))
			return false;
		s += n;
	}
	return false;
}

static bool repo_ok(const char *repo)
{
	const char *s = repo;

	if (strlen(repo) > REPO_MAX)
		return false;
	for (;;) {
		const char *end = strchrnul(s, '/');

		if (!component_ok(s, end))
			return false;
		if (!*end)
			return true;
		s = end + 1;
	}
}

static bool tag_ok(const char *tag)
{
	size_t n = strlen(tag);

	return n && n <= TAG_MAX && strspn(tag, tag_bytes) == n && *tag != '.' && *tag != '-';
}

// NAME[:PORT], dotted labels of letters, digits and inner hyphens, or an IPv6 address in brackets.
static bool host_ok(const char *host)
{
	size_t n = *host == '[' ? 1 + strspn(host + 1, "0123456789abcdefABCDEF:.") : strspn(host, tag_bytes);
	const char *rest;

	if (*host == '[' && host[n++] != ']')
		return false;
	rest = host + n;
	if (!n || strlen(host) > HOST_MAX || *host == '-' || *host == '.' || memchr(host, '_', n))
		return false;
	if (!*rest)
		return true;
	n = strspn(rest + 1, "0123456789");
	return *rest == ':' && n >= 1 && n <= 5 && !rest[1 + n] && strtoul(rest + 1, NULL, 10) <= 65535;
}

static bool is_host(const char *s, size_t n)
{
	return memchr(s, '.', n) || memchr(s, ':', n) || (n == 9 && !memcmp(s, "localhost", 9));
}

// Splits [HOST/]REPO[:TAG][@DIGEST] into ref's four fields.
static int parse_docker_name(const char *text, struct reference *ref, struct err *err)
{
	const char *slash = strchr(text, '/'), *name = text, *at, *colon, *end;

	if (slash && is_host(text, (size_t)(slash - text))) {
		ref->host = dup_range(text, slash, err);
		name = slash + 1;
	} else {
		ref->host = mem_strdup("docker.io", err);
	}
	if (!ref->host)
		return -1;
	if (!strcmp(ref->host, "index.docker.io"))
		strcpy(ref->host, "docker.io");
	at = strchrnul(name, '@');
	colon = memchr(name, ':', (size_t)(at - name));
	end = colon ? colon : at;
	ref->repo = !strcmp(ref->host, "docker.io") && !memchr(name, '/', (size_t)(end - name)) ?
			    mem_printf(err, "library/%.*s", (int)(end - name), name) :
			    dup_range(name, end, err);
	ref->tag = colon ? dup_range(colon + 1, at, err) : mem_strdup("latest", err);
	if (!ref->repo || !ref->tag)
		return -1;
	if (!host_ok(ref->host))
		return refuse(text, "no host name before the first slash", err);
	if (!repo_ok(ref->repo))
		return refuse(text, "no repository name (lower-case letters, digits, and single separators)", err);
	if (!tag_ok(ref->tag))
		return refuse(text, "the tag is empty, too long, or holds other than letters, digits, _ . -", err);
	if (!*at)
		return 0;
	ref->digest = mem_strdup(at + 1, err);
	if (!ref->digest || digest_check(ref->digest, err))
		return -1;
	free(steal_ptr(&ref->tag)); // a digest says more than the tag beside it
	return 0;
}

int reference_normalize(const char *name, char **out, struct err *err)
{
	_cleanup_reference_ struct reference ref = {0};

	if (parse_docker_name(name, &ref, err))
		return -1;
	if (ref.digest)
		return refuse(name, "a digest where a name and tag are wanted", err);
	*out = mem_printf(err, "%s/%s:%s", ref.host, ref.repo, ref.tag);
	return *out ? 0 : -1;
}

// ---- transports ----------------------------------------------------------------------------------------------------
static int parse_path_name(const char *text, const char *rest, struct reference *ref, struct err *err)
{
	const char *colon = strchr(rest, ':'), *end = colon ? colon : rest + strlen(rest);

	if (end == rest)
		return refuse(text, "no path after the colon", err);
	if (colon && !colon[1])
		return refuse(text, "nothing after the last colon", err);
	ref->path = dup_range(rest, end, err);
	if (!ref->path)
		return -1;
	if (!colon)
		return 0;
	if (ref->kind == REFERENCE_DOCKER_ARCHIVE && colon[1] == '@') {
		size_t n = strspn(colon + 2, "0123456789");

		if (!n || n > 6 || colon[2 + n])
			return refuse(text, "no number after the @", err);
	} else if (ref->kind == REFERENCE_DOCKER_ARCHIVE) {
		return reference_normalize(colon + 1, &ref->name, err);
	}
	ref->name = mem_strdup(colon + 1, err);
	return ref->name ? 0 : -1;
}

static int parse_daemon(const char *text, const char *rest, struct reference *ref, struct err *err)
{
	if (!strncmp(rest, "sha256:", 7)) {
		if (digest_check(rest, err))
			return -1;
		ref->name = mem_strdup(rest, err);
		return ref->name ? 0 : -1;
	}
	if (!*rest)
		return refuse(text, "no image name after the colon", err);
	return reference_normalize(rest, &ref->name, err);
}

static const struct {
	const char *prefix;
	enum reference_kind kind;
} transports[] = {
	{"oci:", REFERENCE_OCI_DIR},
	{"oci-archive:", REFERENCE_OCI_ARCHIVE},
	{"docker-archive:", REFERENCE_DOCKER_ARCHIVE},
	{"docker://", REFERENCE_REGISTRY},
	{"docker-daemon:", REFERENCE_DAEMON},
};

static const char *const foreign[] = {"containers-storage:", "dir:", "ostree:", "sif:", "tarball:"};

static int refuse_foreign(const char *text, struct err *err)
{
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++) {
		if (strncmp(text, foreign[i], strlen(foreign[i])))
			continue;
		if (strlen(text) > QUOTE_MAX || strpbrk(text, "'\n"))
			return err_set(err, ERR_UNSUPPORTED, "%s references are not read", foreign[i]);
		return err_set(err, ERR_UNSUPPORTED,
			       "%s references are not read; make an OCI directory of it with: "
			       "skopeo copy '%s' oci:image:latest", foreign[i], text);
	}
	return 0;
}

int reference_parse(const char *text, struct reference *ref, struct err *err)
{
	memset(ref, 0, sizeof(*ref));
	if (refuse_foreign(text, err))
		return -1;
	for (size_t i = 0; i < sizeof(transports) / sizeof(*transports); i++) {
		size_t n = strlen(transports[i].prefix);

		if (strncmp(text, transports[i].prefix, n))
			continue;
		ref->kind = transports[i].kind;
		if (ref->kind == REFERENCE_REGISTRY)
			return parse_docker_name(text + n, ref, err);
		if (ref->kind == REFERENCE_DAEMON)
			return parse_daemon(text, text + n, ref, err);
		return parse_path_name(text, text + n, ref, err);
	}
	if (!*text)
		return refuse(text, "empty", err);
	ref->kind = REFERENCE_PATH;
	ref->path = mem_strdup(text, err);
	return ref->path ? 0 : -1;
}

void reference_clear(struct reference *ref)
{
	free(ref->path);
	free(ref->name);
	free(ref->host);
	free(ref->repo);
	free(ref->tag);
	free(ref->digest);
	memset(ref, 0, sizeof(*ref));
}

// ---- bare paths ----------------------------------------------------------------------------------------------------
static bool holds(int dir, const char *file)
{
	struct stat st;

	return !fstatat(dir, file, &st, 0);
}

static int detect_in(int dir, struct reference *ref, const char *quoted, struct err *err)
{
	if (holds(dir, "index.json")) {
		ref->kind = REFERENCE_OCI_DIR;
		return 0;
	}
	if (holds(dir, "manifest.json"))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s looks like a dir: image; make an OCI directory of it with skopeo copy", quoted);
	return err_set(err, ERR_INPUT, "directory %s holds no image (no index.json)", quoted);
}

int reference_detect(struct reference *ref, bool *is_dir, struct err *err)
{
	_cleanup_close_ int dir = -1;
	char q[QUOTE_MAX];
	struct stat st;

	err_quote(ref->path, strlen(ref->path), q, sizeof(q));
	if (stat(ref->path, &st)) {
		if (errno == ENOENT && strchr(ref->path, ':'))
			return err_set(err, ERR_INPUT,
				       "%s is no file, nor a form of reference that is known (an image in a registry "
				       "is docker://HOST/REPO:TAG)",
				       q);
		return err_sys(err, errno, "find %s", q);
	}
	*is_dir = S_ISDIR(st.st_mode);
	if (S_ISREG(st.st_mode))
		return 0;
	if (!*is_dir)
		return err_set(err, ERR_INPUT, "%s is neither a file nor a directory", q);
	dir = open(ref->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, errno, "open %s", q);
	return detect_in(dir, ref, q, err);
}
