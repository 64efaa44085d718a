// SPDX-License-Identifier: Apache-2.0
//
// What `docker save` and skopeo's docker-archive: write: a tar with
//   manifest.json   [{"Config": "<path>", "RepoTags": ["name:tag", …] or null,
//                     "Layers": ["<path of a layer tar>", …]}, …]
// There is no image manifest and no descriptor: the config's digest is that of its bytes (and its name, where that
// is a digest), and a layer's digest is the config's diff_id, since layers are stored as plain tars. Newer Dockers may
// store them compressed, under blobs/sha256/; such a layer's digest is computed here, from the stored bytes.
#include "layerfs/image_parts.h"

#include "base/io.h"
#include "base/mem.h"
#include "layerfs/digest.h"

#include <stdio.h>
#include <string.h>

struct docker_source {
	struct source base;
	struct tarball *a;
};

static void docker_free(struct source *src)
{
	struct docker_source *s = (struct docker_source *)src;

	tarball_free(s->a);
	free(s);
}

static int docker_open(struct source *src, const struct descriptor *d, struct blob_stream **out, struct err *err)
{
	return blob_open_range(tarball_fd(((struct docker_source *)src)->a), false, d->where, d->size, out, err);
}

static int read_member(const struct tarball *a, const char *name, uint64_t max, struct buf *out, struct err *err)
{
	uint64_t off, size;

	if (tarball_find(a, name, &off, &size, err))
		return -1;
	if (size > max)
		return err_set(err, ERR_LIMIT, "%s: %llu bytes; at most %llu are read", name, (unsigned long long)size,
			       (unsigned long long)max);
	if (buf_reserve(out, (size_t)size, err) || io_pread_full(tarball_fd(a), out->data, (size_t)size, off, err))
		return -1;
	out->len = (size_t)size;
	return 0;
}

// ---- choosing ------------------------------------------------------------------------------------------------------
// Adds the tags of one entry to the list that an error shows.
static void list_tags(char *list, size_t cap, const cJSON *tags)
{
	const cJSON *t;

	cJSON_ArrayForEach(t, tags) {
		size_t len = strlen(list);
		char q[160];

		if (cJSON_IsString(t) && len + sizeof(q) + 2 < cap)
			snprintf(list + len, cap - len, "%s%s", len ? ", " : "",
				 err_quote(t->valuestring, strlen(t->valuestring), q, sizeof(q)));
	}
}

static int has_tag(const cJSON *tags, const char *name, bool *yes, struct err *err)
{
	const cJSON *t;

	*yes = false;
	cJSON_ArrayForEach(t, tags) {
		_cleanup_free_ char *full = NULL;

		if (!cJSON_IsString(t))
			return err_set(err, ERR_INPUT, "a RepoTag is no string");
		if (reference_normalize(t->valuestring, &full, err))
			return err_prefix(err, "RepoTags: ");
		if (!strcmp(full, name))
			*yes = true;
	}
	return 0;
}

static int choose_by_tag(const cJSON *list, const char *name, const cJSON **out, struct err *err)
{
	char tags_seen[600] = "", q[300];
	const cJSON *v;

	*out = NULL;
	cJSON_ArrayForEach(v, list) {
		const cJSON *tags = NULL;
		bool yes;

		if (json_get_array(v, "RepoTags", JSON_OPTIONAL, &tags, err) || has_tag(tags, name, &yes, err))
			return -1;
		list_tags(tags_seen, sizeof(tags_seen), tags);
		if (yes && *out)
			return err_set(err, ERR_INPUT, "two images are named %s",
				       err_quote(name, strlen(name), q, sizeof(q)));
		if (yes)
			*out = v;
	}
	if (!*out)
		return err_set(err, ERR_INPUT, "no image is named %s; there are: %s",
			       err_quote(name, strlen(name), q, sizeof(q)),
			       *tags_seen ? tags_seen : "none with a name");
	return 0;
}

static int choose(const cJSON *list, const char *name, const cJSON **out, struct err *err)
{
	char tags_seen[600] = "";
	const cJSON *v;

	if (!cJSON_IsArray(list) || !list->child)
		return err_set(err, ERR_INPUT, "it lists no image");
	if (name && *name == '@') {
		*out = cJSON_GetArrayItem(list, (int)strtol(name + 1, NULL, 10)); // at most six digits: reference.c
		return *out ? 0 : err_set(err, ERR_INPUT, "no image number %s", name + 1);
	}
	if (name)
		return choose_by_tag(list, name, out, err);
	*out = list->child;
	if (!list->child->next)
		return 0;
	cJSON_ArrayForEach(v, list) {
		const cJSON *tags = NULL;

		if (json_get_array(v, "RepoTags", JSON_OPTIONAL, &tags, err))
			return -1;
		list_tags(tags_seen, sizeof(tags_seen), tags);
	}
	return err_set(err, ERR_INPUT, "several images; name one of %s, or by its place as @0, @1, …",
		       *tags_seen ? tags_seen : "them");
}

