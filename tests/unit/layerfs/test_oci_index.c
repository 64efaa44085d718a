// SPDX-License-Identifier: Apache-2.0
//
// Choosing from an index: by name, by platform, through nested indexes, whatever the order; and refusing to guess.
#include "tests/unit/layerfs/image_fixture.h"

struct pair {
	struct fixture f;	  // of the last image made; the layout is shared
	char a[DIGEST_TEXT_MAX], b[DIGEST_TEXT_MAX]; // two images for amd64
	size_t a_size, b_size;
	char arm[DIGEST_TEXT_MAX];
	size_t arm_size;
};

static void pair_new(struct pair *p)
{
	fixture_dirs(&p->f);
	fixture_image(&p->f, "amd64", "one");
	memcpy(p->a, p->f.manifest, sizeof(p->a));
	p->a_size = p->f.manifest_size;
	fixture_image(&p->f, "amd64", "two");
	memcpy(p->b, p->f.manifest, sizeof(p->b));
	p->b_size = p->f.manifest_size;
	fixture_image(&p->f, "arm64", "three");
	memcpy(p->arm, p->f.manifest, sizeof(p->arm));
	p->arm_size = p->f.manifest_size;
}

#define NAMED(n) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" n "\"}"
#define ON(arch) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}"
#define ON_VARIANT(arch, v) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\",\"variant\":\"" v "\"}"

static const char *ref_of(const struct pair *p, const char *tag)
{
	static char ref[400];

	snprintf(ref, sizeof(ref), "oci:%s%s%s", p->f.dir, *tag ? ":" : "", tag);
	return ref;
}

static void index_of(const struct pair *p, const char *first, const char *second, bool swap)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s,%s", swap ? second : first, swap ? first : second);
	put_index(p->f.dir, text);
}

static void assert_chosen(const char *ref, const char *platform, const char *digest)
{
	struct err err = ERR_INIT;
	struct image *img = open_ref(ref, platform, &err);

	ck_assert_msg(img != NULL, "%s: %s", ref, err.msg);
	ck_assert_str_eq(image_manifest_digest(img), digest);
	image_free(img);
}

START_TEST(test_index_choose_name_picks_in_any_order)
{
	struct pair p;

	pair_new(&p);
	for (int swap = 0; swap < 2; swap++) {
		index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, NAMED("v1")),
			 descriptor_text(OCI_MANIFEST, p.b, p.b_size, NAMED("v2")), swap);
		assert_chosen(ref_of(&p, "v1"), NULL, p.a);
		assert_chosen(ref_of(&p, "v2"), NULL, p.b);
		assert_refused(ref_of(&p, "v3"), ERR_INPUT, "there are: ");
		assert_refused(ref_of(&p, ""), ERR_INPUT, "several images fit linux/amd64: \"v1\", \"v2\"; name one");
	}
}
END_TEST

START_TEST(test_index_choose_platform_picks_the_fitting_one)
{
	struct pair p;

	pair_new(&p);
	for (int swap = 0; swap < 2; swap++) {
		index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ON("amd64")),
			 descriptor_text(OCI_MANIFEST, p.arm, p.arm_size, ON_VARIANT("arm64", "v8")), swap);
		assert_chosen(ref_of(&p, ""), NULL, p.a);
		assert_chosen(ref_of(&p, ""), "linux/amd64", p.a);
	}
	put_index(p.f.dir, descriptor_text(OCI_MANIFEST, p.arm, p.arm_size, ON("arm64")));
	assert_refused(ref_of(&p, ""), ERR_INPUT, "no image for linux/amd64; there are: \"linux/arm64\"");
}
END_TEST

START_TEST(test_index_choose_plain_variant_is_preferred)
{
	struct pair p;
	struct err err = ERR_INIT;

	pair_new(&p);
	for (int swap = 0; swap < 2; swap++) {
		index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ON_VARIANT("amd64", "v3")),
			 descriptor_text(OCI_MANIFEST, p.b, p.b_size, ON("amd64")), swap);
		assert_chosen(ref_of(&p, ""), NULL, p.b);
		assert_chosen(ref_of(&p, ""), "linux/amd64/v3", p.a);
		assert_chosen(ref_of(&p, ""), "linux/amd64/v1", p.b);
		ck_assert_ptr_null(open_ref(ref_of(&p, ""), "linux/amd64/v9", &err));
	}
	put_index(p.f.dir, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ON_VARIANT("amd64", "v3")));
	assert_chosen(ref_of(&p, ""), NULL, p.a);
}
END_TEST

START_TEST(test_index_choose_same_digest_twice_is_one_image)
{
	struct pair p;

	pair_new(&p);
	index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, NAMED("v1")),
		 descriptor_text(OCI_MANIFEST, p.a, p.a_size, NAMED("latest")), false);
	assert_chosen(ref_of(&p, ""), NULL, p.a);
	index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ""),
		 descriptor_text(OCI_MANIFEST, p.a, p.a_size + 1, ""), false);
	assert_refused(ref_of(&p, ""), ERR_INPUT, "in two ways");
}
END_TEST

START_TEST(test_index_choose_artifacts_and_attestations_are_passed_over)
{
	struct pair p;

	pair_new(&p);
	index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ON("amd64")),
		 descriptor_text(OCI_MANIFEST, p.b, p.b_size,
				 ",\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}"), true);
	assert_chosen(ref_of(&p, ""), NULL, p.a);
	index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ""),
		 descriptor_text(OCI_MANIFEST, p.b, p.b_size, ",\"artifactType\":\"x/y\""), true);
	assert_chosen(ref_of(&p, ""), NULL, p.a);
	index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ""), descriptor_text("text/plain", p.b, 3, ""), true);
	assert_chosen(ref_of(&p, ""), NULL, p.a);
}
END_TEST

