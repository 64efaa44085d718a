// SPDX-License-Identifier: Apache-2.0
//
// Archives: oci-archive: and docker-archive: give the same image as the layout; links, long names and pax records of
// the outer tar; and tars that lie.
#include "layerfs/tarball.h"

#include "tests/unit/layerfs/image_fixture.h"

static char tar_path[300];

static const char *save(struct buf *b)
{
	struct err err = ERR_INIT;

	snprintf(tar_path, sizeof(tar_path), "%s/a-XXXXXX", scratch_root());
	int fd = mkstemp(tar_path);
	ck_assert_int_ge(fd, 0);
	assert_ok(io_write(fd, b->data, b->len, &err));
	close(fd);
	buf_free(b);
	return tar_path;
}

static const char *ref_of(const char *transport, const char *tag)
{
	static char ref[400];

	snprintf(ref, sizeof(ref), "%s%s%s", transport, tar_path, tag);
	return ref;
}

static void assert_reads(const char *name, const char *want)
{
	struct err err = ERR_INIT;
	struct tarball *a;
	uint64_t off, size;
	char got[64] = "";

	assert_ok(tarball_open(tar_path, &limits_default, NULL, &a, &err));
	assert_ok(tarball_find(a, name, &off, &size, &err));
	ck_assert_uint_eq(size, strlen(want));
	assert_ok(io_pread_full(tarball_fd(a), got, size, off, &err));
	ck_assert_str_eq(got, want);
	tarball_free(a);
}

static void assert_unfound(const char *name, const char *says)
{
	struct err err = ERR_INIT;
	struct tarball *a;
	uint64_t off, size;

	assert_ok(tarball_open(tar_path, &limits_default, NULL, &a, &err));
	ck_assert_int_eq(tarball_find(a, name, &off, &size, &err), -1);
	ck_assert_msg(strstr(err.msg, says) != NULL, "%s", err.msg);
	tarball_free(a);
}

