// SPDX-License-Identifier: Apache-2.0
//
// The overlay over hand-made trees: what stands where afterwards, which tools stay the image's, whose words the service
// gets; and the reader of the tool archive on what it must refuse.
#include "base/mem.h"
#include "eifgen/cage_overlay.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/stat.h>

// ---- a tool archive -------------------------------------------------------------------------------------------------
static void add_member(struct buf *tar, const char *name, char type, const char *link, const char *data)
{
	struct err err = ERR_INIT;
	char h[512] = {0}, pad[512] = {0};
	size_t n = strlen(data);

	strcpy(h, name);
	snprintf(h + 124, 12, "%011o", (unsigned)n);
	h[156] = type;
	strcpy(h + 157, link);
	memcpy(h + 257, "ustar\00000", 8);
	assert_ok(buf_add(tar, h, sizeof(h), &err));
	assert_ok(buf_add(tar, data, n, &err));
	assert_ok(buf_add(tar, pad, (512 - n % 512) % 512, &err));
}

static void make_tar(struct buf *tar)
{
	struct err err = ERR_INIT;
	static const char zeros[1024];

	add_member(tar, "runtime-dependencies/", '5', "", "");
	add_member(tar, "runtime-dependencies/PROVENANCE", '0', "", "runsvdir busybox 1\nsv busybox 1\nifconfig tools 2\n");
	add_member(tar, "runtime-dependencies/bin/", '5', "", "");
	add_member(tar, "runtime-dependencies/bin/cage-tools", '0', "", "all in one");
	add_member(tar, "runtime-dependencies/bin/ifconfig", '0', "", "a file of its own");
	add_member(tar, "runtime-dependencies/bin/runsvdir", '2', "cage-tools", "");
	add_member(tar, "runtime-dependencies/bin/sv", '2', "cage-tools", "");
	assert_ok(buf_add(tar, zeros, sizeof(zeros), &err));
}

static struct cage_bundle *make_bundle(void)
{
	struct err err = ERR_INIT;
	struct cage_bundle *b = mem_zalloc(1, sizeof(*b), &err);

	make_tar(&b->dependencies);
	assert_ok(buf_add_str(&b->service, "the service program", &err));
	assert_ok(buf_add_str(&b->data_plane, "the data plane", &err));
	assert_ok(cage_bundle_read_tools(b->dependencies.data, b->dependencies.len, b, &err));
	return b;
}

START_TEST(test_cage_bundle_read_tools_files_and_links)
{
	struct cage_bundle *b = make_bundle();

	ck_assert_uint_eq(b->tool_count, 3);
	ck_assert_str_eq(b->tools[0].name, "runsvdir");
	ck_assert_str_eq(b->tools[0].source, "busybox 1");
	ck_assert_str_eq(b->tools[0].target, "cage-tools");
	ck_assert_ptr_null(b->tools[2].target);
	ck_assert_uint_eq(b->tools[2].size, strlen("a file of its own"));
	ck_assert_uint_eq(b->file_count, 1);
	ck_assert_ptr_nonnull(cage_bundle_file(b, "cage-tools"));
	cage_bundle_free(b);
}
END_TEST

static const struct {
	const char *name, *link, *message;
	char type;
} bad_members[] = {
	{"etc/passwd", "", "an entry outside of", '0'},
	{"runtime-dependencies/bin/a/b", "", "no plain one", '0'},
	{"runtime-dependencies/bin/..", "", "no plain one", '0'},
	{"runtime-dependencies/bin/x", "/etc/passwd", "no plain one", '2'},
	{"runtime-dependencies/bin/x", "", "no PROVENANCE", '0'},
	{"runtime-dependencies/PROVENANCE", "", "not in bin/", '0'},
};

START_TEST(test_cage_bundle_read_tools_refuses)
{
	struct cage_bundle *b;
	struct buf tar = BUF_INIT(0);
	struct err err = ERR_INIT;

	b = mem_zalloc(1, sizeof(*b), &err);
	add_member(&tar, bad_members[_i].name, bad_members[_i].type, bad_members[_i].link, "ghost source 1\n");
	ck_assert_int_eq(cage_bundle_read_tools(tar.data, tar.len, b, &err), -1);
	ck_assert_msg(strstr(err.msg, bad_members[_i].message) != NULL, "said: %s", err.msg);
	cage_bundle_free(b);
	buf_free(&tar);
}
END_TEST

START_TEST(test_cage_bundle_read_tools_cut_archive_is_refused)
{
	struct cage_bundle *b;
	struct buf tar = BUF_INIT(0);
	struct err err = ERR_INIT;

	make_tar(&tar);
	for (size_t n = 0; n < tar.len - 1024; n += 256) { // every cut but that before the closing zeros
		b = mem_zalloc(1, sizeof(*b), &err);
		ck_assert_msg(cage_bundle_read_tools(tar.data, n, b, &err) == -1, "taken at %zu", n);
		cage_bundle_free(b);
	}
	buf_free(&tar);
}
END_TEST

