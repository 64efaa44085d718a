// SPDX-License-Identifier: Apache-2.0
//
// Images out of a Docker daemon, through its socket (Engine API, "Export an image"):
//   GET /images/NAME/get   ->  a docker-archive, or {"message": "why not"}
//   GET /images/NAME/json  ->  200 or 404: is it there?
// The archive comes in one piece and cannot be read in place, so it is kept in a file without a name. No API version is
// put into the path: the call has been the same since the first.
#include "layerfs/image_parts.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/http.h"
#include "layerfs/spool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
	REFUSAL_MAX = 64 << 10,
	PIECE = 128 << 10,
	QUOTE_MAX = 300,
	// before the first byte: the daemon writes all layers into a directory and packs that
	SAVE_IDLE_SECONDS = 30 * 60,
};
static const char default_socket[] = "/var/run/docker.sock";

static int refused(struct http_stream *s, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *doc = NULL;
	const char *message = "";
	char q[QUOTE_MAX];

	if (!http_read_all(s, REFUSAL_MAX, &text, NULL) && !json_parse(text.data, text.len, REFUSAL_MAX, &doc, NULL))
		json_get_string(doc, "message", JSON_OPTIONAL, &message, NULL);
	return err_set(err, ERR_INPUT, "the daemon answers %ld %s", http_status(s),
		       err_quote(message, strlen(message), q, sizeof(q)));
}

static int keep(struct http_stream *s, int fd, const char *dir, uint64_t max, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(PIECE, err);
	uint64_t total = 0;
	ssize_t n;

	if (!piece)
		return -1;
	while ((n = http_read(s, piece, PIECE, err)) > 0) {
		if (!total)
			http_set_idle(s, 0);
		total += (uint64_t)n;
		if (total > max)
			return err_set(err, ERR_LIMIT, "the daemon sends more than %llu bytes (--max-expanded)",
				       (unsigned long long)max);
		if (io_write(fd, piece, (size_t)n, err))
			return io_fail_temporary(dir, err);
	}
	return (int)n;
}

static int check_socket(const char *socket, struct err *err)
{
	return strstr(socket, "://") ? err_set(err, ERR_UNSUPPORTED, "no unix socket, and others are not asked") : 0;
}

// 1 if somebody takes connections there; 0 if nobody does, *err saying so; -1 if that cannot be told: a daemon that we
// may not ask, or that is too busy, may have the image.
static int somebody_listens(const char *path, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int e;

	if (fd < 0)
		return err_sys(err, errno, "make a socket");
	if (strlen(path) >= sizeof(at.sun_path))
		return err_set(err, ERR_USAGE, "a path too long for a unix socket");
	strcpy(at.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return 1;
	e = errno;
	err_sys(err, e, "connect");
	return e == ENOENT || e == ECONNREFUSED ? 0 : -1;
}

static int save(const char *socket, const char *name, uint64_t max, int fd, const char *dir, struct err *err)
{
	struct http_settings set = {.unix_socket = socket, .idle_seconds = SAVE_IDLE_SECONDS};
	_cleanup_free_ char *url = mem_printf(err, "http://localhost/images/%s/get", name);
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	_cleanup_http_ struct http_stream *s = NULL;

	if (!url || check_socket(socket, err) || http_open(&set, &req, &s, err))
		return -1;
	if (http_status(s) != 200)
		return refused(s, err);
	return keep(s, fd, dir, max, err);
}

int docker_daemon_save(const char *socket, const char *name, const struct limits *limits, const char *tmpdir,
		       struct tarball **out, struct err *err)
{
	const char *at = socket ? socket : default_socket;
	_cleanup_close_ int fd = spool_open_unnamed(tmpdir, err);
	char q[QUOTE_MAX];

	if (fd < 0)
		return -1;
	if (save(at, name, limits->expanded, fd, tmpdir, err) || tarball_open_fd(steal_fd(&fd), limits, tmpdir, out, err))
		return err_prefix(err, "Docker daemon at %s: ", err_quote(at, strlen(at), q, sizeof(q)));
	return 0;
}

static int ask(const char *socket, const char *name, struct err *err)
{
	struct http_settings set = {.unix_socket = socket};
	_cleanup_free_ char *url = mem_printf(err, "http://localhost/images/%s/json", name);
	struct http_request req = {.method = "GET", .url = url, .body_fd = -1};
	_cleanup_http_ struct http_stream *s = NULL;
	int rc;

	if (!url || check_socket(socket, err))
		return -1;
	rc = somebody_listens(socket, err);
	if (rc <= 0)
		return rc;
	if (http_open(&set, &req, &s, err))
		return -1;
	if (http_status(s) == 200)
		return 1;
	refused(s, err);
	return http_status(s) == 404 ? 0 : -1;
}

int image_in_daemon(const char *text, const char *socket, struct err *err)
{
	_cleanup_reference_ struct reference ref = {0};
	const char *at = socket ? socket : default_socket;
	char q[QUOTE_MAX];
	int rc;

	if (reference_parse(text, &ref, err))
		return -1;
	if (ref.kind != REFERENCE_DAEMON)
		return err_set(err, ERR_USAGE, "%s names no image of a daemon",
			       err_quote(text, strlen(text), q, sizeof(q)));
	rc = ask(at, ref.name, err);
	if (rc <= 0)
		err_prefix(err, "Docker daemon at %s: ", err_quote(at, strlen(at), q, sizeof(q)));
	return rc;
}
