// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct image, and the steps that fill it. Private to layerfs's image half.
#ifndef LAYERFS_IMAGE_PARTS_H
#define LAYERFS_IMAGE_PARTS_H

#include "layerfs/tarball.h"
#include "layerfs/reference.h"
#include "layerfs/source.h"

struct image {
	char *reference;       // as given
	struct source *source; // where the layers are
	char manifest_digest[DIGEST_TEXT_MAX];
	char config_digest[DIGEST_TEXT_MAX];
	struct image_config config;
	struct image_layer *layers;
	struct descriptor *blobs; // of the layers, for source->open
	size_t layer_count;
};

// Which image of an index is wanted.
struct choice {
	const char *name;	     // org.opencontainers.image.ref.name in the outermost index, or NULL: any
	char platform[PLATFORM_MAX]; // "os/arch" or "os/arch/variant"
	const struct limits *limits;
};

// Fills choice->platform from opt->platform, or linux and opt->arch. ERR_USAGE if the text is no platform.
int choice_set_platform(struct choice *choice, const struct image_options *opt, struct err *err);

// Picks the one manifest of a parsed index (nested ones are read through src) that fits. ERR_INPUT listing the
// candidates if none or several fit; ERR_LIMIT past limits->index_depth. The result does not depend on the index's
// order.
int index_choose(struct source *src, const cJSON *index, const struct choice *choice, struct descriptor *out,
		 struct err *err);

// Whether a parsed document is what its descriptor calls it (MEDIA_INDEX or MEDIA_MANIFEST), and only that. ERR_INPUT;
// ERR_UNSUPPORTED for Docker's schema 1.
int document_check(const cJSON *doc, enum media media, struct err *err);

// Chooses from the outermost index of a layout and loads that image through img->source: manifest, config, layers.
int image_load_index(struct image *img, const cJSON *index, const struct choice *choice, struct err *err);
// The same from a descriptor of an index or a manifest (choice->name is not looked at).
int image_load(struct image *img, const struct descriptor *d, const struct choice *choice, struct err *err);

// Takes over the config's bytes (already found right): parses them, holds diff_ids against the layers.
int image_set_config(struct image *img, const void *p, size_t n, const struct limits *limits, struct err *err);
// Room for n layers and their blobs; ERR_LIMIT past limits->layers.
int image_set_layer_count(struct image *img, size_t n, const struct limits *limits, struct err *err);

// An OCI layout in a directory, or in an indexed archive (taken, also on failure). *index is its index.json, the
// caller's.
int oci_layout_open_dir(const char *path, const struct limits *limits, struct source **out, cJSON **index,
			struct err *err);
int oci_layout_open_archive(struct tarball *a, const struct limits *limits, struct source **out, cJSON **index,
			    struct err *err);

// An image in a registry: fills img.
int registry_image_load(struct image *img, const struct reference *ref, const struct image_options *opt,
			const struct choice *choice, struct err *err);

// What the Docker daemon at `socket` (NULL: /var/run/docker.sock) saves of the image `name`, as an indexed archive, the
// caller's. The bytes are kept in an unnamed file in tmpdir (NULL: /var/tmp), at most limits->expanded of them.
int docker_daemon_save(const char *socket, const char *name, const struct limits *limits, const char *tmpdir,
		       struct tarball **out, struct err *err);

// The image of a docker-archive (taken, also on failure) that `name` (NULL: the only one) means: fills img.
int docker_archive_load(struct image *img, struct tarball *a, const char *name, const struct limits *limits,
			struct err *err);

#endif
