// SPDX-License-Identifier: Apache-2.0
//
// The grammar of image references.
#include "layerfs/reference.h"

#include "tests/unit/unit.h"

#include <string.h>

static const struct {
	const char *text;
	enum reference_kind kind;
	const char *path, *name, *host, *repo, *tag, *digest;
} good[] = {
#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	{"oci:dir", REFERENCE_OCI_DIR, "dir", NULL, NULL, NULL, NULL, NULL},
	{"oci:/a/b:v1", REFERENCE_OCI_DIR, "/a/b", "v1", NULL, NULL, NULL, NULL},
	{"oci:d:docker.io/library/x:1", REFERENCE_OCI_DIR, "d", "docker.io/library/x:1", NULL, NULL, NULL, NULL},
	{"oci-archive:f.tar:t", REFERENCE_OCI_ARCHIVE, "f.tar", "t", NULL, NULL, NULL, NULL},
	{"docker-archive:f.tar", REFERENCE_DOCKER_ARCHIVE, "f.tar", NULL, NULL, NULL, NULL, NULL},
	{"docker-archive:f.tar:hello", REFERENCE_DOCKER_ARCHIVE, "f.tar", "docker.io/library/hello:latest", NULL, NULL, NULL, NULL},
	{"docker-archive:f.tar:r.example/a/b:2", REFERENCE_DOCKER_ARCHIVE, "f.tar", "r.example/a/b:2", NULL, NULL, NULL, NULL},
	{"docker-archive:f.tar:@12", REFERENCE_DOCKER_ARCHIVE, "f.tar", "@12", NULL, NULL, NULL, NULL},
	{"docker://busybox", REFERENCE_REGISTRY, NULL, NULL, "docker.io", "library/busybox", "latest", NULL},
	{"docker://index.docker.io/a/b:c", REFERENCE_REGISTRY, NULL, NULL, "docker.io", "a/b", "c", NULL},
	{"docker://localhost:5000/a:1.0", REFERENCE_REGISTRY, NULL, NULL, "localhost:5000", "a", "1.0", NULL},
	{"docker://127.0.0.1:5000/a-b/c__d/e.f_g:T-1_x.y", REFERENCE_REGISTRY, NULL, NULL, "127.0.0.1:5000", "a-b/c__d/e.f_g", "T-1_x.y", NULL},
	{"docker://[::1]:5000/a", REFERENCE_REGISTRY, NULL, NULL, "[::1]:5000", "a", "latest", NULL},
	{"docker://r.example/a@" SHA, REFERENCE_REGISTRY, NULL, NULL, "r.example", "a", NULL, SHA},
	{"docker://r.example/a:tag@" SHA, REFERENCE_REGISTRY, NULL, NULL, "r.example", "a", NULL, SHA},
	{"docker-daemon:hello:1", REFERENCE_DAEMON, NULL, "docker.io/library/hello:1", NULL, NULL, NULL, NULL},
	{"docker-daemon:" SHA, REFERENCE_DAEMON, NULL, SHA, NULL, NULL, NULL, NULL},
	{"./x:y", REFERENCE_PATH, "./x:y", NULL, NULL, NULL, NULL, NULL},
};

static void same(const char *text, const char *got, const char *want)
{
	if (!want)
		ck_assert_msg(!got, "%s: %s", text, got);
	else
		ck_assert_msg(got && !strcmp(got, want), "%s: %s, not %s", text, got, want);
}

START_TEST(test_reference_parse_good_forms_give_their_parts)
{
	struct err err = ERR_INIT;
	struct reference r;

	if (reference_parse(good[_i].text, &r, &err))
		ck_abort_msg("%s: %s", good[_i].text, err.msg);
	ck_assert_int_eq(r.kind, good[_i].kind);
	same(good[_i].text, r.path, good[_i].path);
	same(good[_i].text, r.name, good[_i].name);
	same(good[_i].text, r.host, good[_i].host);
	same(good[_i].text, r.repo, good[_i].repo);
	same(good[_i].text, r.tag, good[_i].tag);
	same(good[_i].text, r.digest, good[_i].digest);
	reference_clear(&r);
}
END_TEST

