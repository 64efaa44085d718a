// SPDX-License-Identifier: Apache-2.0
//
// Finding an artifact and fetching its parts. A reference may lead to the artifact itself or to an image; then the list
// of referrers is asked for: GET /v2/REPO/referrers/DIGEST where the registry has it, page by page, else the index
// under the referrers tag. Whatever that list says of an artifact is only a hint: the manifest is fetched by digest and
// judged.
#include "layerfs/artifact.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/artifact_priv.h"
#include "layerfs/digest.h"
#include "layerfs/registry_priv.h"
#include "layerfs/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	PIECE = 128 << 10,
	REFERRER_PAGES_MAX = 64, // a page of a registry holds a hundred entries or more
	// that an index is searched for: the largest in use have two for each of a dozen platforms
	INDEX_IMAGES_MAX = 64,
};

// ---- the manifest --------------------------------------------------------------------------------------------------
static int copy_text(const cJSON *v, const char *key, enum json_need need, char out[ARTIFACT_TEXT_MAX], struct err *err)
{
	const char *s = "";

	if (json_get_string(v, key, need, &s, err))
		return -1;
	if (strlen(s) >= ARTIFACT_TEXT_MAX)
		return err_set(err, ERR_INPUT, "key \"%s\" is longer than %d bytes", key, ARTIFACT_TEXT_MAX - 1);
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int parse_part(const cJSON *v, struct artifact_part *p, struct err *err)
{
	const cJSON *notes = NULL;
	struct descriptor d;

	memset(p, 0, sizeof(*p));
	if (descriptor_parse(v, &d, err) || copy_text(v, "mediaType", JSON_REQUIRED, p->media_type, err) ||
	    json_get_object(v, "annotations", JSON_OPTIONAL, &notes, err) ||
	    (notes && copy_text(notes, "org.opencontainers.image.title", JSON_OPTIONAL, p->title, err)))
		return -1;
	memcpy(p->digest, d.digest, DIGEST_TEXT_MAX);
	p->size = d.size;
	p->fd = -1;
	return 0;
}

static int parse_parts(const cJSON *doc, struct artifact *a, struct err *err)
{
	const cJSON *list, *v;

	if (json_get_array(doc, "layers", JSON_REQUIRED, &list, err))
		return -1;
	cJSON_ArrayForEach(v, list) {
		if (a->count == ARTIFACT_PARTS_MAX)
			return err_set(err, ERR_LIMIT, "more than %d layers", ARTIFACT_PARTS_MAX);
		if (parse_part(v, &a->parts[a->count], err))
			return err_prefix(err, "layers[%zu]: ", a->count);
		a->count++;
	}
	return 0;
}

static int parse_subject(const cJSON *doc, struct artifact *a, struct err *err)
{
	const cJSON *v = NULL;
	struct descriptor d;

	if (json_get_object(doc, "subject", JSON_OPTIONAL, &v, err))
		return -1;
	if (!v)
		return 0;
	if (descriptor_parse(v, &d, err) || copy_text(v, "mediaType", JSON_REQUIRED, a->subject.media_type, err))
		return err_prefix(err, "subject: ");
	memcpy(a->subject.digest, d.digest, DIGEST_TEXT_MAX);
	a->subject.size = d.size;
	return 0;
}

int artifact_parse(const cJSON *doc, const char *type, struct artifact *a, bool *is_it, struct err *err)
{
	*is_it = false;
	if (copy_text(doc, "artifactType", JSON_OPTIONAL, a->type, err))
		return -1;
	if (strcmp(a->type, type))
		return 0;
	*is_it = true;
	return parse_parts(doc, a, err) || parse_subject(doc, a, err) ? -1 : 0;
}

// *doc is the caller's.
static int open_one(struct registry *r, const char *name, const char *type, struct artifact *a, cJSON **doc,
		    bool *is_it, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_free_ char *media_type = NULL;

	memset(a, 0, sizeof(*a));
	if (registry_get_manifest(r, name, ARTIFACT_MANIFEST_MAX, &text, &media_type, a->digest, err) ||
	    json_parse(text.data, text.len, ARTIFACT_MANIFEST_MAX, doc, err))
		return -1;
	if (artifact_parse(*doc, type, a, is_it, err))
		return err_prefix(err, "manifest %s: ", a->digest);
	return 0;
}

// ---- referrers -----------------------------------------------------------------------------------------------------
// What a look through the pages of the list has found.
struct search {
	const char *type;
	char image[DIGEST_TEXT_MAX]; // whose referrers are looked through
	char first[DIGEST_TEXT_MAX]; // "": none yet
	char of[DIGEST_TEXT_MAX];    // the image that the first refers to
	char all[600];		     // for the message
	size_t count;
};

static void note_found(struct search *f, const char *digest)
{
	size_t len = strlen(f->all);

	f->count++;
	if (len + DIGEST_TEXT_MAX + 2 < sizeof(f->all))
		snprintf(f->all + len, sizeof(f->all) - len, "%s%s", len ? ", " : "", digest);
}

static int search_page(struct search *f, const struct buf *text, struct err *err)
{
	_cleanup_json_ cJSON *index = NULL;
	const cJSON *list, *v;

	if (json_parse(text->data, text->len, ARTIFACT_MANIFEST_MAX, &index, err) ||
	    json_get_array(index, "manifests", JSON_REQUIRED, &list, err))
		return -1;
	cJSON_ArrayForEach(v, list) {
		const char *t = "", *digest = "";
		char copy[DIGEST_TEXT_MAX];

		if (json_get_string(v, "artifactType", JSON_OPTIONAL, &t, err) ||
		    json_get_string(v, "digest", JSON_REQUIRED, &digest, err))
			return -1;
		if (strcmp(t, f->type) || !strcmp(f->first, digest))
			continue;
		if (digest_copy(digest, copy, err))
			return -1;
		if (!f->count) {
			memcpy(f->first, copy, sizeof(copy));
			memcpy(f->of, f->image, sizeof(f->of));
		}
		note_found(f, copy);
	}
	return 0;
}

// Searches one page of the list; *next is the caller's, NULL after the last. *there: whether the registry has lists.
static int search_list(struct registry *r, const char *path, struct search *f, char **next, bool *there,
		       struct err *err)
{
	static const char *const accept[] = {"Accept: " ARTIFACT_INDEX_TYPE, NULL};
	struct registry_request req = {.method = "GET", .path = path, .headers = accept, .body_fd = -1};
	_cleanup_http_ struct http_stream *s = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (registry_send(r, &req, &s, err))
		return -1;
	*there = http_status(s) == 200;
	if (!*there)
		return 0;
	if (http_read_all(s, ARTIFACT_MANIFEST_MAX, &text, err) || search_page(f, &text, err))
		return -1;
	return http_next_page(&r->http, s, next, err);
}

// The index under the tag that clients keep where the registry has no lists.
static int search_tag(struct registry *r, struct search *f, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_free_ char *type = NULL;
	char tag[DIGEST_TEXT_MAX], ignored[DIGEST_TEXT_MAX];

	artifact_referrers_tag(f->image, tag);
	if (registry_get_manifest(r, tag, ARTIFACT_MANIFEST_MAX, &text, &type, ignored, err))
		return err->errnum == ENOENT ? 0 : -1;
	return search_page(f, &text, err);
}

static int search_pages(struct registry *r, struct search *f, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "referrers/%s", f->image);
	bool there = true;

	for (int pages = 0; path; pages++) {
		_cleanup_free_ char *next = NULL;

		if (pages == REFERRER_PAGES_MAX)
			return err_set(err, ERR_LIMIT, "more than %d pages", REFERRER_PAGES_MAX);
		if (search_list(r, path, f, &next, &there, err))
			return -1;
		if (!there && pages)
			return err_set(err, ERR_INPUT, "page %d is missing", pages + 1);
		if (!there)
			return search_tag(r, f, err);
		if (!next)
			return 0;
		free(path);
		path = steal_ptr(&next);
	}
	return -1;
}

