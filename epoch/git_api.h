// SPDX-License-Identifier: Apache-2.0
//
// libgit2, opened when a git repository is first asked: `git->repository_open_ext()` is git_repository_open_ext() with
// the prototype of git2.h. Private to epoch.
#ifndef EPOCH_GIT_API_H
#define EPOCH_GIT_API_H

#include "base/dynlib.h"

#include <git2.h>

// clang-format off
#define GIT_API(X)                                                                                                     \
	X(libgit2_version) X(libgit2_init) X(libgit2_opts) X(libgit2_shutdown) X(error_last) X(buf_dispose)            \
	X(repository_discover) X(repository_open_ext) X(repository_free) X(repository_head) X(repository_workdir)      \
	X(repository_is_bare) X(repository_is_shallow)                                                                 \
	X(reference_peel) X(reference_free)                                                                            \
	X(commit_free) X(commit_id) X(commit_parent) X(commit_parentcount) X(commit_time) X(commit_tree)               \
	X(tree_free) X(tree_id) X(tree_entry_bypath) X(tree_entry_free) X(tree_entry_filemode_raw) X(tree_entry_id)    \
	X(diff_tree_to_tree) X(diff_num_deltas) X(diff_get_delta) X(diff_free)                                         \
	X(status_list_new) X(status_list_entrycount) X(status_byindex) X(status_list_free)                             \
	X(oid_cpy) X(oid_equal) X(oid_tostr)
// clang-format on

#define GIT_API_FIELD(f) __typeof__(git_##f) *f;
struct git_api {
	GIT_API(GIT_API_FIELD)
} __attribute__((aligned(DYNLIB_PAGE)));

// Read-only, its pointers NULL until git_load has returned 0.
extern const struct git_api *const git;

// Before any call through `git`; any thread, any number of times. The first one opens the library, and its answer
// stays: 0, or -1 with ERR_UNSUPPORTED if it cannot be opened or is another version than that of git2.h. err may be
// NULL.
int git_load(struct err *err);

#endif
