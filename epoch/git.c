// SPDX-License-Identifier: Apache-2.0
//
// The epoch from a git repository, through libgit2: the committer time of HEAD, or of the last commit that changed a
// path, and whether the work tree differs from HEAD.
//
// "The last commit that changed a path" is what `git log -1 -- PATH` prints, and needs no queue: from HEAD, while some
// parent holds the very same object at the path, step to the first such parent; the commit where none does is the
// answer (a root commit, or a change; at a merge, a result that neither side had). Every parent that was asked must be
// there: at the edge of a shallow clone the true answer may lie beyond, and a guess would be another epoch than a full
// clone gives, so that is an error.
//
// Never taken from the environment: GIT_DIR and its kin. Read by libgit2 itself: the user's and the system's git
// configuration, which is where safe.directory stands; they cannot change a commit's time.
#include "epoch/epoch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "epoch/git_api.h"
#include "epoch/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

CLEANUP_DEFINE(git_commit, commit, git->commit_free)
CLEANUP_DEFINE(git_tree, tree, git->tree_free)
CLEANUP_DEFINE(git_tree_entry, tree_entry, git->tree_entry_free)
CLEANUP_DEFINE(git_status_list, status_list, git->status_list_free)

enum { QUOTE_MAX = 400, PATH_CAP = 65536 };

static const char *quote(const char *s, char out[QUOTE_MAX])
{
	return err_quote(s, strlen(s), out, QUOTE_MAX);
}

// libgit2's last words, with what a person can do where they alone do not say it.
static int git_err(struct err *err, const char *verb)
{
	const git_error *e = git->error_last();

	return err_set(err, ERR_INPUT, "%s: %s", verb, e && e->message ? e->message : "unknown error of libgit2");
}

// ---- opening -------------------------------------------------------------------------------------------------------

// Ownership is checked for the work tree, or the git directory of a bare one; that path is what must be allowed.
static int refused_owner(const char *dir, struct err *err)
{
	char q[QUOTE_MAX];
	git_buf found = GIT_BUF_INIT;
	const char *where = dir;

	if (!git->repository_discover(&found, dir, 0, NULL) && found.ptr) {
		size_t n = strlen(found.ptr);

		while (n > 1 && found.ptr[n - 1] == '/')
			found.ptr[--n] = '\0';
		if (n > 5 && !strcmp(found.ptr + n - 5, "/.git"))
			found.ptr[n - 5] = '\0';
		where = found.ptr;
	}
	err_set(err, ERR_INPUT,
		"the repository belongs to another user; to trust it, run: git config --global --add safe.directory %s",
		quote(where, q));
	git->buf_dispose(&found);
	return -1;
}

static int open_repository(git_repository **repo, const char *dir, struct err *err)
{
	int rc = git->repository_open_ext(repo, dir, 0, NULL);
	const git_error *e = git->error_last();
	const char *text = e && e->message ? e->message : "";

	if (!rc)
		return 0;
	// Where the user's configuration has no safe.directory at all, libgit2 1.5 answers with that lookup's failure.
	if (rc == GIT_EOWNER || strstr(text, "safe.directory"))
		return refused_owner(dir, err);
	if (strstr(text, "objectformat"))
		return err_set(err, ERR_UNSUPPORTED,
			       "the repository is in the SHA-256 object format, which libgit2 " LIBGIT2_VERSION
			       " cannot read; give the time as a number: --epoch $(git log -1 --format=%%ct)");
	if (rc == GIT_ENOTFOUND && e && e->klass == GIT_ERROR_REPOSITORY)
		return err_set(err, ERR_INPUT, "no git repository here or above");
	return git_err(err, "open repository");
}

// Extensions of the repository format that change nothing of what is read here; others stay refused. (An absent
// object of a partial clone is an error when it is needed, and is named then.)
static int start_libgit2(struct err *err)
{
	static const char *extensions[] = {"partialclone", "worktreeconfig", "preciousobjects"};

	if (git_load(err))
		return -1;
	if (git->libgit2_init() < 0)
		return git_err(err, "start libgit2");
	if (git->libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, sizeof(extensions) / sizeof(*extensions)) < 0) {
		git_err(err, "start libgit2");
		git->libgit2_shutdown();
		return -1;
	}
	return 0;
}

