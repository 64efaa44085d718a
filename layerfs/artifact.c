// SPDX-License-Identifier: Apache-2.0
//
// Pushing an artifact: blobs first, then the manifest that names them, then, for a registry without referrers, the
// index under the subject's tag. That index is read, extended and written back; two clients at once may lose an entry,
// which the specification accepts for this fallback.
#include "layerfs/artifact.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/artifact_priv.h"
#include "layerfs/digest.h"
#include "layerfs/http.h"
#include "layerfs/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LISTING_TRIES = 6 }; // with pauses of 0.4 s doubled: 25 s or 50 s in all

// The empty descriptor's content (image-spec 1.1, manifest.md) and its digest.
static const char empty_json[] = "{}";
static const char empty_digest[] = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

// ---- parts ---------------------------------------------------------------------------------------------------------
static int set_text(char *to, const char *from, const char *what, struct err *err)
{
	if (strlen(from) >= ARTIFACT_TEXT_MAX)
		return err_set(err, ERR_INPUT, "%s of more than %d bytes", what, ARTIFACT_TEXT_MAX - 1);
	memcpy(to, from, strlen(from) + 1);
	return 0;
}

int artifact_part_set(struct artifact_part *p, int fd, const char *media_type, const char *title, struct err *err)
{
	if (set_text(p->media_type, media_type, "media type", err) || set_text(p->title, title, "file name", err) ||
	    io_file_size(fd, &p->size, err) || digest_of_range(fd, 0, p->size, p->digest, err))
		return -1;
	p->fd = fd;
	return 0;
}

// ---- the manifest --------------------------------------------------------------------------------------------------
static int add_descriptor(struct buf *b, const char *type, const char *digest, uint64_t size, const char *title,
			  struct err *err)
{
	if (buf_add_str(b, "{\"mediaType\":", err) || json_add_quoted(b, type, err) ||
	    buf_printf(b, err, ",\"digest\":\"%s\",\"size\":%llu", digest, (unsigned long long)size))
		return -1;
	if (*title && (buf_add_str(b, ",\"annotations\":{\"org.opencontainers.image.title\":", err) ||
		       json_add_quoted(b, title, err) || buf_add_byte(b, '}', err)))
		return -1;
	return buf_add_byte(b, '}', err);
}

static int write_manifest(const struct artifact *a, struct buf *b, struct err *err)
{
	if (buf_add_str(b,
			"{\"schemaVersion\":2,\"mediaType\":\"" ARTIFACT_MANIFEST_TYPE "\",\"artifactType\":", err) ||
	    json_add_quoted(b, a->type, err) || buf_add_str(b, ",\"config\":", err) ||
	    add_descriptor(b, "application/vnd.oci.empty.v1+json", empty_digest, strlen(empty_json), "", err) ||
	    buf_add_str(b, ",\"layers\":[", err))
		return -1;
	for (size_t i = 0; i < a->count; i++)
		if ((i && buf_add_byte(b, ',', err)) || add_descriptor(b, a->parts[i].media_type, a->parts[i].digest,
								       a->parts[i].size, a->parts[i].title, err))
			return -1;
	if (buf_add_byte(b, ']', err))
		return -1;
	if (*a->subject.digest &&
	    (buf_add_str(b, ",\"subject\":", err) ||
	     add_descriptor(b, a->subject.media_type, a->subject.digest, a->subject.size, "", err)))
		return -1;
	return buf_add_byte(b, '}', err);
}

// ---- referrers tag -------------------------------------------------------------------------------------------------
void artifact_referrers_tag(const char *digest, char out[DIGEST_TEXT_MAX])
{
	memcpy(out, digest, DIGEST_TEXT_MAX);
	out[strlen("sha256")] = '-';
}

// The index as it is and the registry's name for this version of it, or an empty one.
static int read_referrers(struct registry *r, const char *tag, cJSON **out, bool *found, char **etag, struct err *err)
{
	static const char fresh[] = "{\"schemaVersion\":2,\"mediaType\":\"" ARTIFACT_INDEX_TYPE "\",\"manifests\":[]}";
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_free_ char *type = NULL;
	char digest[DIGEST_TEXT_MAX];

	*found = !registry_get_manifest_version(r, tag, ARTIFACT_MANIFEST_MAX, &text, &type, digest, etag, err);
	if (*found)
		return json_parse(text.data, text.len, ARTIFACT_MANIFEST_MAX, out, err);
	if (err->errnum != ENOENT)
		return -1;
	*err = (struct err)ERR_INIT;
	return json_parse(fresh, strlen(fresh), ARTIFACT_MANIFEST_MAX, out, err);
}

