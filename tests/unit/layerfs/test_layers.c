// SPDX-License-Identifier: Apache-2.0
//
// The layer reader as a whole: digests before anything else, compressions, content, caps, threads, descriptors, and
// libarchive and the tar check held against each other on whole layers.
#include "base/cleanup.h"
#include "base/fault.h"
#include "layerfs/crc.h"
#include "tests/unit/layerfs/layer_maker.h"
#include "tests/unit/unit.h"

#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

CLEANUP_DEFINE(struct tree, tree_free, tree_free)

static struct err err;
static struct made m;
static struct buf tar, packed;
static struct layer_options opt;
static struct limits limits;

static void setup(void)
{
	m = (struct made){.count = 0};
	limits = limits_default;
	opt = (struct layer_options){.policy = TREE_WRITE_THROUGH, .threads = 2, .limits = &limits};
}

static void teardown(void)
{
	buf_free(&tar);
	buf_free(&packed);
}

static void gzip(const void *p, size_t n, int level)
{
	z_stream z = {0};
	size_t bound = n + n / 8 + 1024;

	ck_assert_int_eq(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_ok(buf_reserve(&packed, bound, &err));
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = packed.data + packed.len;
	z.avail_out = (uInt)bound;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	packed.len += z.total_out;
	deflateEnd(&z);
}

static void zstd(const void *p, size_t n)
{
	size_t bound = ZSTD_compressBound(n);

	assert_ok(buf_reserve(&packed, bound, &err));
	packed.len += ZSTD_compress(packed.data + packed.len, bound, p, n, 3);
}

static void refused(enum err_class class, const char *why)
{
	struct tree *t = NULL;

	ck_assert_int_eq(made_merge(&m, &opt, &t, &err), -1);
	ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
	ck_assert_int_eq(err.class, class);
	ck_assert_ptr_null(t);
}

static void content_is(const struct tree *t, const char *path, const char *want)
{
	const struct node *n = tree_resolve(t, path, strlen(path), true, &err);
	char got[4096];

	ck_assert_msg(n != NULL, "%s", err.msg);
	ck_assert_int_eq(tree_content_read(t, n->inode, 0, got, sizeof(got), &err), (ssize_t)strlen(want));
	ck_assert_mem_eq(got, want, strlen(want));
	ck_assert_uint_eq(n->inode->crc, crc_add(0, want, strlen(want)));
}

static void sample(struct buf *b)
{
	tar_file(b, "a", "alpha");
	tar_file(b, "b/c", "gamma");
	tar_end(b);
}

START_TEST(test_layers_each_compression_gives_the_same)
{
	for (int kind = 0; kind < 4; kind++) {
		_cleanup_(tree_freep) struct tree *t = NULL;

		setup();
		teardown();
		sample(&tar);
		if (kind == 1) { // two members, cut where nobody would
			gzip(tar.data, 700, 9);
			gzip(tar.data + 700, tar.len - 700, 1);
		} else if (kind == 2) {
			zstd(tar.data, 100);
			zstd(tar.data + 100, tar.len - 100);
		} else if (kind == 3) {
			gzip(tar.data, tar.len, 6);
			m.piece = 1;
		}
		made_add(&m, kind ? &packed : &tar, &tar, kind == 0 ? IMAGE_PLAIN : kind == 2 ? IMAGE_ZSTD : IMAGE_GZIP);
		assert_ok(made_merge(&m, &opt, &t, &err));
		content_is(t, "a", "alpha");
		content_is(t, "b/c", "gamma");
	}
}
END_TEST

START_TEST(test_layers_wrong_blob_digest_is_named)
{
	sample(&tar);
	made_plain(&m, &tar);
	m.what[0].digest[10] ^= 1;
	refused(ERR_MISMATCH, "the blob's digest is sha256:");
}
END_TEST

START_TEST(test_layers_wrong_diff_id_is_named)
{
	sample(&tar);
	made_plain(&m, &tar);
	m.what[0].diff_id[10] ^= 1;
	refused(ERR_MISMATCH, "the uncompressed layer's digest is sha256:");
}
END_TEST

START_TEST(test_layers_wrong_size_is_named)
{
	sample(&tar);
	made_plain(&m, &tar);
	m.what[0].size++;
	refused(ERR_MISMATCH, "descriptor says");
	m.what[0].size -= 2;
	refused(ERR_MISMATCH, "longer than");
}
END_TEST

// A damaged blob is called that, whatever its bytes look like to inflater and tar reader.
START_TEST(test_layers_damage_is_a_digest_mismatch)
{
	for (size_t at = 0; at < 60; at += 7) {
		setup();
		teardown();
		sample(&tar);
		gzip(tar.data, tar.len, 6);
		made_add(&m, &packed, &tar, IMAGE_GZIP);
		packed.data[at] ^= 0x55;
		refused(ERR_MISMATCH, "the blob's digest is");
		setup();
		made_plain(&m, &tar);
		tar.data[at] ^= 0x55;
		refused(ERR_MISMATCH, "the blob's digest is");
	}
}
END_TEST

START_TEST(test_layers_bad_streams_are_refused)
{
	sample(&tar);
	gzip(tar.data, tar.len, 6);
	for (size_t cut = 0; cut < packed.len; cut += 5) {
		struct buf part = {packed.data, cut, cut, 0};

		setup();
		made_add(&m, &part, &tar, IMAGE_GZIP);
		refused(ERR_INPUT, "gzip: the stream ends early");
	}
	setup();
	assert_ok(buf_add(&packed, "junk", 4, &err));
	made_add(&m, &packed, &tar, IMAGE_GZIP);
	refused(ERR_INPUT, "gzip: bytes behind the end");
	setup();
	made_add(&m, &tar, &tar, IMAGE_GZIP);
	refused(ERR_INPUT, "not in gzip format");
	setup();
	made_add(&m, &tar, &tar, IMAGE_ZSTD);
	refused(ERR_INPUT, "zstd: ");
	teardown();
	setup();
	sample(&tar);
	zstd(tar.data, tar.len);
	packed.len -= 3;
	made_add(&m, &packed, &tar, IMAGE_ZSTD);
	refused(ERR_INPUT, "zstd: the stream ends early");
}
END_TEST

START_TEST(test_layers_empty_layers_are_fine)
{
	static struct buf none, end;
	_cleanup_(tree_freep) struct tree *t = NULL;

	tar_end(&end);
	sample(&tar);
	made_plain(&m, &none);
	made_plain(&m, &end);
	made_plain(&m, &tar);
	assert_ok(made_merge(&m, &opt, &t, &err));
	content_is(t, "a", "alpha");
	ck_assert_uint_eq(tree_node_count(t), 4);
	buf_free(&end);
}
END_TEST

// `umoci insert` ends its layers right behind the last file's bytes, and Go's reader takes that for an end.
START_TEST(test_layers_last_block_need_not_be_full)
{
	tar_file(&tar, "a", "alpha");
	for (size_t len = 0; len <= tar.len; len++) {
		struct buf cut = {tar.data, len, len, 0};
		struct tree *t = NULL;

		setup();
		made_plain(&m, &cut);
		ck_assert_msg((made_merge(&m, &opt, &t, &err) == 0) == (!len || len >= 512 + 5), "%zu: %s", len, err.msg);
		if (t && len)
			content_is(t, "a", "alpha");
		tree_free(t);
	}
}
END_TEST

START_TEST(test_layers_caps_name_their_option)
{
	sample(&tar);
	made_plain(&m, &tar);
	made_plain(&m, &tar);
	limits.entries = 3;
	refused(ERR_LIMIT, "the image's layers hold more than 3 entries (--max-entries)");
	limits = limits_default;
	limits.expanded = tar.len * 2 - 1;
	refused(ERR_LIMIT, "(--max-expanded)");
	limits = limits_default;
	limits.layers = 1;
	refused(ERR_LIMIT, "(--max-layers)");
	limits = limits_default;
	limits.path = 2;
	refused(ERR_LIMIT, "(--max-path)");
}
END_TEST

START_TEST(test_layers_sparse_file_cannot_outgrow_the_cap)
{
	tar_pax(&tar, "GNU.sparse.size", "1000000000000", "GNU.sparse.numblocks", "1", "GNU.sparse.map", "1,3", NULL);
	tar_file(&tar, "x", "abc");
	tar_end(&tar);
	made_plain(&m, &tar);
	refused(ERR_LIMIT, "--max-expanded");
}
END_TEST

static const char *expanded(void)
{
	static char text[40];

	memset(text, 0, sizeof(text));
	memcpy(text + 5, "ab", 2);
	text[30] = 'c';
	return text;
}

static void sparse_is(const struct tree *t, const char *path)
{
	const struct node *n = tree_resolve(t, path, strlen(path), true, &err);
	char got[100];

	ck_assert_msg(n && n->inode->size == 40, "%s", err.msg);
	ck_assert_int_eq(tree_content_read(t, n->inode, 0, got, sizeof(got), &err), 40);
	ck_assert_mem_eq(got, expanded(), 40);
	ck_assert_uint_eq(n->inode->crc, crc_add(0, got, 40));
}

START_TEST(test_layers_sparse_content_has_its_holes)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	char data[515] = "2\n5\n2\n30\n1\n";
	uint8_t h[512];

	tar_pax(&tar, "GNU.sparse.size", "40", "GNU.sparse.numblocks", "2", "GNU.sparse.offset", "5",
		"GNU.sparse.numbytes", "2", "GNU.sparse.offset", "30", "GNU.sparse.numbytes", "1", NULL);
	tar_file(&tar, "v00", "abc");
	tar_pax(&tar, "GNU.sparse.size", "40", "GNU.sparse.numblocks", "2", "GNU.sparse.map", "5,2,30,1",
		"GNU.sparse.name", "v01", NULL);
	tar_file(&tar, "x", "abc");
	memcpy(data + 512, "abc", 3);
	tar_pax(&tar, "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "40", "GNU.sparse.name",
		"v10", NULL);
	tar_put(&tar, (struct tar_member){.name = "x", .type = '0', .data = data, .size = 515});
	tar_header(h, &(struct tar_member){.name = "old", .type = 'S', .magic = "ustar  ", .size = 3});
	memcpy(h + 386, "00000000005\00000000000002\00000000000036\00000000000001", 47);
	memcpy(h + 483, "00000000050", 11);
	tar_sum(h);
	tar_raw(&tar, h, 512);
	tar_raw(&tar, "abc", 3);
	tar_pad(&tar);
	tar_end(&tar);
	made_plain(&m, &tar);
	assert_ok(made_merge(&m, &opt, &t, &err));
	sparse_is(t, "v00");
	sparse_is(t, "v01");
	sparse_is(t, "v10");
	sparse_is(t, "old");
}
END_TEST

