// SPDX-License-Identifier: Apache-2.0
//
// Opening an image: the reference says where, the source for that place is opened, and one manifest and config are
// loaded through it; last, the config must be for the machine that is asked for. The accessors are below.
#include "layerfs/image_parts.h"

#include "base/mem.h"
#include "layerfs/config.h"

#include <string.h>

static int open_layout(struct image *img, const struct reference *ref, struct tarball *a, struct choice *choice,
		       struct err *err)
{
	_cleanup_json_ cJSON *index = NULL;
	int rc = a ? oci_layout_open_archive(a, choice->limits, &img->source, &index, err) :
		     oci_layout_open_dir(ref->path, choice->limits, &img->source, &index, err);

	if (rc)
		return -1;
	choice->name = ref->name;
	return image_load_index(img, index, choice, err);
}

static int open_archive(struct image *img, struct reference *ref, struct choice *choice, const char *tmpdir,
			struct err *err)
{
	struct tarball *a;

	if (tarball_open(ref->path, choice->limits, tmpdir, &a, err))
		return -1;
	if (ref->kind == REFERENCE_PATH)
		ref->kind = tarball_has(a, "oci-layout") ? REFERENCE_OCI_ARCHIVE : REFERENCE_DOCKER_ARCHIVE;
	if (ref->kind == REFERENCE_OCI_ARCHIVE)
		return open_layout(img, ref, a, choice, err);
	return docker_archive_load(img, a, ref->name, choice->limits, err);
}

// What the daemon saves holds the one image that was asked for, so no name is needed any more.
static int open_daemon(struct image *img, const struct reference *ref, const struct choice *choice,
		       const struct image_options *opt, struct err *err)
{
	struct tarball *a;

	if (docker_daemon_save(opt->daemon_socket, ref->name, choice->limits, opt->tmpdir, &a, err))
		return -1;
	return docker_archive_load(img, a, NULL, choice->limits, err);
}

static int open_kind(struct image *img, struct reference *ref, struct choice *choice, const struct image_options *opt,
		     struct err *err)
{
	switch (ref->kind) {
	case REFERENCE_OCI_DIR:
		return open_layout(img, ref, NULL, choice, err);
	case REFERENCE_PATH:
	case REFERENCE_OCI_ARCHIVE:
	case REFERENCE_DOCKER_ARCHIVE:
		return open_archive(img, ref, choice, opt->tmpdir, err);
	case REFERENCE_REGISTRY:
		return registry_image_load(img, ref, opt, choice, err);
	case REFERENCE_DAEMON:
		return open_daemon(img, ref, choice, opt, err);
	}
	return err_set(err, ERR_USAGE, "no reference");
}

static int check_machine(const struct image *img, const struct image_options *opt, struct err *err)
{
	const struct image_config *c = &img->config;
	char have[100], q[100];

	if (!strcmp(c->os, "linux") && !strcmp(c->architecture, opt->arch))
		return 0;
	return err_set(err, ERR_INPUT, "the image is for %s on %s, linux on \"%s\" is wanted",
		       err_quote(c->os, strlen(c->os), q, sizeof(q)),
		       err_quote(c->architecture, strlen(c->architecture), have, sizeof(have)), opt->arch);
}

int image_open(const char *text, const struct image_options *opt, struct image **out, struct err *err)
{
	_cleanup_reference_ struct reference ref = {0};
	struct choice choice = {.limits = opt->limits ? opt->limits : &limits_default};
	struct image *img;
	bool is_dir = false;

	if (choice_set_platform(&choice, opt, err) || reference_parse(text, &ref, err) ||
	    (ref.kind == REFERENCE_PATH && reference_detect(&ref, &is_dir, err)))
		return -1;
	img = mem_zalloc(1, sizeof(*img), err);
	if (!img)
		return -1;
	img->reference = mem_strdup(text, err);
	if (!img->reference || open_kind(img, &ref, &choice, opt, err) || check_machine(img, opt, err)) {
		image_free(img);
		return -1;
	}
	*out = img;
	return 0;
}

void image_free(struct image *img)
{
	if (!img)
		return;
	source_free(img->source);
	config_clear(&img->config);
	free(img->layers);
	free(img->blobs);
	free(img->reference);
	free(img);
}

const struct image_config *image_config(const struct image *img)
{
	return &img->config;
}

size_t image_layer_count(const struct image *img)
{
	return img->layer_count;
}

const struct image_layer *image_layer(const struct image *img, size_t i)
{
	return &img->layers[i];
}

const char *image_manifest_digest(const struct image *img)
{
	return img->manifest_digest;
}

const char *image_config_digest(const struct image *img)
{
	return img->config_digest;
}

const char *image_reference(const struct image *img)
{
	return img->reference;
}

int image_layer_open(struct image *img, size_t i, struct blob_stream **out, struct err *err)
{
	return img->source->open(img->source, &img->blobs[i], out, err);
}
