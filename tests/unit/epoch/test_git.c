// SPDX-License-Identifier: Apache-2.0
//
// The epoch from git, over repositories that the test makes with libgit2. What git itself says of the same things is
// compared in tests/cmd/epoch.sh; this is here for the sanitizers and for the errors' classes.
#include "epoch/epoch.h"

#include "tests/unit/unit.h"

#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/eifgen-epoch-XXXXXX";

// Commits the file `name` (with content `text`) on top of HEAD at that time.
static void commit(git_repository *repo, const char *name, const char *text, git_time_t when)
{
	git_index *index;
	git_oid tree_id, id, head;
	git_tree *tree;
	git_signature *sig;
	git_commit *parent = NULL;
	git_index_entry entry = {.mode = GIT_FILEMODE_BLOB, .path = name};

	ck_assert_int_eq(git_repository_index(&index, repo), 0);
	ck_assert_int_eq(git_index_add_from_buffer(index, &entry, text, strlen(text)), 0);
	ck_assert_int_eq(git_index_write(index), 0);
	ck_assert_int_eq(git_index_write_tree(&tree_id, index), 0);
	ck_assert_int_eq(git_tree_lookup(&tree, repo, &tree_id), 0);
	ck_assert_int_eq(git_signature_new(&sig, "a", "a@b", when, 0), 0);
	if (!git_reference_name_to_id(&head, repo, "HEAD"))
		ck_assert_int_eq(git_commit_lookup(&parent, repo, &head), 0);
	ck_assert_int_eq(git_commit_create_v(&id, repo, "HEAD", sig, sig, NULL, "x", tree, parent ? 1 : 0, parent), 0);
	git_commit_free(parent);
	git_signature_free(sig);
	git_tree_free(tree);
	git_index_free(index);
}

static void make_repository(void)
{
	git_repository *repo;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	git_libgit2_init();
	ck_assert_int_eq(git_repository_init(&repo, dir, 1), 0);
	commit(repo, "a", "1", 1000);
	commit(repo, "b", "1", 2000);
	commit(repo, "d/c", "1", 500); // clocks of committers go backwards too
	git_repository_free(repo);
	git_libgit2_shutdown();
}

static void remove_repository(void)
{
	char line[64];

	snprintf(line, sizeof(line), "rm -rf %s", dir);
	ck_assert_int_eq(system(line), 0);
}

START_TEST(test_epoch_from_git_head_and_paths_give_their_commits)
{
	static const struct {
		const char *path;
		uint32_t want;
	} rows[] = {{NULL, 500}, {"a", 1000}, {"b", 2000}, {"d", 500}, {"./d//c", 500}, {".", 500}};
	struct err err = ERR_INIT;
	struct epoch e;

	make_repository();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_ok(epoch_from_git(dir, rows[i].path, &e, &err));
		ck_assert_uint_eq(e.seconds, rows[i].want);
		ck_assert_int_eq(e.source, EPOCH_FROM_GIT);
		ck_assert_uint_eq(strlen(e.commit), 40);
		ck_assert_str_eq(e.dir, dir);
		ck_assert_int_eq(!e.path, !rows[i].path);
		epoch_clear(&e);
		ck_assert_ptr_null(e.dir);
	}
	ck_assert(epoch_git_holds(dir));
	remove_repository();
}
END_TEST

START_TEST(test_epoch_from_git_failure_leaves_out_untouched)
{
	struct err err = ERR_INIT;
	struct epoch e = {.seconds = 7};

	make_repository();
	ck_assert_int_eq(epoch_from_git(dir, "missing", &e, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_int_eq(epoch_from_git(dir, "../x", &e, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	remove_repository();
	ck_assert_int_eq(epoch_from_git(dir, NULL, &e, &err), -1);
	ck_assert(!epoch_git_holds(dir));
	ck_assert_uint_eq(e.seconds, 7);
	ck_assert_ptr_null(e.dir);
}
END_TEST

START_TEST(test_epoch_from_git_but_steps_over_the_file_alone)
{
	static const struct {
		const char *file;
		uint32_t want;
	} rows[] = {{"d/c", 2000}, {"./d/c", 2000}, {"b", 500}, {"missing", 500}};
	struct err err = ERR_INIT;
	struct epoch e;

	make_repository();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_ok(epoch_from_git_but(dir, rows[i].file, &e, &err));
		ck_assert_uint_eq(e.seconds, rows[i].want);
		ck_assert_ptr_null(e.path);
		epoch_clear(&e);
	}
	// not of this repository: nothing is stepped over
	assert_ok(epoch_from_git_but(dir, "/elsewhere/cage.json", &e, &err));
	ck_assert_uint_eq(e.seconds, 500);
	epoch_clear(&e);
	remove_repository();
}
END_TEST

START_TEST(test_epoch_git_holds_counts_what_cannot_be_read)
{
	char gitlink[sizeof(dir) + 8];
	FILE *f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert(!epoch_git_holds(dir));
	snprintf(gitlink, sizeof(gitlink), "%s/.git", dir);
	f = fopen(gitlink, "w");
	ck_assert_ptr_nonnull(f);
	fputs("gitdir: /nonexistent/git\n", f); // a worktree whose repository is elsewhere
	ck_assert_int_eq(fclose(f), 0);
	ck_assert(epoch_git_holds(dir));
	unlink(gitlink);
	rmdir(dir);
}
END_TEST

UNIT_MAIN("epoch/git", ADD(test_epoch_from_git_but_steps_over_the_file_alone)
	  ADD(test_epoch_git_holds_counts_what_cannot_be_read)
	  ADD(test_epoch_from_git_head_and_paths_give_their_commits)
	  ADD(test_epoch_from_git_failure_leaves_out_untouched))
