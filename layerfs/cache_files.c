// SPDX-License-Identifier: Apache-2.0
//
// All goes through one descriptor of the directory, the one that was judged: files are found, measured and removed
// relative to it. "Used" is a file's modification time, which loading sets; it is compared with other files', never
// with the clock: what the time is now the directory says when it is touched.
#include "layerfs/cache_files.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	NAME_DIGITS = 64,
	TEMPORARY_AGE = 24 * 60 * 60, // no run takes a day to store one layer
	BLOCK = 512,		      // of stat's st_blocks
	QUOTE = 400,
};

struct found {
	char *name;
	uint64_t bytes;
	struct timespec used;
	bool temporary;
};

struct list {
	struct found *files;
	size_t count, cap;
	uint64_t foreign;
};

// ---- the directory -------------------------------------------------------------------------------------------------

static int refuse(const char *dir, const char *why, struct err *err)
{
	char q[QUOTE];

	return err_set(err, ERR_INPUT, "the cache directory %s %s", err_quote(dir, strlen(dir), q, sizeof(q)), why);
}

static int judge(const char *dir, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(err, errno, "stat the cache directory");
	if (st.st_uid != geteuid())
		return refuse(dir, "belongs to another user", err);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return refuse(dir, "may be written by others (chmod go-w)", err);
	return 0;
}

// A descriptor of the directory; -1 with the reason, or with an untouched *err and *missing set.
static int open_dir(const char *dir, bool *missing, struct err *err)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char q[QUOTE];

	*missing = fd < 0 && errno == ENOENT;
	if (fd < 0 && !*missing)
		return errno == ENOTDIR || errno == ELOOP
			       ? refuse(dir, "is a symlink or no directory", err)
			       : err_sys(err, errno, "open the cache directory %s",
					 err_quote(dir, strlen(dir), q, sizeof(q)));
	return *missing || judge(dir, fd, err) ? -1 : steal_fd(&fd);
}

int cache_files_make(const char *dir, struct err *err)
{
	_cleanup_free_ char *parent = mem_strdup(dir, err);
	_cleanup_close_ int fd = -1;
	char *slash = parent ? strrchr(parent, '/') : NULL, q[QUOTE];
	bool missing;

	if (!parent)
		return -1;
	if (slash && slash != parent) {
		*slash = '\0';
		mkdir(parent, 0700); // if it cannot be made the next call says so
	}
	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_sys(err, errno, "make the cache directory %s", err_quote(dir, strlen(dir), q, sizeof(q)));
	fd = open_dir(dir, &missing, err);
	return fd >= 0 ? 0 : missing ? refuse(dir, "is gone again", err) : -1;
}

// ---- its files -----------------------------------------------------------------------------------------------------

static bool is_ours(const char *name, bool *temporary)
{
	static const char kinds[2][7] = {".layer", ".marks"}, tail[] = ".tmp-";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	const char *rest = name + NAME_DIGITS;

	if (strspn(name, "0123456789abcdef") != NAME_DIGITS || (strncmp(rest, kinds[0], 6) && strncmp(rest, kinds[1], 6)))
		return false;
	rest += 6;
	*temporary = *rest;
	if (!*rest)
		return true;
	return !strncmp(rest, tail, 5) && strspn(rest + 5, letters) == 6 && !rest[11];
}

static void list_free(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->files[i].name);
	free(l->files);
}
#define _cleanup_list_ _cleanup_(list_free)

static int take(struct list *l, int dir, const char *name, struct err *err)
{
	bool temporary;
	struct stat st;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (!is_ours(name, &temporary) || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode)) {
		l->foreign++;
		return 0;
	}
	if (mem_grow(&l->files, &l->cap, l->count, sizeof(*l->files), err))
		return -1;
	l->files[l->count] =
		(struct found){mem_strdup(name, err), (uint64_t)st.st_blocks * BLOCK, st.st_mtim, temporary};
	return l->files[l->count].name ? l->count++, 0 : -1;
}

static int list_files(int dir, struct list *l, struct err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		rc = err_sys(err, errno, "read the cache directory");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	while (!rc && (e = readdir(d)))
		rc = take(l, dir, e->d_name, err);
	closedir(d);
	return rc;
}

static int usage(const char *dir, bool clean, struct cache_usage *out, struct err *err)
{
	_cleanup_list_ struct list l = {.count = 0};
	_cleanup_close_ int fd = -1;
	bool missing;

	*out = (struct cache_usage){0, 0, 0};
	fd = open_dir(dir, &missing, err);
	if (fd < 0)
		return missing ? 0 : -1;
	if (list_files(fd, &l, err))
		return -1;
	*out = (struct cache_usage){.files = l.count, .foreign = l.foreign};
	for (size_t i = 0; i < l.count; i++) {
		if (clean && unlinkat(fd, l.files[i].name, 0) && errno != ENOENT)
			return err_sys(err, errno, "remove %s", l.files[i].name);
		out->bytes += l.files[i].bytes;
	}
	return 0;
}

int cache_files_usage(const char *dir, struct cache_usage *out, struct err *err)
{
	return usage(dir, false, out, err);
}

int cache_files_clean(const char *dir, struct cache_usage *out, struct err *err)
{
	return usage(dir, true, out, err);
}

static int compare_use(const void *va, const void *vb)
{
	const struct found *a = va, *b = vb;

	if (a->used.tv_sec != b->used.tv_sec)
		return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
	if (a->used.tv_nsec != b->used.tv_nsec)
		return a->used.tv_nsec < b->used.tv_nsec ? -1 : 1;
	return strcmp(a->name, b->name);
}

// Not the newest file's time, which may lie in the future: temporary files in use would look old beside it.
static bool is_left(const struct found *f, bool known, const struct stat *now)
{
	return known && f->used.tv_sec < now->st_mtim.tv_sec - TEMPORARY_AGE;
}

void cache_files_trim(const char *dir, uint64_t bytes)
{
	_cleanup_list_ struct list l = {.count = 0};
	_cleanup_close_ int fd = -1;
	struct stat now;
	struct err ignored = ERR_INIT;
	uint64_t total = 0;
	bool missing, known;

	fd = open_dir(dir, &missing, &ignored);
	if (fd < 0 || list_files(fd, &l, &ignored) || !l.count)
		return;
	known = !futimens(fd, NULL) && !fstat(fd, &now);
	qsort(l.files, l.count, sizeof(*l.files), compare_use);
	for (size_t i = 0; i < l.count; i++)
		total += l.files[i].bytes;
	for (size_t i = 0; i < l.count; i++) { // oldest first
		const struct found *f = &l.files[i];

		if ((f->temporary ? is_left(f, known, &now) : total > bytes) && !unlinkat(fd, f->name, 0))
			total -= f->bytes;
	}
}