static const struct {
	const char *text;
	enum err_class class;
	const char *says;
} bad[] = {
	{"", ERR_USAGE, "empty"},
	{"oci:", ERR_USAGE, "no path"},
	{"oci::v1", ERR_USAGE, "no path"},
	{"oci:dir:", ERR_USAGE, "nothing after"},
	{"docker-archive:f:@", ERR_USAGE, "no number"},
	{"docker-archive:f:@1x", ERR_USAGE, "no number"},
	{"docker-archive:f:@99999999999", ERR_USAGE, "no number"},
	{"docker-archive:f:Upper", ERR_USAGE, "repository name"},
	{"docker://", ERR_USAGE, "repository name"},
	{"docker://r.example/", ERR_USAGE, "repository name"},
	{"docker://r.example/a//b", ERR_USAGE, "repository name"},
	{"docker://r.example/a/../b", ERR_USAGE, "repository name"},
	{"docker://r.example/a.", ERR_USAGE, "repository name"},
	{"docker://r.example/a..b", ERR_USAGE, "repository name"},
	{"docker://r.example/a?x=y", ERR_USAGE, "repository name"},
	{"docker://r.example/a:", ERR_USAGE, "tag"},
	{"docker://r.example/a:.x", ERR_USAGE, "tag"},
	{"docker://r.example/a:x/y", ERR_USAGE, "tag"},
	{"docker://user@r.example/a", ERR_USAGE, "no host"},
	{"docker://r.example:99999/a", ERR_USAGE, "no host"},
	{"docker://r.example:/a", ERR_USAGE, "no host"},
	{"docker://-r.example/a", ERR_USAGE, "no host"},
	{"docker://[::1/a", ERR_USAGE, "no host"},
	{"docker://a@sha256:12", ERR_INPUT, "no digest"},
	{"docker://a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", ERR_INPUT, "no digest"},
	{"docker://a@sha512:00", ERR_UNSUPPORTED, "only sha256"},
	{"docker-daemon:", ERR_USAGE, "no image name"},
	{"docker-daemon:sha256:12", ERR_INPUT, "no digest"},
	{"containers-storage:x:1", ERR_UNSUPPORTED, "skopeo copy 'containers-storage:x:1' oci:image:latest"},
	{"dir:x", ERR_UNSUPPORTED, "skopeo copy 'dir:x'"},
	{"containers-storage:x'y", ERR_UNSUPPORTED, "are not read"},
};

START_TEST(test_reference_parse_bad_forms_are_refused_with_reason)
{
	struct err err = ERR_INIT;
	struct reference r;

	ck_assert_msg(reference_parse(bad[_i].text, &r, &err) == -1, "%s passed", bad[_i].text);
	ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%s: %s", bad[_i].text, err.msg);
	ck_assert_msg(err.class == bad[_i].class, "%s: class %d", bad[_i].text, (int)err.class);
	reference_clear(&r);
}
END_TEST

START_TEST(test_reference_normalize_digest_is_refused)
{
	struct err err = ERR_INIT;
	char *full = NULL;

	ck_assert_int_eq(reference_normalize("a@" SHA, &full, &err), -1);
	assert_ok(reference_normalize("localhost/a", &full, &err));
	ck_assert_str_eq(full, "localhost/a:latest");
	free(full);
}
END_TEST

#define LOOP(name, table) tcase_add_loop_test(tc_, name, 0, sizeof(table) / sizeof(*(table)));

UNIT_MAIN("layerfs/reference",
	  LOOP(test_reference_parse_good_forms_give_their_parts, good)
	  LOOP(test_reference_parse_bad_forms_are_refused_with_reason, bad)
	  ADD(test_reference_normalize_digest_is_refused))
