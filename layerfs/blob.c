// SPDX-License-Identifier: Apache-2.0
//
// Blobs: the stream over a piece of a file, and the reading of a whole small blob with its check. The check comes
// before anything is handed out: a JSON document whose digest is wrong is never parsed.
#include "layerfs/source.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/digest.h"

#include <string.h>

struct range_stream {
	struct blob_stream base;
	int fd;
	bool own_fd;
	uint64_t off, left;
};

static ssize_t range_read(struct blob_stream *s, void *p, size_t n, struct err *err)
{
	struct range_stream *r = (struct range_stream *)s;

	if (n > r->left)
		n = (size_t)r->left;
	if (n && io_pread_full(r->fd, p, n, r->off, err))
		return -1;
	r->off += n;
	r->left -= n;
	return (ssize_t)n;
}

static void range_free(struct blob_stream *s)
{
	struct range_stream *r = (struct range_stream *)s;

	if (r->own_fd)
		cleanup_closep(&r->fd);
	free(r);
}

int blob_open_range(int fd, bool own_fd, uint64_t off, uint64_t size, struct blob_stream **out, struct err *err)
{
	struct range_stream *r = mem_alloc(sizeof(*r), err);

	if (!r) {
		if (own_fd)
			cleanup_closep(&fd);
		return -1;
	}
	*r = (struct range_stream){{range_read, range_free}, fd, own_fd, off, size};
	*out = &r->base;
	return 0;
}

struct bytes_stream {
	struct blob_stream base;
	size_t pos, len;
	uint8_t bytes[];
};

static ssize_t bytes_read(struct blob_stream *s, void *p, size_t n, struct err *err)
{
	struct bytes_stream *b = (struct bytes_stream *)s;

	(void)err;
	if (n > b->len - b->pos)
		n = b->len - b->pos;
	memcpy(p, b->bytes + b->pos, n);
	b->pos += n;
	return (ssize_t)n;
}

static void bytes_free(struct blob_stream *s)
{
	free(s);
}

int blob_open_bytes(const void *p, size_t n, struct blob_stream **out, struct err *err)
{
	struct bytes_stream *b = mem_alloc(sizeof(*b) + n, err);

	if (!b)
		return -1;
	*b = (struct bytes_stream){.base = {bytes_read, bytes_free}, .len = n};
	memcpy(b->bytes, p, n);
	*out = &b->base;
	return 0;
}

ssize_t blob_stream_read(struct blob_stream *s, void *p, size_t n, struct err *err)
{
	return s->read(s, p, n, err);
}

void blob_stream_free(struct blob_stream *s)
{
	if (s)
		s->free(s);
}

// All of the stream, at most one byte more than d->size: enough to tell that it is too long.
static int drain(struct blob_stream *s, const struct descriptor *d, struct buf *out, struct err *err)
{
	uint64_t got = 0;

	while (got <= d->size) {
		size_t want = 65536;
		ssize_t n;

		if (want > d->size + 1 - got)
			want = (size_t)(d->size + 1 - got);
		if (buf_reserve(out, want, err))
			return -1;
		n = blob_stream_read(s, out->data + out->len, want, err);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		out->len += (size_t)n;
		got += (uint64_t)n;
	}
	if (got != d->size)
		return err_set(err, ERR_MISMATCH, "%s than the %llu bytes of its descriptor",
			       got > d->size ? "longer" : "shorter", (unsigned long long)d->size);
	return 0;
}

static int read_checked(struct source *src, const struct descriptor *d, uint64_t max, struct buf *out, struct err *err)
{
	_cleanup_blob_stream_ struct blob_stream *s = NULL;
	char digest[DIGEST_TEXT_MAX];
	size_t start = out->len;

	if (d->size > max)
		return err_set(err, ERR_LIMIT, "%llu bytes of JSON; at most %llu are read", (unsigned long long)d->size,
			       (unsigned long long)max);
	if (src->open(src, d, &s, err) || drain(s, d, out, err) ||
	    digest_of(out->data + start, out->len - start, digest, err))
		return -1;
	if (strcmp(digest, d->digest))
		return err_set(err, ERR_MISMATCH, "its bytes have the digest %s", digest);
	return 0;
}

int blob_read(struct source *src, const struct descriptor *d, uint64_t max, struct buf *out, struct err *err)
{
	if (read_checked(src, d, max, out, err))
		return err_prefix(err, "blob %s: ", d->digest);
	return 0;
}

int blob_read_json(struct source *src, const struct descriptor *d, uint64_t max, cJSON **out, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (blob_read(src, d, max, &text, err))
		return -1;
	if (json_parse(text.data, text.len, (size_t)max, out, err))
		return err_prefix(err, "blob %s: ", d->digest);
	return 0;
}