static int head_commit(git_commit **commit, git_repository *repo, struct err *err)
{
	git_reference *head = NULL;
	git_object *object = NULL;
	int rc = git->repository_head(&head, repo);

	if (rc == GIT_EUNBORNBRANCH)
		return err_set(err, ERR_INPUT, "the repository has no commit yet");
	if (rc)
		return git_err(err, "read HEAD");
	rc = git->reference_peel(&object, head, GIT_OBJECT_COMMIT);
	git->reference_free(head);
	if (rc)
		return git_err(err, "read HEAD");
	*commit = (git_commit *)object;
	return 0;
}

// ---- the path in the tree ------------------------------------------------------------------------------------------

// Takes the last component off b.
static int pop_component(struct buf *b, struct err *err)
{
	if (!b->len)
		return err_set(err, ERR_USAGE, "the path leaves the repository");
	while (b->len && b->data[b->len - 1] != '/')
		b->len--;
	if (b->len)
		b->len--;
	return 0;
}

static int push_components(struct buf *b, const char *path, struct err *err)
{
	while (*path) {
		size_t n = strcspn(path, "/");
		bool dots = n == 2 && path[0] == '.' && path[1] == '.';

		if (dots && pop_component(b, err))
			return -1;
		if (n && !dots && !(n == 1 && path[0] == '.') &&
		    ((b->len && buf_add_byte(b, '/', err)) || buf_add(b, path, n, err)))
			return -1;
		path += n + (path[n] == '/');
	}
	return 0;
}

char *epoch_tree_path(const char *prefix, const char *path, struct err *err)
{
	struct buf b = BUF_INIT(PATH_CAP);

	if ((path[0] == '/' || !push_components(&b, prefix, err)) && !push_components(&b, path, err) &&
	    buf_cstr(&b, err))
		return (char *)b.data;
	buf_free(&b);
	return NULL;
}

// `full` below the directory `root` (both real paths): what follows, "" if they are one; NULL if it is not below.
static const char *below(const char *root, const char *full)
{
	size_t n = strlen(root);

	while (n && root[n - 1] == '/')
		n--;
	if (strncmp(full, root, n) || (full[n] && full[n] != '/'))
		return NULL;
	return full + n + strspn(full + n, "/");
}

// path as the caller gave it (relative to dir, or absolute) -> path from the work tree's root.
static char *path_in_tree(git_repository *repo, const char *dir, const char *path, struct err *err)
{
	const char *work = git->repository_workdir(repo), *prefix = "";
	_cleanup_free_ char *real_work = work ? realpath(work, NULL) : NULL;
	_cleanup_free_ char *real_dir = work ? realpath(dir, NULL) : NULL;
	_cleanup_free_ char *from_root = NULL;

	if (work && real_work && real_dir)
		prefix = below(real_work, real_dir);
	if (!prefix) // inside .git, say: paths are then counted from the root, as in a bare repository
		prefix = "";
	if (path[0] == '/') {
		const char *rest = real_work ? below(real_work, path) : NULL;

		if (!rest && work)
			rest = below(work, path);
		if (!rest) {
			err_set(err, ERR_USAGE, "the path is not below the work tree");
			return NULL;
		}
		from_root = mem_printf(err, "/%s", rest);
		if (!from_root)
			return NULL;
		path = from_root;
	}
	return epoch_tree_path(prefix, path, err);
}

// ---- history -------------------------------------------------------------------------------------------------------