// Forms that the tar check passes but libarchive reads otherwise.
START_TEST(test_layers_readers_that_disagree_are_refused)
{
	tar_file(&tar, "d/", "x"); // Go: a file; libarchive: a directory
	tar_end(&tar);
	made_plain(&m, &tar);
	refused(ERR_INPUT, "libarchive reads another");
	teardown();
	setup();
	tar_pax(&tar, "SCHILY.devmajor", "9", NULL);
	tar_put(&tar, (struct tar_member){.name = "c", .type = '3', .dev_major = 1, .dev_minor = 3});
	tar_end(&tar);
	made_plain(&m, &tar);
	refused(ERR_INPUT, "libarchive reads another device number");
}
END_TEST

// 500 layers, more than there may be descriptors; a hundred small files in each.
START_TEST(test_layers_many_layers_few_descriptors)
{
	_cleanup_(tree_freep) struct tree *t = NULL;
	static struct buf tars[500];
	struct rlimit few = {64, 64};
	char name[32], text[32];

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	opt.threads = 8;
	for (int i = 0; i < 500; i++) {
		for (int k = 0; k < 20; k++) {
			snprintf(name, sizeof(name), "d%d/f%d", k, i % 50);
			snprintf(text, sizeof(text), "%d-%d", i, k);
			tar_file(&tars[i], name, text);
		}
		tar_end(&tars[i]);
		made_plain(&m, &tars[i]);
	}
	assert_ok(made_merge(&m, &opt, &t, &err));
	content_is(t, "d3/f49", "499-3");
	content_is(t, "d0/f0", "450-0");
	ck_assert_uint_eq(tree_node_count(t), 1 + 20 + 20 * 50);
	for (int i = 0; i < 500; i++)
		buf_free(&tars[i]);
}
END_TEST

