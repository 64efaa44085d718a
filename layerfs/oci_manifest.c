// SPDX-License-Identifier: Apache-2.0
//
// From a descriptor down to a loaded image: indexes are chosen from, the manifest (image-spec 1.1, manifest.md; Docker
// image manifest v2 schema 2) gives config and layers, the config gives each layer's diff_id.
//
// A document that says two things at once is refused: a `mediaType` inside that is not its descriptor's, or a manifest
// with `manifests`, an index with `layers` (two readers would take it for two images).
#include "layerfs/image_parts.h"

#include "base/mem.h"
#include "layerfs/config.h"

#include <string.h>

int document_check(const cJSON *doc, enum media media, struct err *err)
{
	const char *other = media == MEDIA_INDEX ? "layers" : "manifests", *type = NULL;
	uint64_t version = 0;

	if (json_get_u64(doc, "schemaVersion", JSON_REQUIRED, &version, err) ||
	    json_get_string(doc, "mediaType", JSON_OPTIONAL, &type, err))
		return -1;
	if (version == 1)
		return err_set(err, ERR_UNSUPPORTED,
			       "a Docker manifest of schema 1; convert it with skopeo copy --format oci");
	if (version != 2)
		return err_set(err, ERR_INPUT, "schemaVersion is not 2");
	if (type && media_parse(type) != media)
		return err_set(err, ERR_INPUT, "its mediaType is not the one it was called by");
	if (cJSON_GetObjectItem(doc, other)) // the case-blind lookup, on purpose
		return err_set(err, ERR_INPUT, "it has a key \"%s\" and so is an index and a manifest at once", other);
	return 0;
}

static enum image_compression compression_of(enum media media)
{
	return media == MEDIA_LAYER_GZIP ? IMAGE_GZIP : media == MEDIA_LAYER_ZSTD ? IMAGE_ZSTD : IMAGE_PLAIN;
}

static int parse_layer(struct image *img, size_t i, const cJSON *v, struct err *err)
{
	struct descriptor *d = &img->blobs[i];
	struct image_layer *l = &img->layers[i];
	const char *type = "";
	char q[200];

	if (descriptor_parse(v, d, err))
		return -1;
	if (d->media < MEDIA_LAYER_PLAIN) {
		json_get_string(v, "mediaType", JSON_REQUIRED, &type, NULL); // descriptor_parse has seen it
		return err_set(err, ERR_UNSUPPORTED, "media type %s is no file system layer that is read",
			       err_quote(type, strlen(type), q, sizeof(q)));
	}
	memcpy(l->digest, d->digest, DIGEST_TEXT_MAX);
	l->size = d->size;
	l->compression = compression_of(d->media);
	return 0;
}

static int parse_manifest(struct image *img, const cJSON *doc, struct descriptor *config, const struct limits *limits,
			  struct err *err)
{
	const cJSON *v, *list;
	const char *type = "";
	size_t i = 0;
	char q[200];

	if (document_check(doc, MEDIA_MANIFEST, err) || json_get_object(doc, "config", JSON_REQUIRED, &v, err))
		return -1;
	if (descriptor_parse(v, config, err))
		return err_prefix(err, "config: ");
	if (config->media != MEDIA_CONFIG) {
		json_get_string(v, "mediaType", JSON_REQUIRED, &type, NULL); // descriptor_parse has seen it
		return err_set(err, ERR_INPUT, "not a container image: its config is of type %s",
			       err_quote(type, strlen(type), q, sizeof(q)));
	}
	if (json_get_array(doc, "layers", JSON_REQUIRED, &list, err) ||
	    image_set_layer_count(img, (size_t)cJSON_GetArraySize(list), limits, err))
		return -1;
	cJSON_ArrayForEach(v, list) {
		if (parse_layer(img, i, v, err))
			return err_prefix(err, "layers[%zu]: ", i);
		i++;
	}
	return 0;
}

static int load_manifest(struct image *img, const struct descriptor *d, const struct limits *limits, struct err *err)
{
	_cleanup_json_ cJSON *doc = NULL;
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	struct descriptor config;

	if (blob_read_json(img->source, d, limits->manifest, &doc, err))
		return -1;
	if (parse_manifest(img, doc, &config, limits, err))
		return err_prefix(err, "manifest %s: ", d->digest);
	if (blob_read(img->source, &config, limits->manifest, &text, err))
		return -1;
	memcpy(img->manifest_digest, d->digest, DIGEST_TEXT_MAX);
	memcpy(img->config_digest, config.digest, DIGEST_TEXT_MAX);
	return image_set_config(img, text.data, text.len, limits, err);
}

int image_load_index(struct image *img, const cJSON *index, const struct choice *choice, struct err *err)
{
	struct descriptor d;

	if (document_check(index, MEDIA_INDEX, err) || index_choose(img->source, index, choice, &d, err))
		return -1;
	return load_manifest(img, &d, choice->limits, err);
}

int image_load(struct image *img, const struct descriptor *d, const struct choice *choice, struct err *err)
{
	_cleanup_json_ cJSON *doc = NULL;
	struct choice inner = *choice;

	if (d->media == MEDIA_MANIFEST)
		return load_manifest(img, d, choice->limits, err);
	if (d->media != MEDIA_INDEX)
		return err_set(err, ERR_UNSUPPORTED, "%s is no image manifest that is read", d->digest);
	inner.name = NULL;
	if (blob_read_json(img->source, d, choice->limits->manifest, &doc, err))
		return -1;
	if (image_load_index(img, doc, &inner, err))
		return err_prefix(err, "index %s: ", d->digest);
	return 0;
}

// ---- what every form shares ----------------------------------------------------------------------------------------
int image_set_layer_count(struct image *img, size_t n, const struct limits *limits, struct err *err)
{
	if (n > limits->layers)
		return err_set(err, ERR_LIMIT, "%zu layers; --max-layers allows %llu", n,
			       (unsigned long long)limits->layers);
	img->layers = mem_zalloc(n, sizeof(*img->layers), err);
	img->blobs = mem_zalloc(n, sizeof(*img->blobs), err);
	if (!img->layers || !img->blobs)
		return -1;
	img->layer_count = n;
	return 0;
}

int image_set_config(struct image *img, const void *p, size_t n, const struct limits *limits, struct err *err)
{
	_cleanup_free_ char (*diff_ids)[DIGEST_TEXT_MAX] = NULL;
	size_t count = 0;

	if (config_parse(p, n, limits->manifest, &img->config, &diff_ids, &count, err))
		return err_prefix(err, "image config %s: ", img->config_digest);
	if (count != img->layer_count)
		return err_set(err, ERR_INPUT, "image config %s: %zu diff_ids for %zu layers", img->config_digest,
			       count, img->layer_count);
	for (size_t i = 0; i < count; i++)
		memcpy(img->layers[i].diff_id, diff_ids[i], DIGEST_TEXT_MAX);
	return 0;
}