// ---- config --------------------------------------------------------------------------------------------------------
// The digest that a member's name claims (`<hex>.json` or `blobs/sha256/<hex>`), or "".
static void claimed_digest(const char *name, char out[DIGEST_TEXT_MAX])
{
	static const char dir[] = "blobs/sha256/";
	const char *hex = !strncmp(name, dir, strlen(dir)) ? name + strlen(dir) : name;
	size_t n = strspn(hex, "0123456789abcdef");

	*out = '\0';
	if (n == 64 && (!strcmp(hex + n, ".json") || (hex != name && !hex[n])))
		snprintf(out, DIGEST_TEXT_MAX, "sha256:%.64s", hex);
}

static int load_config(struct image *img, const struct tarball *a, const char *name, const struct limits *limits,
		       struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	char claimed[DIGEST_TEXT_MAX];

	if (read_member(a, name, limits->manifest, &text, err) ||
	    digest_of(text.data, text.len, img->config_digest, err))
		return -1;
	claimed_digest(name, claimed);
	if (*claimed && strcmp(claimed, img->config_digest))
		return err_set(err, ERR_MISMATCH, "blob %s: its bytes have the digest %s", claimed, img->config_digest);
	return image_set_config(img, text.data, text.len, limits, err);
}

// ---- layers --------------------------------------------------------------------------------------------------------
static enum image_compression sniff(const uint8_t *p, size_t n)
{
	if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
		return IMAGE_GZIP;
	if (n >= 4 && !memcmp(p, "\x28\xb5\x2f\xfd", 4))
		return IMAGE_ZSTD;
	return IMAGE_PLAIN;
}

static int find_layer(struct image *img, const struct tarball *a, size_t i, const char *name, struct err *err)
{
	struct image_layer *l = &img->layers[i];
	struct descriptor *d = &img->blobs[i];
	char claimed[DIGEST_TEXT_MAX];
	uint8_t magic[4];
	ssize_t got;

	if (tarball_find(a, name, &d->where, &d->size, err))
		return -1;
	l->size = d->size;
	got = io_pread(tarball_fd(a), magic, d->size < 4 ? (size_t)d->size : 4, d->where, err);
	if (got < 0)
		return -1;
	l->compression = sniff(magic, (size_t)got);
	if (l->compression == IMAGE_PLAIN) {
		memcpy(l->digest, l->diff_id, DIGEST_TEXT_MAX);
	} else {
		if (digest_of_range(tarball_fd(a), d->where, d->size, l->digest, err))
			return -1;
		claimed_digest(name, claimed);
		if (*claimed && strcmp(claimed, l->digest))
			return err_set(err, ERR_MISMATCH, "blob %s: its bytes have the digest %s", claimed, l->digest);
	}
	memcpy(d->digest, l->digest, DIGEST_TEXT_MAX);
	return 0;
}

static int load_entry(struct image *img, const struct tarball *a, const cJSON *entry, const struct limits *limits,
		      struct err *err)
{
	const cJSON *list = NULL, *v;
	const char *config;
	size_t i = 0;

	if (json_get_string(entry, "Config", JSON_REQUIRED, &config, err) ||
	    json_get_array(entry, "Layers", JSON_OPTIONAL, &list, err) ||
	    image_set_layer_count(img, list ? (size_t)cJSON_GetArraySize(list) : 0, limits, err) ||
	    load_config(img, a, config, limits, err))
		return -1;
	cJSON_ArrayForEach(v, list) {
		if (!cJSON_IsString(v))
			return err_set(err, ERR_INPUT, "Layers[%zu] is no string", i);
		if (find_layer(img, a, i, v->valuestring, err))
			return err_prefix(err, "Layers[%zu]: ", i);
		i++;
	}
	return 0;
}

static int load(struct image *img, const struct tarball *a, const char *name, const struct limits *limits,
		struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *list = NULL;
	const cJSON *entry;

	if (!tarball_has(a, "manifest.json") && tarball_has(a, "repositories"))
		return err_set(err, ERR_UNSUPPORTED,
			       "an archive of Docker before 1.10, without manifest.json; load it and save it again");
	if (read_member(a, "manifest.json", limits->manifest, &text, err))
		return -1;
	if (json_parse(text.data, text.len, (size_t)limits->manifest, &list, err) || choose(list, name, &entry, err))
		return err_prefix(err, "manifest.json: ");
	return load_entry(img, a, entry, limits, err);
}

int docker_archive_load(struct image *img, struct tarball *a, const char *name, const struct limits *limits,
			struct err *err)
{
	struct docker_source *src = mem_zalloc(1, sizeof(*src), err);

	if (!src) {
		tarball_free(a);
		return -1;
	}
	*src = (struct docker_source){{docker_open, docker_free}, a};
	img->source = &src->base;
	return load(img, a, name, limits, err);
}