START_TEST(test_layers_any_number_of_threads_gives_one_tree)
{
	static struct buf tars[12], first, text;
	char name[64];

	for (int i = 0; i < 12; i++) {
		for (int k = 0; k < 200 * (12 - i); k++) {
			snprintf(name, sizeof(name), "d%d/e%d/f%d", k % 7, k % 3, (k * 31 + i) % 400);
			tar_file(&tars[i], name, name);
		}
		snprintf(name, sizeof(name), "d%d/.wh.e%d", i % 7, i % 3);
		tar_file(&tars[i], name, "");
		tar_end(&tars[i]);
		made_plain(&m, &tars[i]);
	}
	for (unsigned n = 1; n <= 8; n++) {
		_cleanup_(tree_freep) struct tree *t = NULL;

		opt.threads = n;
		assert_ok(made_merge(&m, &opt, &t, &err));
		tree_text(t, n == 1 ? &first : &text);
		if (n > 1)
			ck_assert_str_eq((char *)text.data, (char *)first.data);
	}
	for (int i = 0; i < 12; i++)
		buf_free(&tars[i]);
	buf_free(&first);
	buf_free(&text);
}
END_TEST

// The error is the lowest failing layer's, whoever failed first.
START_TEST(test_layers_error_is_the_lowest_layers)
{
	static struct buf good, bad[3];

	for (int i = 0; i < 20000; i++)
		tar_file(&good, "x", "y");
	tar_end(&good);
	for (int i = 0; i < 3; i++)
		tar_file(&bad[i], i ? "../late" : "../early", "");
	for (int round = 0; round < 5; round++) {
		setup();
		opt.threads = 8;
		made_plain(&m, &good);
		for (int i = 0; i < 3; i++)
			made_plain(&m, &bad[i]);
		refused(ERR_INPUT, "entry \"../early\"");
	}
	buf_free(&good);
	for (int i = 0; i < 3; i++)
		buf_free(&bad[i]);
}
END_TEST

