// SPDX-License-Identifier: Apache-2.0
//
// Scan and scrub over small trees made by hand, and over a file of a real build that holds the day.
#include "eifgen/scan.h"

#include "tests/unit/layerfs/scan_fixtures.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct tree *tree;
static struct err err;

static struct node *dir(struct node *parent, const char *name)
{
	struct node *n = tree_add_dir(tree, parent, name, 0755, &err);

	ck_assert_ptr_nonnull(n);
	n->inode->layer = 0;
	return n;
}

static struct node *file(struct node *parent, const char *name, const char *data)
{
	struct node *n = tree_add_file(tree, parent, name, 0640, data, strlen(data), &err);

	ck_assert_ptr_nonnull(n);
	n->inode->layer = 1;
	n->inode->uid = 7;
	return n;
}

static void make_tree(void)
{
	struct node *etc, *log;

	tree = tree_new(TREE_WRITE_THROUGH, &err);
	ck_assert_ptr_nonnull(tree);
	etc = dir(tree_root(tree), "etc");
	log = dir(dir(tree_root(tree), "var"), "log");
	file(etc, "machine-id", "0123\n");
	file(etc, "hello", "made on 2026-11-21, by hand\n");
	file(log, "dpkg.log", "x");
	log->inode->implied = true;
	assert_ok(tree_sort(tree, &err));
}

static const struct scan_finding *find(const struct scan *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->findings[i].id, id))
			return &s->findings[i];
	return NULL;
}

START_TEST(test_scan_tree_canonical_names_files_and_not_times)
{
	struct scan_options opt = {.layout = LAYOUT_CANONICAL, .created = "2026-11-21T10:00:00Z"};
	struct scan *s = NULL;

	make_tree();
	assert_ok(scan_tree(tree, &opt, &s, &err));
	ck_assert_uint_eq(s->count, 3);
	ck_assert_str_eq(find(s, "machine-id")->path, "etc/machine-id");
	ck_assert_int_eq(find(s, "machine-id")->layer, 1);
	ck_assert_str_eq(find(s, "build-date")->path, "etc/hello");
	ck_assert_str_eq(find(s, "dpkg-log")->path, "var/log/dpkg.log");
	scan_free(s);
	opt.created = "1970-01-01T00:00:00Z";
	assert_ok(scan_tree(tree, &opt, &s, &err));
	ck_assert_ptr_null(find(s, "build-date"));
	scan_free(s);
	tree_free(tree);
}
END_TEST

// Puts a fixture into the tree, below directories of its own.
static void put_fixture(const struct fixture *x)
{
	struct node *at = tree_root(tree);
	char path[4096], *name = path, *slash, *data;

	snprintf(path, sizeof(path), "%s", x->path[0]);
	for (; (slash = strchr(name, '/')); name = slash + 1) {
		*slash = '\0';
		at = dir(at, name);
	}
	data = strndup((const char *)x->data[0].data, x->data[0].len);
	file(at, name, data);
	free(data);
}

START_TEST(test_scan_tree_real_build_its_day_is_named)
{
	struct fixtures f;
	struct scan *s = NULL;
	size_t positive = 0, negative = 0;

	fixtures_load(&f);
	for (size_t i = 0; i < f.count; i++) {
		struct scan_options opt = {.layout = LAYOUT_CANONICAL};
		char created[64];

		if (strcmp(f.list[i].rule, "build-date"))
			continue;
		snprintf(created, sizeof(created), "%sT10:00:00Z", f.list[i].day);
		opt.created = created;
		tree = tree_new(TREE_WRITE_THROUGH, &err);
		put_fixture(&f.list[i]);
		assert_ok(tree_sort(tree, &err));
		assert_ok(scan_tree(tree, &opt, &s, &err));
		ck_assert_uint_eq(s->count, f.list[i].positive);
		positive += s->count;
		negative += !s->count;
		scan_free(s);
		tree_free(tree);
	}
	ck_assert_uint_gt(positive, 0);
	ck_assert_uint_gt(negative, 0);
	fixtures_free(&f);
}
END_TEST

START_TEST(test_scan_tree_nitro_cli_also_names_times_and_implied_parents)
{
	struct scan_options opt = {.layout = LAYOUT_NITRO_CLI};
	struct scan *s = NULL;

	make_tree();
	assert_ok(scan_tree(tree, &opt, &s, &err));
	ck_assert_uint_eq(find(s, "file-times")->count, 6);
	ck_assert_uint_eq(find(s, "implied-parents")->count, 1);
	ck_assert_str_eq(find(s, "implied-parents")->path, "\"var/log\"");
	scan_free(s);
	opt = (struct scan_options){.layout = LAYOUT_CANONICAL, .mtime = MTIME_CLAMP};
	assert_ok(scan_tree(tree, &opt, &s, &err));
	ck_assert_ptr_nonnull(find(s, "file-times"));
	ck_assert_ptr_null(find(s, "implied-parents"));
	scan_free(s);
	tree_free(tree);
}
END_TEST

START_TEST(test_scan_scrub_drops_and_empties_what_was_chosen)
{
	struct scan *s = NULL;
	struct node *n;
	uint64_t rules = 0;

	make_tree();
	assert_ok(entropy_scrub_parse("machine-id,dpkg-log", &rules, &err));
	assert_ok(scan_scrub(tree, rules, &s, &err));
	assert_ok(tree_sort(tree, &err));
	ck_assert_uint_eq(s->count, 2);
	n = tree_resolve(tree, "etc/machine-id", 14, false, &err);
	ck_assert_ptr_nonnull(n);
	ck_assert_uint_eq(n->inode->size, 0);
	ck_assert_uint_eq(n->inode->uid, 7);
	ck_assert_uint_eq(n->inode->mode & 07777, 0640);
	ck_assert_ptr_null(tree_resolve(tree, "var/log/dpkg.log", 16, false, &err));
	ck_assert_ptr_nonnull(tree_resolve(tree, "etc/hello", 9, false, &err));
	scan_free(s);
	tree_free(tree);
}
END_TEST

START_TEST(test_scan_scrub_unchosen_rules_change_nothing)
{
	struct scan *s = NULL;

	make_tree();
	assert_ok(scan_scrub(tree, 0, &s, &err));
	ck_assert_uint_eq(s->count, 0);
	ck_assert_ptr_nonnull(tree_resolve(tree, "var/log/dpkg.log", 16, false, &err));
	scan_free(s);
	tree_free(tree);
}
END_TEST

UNIT_MAIN("eifgen/scan", ADD(test_scan_tree_canonical_names_files_and_not_times)
	  ADD(test_scan_tree_real_build_its_day_is_named)
	  ADD(test_scan_tree_nitro_cli_also_names_times_and_implied_parents)
	  ADD(test_scan_scrub_drops_and_empties_what_was_chosen) ADD(test_scan_scrub_unchosen_rules_change_nothing))
