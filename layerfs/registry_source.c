// SPDX-License-Identifier: Apache-2.0
//
// A registry as a source of an image's blobs. The tag is resolved first, once; the document it led to is kept, so that
// it is fetched once, and everything below it is fetched by digest.
#include "layerfs/image_parts.h"
#include "layerfs/registry.h"

#include "base/mem.h"

#include <string.h>

struct registry_source {
	struct source base;
	struct registry *r;
	struct buf first; // the document that the reference named
	char first_digest[DIGEST_TEXT_MAX];
	uint64_t manifest_max;
};

static void registry_source_free(struct source *src)
{
	struct registry_source *s = (struct registry_source *)src;

	registry_free(s->r);
	buf_free(&s->first);
	free(s);
}

static int open_manifest(struct registry_source *s, const struct descriptor *d, struct blob_stream **out,
			 struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_free_ char *type = NULL;
	char digest[DIGEST_TEXT_MAX];

	if (registry_get_manifest(s->r, d->digest, (size_t)s->manifest_max, &text, &type, digest, err))
		return -1;
	return blob_open_bytes(text.data, text.len, out, err);
}

static int registry_source_open(struct source *src, const struct descriptor *d, struct blob_stream **out,
				struct err *err)
{
	struct registry_source *s = (struct registry_source *)src;

	if (!strcmp(d->digest, s->first_digest))
		return blob_open_bytes(s->first.data, s->first.len, out, err);
	if (d->media == MEDIA_INDEX || d->media == MEDIA_MANIFEST)
		return open_manifest(s, d, out, err);
	return registry_open_blob(s->r, d->digest, d->size, out, err);
}

static int resolve(struct registry_source *s, const struct reference *ref, struct descriptor *d, struct err *err)
{
	_cleanup_free_ char *type = NULL;

	if (registry_get_manifest(s->r, ref->digest ? ref->digest : ref->tag, (size_t)s->manifest_max, &s->first, &type,
				  s->first_digest, err))
		return -1;
	memset(d, 0, sizeof(*d));
	memcpy(d->digest, s->first_digest, DIGEST_TEXT_MAX);
	d->size = s->first.len;
	d->media = media_parse(type);
	if (d->media == MEDIA_SCHEMA1)
		return err_set(err, ERR_UNSUPPORTED,
			       "a Docker manifest of schema 1; convert it with skopeo copy --format oci");
	return 0;
}

int registry_image_load(struct image *img, const struct reference *ref, const struct image_options *opt,
			const struct choice *choice, struct err *err)
{
	struct registry_source *s = mem_zalloc(1, sizeof(*s), err);
	struct descriptor d;

	if (!s)
		return -1;
	s->base = (struct source){registry_source_open, registry_source_free};
	s->manifest_max = choice->limits->manifest;
	img->source = &s->base; // from here on image_free releases it
	if (registry_open(ref->host, ref->repo, REGISTRY_PULL, opt->registry, &s->r, err) || resolve(s, ref, &d, err))
		return -1;
	return image_load(img, &d, choice, err);
}
