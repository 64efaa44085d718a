// SPDX-License-Identifier: Apache-2.0
//
// OCI layouts through image_open: what a sound image gives, and each way in which one can be unsound.
#include "tests/unit/layerfs/image_fixture.h"

#include <unistd.h>

static char *ref_of(const struct fixture *f, const char *tag)
{
	static char ref[400];

	snprintf(ref, sizeof(ref), "oci:%s%s%s", f->dir, *tag ? ":" : "", tag);
	return ref;
}

START_TEST(test_image_open_sound_layout_gives_config_and_layers)
{
	struct err err = ERR_INIT;
	struct blob_stream *s = NULL;
	struct fixture f;
	struct image *img;
	char bytes[16] = "";

	fixture_new(&f);
	img = open_ref(ref_of(&f, ""), NULL, &err);
	ck_assert_msg(img != NULL, "%s", err.msg);
	ck_assert_str_eq(image_manifest_digest(img), f.manifest);
	ck_assert_str_eq(image_config_digest(img), f.config);
	ck_assert_str_eq(image_reference(img), ref_of(&f, ""));
	ck_assert_uint_eq(image_layer_count(img), 1);
	ck_assert_str_eq(image_layer(img, 0)->digest, f.layer);
	ck_assert_str_eq(image_layer(img, 0)->diff_id, f.layer);
	ck_assert_uint_eq(image_layer(img, 0)->size, 5);
	ck_assert_int_eq(image_layer(img, 0)->compression, IMAGE_PLAIN);
	ck_assert_str_eq(image_config(img)->cmd[0], "/x");
	ck_assert(image_config(img)->has_cmd && !image_config(img)->has_entrypoint);
	ck_assert_str_eq(image_config(img)->env[0], "A=b");
	ck_assert_str_eq(image_config(img)->user, "u");
	ck_assert_str_eq(image_config(img)->working_dir, "");
	assert_ok(image_layer_open(img, 0, &s, &err));
	ck_assert_int_eq(blob_stream_read(s, bytes, sizeof(bytes), &err), 5);
	ck_assert_str_eq(bytes, "layer");
	ck_assert_int_eq(blob_stream_read(s, bytes, sizeof(bytes), &err), 0);
	blob_stream_free(s);
	image_free(img);
}
END_TEST

START_TEST(test_image_open_bare_directory_is_recognised)
{
	struct err err = ERR_INIT;
	struct fixture f;
	struct image *img;

	fixture_new(&f);
	img = open_ref(f.dir, NULL, &err);
	ck_assert_msg(img != NULL, "%s", err.msg);
	image_free(img);
	ck_assert_int_eq(unlink(fixture_path(f.dir, "index.json")), 0);
	assert_refused(f.dir, ERR_INPUT, "holds no image");
}
END_TEST

START_TEST(test_image_open_other_architecture_is_refused)
{
	struct fixture f;

	fixture_dirs(&f);
	fixture_image(&f, "arm64", "layer");
	put_index(f.dir, descriptor_text(OCI_MANIFEST, f.manifest, f.manifest_size, ""));
	assert_refused(ref_of(&f, ""), ERR_INPUT, "\"arm64\"");
}
END_TEST

// Overwrites blob `digest` with other bytes.
static void spoil(const struct fixture *f, const char *digest, const char *text)
{
	char name[128];

	snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest + 7);
	put_text(f->dir, name, text);
}

START_TEST(test_image_open_blob_with_other_bytes_is_named)
{
	struct fixture f;
	char text[1024];

	fixture_new(&f);
	memset(text, ' ', f.manifest_size);
	text[f.manifest_size] = '\0';
	spoil(&f, f.manifest, text);
	assert_refused(ref_of(&f, ""), ERR_MISMATCH, f.manifest);
	spoil(&f, f.manifest, "{}");
	assert_refused(ref_of(&f, ""), ERR_MISMATCH, "its descriptor says");

	fixture_new(&f);
	memset(text, ' ', f.config_size);
	text[f.config_size] = '\0';
	spoil(&f, f.config, text);
	assert_refused(ref_of(&f, ""), ERR_MISMATCH, f.config);
}
END_TEST