// ---- the overlay ----------------------------------------------------------------------------------------------------
struct world {
	struct tree *tree;
	struct cage_bundle *bundle;
	struct cage_config *cage;
	struct layout_options layout;
	struct cage_overlay overlay;
	struct image_config config;
};

static void world_make(struct world *w, const char *json)
{
	struct err err = ERR_INIT;

	memset(w, 0, sizeof(*w));
	w->tree = tree_new(TREE_WRITE_THROUGH, &err);
	w->bundle = make_bundle();
	assert_ok(cage_config_parse(json, strlen(json), &w->cage, &err));
	w->overlay = (struct cage_overlay){.config = w->cage, .bundle = w->bundle, .port = 8080, .layout = &w->layout};
	w->config.user = w->config.working_dir = (char *)"";
}

static void world_free(struct world *w)
{
	cage_overlay_clear(&w->overlay);
	cage_config_free(w->cage);
	cage_bundle_free(w->bundle);
	tree_free(w->tree);
}

static struct node *at(struct world *w, const char *path)
{
	struct err err = ERR_INIT;

	return tree_resolve(w->tree, path, strlen(path), false, &err);
}

// The content of a file, until the next call.
static const char *content(struct world *w, const char *path)
{
	static char text[4096];
	struct err err = ERR_INIT;
	struct node *n = at(w, path);
	ssize_t got;

	ck_assert_msg(n != NULL, "no %s", path);
	got = tree_content_read(w->tree, n->inode, 0, text, sizeof(text) - 1, &err);
	ck_assert_int_ge(got, 0);
	text[got] = 0;
	return text;
}

static char *entrypoint[] = {(char *)"/bin/app", (char *)"an argument"}, *cmd[] = {(char *)"--flag"};
static char *env[] = {(char *)"PATH=/opt/own:/bin", (char *)"QUOTED=\"$(id)\" `x` 'y'"};

START_TEST(test_cage_overlay_apply_scratch_image_gets_everything)
{
	struct world w;
	struct err err = ERR_INIT;

	world_make(&w, "{\"name\":\"app\",\"tls_termination\":false}");
	w.config.entrypoint = entrypoint;
	w.config.entrypoint_count = 2;
	w.config.cmd = cmd;
	w.config.cmd_count = 1;
	w.config.working_dir = (char *)"srv/data";
	assert_ok(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err));
	ck_assert_str_eq(content(&w, "/etc/service/app/cmd"), "/bin/app\nan argument\n--flag\n");
	ck_assert_str_eq(content(&w, "/etc/service/app/env"),
			 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=/\n");
	ck_assert_str_eq(content(&w, "/etc/service/app/workdir"), "/srv/data\n");
	ck_assert_ptr_nonnull(at(&w, "/srv/data"));
	ck_assert_ptr_null(at(&w, "/etc/service/app/user"));
	ck_assert_str_eq(at(&w, "/etc/service/app/run")->inode->target, "/opt/cage/bin/cage-service");
	ck_assert_str_eq(content(&w, "/etc/service/data-plane/gate"), "close\n");
	ck_assert_str_eq(content(&w, "/opt/cage/bin/data-plane"), "the data plane");
	ck_assert_uint_eq(at(&w, "/opt/cage/bin/data-plane")->inode->mode & 07777, 0755);
	ck_assert_str_eq(content(&w, "/usr/local/bin/cage-tools"), "all in one");
	ck_assert_str_eq(at(&w, "/usr/local/bin/runsvdir")->inode->target, "cage-tools");
	ck_assert_uint_eq(w.config.entrypoint_count, 4);
	ck_assert_str_eq(w.config.entrypoint[2], "/usr/local/bin/runsvdir");
	ck_assert_uint_eq(w.config.cmd_count, 0);
	ck_assert_str_eq(w.config.user, "");
	world_free(&w);
}
END_TEST

