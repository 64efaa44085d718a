// SPDX-License-Identifier: Apache-2.0
//
// Blobs of a registry: down as a stream that resumes, up in one piece.
//
// A cut download goes on with `Range: bytes=GOT-`; a server that answers 200 instead of 206 sends the blob from its
// start, and what we have is skipped. A new connection after PROGRESS bytes does not count against the tries, so a
// long download survives many cuts and a server that sends a byte a time does not hold us for ever. The stream never
// gives more bytes than the descriptor says; its digest is checked by whoever reads it.
#include "layerfs/registry_priv.h"
#include "layerfs/source.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PROGRESS = 1 << 20 };

struct remote_stream {
	struct blob_stream base;
	struct registry *r;
	char *path;
	uint64_t size, got;
	uint64_t counted_from; // got when tries was last 0
	unsigned tries;
	struct http_stream *http; // NULL before the first read and after a cut
	struct err failed;	  // what ended the stream; a reader that asks again hears it again
};

static void remote_free(struct blob_stream *b)
{
	struct remote_stream *s = (struct remote_stream *)b;

	http_free(s->http);
	free(s->path);
	free(s);
}

// Whether a 206 is the piece that was asked for: "bytes FIRST-LAST/SIZE".
static bool range_fits(const char *range, uint64_t first)
{
	char want[48];
	int n = snprintf(want, sizeof(want), "bytes %llu-", (unsigned long long)first);

	return range && !strncmp(range, want, (size_t)n);
}

static int skip(struct http_stream *h, uint64_t n, struct err *err)
{
	uint8_t piece[16384];

	while (n) {
		ssize_t r = http_read(h, piece, n < sizeof(piece) ? (size_t)n : sizeof(piece), err);

		if (r < 0)
			return -1;
		if (r == 0) {
			err_set(err, ERR_IO, "the answer ends early");
			err->errnum = EAGAIN;
			return -1;
		}
		n -= (uint64_t)r;
	}
	return 0;
}

// Connects, or connects again, so that the next byte that http_read gives is number s->got.
static int remote_connect(struct remote_stream *s, struct err *err)
{
	char range[64];
	const char *headers[] = {"Accept: */*", s->got ? range : NULL, NULL};
	struct registry_request req = {.method = "GET", .path = s->path, .headers = headers, .body_fd = -1};
	long status;

	snprintf(range, sizeof(range), "Range: bytes=%llu-", (unsigned long long)s->got);
	if (registry_send(s->r, &req, &s->http, err))
		return -1;
	status = http_status(s->http);
	if (s->got && status == 206) {
		if (range_fits(http_header(s->http, "Content-Range", 0), s->got))
			return 0;
		return err_set(err, ERR_INPUT, "the server sends another range than the one asked for");
	}
	if (status != 200)
		return registry_refused(s->http, "GET", err);
	return skip(s->http, s->got, err);
}

static void drop(struct remote_stream *s)
{
	http_free(s->http);
	s->http = NULL;
}

// 0: try again; -1: that was enough.
static int after_cut(struct remote_stream *s, struct err *err)
{
	if (err->errnum != EAGAIN)
		return -1;
	drop(s);
	if (s->got - s->counted_from >= PROGRESS) {
		s->counted_from = s->got;
		s->tries = 0;
	}
	if (++s->tries >= REGISTRY_TRIES)
		return err_prefix(err, "byte %llu, after %d tries: ", (unsigned long long)s->got, REGISTRY_TRIES);
	return http_back_off(s->tries - 1, 0, err);
}

// The bytes are all there; there must be no more of them.
static int check_end(struct remote_stream *s, struct err *err)
{
	struct err ignored = ERR_INIT;
	uint8_t more;
	ssize_t n = http_read(s->http, &more, 1, &ignored); // a connection that is cut only now has done its work

	drop(s);
	if (n > 0)
		return err_set(err, ERR_MISMATCH, "longer than the %llu bytes of its descriptor",
			       (unsigned long long)s->size);
	return 0;
}

static ssize_t read_piece(struct remote_stream *s, void *p, size_t n, struct err *err)
{
	ssize_t r;

	if (!s->http && remote_connect(s, err))
		return -1;
	r = http_read(s->http, p, n, err);
	if (r == 0) {
		err_set(err, ERR_IO, "the answer ends %llu bytes early", (unsigned long long)(s->size - s->got));
		err->errnum = EAGAIN;
		return -1;
	}
	return r;
}

static ssize_t read_on(struct remote_stream *s, void *p, size_t n, struct err *err)
{
	ssize_t r;

	while ((r = read_piece(s, p, n, err)) < 0)
		if (after_cut(s, err))
			return -1;
	s->got += (uint64_t)r;
	return s->got == s->size && check_end(s, err) ? -1 : r;
}

