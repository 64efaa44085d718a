// SPDX-License-Identifier: Apache-2.0
//
// Small images made by hand, so that each test can break exactly one thing: a scratch directory, blobs by digest,
// an OCI layout with one layer of arbitrary bytes, and plain ustar archives in memory. Failures abort the test.
#ifndef TESTS_IMAGE_FIXTURE_H
#define TESTS_IMAGE_FIXTURE_H

#include "base/buf.h"
#include "base/fault.h"
#include "base/io.h"
#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/image.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/stat.h>

#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define OCI_LAYER "application/vnd.oci.image.layer.v1.tar"

struct fixture {
	char dir[256];			     // the layout
	char layer[DIGEST_TEXT_MAX];	     // its one layer, plain
	char config[DIGEST_TEXT_MAX];
	char manifest[DIGEST_TEXT_MAX];
	size_t layer_size, config_size, manifest_size;
};

static inline const char *scratch_root(void)
{
	return getenv("TEST_TMP") ? getenv("TEST_TMP") : "/tmp";
}

static inline char *fixture_path(const char *dir, const char *name)
{
	static char path[4][512];
	static int next;
	char *p = path[next++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static inline void put_file(const char *dir, const char *name, const void *p, size_t n)
{
	struct err err = ERR_INIT;

	assert_ok(io_write_file(fixture_path(dir, name), p, n, &err));
}

static inline void put_text(const char *dir, const char *name, const char *text)
{
	put_file(dir, name, text, strlen(text));
}

// Stores a blob; its digest in out. Returns its size.
static inline size_t put_blob(const char *dir, const void *p, size_t n, char out[DIGEST_TEXT_MAX])
{
	struct err err = ERR_INIT;
	char name[128];

	assert_ok(digest_of(p, n, out, &err));
	snprintf(name, sizeof(name), "blobs/sha256/%.64s", out + 7);
	put_file(dir, name, p, n);
	return n;
}

static inline size_t put_blob_text(const char *dir, const char *text, char out[DIGEST_TEXT_MAX])
{
	return put_blob(dir, text, strlen(text), out);
}

static inline void fixture_dirs(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "%s/layout-XXXXXX", scratch_root());
	ck_assert_ptr_nonnull(mkdtemp(f->dir));
	ck_assert_int_eq(mkdir(fixture_path(f->dir, "blobs"), 0755), 0);
	ck_assert_int_eq(mkdir(fixture_path(f->dir, "blobs/sha256"), 0755), 0);
	put_text(f->dir, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
}

// One image for `arch` whose layer holds `content`; its three digests are in f. index.json is not written.
static inline void fixture_image(struct fixture *f, const char *arch, const char *content)
{
	char text[1024];

	f->layer_size = put_blob_text(f->dir, content, f->layer);
	snprintf(text, sizeof(text),
		 "{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/x\"],\"Env\":[\"A=b\"],\"User\":\"u\"},"
		 "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]},\"history\":[{\"empty_layer\":true},{}]}",
		 arch, f->layer);
	f->config_size = put_blob_text(f->dir, text, f->config);
	snprintf(text, sizeof(text),
		 "{\"schemaVersion\":2,\"mediaType\":\"" OCI_MANIFEST "\",\"config\":{\"mediaType\":\"" OCI_CONFIG
		 "\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"" OCI_LAYER
		 "\",\"digest\":\"%s\",\"size\":%zu}]}",
		 f->config, f->config_size, f->layer, f->layer_size);
	f->manifest_size = put_blob_text(f->dir, text, f->manifest);
}

// One descriptor as JSON; `extra` is "" or begins with a comma. Static storage, four at a time.
static inline const char *descriptor_text(const char *type, const char *digest, size_t size, const char *extra)
{
	static char text[4][1024];
	static int next;
	char *p = text[next++ % 4];

	snprintf(p, sizeof(text[0]), "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu%s}", type, digest, size, extra);
	return p;
}

static inline void put_index(const char *dir, const char *entries)
{
	char text[8192];

	snprintf(text, sizeof(text), "{\"schemaVersion\":2,\"manifests\":[%s]}", entries);
	put_text(dir, "index.json", text);
}

static inline void fixture_new(struct fixture *f)
{
	fixture_dirs(f);
	fixture_image(f, "amd64", "layer");
	put_index(f->dir, descriptor_text(OCI_MANIFEST, f->manifest, f->manifest_size, ""));
}

// image_open for amd64; NULL with *err filled.
static inline struct image *open_ref(const char *ref, const char *platform, struct err *err)
{
	struct image_options opt = {.arch = "amd64", .platform = platform};
	struct image *img = NULL;

	return image_open(ref, &opt, &img, err) ? NULL : img;
}

// Opening `ref` must fail with `class` and a message that holds `says`.
static inline void assert_refused(const char *ref, enum err_class class, const char *says)
{
	struct err err = ERR_INIT;
	struct image *img = open_ref(ref, NULL, &err);

	ck_assert_msg(!img, "%s was opened", ref);
	ck_assert_msg(strstr(err.msg, says) != NULL, "%s: %s", ref, err.msg);
	ck_assert_msg(err.class == class, "%s: class %d: %s", ref, (int)err.class, err.msg);
	ck_assert_msg(!strchr(err.msg, '\n'), "%s: %s", ref, err.msg);
}

// ---- ordered failures ----------------------------------------------------------------------------------------------
static enum fault_point fault_kind;
static unsigned long fault_countdown;

static inline bool fault_nth(enum fault_point point)
{
	return point == fault_kind && fault_countdown && --fault_countdown == 0;
}

// Makes the n-th call of each kind fail, for every n, while `ref` is opened: each failure must be told, and nothing may
// leak (ASan sees to that).
static inline void assert_open_survives_faults(const char *ref)
{
	for (int kind = 0; kind < FAULT_WRITE; kind++) {
		for (unsigned long n = 1;; n++) {
			struct err err = ERR_INIT;
			struct image *img;

			ck_assert_uint_lt(n, 5000);
			fault_kind = (enum fault_point)kind;
			fault_countdown = n;
			base_fault_hook = fault_nth;
			img = open_ref(ref, NULL, &err);
			base_fault_hook = NULL;
			image_free(img);
			if (fault_countdown) {
				ck_assert_msg(img != NULL, "%s: %s", ref, err.msg);
				ck_assert_uint_gt(n, 3);
				break;
			}
			ck_assert_msg(!img, "%s: fault %d number %lu went unnoticed", ref, kind, n);
			ck_assert_msg(err.class == (kind == FAULT_ALLOC ? ERR_MEMORY : ERR_IO), "%s", err.msg);
		}
	}
}

// ---- tar in memory -------------------------------------------------------------------------------------------------
static inline void tar_add(struct buf *b, const char *name, char type, const char *link, const void *p, size_t n)
{
	static const char zeros[512];
	struct err err = ERR_INIT;
	char h[512] = "";
	unsigned sum = 0;

	ck_assert_uint_le(strlen(name), 100);
	memcpy(h, name, strlen(name));
	memcpy(h + 100, "0000644\0" "0000000\0" "0000000\0", 24);
	snprintf(h + 124, 12, "%011zo", n);
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257, "ustar\0" "00", 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	assert_ok(buf_add(b, h, 512, &err));
	assert_ok(buf_add(b, p, n, &err));
	assert_ok(buf_add(b, zeros, -n & 511, &err));
}

static inline void tar_text(struct buf *b, const char *name, const char *text)
{
	tar_add(b, name, '0', "", text, strlen(text));
}

static inline void tar_end(struct buf *b)
{
	static const char zeros[1024];
	struct err err = ERR_INIT;

	assert_ok(buf_add(b, zeros, sizeof(zeros), &err));
}

#endif