START_TEST(test_image_layer_open_other_size_is_refused)
{
	struct err err = ERR_INIT;
	struct blob_stream *s = NULL;
	struct fixture f;
	struct image *img;

	fixture_new(&f);
	spoil(&f, f.layer, "laye");
	img = open_ref(ref_of(&f, ""), NULL, &err);
	ck_assert_ptr_nonnull(img);
	ck_assert_int_eq(image_layer_open(img, 0, &s, &err), -1);
	ck_assert_int_eq(err.class, ERR_MISMATCH);
	ck_assert_ptr_nonnull(strstr(err.msg, "its descriptor says"));
	image_free(img);
}
END_TEST

START_TEST(test_image_open_blob_that_is_a_fifo_is_refused)
{
	struct fixture f;
	char name[128];

	fixture_new(&f);
	snprintf(name, sizeof(name), "blobs/sha256/%.64s", f.config + 7);
	ck_assert_int_eq(unlink(fixture_path(f.dir, name)), 0);
	ck_assert_int_eq(mkfifo(fixture_path(f.dir, name), 0600), 0);
	assert_refused(ref_of(&f, ""), ERR_INPUT, "not a regular file");
}
END_TEST

START_TEST(test_image_open_hostile_digest_texts_are_refused)
{
	struct fixture f;

	fixture_new(&f);
	put_index(f.dir, descriptor_text(OCI_MANIFEST, "sha256:../../../../etc/passwd", 5, ""));
	assert_refused(ref_of(&f, ""), ERR_INPUT, "is no digest");
	put_index(f.dir, descriptor_text(OCI_MANIFEST, "sha512:00", 5, ""));
	assert_refused(ref_of(&f, ""), ERR_UNSUPPORTED, "only sha256");
}
END_TEST