static void assert_no_tar(struct buf *b, const char *says)
{
	struct err err = ERR_INIT;
	struct tarball *a;

	save(b);
	ck_assert_int_eq(tarball_open(tar_path, &limits_default, NULL, &a, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_msg(strstr(err.msg, says) != NULL, "%s", err.msg);
}

START_TEST(test_tarball_find_links_are_followed_inside)
{
	struct buf b = BUF_INIT(0);

	tar_text(&b, "./x/file", "bytes");
	tar_add(&b, "y/sym", '2', "../x/./file", "", 0);
	tar_add(&b, "y/out", '2', "../../../../x/file", "", 0);
	tar_add(&b, "abs", '2', "/x/file", "", 0);
	tar_add(&b, "y/hard", '1', "x/file", "", 0);
	tar_add(&b, "loop", '2', "loop", "", 0);
	tar_add(&b, "gone", '2', "nowhere", "", 0);
	tar_add(&b, "dir", '5', "", "", 0);
	tar_end(&b);
	save(&b);
	assert_reads("x/file", "bytes");
	assert_reads("/x//file", "bytes");
	assert_reads("y/sym", "bytes");
	assert_reads("y/out", "bytes"); // `..` stops at the archive's root
	assert_reads("abs", "bytes");
	assert_reads("y/hard", "bytes");
	assert_unfound("loop", "more than 8 links");
	assert_unfound("gone", "holds no member");
	assert_unfound("dir", "holds no member");
}
END_TEST

START_TEST(test_tarball_find_name_twice_is_refused)
{
	struct buf b = BUF_INIT(0);

	tar_text(&b, "a", "1");
	tar_text(&b, "./a", "2");
	tar_end(&b);
	save(&b);
	assert_unfound("a", "twice");
}
END_TEST

START_TEST(test_tarball_open_long_names_and_pax_records)
{
	struct buf b = BUF_INIT(0);
	char name[300];

	memset(name, 'n', 200);
	name[200] = '\0';
	tar_add(&b, "././@LongLink", 'L', "", name, 201);
	tar_text(&b, "short", "gnu");
	tar_text(&b, "between", "b");
	tar_add(&b, "pax", 'x', "", "21 path=from/the/pax\n10 size=3\n", 31);
	tar_text(&b, "short2", "pax");
	tar_add(&b, "pax", 'g', "", "20 comment=something\n", 21);
	tar_text(&b, "after", "a");
	tar_end(&b);
	save(&b);
	assert_reads(name, "gnu");
	assert_reads("between", "b");
	assert_reads("from/the/pax", "pax");
	assert_reads("after", "a");
}
END_TEST

START_TEST(test_tarball_open_unsound_tars_are_refused)
{
	struct buf b = BUF_INIT(0);

	assert_no_tar(&b, "ends early");
	tar_text(&b, "a", "1");
	assert_no_tar(&b, "ends early");
	tar_end(&b);
	assert_no_tar(&b, "empty tar");
	tar_text(&b, "a", "1");
	b.data[0] = 'b';
	assert_no_tar(&b, "no tar header");
	tar_text(&b, "a", "1");
	b.len = 512;
	assert_no_tar(&b, "longer than the file");
	tar_add(&b, "p", 'x', "", "99 path=a\n", 10);
	assert_no_tar(&b, "malformed pax");
	tar_add(&b, "p", 'x', "", "10 path=a", 9);
	assert_no_tar(&b, "malformed pax");
	tar_add(&b, "p", 'x', "", "12 size=1x\n", 11);
	assert_no_tar(&b, "malformed pax");
	tar_add(&b, "p", 'x', "", "30 size=99999999999999999999\n", 29);
	assert_no_tar(&b, "malformed");
	tar_add(&b, "s", 'S', "", "", 0);
	assert_no_tar(&b, "sparse");
}
END_TEST

// ---- images --------------------------------------------------------------------------------------------------------
static void add_blob(struct buf *b, const struct fixture *f, const char *digest)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT(0);
	struct err err = ERR_INIT;
	char name[128];

	snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest + 7);
	assert_ok(io_slurp(fixture_path(f->dir, name), 1 << 20, &bytes, &err));
	tar_add(b, name, '0', "", bytes.data, bytes.len);
}

static void add_file(struct buf *b, const struct fixture *f, const char *name)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(io_slurp(fixture_path(f->dir, name), 1 << 20, &bytes, &err));
	tar_add(b, name, '0', "", bytes.data, bytes.len);
}

static void assert_opens(const char *ref, const struct fixture *f, const char *manifest)
{
	struct err err = ERR_INIT;
	struct image *img = open_ref(ref, NULL, &err);
	struct blob_stream *s;
	char bytes[16] = "";

	ck_assert_msg(img != NULL, "%s: %s", ref, err.msg);
	ck_assert_str_eq(image_manifest_digest(img), manifest);
	ck_assert_str_eq(image_config_digest(img), f->config);
	ck_assert_str_eq(image_layer(img, 0)->digest, f->layer);
	assert_ok(image_layer_open(img, 0, &s, &err));
	ck_assert_int_eq(blob_stream_read(s, bytes, sizeof(bytes), &err), 5);
	ck_assert_str_eq(bytes, "layer");
	blob_stream_free(s);
	image_free(img);
}

START_TEST(test_image_open_oci_archive_equals_the_layout)
{
	struct buf b = BUF_INIT(0);
	struct fixture f;

	fixture_new(&f);
	add_blob(&b, &f, f.layer);
	add_blob(&b, &f, f.config);
	add_blob(&b, &f, f.manifest);
	add_file(&b, &f, "index.json");
	add_file(&b, &f, "oci-layout");
	tar_end(&b);
	save(&b);
	assert_opens(ref_of("oci-archive:", ""), &f, f.manifest);
	assert_opens(ref_of("", ""), &f, f.manifest);
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "no member \"manifest.json\"");
}
END_TEST