// The object at `path` in the commit: its id and kind. 1: there; 0: not there; -1: error.
static int object_at(git_commit *commit, const char *path, git_oid *id, git_filemode_t *mode, struct err *err)
{
	_cleanup_(treep) git_tree *tree = NULL;
	_cleanup_(tree_entryp) git_tree_entry *entry = NULL;
	int rc;

	if (git->commit_tree(&tree, commit))
		return git_err(err, "read tree");
	if (!*path) {
		git->oid_cpy(id, git->tree_id(tree));
		*mode = GIT_FILEMODE_TREE;
		return 1;
	}
	rc = git->tree_entry_bypath(&entry, tree, path);
	// A missing tree object gives GIT_ENOTFOUND too; only the class tells it from a path that is not there.
	if (rc == GIT_ENOTFOUND && git->error_last() && git->error_last()->klass == GIT_ERROR_TREE)
		return 0;
	if (rc)
		return git_err(err, "read tree");
	git->oid_cpy(id, git->tree_entry_id(entry));
	*mode = git->tree_entry_filemode_raw(entry);
	return 1;
}

static int missing_parent(git_repository *repo, const git_commit *commit, struct err *err)
{
	char hex[GIT_OID_HEXSZ + 1];

	git->oid_tostr(hex, sizeof(hex), git->commit_id(commit));
	if (git->repository_is_shallow(repo) == 1)
		return err_set(
		    err, ERR_INPUT,
		    "this clone is shallow and ends at commit %s, before the last change of the path is known;"
		    " run: git fetch --unshallow",
		    hex);
	return err_set(err, ERR_INPUT, "a parent of commit %s is missing from the repository", hex);
}

// If a parent holds the same object at path, *commit becomes the first such parent. 1: it did; 0: none does; -1: error.
static int step_to_same(git_repository *repo, git_commit **commit, const char *path, const git_oid *id,
			git_filemode_t mode, struct err *err)
{
	unsigned count = git->commit_parentcount(*commit);

	for (unsigned i = 0; i < count; i++) {
		_cleanup_(commitp) git_commit *parent = NULL;
		git_oid parent_object;
		git_filemode_t parent_mode;
		int rc = git->commit_parent(&parent, *commit, i);

		if (rc == GIT_ENOTFOUND)
			return missing_parent(repo, *commit, err);
		if (rc)
			return git_err(err, "read commit");
		rc = object_at(parent, path, &parent_object, &parent_mode, err);
		if (rc < 0)
			return -1;
		if (rc && parent_mode == mode && git->oid_equal(&parent_object, id)) {
			git->commit_free(*commit);
			*commit = steal_ptr(&parent);
			return 1;
		}
	}
	return 0;
}

static int last_change(git_repository *repo, git_commit **commit, const char *path, struct err *err)
{
	git_oid id;
	git_filemode_t mode;
	int rc = object_at(*commit, path, &id, &mode, err);

	if (rc == 0)
		return err_set(err, ERR_INPUT, "the path is not in HEAD");
	while (rc > 0)
		rc = step_to_same(repo, commit, path, &id, mode, err);
	return rc;
}

// 1 if the only parent differs from the commit in nothing but the file at `path`, and *commit becomes that parent; else
// 0.
static int step_over(git_repository *repo, git_commit **commit, const char *path, struct err *err)
{
	_cleanup_(commitp) git_commit *parent = NULL;
	_cleanup_(treep) git_tree *new = NULL, *old = NULL;
	git_diff *diff = NULL;
	bool only;

	if (git->commit_parentcount(*commit) != 1)
		return 0;
	int rc = git->commit_parent(&parent, *commit, 0);

	if (rc == GIT_ENOTFOUND)
		return missing_parent(repo, *commit, err);
	if (rc || git->commit_tree(&new, *commit) || git->commit_tree(&old, parent) ||
	    git->diff_tree_to_tree(&diff, repo, old, new, NULL))
		return git_err(err, "compare commits");
	only = git->diff_num_deltas(diff) == 1 && !strcmp(git->diff_get_delta(diff, 0)->new_file.path, path);
	git->diff_free(diff);
	if (!only)
		return 0;
	git->commit_free(*commit);
	*commit = steal_ptr(&parent);
	return 1;
}

// ---- the work tree -------------------------------------------------------------------------------------------------