START_TEST(test_image_open_layout_version_is_checked)
{
	struct fixture f;

	fixture_new(&f);
	put_text(f.dir, "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
	assert_refused(ref_of(&f, ""), ERR_UNSUPPORTED, "imageLayoutVersion");
	ck_assert_int_eq(unlink(fixture_path(f.dir, "oci-layout")), 0);
	assert_refused(ref_of(&f, ""), ERR_IO, "oci-layout");
}
END_TEST

// ---- manifests -----------------------------------------------------------------------------------------------------
// Stores `text` as a manifest, with CONFIG and LAYER replaced by the fixture's descriptors, and opens it.
static void refuse_manifest(const char *head, const char *config, const char *layers, enum err_class class,
			    const char *says)
{
	struct fixture f;
	char text[4096], digest[DIGEST_TEXT_MAX];
	size_t n;

	fixture_new(&f);
	snprintf(text, sizeof(text), "{%s,\"config\":%s,\"layers\":%s}", head,
		 config ? config : descriptor_text(OCI_CONFIG, f.config, f.config_size, ""), layers);
	n = put_blob_text(f.dir, text, digest);
	put_index(f.dir, descriptor_text(OCI_MANIFEST, digest, n, ""));
	assert_refused(ref_of(&f, ""), class, says);
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LAYER(type) "[{\"mediaType\":\"" type "\",\"digest\":\"sha256:" HEX64 "\",\"size\":1}]"

START_TEST(test_image_open_unsound_manifests_are_refused)
{
	refuse_manifest("\"schemaVersion\":2", NULL, "[]", ERR_INPUT, "1 diff_ids for 0 layers");
	refuse_manifest("\"schemaVersion\":1", NULL, "[]", ERR_UNSUPPORTED, "schema 1");
	refuse_manifest("\"schemaVersion\":3", NULL, "[]", ERR_INPUT, "schemaVersion");
	refuse_manifest("\"x\":2", NULL, "[]", ERR_INPUT, "\"schemaVersion\" is missing");
	refuse_manifest("\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\"", NULL, "[]", ERR_INPUT, "mediaType");
	refuse_manifest("\"schemaVersion\":2,\"manifests\":[]", NULL, "[]", ERR_INPUT, "at once");
	refuse_manifest("\"schemaVersion\":2,\"Manifests\":[]", NULL, "[]", ERR_INPUT, "at once");
	refuse_manifest("\"schemaVersion\":2,\"Layers\":[]", NULL, "[]", ERR_INPUT, "only in case");
	refuse_manifest("\"schemaVersion\":2", NULL, "{}", ERR_INPUT, "no list");
	refuse_manifest("\"schemaVersion\":2", NULL, "[3]", ERR_INPUT, "layers[0]");
	refuse_manifest("\"schemaVersion\":2", NULL, LAYER("application/vnd.oci.image.layer.v1.tar+encrypted"),
			ERR_UNSUPPORTED, "tar+encrypted");
	refuse_manifest("\"schemaVersion\":2",
			"{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"sha256:" HEX64 "\",\"size\":2}",
			"[]", ERR_INPUT, "not a container image");
	refuse_manifest("\"schemaVersion\":2", "{\"mediaType\":\"" OCI_CONFIG "\",\"digest\":\"sha256:" HEX64 "\",\"size\":-2}",
			"[]", ERR_INPUT, "size");
	refuse_manifest("\"schemaVersion\":2",
			"{\"mediaType\":\"" OCI_CONFIG "\",\"digest\":\"sha256:" HEX64 "\",\"size\":99999999}", "[]", ERR_LIMIT,
			"at most 4194304");
}
END_TEST

START_TEST(test_image_open_media_types_give_the_compression)
{
	static const struct {
		const char *type;
		enum image_compression want;
	} rows[] = {
		{OCI_LAYER "+gzip", IMAGE_GZIP},
		{OCI_LAYER "+zstd", IMAGE_ZSTD},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", IMAGE_GZIP},
		{"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", IMAGE_GZIP},
		{"application/vnd.oci.image.layer.nondistributable.v1.tar", IMAGE_PLAIN},
	};
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct fixture f;
		struct image *img;
		char text[2048], digest[DIGEST_TEXT_MAX];

		fixture_new(&f);
		snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}",
			 descriptor_text("application/vnd.docker.container.image.v1+json", f.config, f.config_size, ""),
			 descriptor_text(rows[i].type, f.layer, f.layer_size, ""));
		size_t n = put_blob_text(f.dir, text, digest);
		put_index(f.dir, descriptor_text("application/vnd.docker.distribution.manifest.v2+json", digest, n, ""));
		img = open_ref(ref_of(&f, ""), NULL, &err);
		ck_assert_msg(img != NULL, "%s: %s", rows[i].type, err.msg);
		ck_assert_int_eq(image_layer(img, 0)->compression, rows[i].want);
		image_free(img);
	}
}
END_TEST

START_TEST(test_image_open_too_many_layers_names_the_option)
{
	struct limits limits = limits_default;
	struct image_options opt = {.arch = "amd64", .limits = &limits};
	struct err err = ERR_INIT;
	struct image *img;
	struct fixture f;

	fixture_new(&f);
	limits.layers = 0;
	ck_assert_int_eq(image_open(ref_of(&f, ""), &opt, &img, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, "--max-layers"));
}
END_TEST

START_TEST(test_image_open_every_failure_is_told)
{
	struct fixture f;

	fixture_new(&f);
	assert_open_survives_faults(ref_of(&f, ""));
	assert_open_survives_faults(f.dir);
}
END_TEST

UNIT_MAIN("layerfs/image",
	  ADD(test_image_open_sound_layout_gives_config_and_layers) ADD(test_image_open_bare_directory_is_recognised)
	  ADD(test_image_open_other_architecture_is_refused) ADD(test_image_open_blob_with_other_bytes_is_named)
	  ADD(test_image_layer_open_other_size_is_refused) ADD(test_image_open_blob_that_is_a_fifo_is_refused)
	  ADD(test_image_open_hostile_digest_texts_are_refused) ADD(test_image_open_layout_version_is_checked)
	  ADD(test_image_open_unsound_manifests_are_refused) ADD(test_image_open_media_types_give_the_compression)
	  ADD(test_image_open_too_many_layers_names_the_option) ADD(test_image_open_every_failure_is_told))