START_TEST(test_index_choose_schema1_is_refused_by_name)
{
	struct pair p;

	pair_new(&p);
	put_index(p.f.dir, descriptor_text("application/vnd.docker.distribution.manifest.v1+prettyjws", p.a, p.a_size, ""));
	assert_refused(ref_of(&p, ""), ERR_UNSUPPORTED, "schema 1");
}
END_TEST

// Stores an index of one entry; its digest in out.
static size_t put_nested(const struct pair *p, const char *entry, char out[DIGEST_TEXT_MAX])
{
	char text[2048];

	snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX "\",\"manifests\":[%s]}", entry);
	return put_blob_text(p->f.dir, text, out);
}

START_TEST(test_index_choose_nested_indexes_are_followed_to_the_cap)
{
	char digest[DIGEST_TEXT_MAX];
	struct pair p;
	size_t n;

	pair_new(&p);
	n = put_nested(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ON("amd64")), digest);
	for (uint64_t depth = 2; depth <= limits_default.index_depth; depth++)
		n = put_nested(&p, descriptor_text(OCI_INDEX, digest, n, ""), digest);
	put_index(p.f.dir, descriptor_text(OCI_INDEX, digest, n, NAMED("v1")));
	assert_chosen(ref_of(&p, "v1"), NULL, p.a);
	n = put_nested(&p, descriptor_text(OCI_INDEX, digest, n, ""), digest);
	put_index(p.f.dir, descriptor_text(OCI_INDEX, digest, n, ""));
	assert_refused(ref_of(&p, ""), ERR_LIMIT, "nested more than 8 deep");
}
END_TEST

START_TEST(test_index_choose_nested_index_with_wrong_bytes_is_named)
{
	char digest[DIGEST_TEXT_MAX], name[128];
	struct pair p;
	size_t n;

	pair_new(&p);
	n = put_nested(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ""), digest);
	snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest + 7);
	char *spaces = mem_alloc(n, NULL);
	memset(spaces, ' ', n);
	put_file(p.f.dir, name, spaces, n);
	free(spaces);
	put_index(p.f.dir, descriptor_text(OCI_INDEX, digest, n, ""));
	assert_refused(ref_of(&p, ""), ERR_MISMATCH, digest);
}
END_TEST

START_TEST(test_index_choose_too_many_entries_are_refused)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	struct pair p;

	pair_new(&p);
	assert_ok(buf_add_str(&text, "{\"schemaVersion\":2,\"manifests\":[", &err));
	for (int i = 0; i < 4097; i++)
		assert_ok(buf_add_str(&text, i ? "," : "", &err) ||
			  buf_add_str(&text, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ""), &err));
	assert_ok(buf_add_str(&text, "]}", &err));
	put_file(p.f.dir, "index.json", text.data, text.len);
	assert_refused(ref_of(&p, ""), ERR_LIMIT, "more than 4096 entries");
}
END_TEST

START_TEST(test_index_choose_bad_platform_option_is_usage)
{
	static const char *const bad[] = {"", "linux", "linux/", "/amd64", "linux/amd64/", "linux/amd64/v1/x", "Linux/amd64",
					  "linux//v8"};
	struct err err = ERR_INIT;
	struct pair p;

	pair_new(&p);
	put_index(p.f.dir, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ""));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_msg(!open_ref(ref_of(&p, ""), bad[i], &err), "%s passed", bad[i]);
		ck_assert_int_eq(err.class, ERR_USAGE);
	}
}
END_TEST

// Another machine's platform is refused whatever the config says; the image here claims to be for both.
START_TEST(test_index_choose_platform_of_another_machine_is_refused)
{
	static const char *const bad[] = {"linux/arm64", "linux/arm64/v8", "windows/amd64", "linux/amd6", "linux/amd64x"};
	struct pair p;

	pair_new(&p);
	index_of(&p, descriptor_text(OCI_MANIFEST, p.a, p.a_size, ON("arm64")),
		 descriptor_text(OCI_MANIFEST, p.b, p.b_size, ON("amd64")), false);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg(!open_ref(ref_of(&p, ""), bad[i], &err), "%s passed", bad[i]);
		ck_assert_int_eq(err.class, ERR_USAGE);
		ck_assert_msg(strstr(err.msg, "another machine than linux/amd64") != NULL, "%s", err.msg);
	}
	assert_chosen(ref_of(&p, ""), "linux/amd64", p.b);
}
END_TEST

UNIT_MAIN("layerfs/oci_index",
	  ADD(test_index_choose_name_picks_in_any_order) ADD(test_index_choose_platform_picks_the_fitting_one)
	  ADD(test_index_choose_plain_variant_is_preferred) ADD(test_index_choose_same_digest_twice_is_one_image)
	  ADD(test_index_choose_artifacts_and_attestations_are_passed_over)
	  ADD(test_index_choose_schema1_is_refused_by_name)
	  ADD(test_index_choose_nested_indexes_are_followed_to_the_cap)
	  ADD(test_index_choose_nested_index_with_wrong_bytes_is_named)
	  ADD(test_index_choose_too_many_entries_are_refused) ADD(test_index_choose_bad_platform_option_is_usage)
	  ADD(test_index_choose_platform_of_another_machine_is_refused))
