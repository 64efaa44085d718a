// SPDX-License-Identifier: Apache-2.0
//
// Descriptors and media types (image-spec 1.1, descriptor.md and media-types.md; Docker's image manifest v2 schema 2).
#include "layerfs/digest.h"
#include "layerfs/source.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *type;
	enum media media;
} media_types[] = {
	{"application/vnd.oci.image.index.v1+json", MEDIA_INDEX},
	{"application/vnd.docker.distribution.manifest.list.v2+json", MEDIA_INDEX},
	{"application/vnd.oci.image.manifest.v1+json", MEDIA_MANIFEST},
	{"application/vnd.docker.distribution.manifest.v2+json", MEDIA_MANIFEST},
	{"application/vnd.docker.distribution.manifest.v1+json", MEDIA_SCHEMA1},
	{"application/vnd.docker.distribution.manifest.v1+prettyjws", MEDIA_SCHEMA1},
	{"application/vnd.oci.image.config.v1+json", MEDIA_CONFIG},
	{"application/vnd.docker.container.image.v1+json", MEDIA_CONFIG},
	{"application/vnd.oci.image.layer.v1.tar", MEDIA_LAYER_PLAIN},
	{"application/vnd.oci.image.layer.v1.tar+gzip", MEDIA_LAYER_GZIP},
	{"application/vnd.oci.image.layer.v1.tar+zstd", MEDIA_LAYER_ZSTD},
	// Deprecated names for layers that may not be redistributed; where the blob is there, it is a layer like any
	// other.
	{"application/vnd.oci.image.layer.nondistributable.v1.tar", MEDIA_LAYER_PLAIN},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MEDIA_LAYER_GZIP},
	{"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MEDIA_LAYER_ZSTD},
	{"application/vnd.docker.image.rootfs.diff.tar", MEDIA_LAYER_PLAIN},
	{"application/vnd.docker.image.rootfs.diff.tar.gzip", MEDIA_LAYER_GZIP},
	{"application/vnd.docker.image.rootfs.diff.tar.zstd", MEDIA_LAYER_ZSTD},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar", MEDIA_LAYER_PLAIN},
	{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MEDIA_LAYER_GZIP},
};

enum media media_parse(const char *type)
{
	for (size_t i = 0; i < sizeof(media_types) / sizeof(*media_types); i++)
		if (!strcmp(type, media_types[i].type))
			return media_types[i].media;
	return MEDIA_OTHER;
}

static int platform_parse(const cJSON *v, char out[PLATFORM_MAX], struct err *err)
{
	const cJSON *p = NULL;
	const char *os, *arch, *variant = "";
	int n;

	if (json_get_object(v, "platform", JSON_OPTIONAL, &p, err))
		return -1;
	if (!p)
		return 0;
	if (json_get_string(p, "os", JSON_REQUIRED, &os, err) ||
	    json_get_string(p, "architecture", JSON_REQUIRED, &arch, err) ||
	    json_get_string(p, "variant", JSON_OPTIONAL, &variant, err))
		return err_prefix(err, "platform: ");
	n = snprintf(out, PLATFORM_MAX, "%s/%s%s%s", os, arch, *variant ? "/" : "", variant);
	if (n < 0 || n >= PLATFORM_MAX)
		return err_set(err, ERR_INPUT, "platform: longer than %d bytes", PLATFORM_MAX - 1);
	return 0;
}

static int ref_name_parse(const cJSON *v, char out[REF_NAME_MAX], struct err *err)
{
	const cJSON *notes = NULL;
	const char *name = "";

	if (json_get_object(v, "annotations", JSON_OPTIONAL, &notes, err))
		return -1;
	if (notes && json_get_string(notes, "org.opencontainers.image.ref.name", JSON_OPTIONAL, &name, err))
		return err_prefix(err, "annotations: ");
	if (strlen(name) >= REF_NAME_MAX)
		return err_set(err, ERR_INPUT, "annotations: ref.name longer than %d bytes", REF_NAME_MAX - 1);
	memcpy(out, name, strlen(name) + 1);
	return 0;
}

int descriptor_parse(const cJSON *v, struct descriptor *d, struct err *err)
{
	const char *type, *digest, *artifact = "";

	memset(d, 0, sizeof(*d));
	if (json_get_string(v, "mediaType", JSON_REQUIRED, &type, err) ||
	    json_get_string(v, "digest", JSON_REQUIRED, &digest, err) ||
	    json_get_u64(v, "size", JSON_REQUIRED, &d->size, err) ||
	    json_get_string(v, "artifactType", JSON_OPTIONAL, &artifact, err) || platform_parse(v, d->platform, err) ||
	    ref_name_parse(v, d->ref_name, err) || digest_copy(digest, d->digest, err))
		return -1;
	d->media = media_parse(type);
	d->artifact = *artifact != '\0';
	return 0;
}