// Appends `text` with each CONFIG in it replaced.
static void add_template(struct buf *out, const char *text, const char *config)
{
	struct err err = ERR_INIT;
	const char *at;

	for (; (at = strstr(text, "CONFIG")); text = at + strlen("CONFIG"))
		assert_ok(buf_add(out, text, (size_t)(at - text), &err) || buf_add_str(out, config, &err));
	assert_ok(buf_add_str(out, text, &err));
}

// A docker-archive with a config, a layer and this manifest.json, in which CONFIG stands for the config's name.
static void docker_archive(struct fixture *f, const char *manifest)
{
	struct buf b = BUF_INIT(0);
	_cleanup_buf_ struct buf config = BUF_INIT(0);
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	char name[128];

	fixture_new(f);
	snprintf(name, sizeof(name), "blobs/sha256/%.64s", f->config + 7);
	assert_ok(io_slurp(fixture_path(f->dir, name), 1 << 20, &config, &err));
	snprintf(name, sizeof(name), "%.64s.json", f->config + 7);
	add_template(&text, manifest, name);
	tar_add(&b, name, '0', "", config.data, config.len);
	tar_add(&b, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.json", '0', "", config.data, config.len);
	tar_text(&b, "layer.tar", "layer");
	tar_add(&b, "other/layer.tar", '2', "../layer.tar", "", 0);
	tar_text(&b, "gz", "\x1f\x8b" "123");
	tar_add(&b, "manifest.json", '0', "", text.data, text.len);
	tar_end(&b);
	save(&b);
}

// Replaces the archive by what `command` makes of it.
static void pipe_through(const char *command)
{
	char line[2048];

	snprintf(line, sizeof(line), "%s < %s > %s.new && mv %s.new %s", command, tar_path, tar_path, tar_path, tar_path);
	ck_assert_int_eq(system(line), 0);
}

START_TEST(test_image_open_compressed_archives_are_inflated)
{
	struct limits limits = limits_default;
	struct image_options opt = {.arch = "amd64", .limits = &limits};
	struct err err = ERR_INIT;
	struct image *img;
	struct fixture f;

	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"Layers\":[\"layer.tar\"]}]");
	pipe_through("gzip -c");
	assert_opens(ref_of("docker-archive:", ""), &f, "");
	assert_opens(ref_of("", ""), &f, "");
	limits.expanded = 1024;
	ck_assert_int_eq(image_open(ref_of("", ""), &opt, &img, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	pipe_through("head -c 200");
	assert_refused(ref_of("", ""), ERR_INPUT, "gzip");
	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"Layers\":[\"layer.tar\"]}]");
	pipe_through("xz -c");
	assert_refused(ref_of("", ""), ERR_UNSUPPORTED, "decompress it first");
}
END_TEST

START_TEST(test_image_open_docker_archive_gives_diff_ids_as_digests)
{
	struct fixture f;

	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"RepoTags\":[\"hello:1\"],\"Layers\":[\"other/layer.tar\"]}]");
	assert_opens(ref_of("docker-archive:", ""), &f, "");
	assert_opens(ref_of("", ""), &f, "");
	assert_opens(ref_of("docker-archive:", ":hello:1"), &f, "");
	assert_opens(ref_of("docker-archive:", ":docker.io/library/hello:1"), &f, "");
	assert_opens(ref_of("docker-archive:", ":@0"), &f, "");
	assert_refused(ref_of("docker-archive:", ":@1"), ERR_INPUT, "no image number 1");
	assert_refused(ref_of("docker-archive:", ":hello"), ERR_INPUT, "there are: \"hello:1\"");
}
END_TEST

