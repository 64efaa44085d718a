// SPDX-License-Identifier: Apache-2.0
//
// The texts that describe an image. The first byte says what the rest is taken for: 'i' the outermost index of a
// layout, 'm' a manifest or nested index whose digest is right, 'c' a config, 'r' a reference. Blobs are served from
// memory: the input itself under its own digest, nothing else.
#include "base/mem.h"
#include "layerfs/config.h"
#include "layerfs/digest.h"
#include "layerfs/image_parts.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct mem_source {
	struct source base;
	struct descriptor d;
	const uint8_t *p;
};

static int mem_open(struct source *src, const struct descriptor *d, struct blob_stream **out, struct err *err)
{
	struct mem_source *m = (struct mem_source *)src;

	if (strcmp(d->digest, m->d.digest))
		return err_set(err, ERR_INPUT, "no such blob");
	return blob_open_bytes(m->p, (size_t)m->d.size, out, err);
}

static void mem_free(struct source *src)
{
	free(src);
}

static struct image *new_image(const uint8_t *p, size_t n, struct descriptor *d)
{
	struct image *img = mem_zalloc(1, sizeof(*img), NULL);
	struct mem_source *m = mem_zalloc(1, sizeof(*m), NULL);

	if (!img || !m || digest_of(p, n, d->digest, NULL))
		abort();
	d->size = n;
	*m = (struct mem_source){{mem_open, mem_free}, *d, p};
	img->source = &m->base;
	return img;
}

static void load(const uint8_t *p, size_t n, enum media media)
{
	struct choice choice = {.platform = "linux/amd64", .limits = &limits_default};
	struct descriptor d = {.media = media};
	struct image *img = new_image(p, n, &d);
	struct err err = ERR_INIT;

	image_load(img, &d, &choice, &err);
	image_free(img);
}

static void load_outer(const uint8_t *p, size_t n)
{
	struct choice choice = {.name = "v1", .platform = "linux/arm64/v8", .limits = &limits_default};
	struct descriptor d = {0};
	struct image *img = new_image(p, n, &d);
	_cleanup_json_ cJSON *doc = NULL;
	struct err err = ERR_INIT;

	if (!json_parse(p, n, (size_t)limits_default.manifest, &doc, &err))
		image_load_index(img, doc, &choice, &err);
	image_free(img);
}

static void read_config(const uint8_t *p, size_t n)
{
	_cleanup_free_ char (*ids)[DIGEST_TEXT_MAX] = NULL;
	struct image_config config;
	struct err err = ERR_INIT;
	size_t count;

	config_parse(p, n, limits_default.manifest, &config, &ids, &count, &err);
	config_clear(&config);
}

static void read_reference(const uint8_t *p, size_t n)
{
	_cleanup_free_ char *text = mem_dup(p, n, NULL);
	struct reference ref;
	struct err err = ERR_INIT;

	if (text)
		reference_parse(text, &ref, &err);
	reference_clear(&ref);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	switch (*data) {
	case 'i':
		load_outer(data + 1, size - 1);
		break;
	case 'm':
		load(data + 1, size - 1, MEDIA_MANIFEST);
		load(data + 1, size - 1, MEDIA_INDEX);
		break;
	case 'c':
		read_config(data + 1, size - 1);
		break;
	case 'r':
		read_reference(data + 1, size - 1);
		break;
	}
	return 0;
}