// `but` (NULL: none) is the one file that may differ.
static int is_dirty(git_repository *repo, const char *path, const char *but, bool *dirty, struct err *err)
{
	_cleanup_(status_listp) git_status_list *list = NULL;
	git_status_options opts = {.version = GIT_STATUS_OPTIONS_VERSION};
	char *spec = (char *)path;

	*dirty = false;
	if (git->repository_is_bare(repo))
		return 0;
	opts.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
	opts.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_DISABLE_PATHSPEC_MATCH;
	if (path && *path)
		opts.pathspec = (git_strarray){&spec, 1};
	if (git->status_list_new(&list, repo, &opts))
		return git_err(err, "compare the work tree with HEAD");
	for (size_t i = 0; i < git->status_list_entrycount(list); i++) {
		const git_status_entry *e = git->status_byindex(list, i);
		const git_diff_delta *d = e->index_to_workdir ? e->index_to_workdir : e->head_to_index;

		if (!but || !d || strcmp(d->new_file.path, but))
			*dirty = true;
	}
	return 0;
}

bool epoch_git_holds(const char *dir)
{
	git_buf found = GIT_BUF_INIT;
	bool holds;

	if (git_load(NULL) || git->libgit2_init() < 0)
		return true;
	// A .git that points at nothing is "not found", too: only the class tells it from a directory in no repository.
	int rc = git->repository_discover(&found, dir, 0, NULL);

	holds = !rc || (access(dir, F_OK) == 0 && git->error_last() && git->error_last()->klass != GIT_ERROR_REPOSITORY);
	git->buf_dispose(&found);
	git->libgit2_shutdown();
	return holds;
}

// *commit moves to the last change of `path`, or back over changes of `but` alone (one of them is NULL); *in_tree is
// its place, NULL for a `but` outside of the work tree, which no commit of this repository changes.
static int choose(git_repository *repo, git_commit **commit, const char *dir, const char *path, const char *but,
		  char **in_tree, struct err *err)
{
	struct err why = ERR_INIT;
	int rc = 1;

	*in_tree = path_in_tree(repo, dir, path ? path : but, &why);
	if (!*in_tree && but && why.class == ERR_USAGE)
		return 0;
	if (!*in_tree)
		return err_set(err, why.class, "%s", why.msg);
	if (path)
		return last_change(repo, commit, *in_tree, err);
	while (rc > 0)
		rc = step_over(repo, commit, *in_tree, err);
	return rc;
}

static int fill(struct epoch *e, git_repository *repo, const char *dir, const char *path, const char *but,
		struct err *err)
{
	_cleanup_(commitp) git_commit *commit = NULL;
	_cleanup_free_ char *in_tree = NULL;
	char q[QUOTE_MAX];

	if (head_commit(&commit, repo, err))
		return -1;
	if ((path || but) && choose(repo, &commit, dir, path, but, &in_tree, err))
		return err_prefix(err, "path %s: ", quote(path ? path : but, q));
	git->oid_tostr(e->commit, sizeof(e->commit), git->commit_id(commit));
	if (epoch_check_range(git->commit_time(commit), &e->seconds, err))
		return err_prefix(err, "commit %s: ", e->commit);
	return is_dirty(repo, path ? in_tree : NULL, but ? in_tree : NULL, &e->dirty, err);
}

static int from_git(const char *dir, const char *path, const char *but, struct epoch *out, struct err *err)
{
	struct epoch e = {.source = EPOCH_FROM_GIT};
	git_repository *repo = NULL;
	int rc;

	e.dir = mem_strdup(dir, err);
	e.path = e.dir && path ? mem_strdup(path, err) : NULL;
	if (!e.dir || (path && !e.path) || start_libgit2(err)) {
		epoch_clear(&e);
		return -1;
	}
	rc = open_repository(&repo, dir, err);
	if (!rc)
		rc = fill(&e, repo, dir, path, but, err);
	git->repository_free(repo);
	git->libgit2_shutdown();
	if (rc) {
		epoch_clear(&e);
		return -1;
	}
	*out = e;
	return 0;
}

int epoch_from_git(const char *dir, const char *path, struct epoch *out, struct err *err)
{
	return from_git(dir, path, NULL, out, err);
}

int epoch_from_git_but(const char *dir, const char *file, struct epoch *out, struct err *err)
{
	return from_git(dir, NULL, file, out, err);
}