START_TEST(test_image_open_docker_archive_of_several_asks_for_a_name)
{
	struct fixture f;

	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"RepoTags\":[\"a:1\"],\"Layers\":[\"layer.tar\"]},"
			   "{\"Config\":\"CONFIG\",\"RepoTags\":null,\"Layers\":[\"layer.tar\"]}]");
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "several images; name one of \"a:1\"");
	assert_opens(ref_of("docker-archive:", ":a:1"), &f, "");
	assert_opens(ref_of("docker-archive:", ":@1"), &f, "");
	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"RepoTags\":[\"a:1\"],\"Layers\":[\"layer.tar\"]},"
			   "{\"Config\":\"CONFIG\",\"RepoTags\":[\"docker.io/library/a:1\"],\"Layers\":[\"layer.tar\"]}]");
	assert_refused(ref_of("docker-archive:", ":a:1"), ERR_INPUT, "two images");
}
END_TEST

START_TEST(test_image_open_docker_archive_compressed_layer_has_its_own_digest)
{
	struct err err = ERR_INIT;
	char digest[DIGEST_TEXT_MAX];
	struct fixture f;
	struct image *img;

	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"Layers\":[\"gz\"]}]");
	img = open_ref(ref_of("docker-archive:", ""), NULL, &err);
	ck_assert_msg(img != NULL, "%s", err.msg);
	assert_ok(digest_of("\x1f\x8b" "123", 5, digest, &err));
	ck_assert_str_eq(image_layer(img, 0)->digest, digest);
	ck_assert_int_eq(image_layer(img, 0)->compression, IMAGE_GZIP);
	ck_assert_str_eq(image_layer(img, 0)->diff_id, f.layer);
	image_free(img);
}
END_TEST

START_TEST(test_image_open_archives_every_failure_is_told)
{
	struct fixture f;

	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"RepoTags\":[\"a:1\"],\"Layers\":[\"gz\"]}]");
	assert_open_survives_faults(ref_of("docker-archive:", ":a:1"));
	pipe_through("gzip -c");
	assert_open_survives_faults(ref_of("", ""));
}
END_TEST

START_TEST(test_image_open_unsound_docker_archives_are_refused)
{
	struct buf b = BUF_INIT(0);
	struct fixture f;

	docker_archive(&f, "[]");
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "lists no image");
	docker_archive(&f, "{\"Config\":\"CONFIG\"}");
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "lists no image");
	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"Layers\":[\"nowhere\"]}]");
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "no member \"nowhere\"");
	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"Layers\":[]}]");
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "1 diff_ids for 0 layers");
	docker_archive(&f, "[{\"Config\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.json\","
			   "\"Layers\":[\"layer.tar\"]}]");
	assert_refused(ref_of("docker-archive:", ""), ERR_MISMATCH, "blob sha256:0123456789abcdef");
	docker_archive(&f, "[{\"Config\":\"CONFIG\",\"RepoTags\":[\"CONFIG\"],\"Layers\":[\"layer.tar\"],\"config\":1}]");
	assert_refused(ref_of("docker-archive:", ""), ERR_INPUT, "only in case");
	tar_text(&b, "repositories", "{}");
	tar_end(&b);
	save(&b);
	assert_refused(ref_of("docker-archive:", ""), ERR_UNSUPPORTED, "before 1.10");
}
END_TEST

UNIT_MAIN("layerfs/tarball",
	  ADD(test_tarball_find_links_are_followed_inside) ADD(test_tarball_find_name_twice_is_refused)
	  ADD(test_tarball_open_long_names_and_pax_records) ADD(test_tarball_open_unsound_tars_are_refused)
	  ADD(test_image_open_oci_archive_equals_the_layout)
	  ADD(test_image_open_compressed_archives_are_inflated)
	  ADD(test_image_open_docker_archive_gives_diff_ids_as_digests)
	  ADD(test_image_open_docker_archive_of_several_asks_for_a_name)
	  ADD(test_image_open_docker_archive_compressed_layer_has_its_own_digest)
	  ADD(test_image_open_archives_every_failure_is_told)
	  ADD(test_image_open_unsound_docker_archives_are_refused))