START_TEST(test_layers_missing_tmpdir_is_named)
{
	sample(&tar);
	made_plain(&m, &tar);
	opt.tmpdir = "/no/such/dir";
	refused(ERR_IO, "temporary file in \"/no/such/dir\"");
}
END_TEST

static int fail_at;
static enum fault_point fail_what;
static bool hook(enum fault_point p)
{
	return p == fail_what && __atomic_sub_fetch(&fail_at, 1, __ATOMIC_RELAXED) == 0;
}

// The n-th allocation or write of our own fails: an error, no leak, no crash.
START_TEST(test_layers_every_fault_is_an_error)
{
	static const enum fault_point points[] = {FAULT_ALLOC, FAULT_WRITE};

	sample(&tar);
	gzip(tar.data, tar.len, 6);
	for (int what = 0; what < 2; what++) {
		for (int n = 1;; n++) {
			struct tree *t = NULL;
			int rc;

			setup();
			made_add(&m, &packed, &tar, IMAGE_GZIP);
			opt.threads = 1;
			fail_at = n;
			fail_what = points[what];
			base_fault_hook = hook;
			rc = made_merge(&m, &opt, &t, &err);
			base_fault_hook = NULL;
			if (!rc) {
				tree_free(t);
				ck_assert_int_gt(n, what ? 1 : 20);
				break;
			}
			ck_assert_int_eq(err.class, what ? ERR_IO : ERR_MEMORY);
		}
	}
}
END_TEST

UNIT_MAIN("layerfs/layers", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_layers_each_compression_gives_the_same) ADD(test_layers_wrong_blob_digest_is_named)
	  ADD(test_layers_wrong_diff_id_is_named) ADD(test_layers_wrong_size_is_named)
	  ADD(test_layers_damage_is_a_digest_mismatch) ADD(test_layers_bad_streams_are_refused)
	  ADD(test_layers_empty_layers_are_fine) ADD(test_layers_last_block_need_not_be_full)
	  ADD(test_layers_caps_name_their_option)
	  ADD(test_layers_sparse_file_cannot_outgrow_the_cap) ADD(test_layers_sparse_content_has_its_holes)
	  ADD(test_layers_readers_that_disagree_are_refused) ADD(test_layers_many_layers_few_descriptors)
	  ADD(test_layers_any_number_of_threads_gives_one_tree) ADD(test_layers_error_is_the_lowest_layers)
	  ADD(test_layers_missing_tmpdir_is_named) ADD(test_layers_every_fault_is_an_error))