static int search_referrers(struct registry *r, const char *digest, struct search *f, struct err *err)
{
	memcpy(f->image, digest, DIGEST_TEXT_MAX);
	return search_pages(r, f, err) ? err_prefix(err, "referrers of %s: ", digest) : 0;
}

// Who refers to the image, or, if the document is an index, to the images in it: an EIF is built from one of them.
static int search_image(struct registry *r, const char *digest, const cJSON *doc, struct search *f, struct err *err)
{
	const cJSON *list = NULL, *v;
	struct descriptor d;
	size_t n = 0;

	if (search_referrers(r, digest, f, err) || json_get_array(doc, "manifests", JSON_OPTIONAL, &list, err))
		return -1;
	cJSON_ArrayForEach(v, list) {
		if (n++ == INDEX_IMAGES_MAX)
			return err_set(err, ERR_LIMIT, "an index of more than %d images; name one as @DIGEST",
				       INDEX_IMAGES_MAX);
		if (descriptor_parse(v, &d, err) || search_referrers(r, d.digest, f, err))
			return -1;
	}
	return 0;
}

int artifact_open(struct registry *r, const char *name, const char *type, struct artifact *out, struct err *err)
{
	struct search found = {.type = type};
	_cleanup_json_ cJSON *doc = NULL;
	char image[DIGEST_TEXT_MAX];
	bool is_it;

	if (open_one(r, name, type, out, &doc, &is_it, err))
		return -1;
	if (is_it)
		return 0;
	memcpy(image, out->digest, sizeof(image));
	if (search_image(r, image, doc, &found, err))
		return -1;
	if (found.count > 1)
		return err_set(err, ERR_INPUT, "several refer to this image: %s; name one as @DIGEST", found.all);
	if (!found.count)
		return err_set(err, ERR_INPUT, "%s holds no EIF, and none in this repository refers to it", image);
	cJSON_Delete(steal_ptr(&doc));
	if (open_one(r, found.first, type, out, &doc, &is_it, err))
		return -1;
	if (!is_it || strcmp(out->subject.digest, found.of))
		return err_set(err, ERR_INPUT, "%s does not refer to %s, though the list says so", found.first,
			       found.of);
	return 0;
}

// ---- parts ---------------------------------------------------------------------------------------------------------
static int copy_stream(struct blob_stream *s, struct digester *d, int fd, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(PIECE, err);
	ssize_t n;

	if (!piece)
		return -1;
	while ((n = blob_stream_read(s, piece, PIECE, err)) > 0)
		if (digester_add(d, piece, (size_t)n, err) || io_write(fd, piece, (size_t)n, err))
			return -1;
	return (int)n;
}

int artifact_fetch(struct registry *r, const struct artifact_part *p, int fd, struct err *err)
{
	_cleanup_blob_stream_ struct blob_stream *s = NULL;
	_cleanup_digester_ struct digester *d = digester_new(err);
	char digest[DIGEST_TEXT_MAX];

	if (!d || registry_open_blob(r, p->digest, p->size, &s, err))
		return -1;
	if (copy_stream(s, d, fd, err) || digester_end(d, digest, err))
		return err_prefix(err, "blob %s: ", p->digest);
	if (strcmp(digest, p->digest))
		return err_set(err, ERR_MISMATCH, "blob %s: its bytes have the digest %s", p->digest, digest);
	return 0;
}