START_TEST(test_cage_overlay_apply_keeps_the_tools_that_the_image_has)
{
	struct world w;
	struct err err = ERR_INIT;
	struct node *opt, *own;

	world_make(&w, "{\"name\":\"app\",\"tls_termination\":false}");
	opt = tree_add_dir(w.tree, tree_root(w.tree), "opt", 0755, &err);
	own = tree_add_dir(w.tree, opt, "own", 0755, &err);
	ck_assert_ptr_nonnull(tree_add_file(w.tree, own, "runsvdir", 0755, "theirs", 6, &err));
	ck_assert_ptr_nonnull(tree_add_file(w.tree, own, "sv", 0644, "no program", 10, &err));
	ck_assert_ptr_nonnull(tree_add_symlink(w.tree, own, "ifconfig", "../own/runsvdir", &err));
	w.config.cmd = cmd;
	w.config.cmd_count = 1;
	w.config.env = env;
	w.config.env_count = 2;
	assert_ok(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err));
	ck_assert_str_eq(w.config.entrypoint[2], "/opt/own/runsvdir");
	ck_assert(w.overlay.tools[0].from_image);
	ck_assert(!w.overlay.tools[1].from_image);
	ck_assert(w.overlay.tools[2].from_image);
	ck_assert_ptr_null(at(&w, "/usr/local/bin/runsvdir"));
	ck_assert_ptr_null(at(&w, "/usr/local/bin/ifconfig"));
	ck_assert_ptr_nonnull(at(&w, "/usr/local/bin/sv"));
	ck_assert_str_eq(content(&w, "/etc/service/app/env"), "PATH=/opt/own:/bin\nQUOTED=\"$(id)\" `x` 'y'\nHOME=/\n");
	world_free(&w);
}
END_TEST

START_TEST(test_cage_overlay_apply_user_is_resolved_and_egress_answers_names)
{
	static const char passwd[] = "app:x:1000:100::/home/app:\n", group[] = "g:x:55:app\n";
	struct world w;
	struct err err = ERR_INIT;
	struct node *etc;

	world_make(&w, "{\"name\":\"app\",\"egress\":{\"enabled\":true,\"destinations\":[\"a.example.com\"]}}");
	etc = tree_add_dir(w.tree, tree_root(w.tree), "etc", 0755, &err);
	ck_assert_ptr_nonnull(tree_add_file(w.tree, etc, "passwd", 0644, passwd, strlen(passwd), &err));
	ck_assert_ptr_nonnull(tree_add_file(w.tree, etc, "group", 0644, group, strlen(group), &err));
	w.config.cmd = cmd;
	w.config.cmd_count = 1;
	w.config.user = (char *)"app";
	assert_ok(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err));
	ck_assert_str_eq(content(&w, "/etc/service/app/user"), "1000:100:55\n");
	ck_assert_ptr_nonnull(strstr(content(&w, "/etc/service/app/env"), "HOME=/home/app\n"));
	ck_assert_uint_eq(w.config.entrypoint_count, 5);
	ck_assert_str_eq(w.config.entrypoint[4], "127.0.0.1");
	world_free(&w);
}
END_TEST

START_TEST(test_cage_overlay_apply_nothing_to_run_is_refused)
{
	struct world w;
	struct err err = ERR_INIT;

	world_make(&w, "{\"name\":\"app\"}");
	ck_assert_int_eq(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "neither ENTRYPOINT nor CMD"));
	world_free(&w);
}
END_TEST

// What the overlay says of the files that cage.json names; `have` is in the image.
static const struct {
	const char *cert, *key, *keys, *have, *said;
} secrets[] = {
	{NULL, NULL, NULL, "", ""},
	{"/run/c", "/tmp/k", "/run/a", "", ""},
	{"/c", "/run/k", "/a", "ca", ""},
	{"/c", "/run/k", "/a", "a", "cage.json: tls.cert_file: the image holds no /c: unless something makes it in the enclave, the "
				    "data plane does not start\n"},
	{"/c", "/k", "/a", "cka", "cage.json: tls.key_file: the image holds the private key /k: whoever has the EIF can read it\n"},
	{"/run/c", "/run/k", "/a", "ac", ""},
	{"/run/r", "/run/k", "/a", "ar", "cage.json: tls.cert_file: the image's /run/r is hidden at run time, when a file system is "
					 "mounted over it\n"},
};

static void collect(void *ctx, const char *text)
{
	strcat(strcat(ctx, text), "\n");
}

START_TEST(test_cage_overlay_apply_warns_of_files_that_will_lack_or_leak)
{
	char json[512], said[1024] = "";
	struct world w;
	struct err err = ERR_INIT;
	struct node *run;

	if (secrets[_i].cert)
		snprintf(json, sizeof(json), "{\"name\":\"app\",\"tls\":{\"cert_file\":\"%s\",\"key_file\":\"%s\"},"
			 "\"api_key_auth\":true,\"api_keys_file\":\"%s\"}", secrets[_i].cert, secrets[_i].key, secrets[_i].keys);
	world_make(&w, secrets[_i].cert ? json : "{\"name\":\"app\",\"api_key_auth\":true}");
	run = tree_add_dir(w.tree, tree_root(w.tree), "run", 0755, &err);
	for (const char *p = secrets[_i].have; *p; p++)
		ck_assert_ptr_nonnull(tree_add_file(w.tree, *p == 'r' ? run : tree_root(w.tree), (char[]){*p, 0}, 0600, "x", 1, &err));
	w.layout.warn = collect;
	w.layout.ctx = said;
	w.config.cmd = cmd;
	w.config.cmd_count = 1;
	assert_ok(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err));
	ck_assert_str_eq(said, secrets[_i].said);
	world_free(&w);
}
END_TEST