static bool is_listed(const cJSON *list, const char *digest)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, list) {
		const char *d = "";

		if (!json_get_string(v, "digest", JSON_OPTIONAL, &d, NULL) && !strcmp(d, digest))
			return true;
	}
	return false;
}

// Adds our manifest to the parsed index; *added says whether it was new.
static int list_artifact(cJSON *index, const struct artifact *a, size_t size, bool *added, struct err *err)
{
	const cJSON *list;
	cJSON *v;

	if (json_get_array(index, "manifests", JSON_REQUIRED, &list, err))
		return -1;
	*added = !is_listed(list, a->digest);
	if (!*added)
		return 0;
	v = cJSON_CreateObject();
	if (!v || !cJSON_AddStringToObject(v, "mediaType", ARTIFACT_MANIFEST_TYPE) ||
	    !cJSON_AddStringToObject(v, "digest", a->digest) || !cJSON_AddNumberToObject(v, "size", (double)size) ||
	    !cJSON_AddStringToObject(v, "artifactType", a->type) ||
	    !cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(index, "manifests"), v)) {
		cJSON_Delete(v);
		return err_nomem(err);
	}
	return 0;
}

// One round: reads, and writes if ours is not listed. *listed: it was.
static int list_once(struct registry *r, const struct artifact *a, const char *tag, size_t size, bool *listed,
		     struct err *err)
{
	_cleanup_free_ char *text = NULL, *etag = NULL, *condition = NULL;
	_cleanup_json_ cJSON *index = NULL;
	bool found, added;

	if (read_referrers(r, tag, &index, &found, &etag, err) || list_artifact(index, a, size, &added, err))
		return -1;
	*listed = !added;
	if (*listed)
		return 0;
	text = cJSON_PrintUnformatted(index);
	if (!text)
		return err_nomem(err);
	if (!found || etag) {
		condition = found ? mem_printf(err, "If-Match: %s", etag) : mem_strdup("If-None-Match: *", err);
		if (!condition)
			return -1;
	}
	return registry_put_manifest(r, tag, ARTIFACT_INDEX_TYPE, text, strlen(text), condition, NULL, err);
}

static int keep_referrers_tag(struct registry *r, const struct artifact *a, size_t size, struct err *err)
{
	unsigned own = (unsigned char)a->digest[strlen("sha256:")] & 1; // two clients in step fall out of it
	char tag[DIGEST_TEXT_MAX];
	bool listed = false;

	artifact_referrers_tag(a->subject.digest, tag);
	for (unsigned i = 0; i < LISTING_TRIES; i++) {
		struct err why = ERR_INIT;

		if (list_once(r, a, tag, size, &listed, &why) && why.errnum != EEXIST) {
			*err = why;
			return err_prefix(err, "referrers of %s: ", a->subject.digest);
		}
		if (listed)
			return 0;
		if (http_back_off(i + 1 + own, 0, err))
			return -1;
	}
	return err_set(err, ERR_IO, "referrers of %s: other clients keep writing the list; ours was lost %d times",
		       a->subject.digest, LISTING_TRIES);
}

// ---- pushing -------------------------------------------------------------------------------------------------------
int artifact_find_subject(struct registry *r, const char *digest, struct artifact_subject *out, bool *found,
			  struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_free_ char *type = NULL;

	*found = false;
	if (registry_get_manifest(r, digest, ARTIFACT_MANIFEST_MAX, &text, &type, out->digest, err))
		return err->errnum == ENOENT ? 0 : -1;
	out->size = text.len;
	*found = true;
	return set_text(out->media_type, type, "media type", err);
}

int artifact_push(struct registry *r, const char *tag, struct artifact *a, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(ARTIFACT_MANIFEST_MAX);
	bool has_subject = false;

	for (size_t i = 0; i < a->count; i++)
		if (registry_put_blob(r, a->parts[i].digest, a->parts[i].fd, NULL, a->parts[i].size, err))
			return -1;
	if (registry_put_blob(r, empty_digest, -1, empty_json, strlen(empty_json), err) ||
	    write_manifest(a, &text, err) || digest_of(text.data, text.len, a->digest, err) ||
	    registry_put_manifest(r, tag, ARTIFACT_MANIFEST_TYPE, text.data, text.len, NULL, &has_subject, err))
		return -1;
	return *a->subject.digest && !has_subject ? keep_referrers_tag(r, a, text.len, err) : 0;
}