static ssize_t remote_read(struct blob_stream *b, void *p, size_t n, struct err *err)
{
	struct remote_stream *s = (struct remote_stream *)b;
	ssize_t r = -1;

	if (s->failed.class == ERR_NONE) {
		if (n > s->size - s->got)
			n = (size_t)(s->size - s->got);
		r = n ? read_on(s, p, n, &s->failed) : 0;
		if (r >= 0)
			s->failed = (struct err)ERR_INIT; // of a try that another one made good
	}
	if (r < 0 && err)
		*err = s->failed;
	return r;
}

int registry_open_blob(struct registry *r, const char *digest, uint64_t size, struct blob_stream **out,
		       struct err *err)
{
	struct remote_stream *s = mem_zalloc(1, sizeof(*s), err);

	if (!s)
		return -1;
	s->base = (struct blob_stream){remote_read, remote_free};
	s->r = r;
	s->size = size;
	s->path = mem_printf(err, "blobs/%s", digest);
	if (!s->path) {
		free(s);
		return -1;
	}
	*out = &s->base;
	return 0;
}

// ---- up ------------------------------------------------------------------------------------------------------------
static int blob_is_there(struct registry *r, const char *digest, bool *yes, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "blobs/%s", digest);
	struct registry_request req = {.method = "HEAD", .path = path, .body_fd = -1};
	_cleanup_http_ struct http_stream *s = NULL;

	if (!path || registry_send(r, &req, &s, err))
		return -1;
	*yes = http_status(s) == 200;
	if (!*yes && http_status(s) != 404)
		return registry_refused(s, "HEAD", err);
	return 0;
}

// Opens an upload; *url is where the bytes go, with the digest in its query.
static int start_upload(struct registry *r, const char *digest, char **url, struct err *err)
{
	struct registry_request req = {.method = "POST", .path = "blobs/uploads/", .body = "", .body_fd = -1};
	_cleanup_free_ char *at = NULL, *escaped = http_escape(digest, err);
	_cleanup_http_ struct http_stream *s = NULL;
	const char *location;

	if (!escaped || registry_send(r, &req, &s, err))
		return -1;
	location = http_header(s, "Location", 0);
	if (http_status(s) != 202)
		return registry_refused(s, "POST", err);
	if (!location)
		return err_set(err, ERR_INPUT, "the registry opens an upload and does not say where");
	at = http_resolve(&r->http, http_url(s), location, err);
	if (!at)
		return -1;
	*url = mem_printf(err, "%s%cdigest=%s", at, strchr(at, '?') ? '&' : '?', escaped);
	return *url ? 0 : -1;
}

// One upload: a session, and all bytes in one request. A session that was cut may hold a part of them, so it is never
// used again.
static int upload(struct registry *r, const char *digest, int fd, const void *bytes, uint64_t size, struct err *err)
{
	static const char *const type[] = {"Content-Type: application/octet-stream", NULL};
	struct registry_request req = {.method = "PUT", .headers = type, .body = bytes, .body_fd = fd,
				       .body_size = size, .once = true};
	_cleanup_http_ struct http_stream *s = NULL;
	_cleanup_free_ char *url = NULL;

	if (start_upload(r, digest, &url, err))
		return -1;
	req.path = url;
	if (registry_send(r, &req, &s, err))
		return -1;
	return http_status(s) == 201 ? 0 : registry_refused(s, "PUT", err);
}

int registry_put_blob(struct registry *r, const char *digest, int fd, const void *bytes, uint64_t size,
		      struct err *err)
{
	bool there = false;

	if (blob_is_there(r, digest, &there, err))
		return err_prefix(err, "blob %s: ", digest);
	for (unsigned tries = 0; !there && upload(r, digest, fd, bytes, size, err); tries++) {
		if (err->errnum != EAGAIN)
			return err_prefix(err, "blob %s: ", digest);
		if (tries + 1 >= REGISTRY_TRIES)
			return err_prefix(err, "blob %s: after %d tries: ", digest, REGISTRY_TRIES);
		if (http_back_off(tries, 0, err))
			return -1;
	}
	return 0;
}

int registry_put_manifest(struct registry *r, const char *name, const char *media_type, const void *p, size_t n,
			  const char *condition, bool *has_subject, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "manifests/%s", name);
	_cleanup_free_ char *type = mem_printf(err, "Content-Type: %s", media_type);
	const char *headers[] = {type, condition, NULL};
	struct registry_request req = {.method = "PUT", .path = path, .headers = headers, .body = p, .body_fd = -1,
				       .body_size = n};
	_cleanup_http_ struct http_stream *s = NULL;

	if (!path || !type || registry_send(r, &req, &s, err))
		return -1;
	if (http_status(s) != 201) {
		registry_refused(s, "PUT", err);
		if (err && http_status(s) == 412)
			err->errnum = EEXIST;
		return err_prefix(err, "manifest %s: ", name);
	}
	if (has_subject)
		*has_subject = http_header(s, "OCI-Subject", 0) != NULL;
	return 0;
}