START_TEST(test_cage_overlay_apply_replaces_a_service_directory_of_the_image)
{
	char said[1024] = "";
	struct world w;
	struct err err = ERR_INIT;
	struct node *etc, *service, *own;

	world_make(&w, "{\"name\":\"app\",\"tls_termination\":false}");
	etc = tree_add_dir(w.tree, tree_root(w.tree), "etc", 0755, &err);
	service = tree_add_dir(w.tree, etc, "service", 0755, &err);
	own = tree_add_dir(w.tree, service, "data-plane", 0755, &err);
	ck_assert_ptr_nonnull(tree_add_file(w.tree, own, "down", 0644, "", 0, &err));
	ck_assert_ptr_nonnull(tree_add_symlink(w.tree, service, "app", "/etc/app", &err));
	own = tree_add_dir(w.tree, etc, "app", 0755, &err);
	ck_assert_ptr_nonnull(tree_add_file(w.tree, own, "user", 0644, "0:0:\n", 5, &err));
	own = tree_add_dir(w.tree, service, "cron", 0755, &err);
	ck_assert_ptr_nonnull(tree_add_file(w.tree, own, "run", 0755, "x", 1, &err));
	w.layout.warn = collect;
	w.layout.ctx = said;
	w.config.cmd = cmd;
	w.config.cmd_count = 1;
	assert_ok(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err));
	ck_assert_ptr_null(at(&w, "/etc/service/data-plane/down"));
	ck_assert_ptr_null(at(&w, "/etc/service/app/user"));
	ck_assert(S_ISDIR(at(&w, "/etc/service/app")->inode->mode));
	ck_assert_str_eq(content(&w, "/etc/app/user"), "0:0:\n");
	ck_assert_str_eq(content(&w, "/etc/service/cron/run"), "x");
	ck_assert_str_eq(said, "cage: the image's own /etc/service/data-plane is replaced\ncage: the image's own /etc/service/app is "
			       "replaced\n");
	world_free(&w);
}
END_TEST

static const struct {
	const char *name, *target, *message; // of a link in the root
} leads[] = {
	{"etc", "/run/etc", "cage: /etc/service: a symlink leads to where a file system is mounted"},
	{"opt", "tmp", "cage: /opt/cage: a symlink leads to where"},
	{"usr", "/dev/usr", "cage: /usr/local/bin: a symlink leads to where"},
	{"etc", "etc", "cage: /etc/service: more than 255 symlinks"},
	{"opt", "/run.d", ""},
};

START_TEST(test_cage_overlay_apply_what_a_mount_would_hide_is_refused)
{
	struct world w;
	struct err err = ERR_INIT;

	world_make(&w, "{\"name\":\"app\",\"tls_termination\":false}");
	ck_assert_ptr_nonnull(tree_add_symlink(w.tree, tree_root(w.tree), leads[_i].name, leads[_i].target, &err));
	w.config.cmd = cmd;
	w.config.cmd_count = 1;
	ck_assert_int_eq(cage_overlay_apply(&w.overlay, w.tree, &w.config, &err), *leads[_i].message ? -1 : 0);
	ck_assert_msg(!strncmp(err.msg, leads[_i].message, strlen(leads[_i].message)), "%s", err.msg);
	world_free(&w);
}
END_TEST

UNIT_MAIN("eifgen/cage_overlay",
	  ADD(test_cage_overlay_apply_replaces_a_service_directory_of_the_image)
	  tcase_add_loop_test(tc_, test_cage_overlay_apply_what_a_mount_would_hide_is_refused, 0,
			      (int)(sizeof(leads) / sizeof(leads[0])));
	  ADD(test_cage_bundle_read_tools_files_and_links)
	  tcase_add_loop_test(tc_, test_cage_bundle_read_tools_refuses, 0,
			      (int)(sizeof(bad_members) / sizeof(bad_members[0])));
	  ADD(test_cage_bundle_read_tools_cut_archive_is_refused)
	  ADD(test_cage_overlay_apply_scratch_image_gets_everything)
	  ADD(test_cage_overlay_apply_keeps_the_tools_that_the_image_has)
	  ADD(test_cage_overlay_apply_user_is_resolved_and_egress_answers_names)
	  tcase_add_loop_test(tc_, test_cage_overlay_apply_warns_of_files_that_will_lack_or_leak, 0,
			      (int)(sizeof(secrets) / sizeof(secrets[0])));
	  ADD(test_cage_overlay_apply_nothing_to_run_is_refused))
