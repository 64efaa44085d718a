// SPDX-License-Identifier: Apache-2.0
//
// Output that appears by rename or not at all: failures, modes, many threads, an end by a signal. `close` and
// `umask` are this program's own: a file system can be played that tells of a full disk at the end only, and who asks
// for the umask by setting it is interrupted there.
#include "base/atomic_file.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/io.h"
#include "tests/unit/base/faulty_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int close_fails; // errno of every close; 0: as it is

int close(int fd)
{
	int e = atomic_load(&close_fails), rc = (int)syscall(SYS_close, fd);

	if (!e)
		return rc;
	errno = e;
	return -1;
}

mode_t umask(mode_t mask)
{
	mode_t before = (mode_t)syscall(SYS_umask, mask);

	usleep(20);
	return before;
}

// How many entries the directory holds: a temporary file that was left behind shows here.
static int count_entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void expect_content(const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(io_slurp(path, 1000, &b, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), want);
}

START_TEST(test_atomic_file_commit_replaces_and_obeys_umask)
{
	_cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;
	struct err err = ERR_INIT;
	struct stat st;
	mode_t old = umask(027);

	setup_dir();
	assert_ok(io_write_file(path, "old", 3, &err));
	assert_ok(atomic_file_open(&f, path, &err));
	assert_ok(io_write(f.fd, "new", 3, &err));
	expect_content("old"); // until the commit
	ck_assert_int_eq(count_entries(), 2);
	assert_ok(atomic_file_commit(&f, &err));
	ck_assert_int_eq(f.fd, -1);
	atomic_file_discard(&f); // after commit: nothing
	expect_content("new");
	ck_assert_int_eq(count_entries(), 1);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	umask(old);
	remove_dir();
}
END_TEST

START_TEST(test_atomic_file_discard_leaves_target_untouched)
{
	struct atomic_file f = ATOMIC_FILE_INIT;
	struct err err = ERR_INIT;

	setup_dir();
	assert_ok(io_write_file(path, "old", 3, &err));
	assert_ok(atomic_file_open(&f, path, &err));
	assert_ok(io_write(f.fd, "half", 4, &err));
	atomic_file_discard(&f);
	atomic_file_discard(&f);
	expect_content("old");
	ck_assert_int_eq(count_entries(), 1);
	remove_dir();
}
END_TEST

START_TEST(test_atomic_file_each_failure_leaves_nothing_behind)
{
	struct err err = ERR_INIT;

	setup_dir();
	for (int kind = FAULT_ALLOC; kind < FAULT_POINTS; kind++) {
		for (int nth = 1;; nth++) {
			arm((enum fault_point)kind, nth);
			int rc = io_write_file(path, "x", 1, &err);
			base_fault_hook = NULL;
			if (!rc)
				break;
			ck_assert_int_eq(count_entries(), 0);
			ck_assert_int_lt(nth, 10);
		}
		ck_assert_int_eq(count_entries(), 1);
		unlink(path);
	}
	remove_dir();
}
END_TEST

START_TEST(test_atomic_file_symlink_is_replaced_not_followed)
{
	struct err err = ERR_INIT;
	char other[160];
	struct stat st;

	setup_dir();
	snprintf(other, sizeof(other), "%s/other", dir);
	assert_ok(io_write_file(other, "kept", 4, &err));
	ck_assert_int_eq(symlink("other", path), 0);
	assert_ok(io_write_file(path, "new", 3, &err));
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISREG(st.st_mode));
	expect_content("new");
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	unlink(other);
	remove_dir();
}
END_TEST

// A directory takes names of 255 bytes: so do we, the temporary name notwithstanding.
START_TEST(test_atomic_file_name_of_any_length_that_fits_is_written)
{
	struct err err = ERR_INIT;
	char name[NAME_MAX + 2];

	setup_dir();
	for (size_t n = NAME_MAX - 12; n <= NAME_MAX + 1; n++) {
		char long_path[sizeof(dir) + sizeof(name) + 2];

		memset(name, 'n', n);
		name[n] = '\0';
		snprintf(long_path, sizeof(long_path), "%s/%s", dir, name);
		ck_assert_msg((io_write_file(long_path, "x", 1, &err) == 0) == (n <= NAME_MAX), "%zu bytes: %s", n, err.msg);
		unlink(long_path);
	}
	ck_assert_int_eq(err.errnum, ENAMETOOLONG);
	remove_dir();
}
END_TEST

START_TEST(test_atomic_file_special_target_is_refused)
{
	struct err err = ERR_INIT;

	setup_dir();
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(io_write_file(path, "x", 1, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_int_eq(io_write_file(dir, "x", 1, &err), -1);
	ck_assert_int_eq(io_write_file("/nonexistent/x", "x", 1, &err), -1);
	ck_assert_int_eq(err.errnum, ENOENT);
	ck_assert_int_eq(io_write_file("", "x", 1, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	ck_assert_int_eq(count_entries(), 1);

	char link[160];
	snprintf(link, sizeof(link), "%s/null", dir);
	ck_assert_int_eq(symlink("/dev/null", link), 0);
	ck_assert_int_eq(io_write_file(link, "x", 1, &err), -1); // as /dev/stdout is one
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_int_eq(unlink(link), 0);
	remove_dir();
}
END_TEST

START_TEST(test_atomic_file_lazy_error_at_close_is_the_commits)
{
	_cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;
	struct err err = ERR_INIT;

	setup_dir();
	assert_ok(io_write_file(path, "old", 3, &err));
	for (int prepared = 0; prepared < 2; prepared++) {
		assert_ok(atomic_file_open(&f, path, &err));
		f.lazy = true;
		assert_ok(io_write(f.fd, "new", 3, &err));
		atomic_store(&close_fails, EDQUOT);
		int rc = prepared ? atomic_file_prepare(&f, &err) : atomic_file_commit(&f, &err);
		atomic_store(&close_fails, 0);
		ck_assert_int_eq(rc, -1);
		ck_assert_int_eq(err.errnum, EDQUOT);
		atomic_file_discard(&f);
		expect_content("old");
		ck_assert_int_eq(count_entries(), 1);
	}
	remove_dir();
}
END_TEST

START_TEST(test_atomic_file_owner_only_is_nobody_elses)
{
	_cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;
	struct err err = ERR_INIT;
	mode_t old = umask(0);
	struct stat st;

	setup_dir();
	assert_ok(atomic_file_open(&f, path, &err));
	f.owner_only = true;
	assert_ok(atomic_file_commit(&f, &err));
	umask(old);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	remove_dir();
}
END_TEST

enum { THREADS = 8, COMMITS = 150 };

static void *commit_many(void *arg)
{
	struct err err = ERR_INIT;
	char mine[160];

	snprintf(mine, sizeof(mine), "%s-%d", path, *(int *)arg);
	for (int i = 0; i < COMMITS; i++) {
		struct atomic_file f;
		struct stat st;

		assert_ok(atomic_file_open(&f, mine, &err));
		f.lazy = true;
		assert_ok(atomic_file_commit(&f, &err));
		ck_assert_int_eq(stat(mine, &st), 0);
		ck_assert_int_eq(st.st_mode & 0777, 0600);
	}
	ck_assert_int_eq(unlink(mine), 0);
	return NULL;
}

// A umask that is asked for by setting it is 0 for whoever asks in between, and then for good.
START_TEST(test_atomic_file_commit_many_threads_keep_the_umask)
{
	mode_t old = umask(077);
	pthread_t threads[THREADS];
	int numbers[THREADS];

	setup_dir();
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		ck_assert_int_eq(pthread_create(&threads[i], NULL, commit_many, &numbers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(umask(old), 077);
	ck_assert_int_eq(count_entries(), 0);
	remove_dir();
}
END_TEST

// What a signal's handler does, in a process of its own: nothing can be opened there any more.
START_TEST(test_atomic_files_abandon_removes_all_and_lets_none_be_made)
{
	enum { FILES = 100 };
	struct err err = ERR_INIT;
	int status = 1;

	setup_dir();
	if (fork() == 0) {
		static struct atomic_file f[FILES + 1];
		char name[160];

		for (int i = 0; i < FILES; i++) {
			snprintf(name, sizeof(name), "%s-%d", path, i);
			if (atomic_file_open(&f[i], name, &err))
				_exit(2);
		}
		if (count_entries() != FILES)
			_exit(3);
		atomic_files_abandon();
		if (count_entries() || !atomic_file_open(&f[FILES], path, &err) || err.errnum != EINTR)
			_exit(4);
		for (int i = 0; i < FILES; i++)
			atomic_file_discard(&f[i]);
		_exit(0);
	}
	wait(&status);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(count_entries(), 0);
	remove_dir();
}
END_TEST

static void *open_and_discard(void *arg)
{
	struct err err = ERR_INIT;

	(void)arg;
	for (;;) {
		struct atomic_file f, g;

		if (!atomic_file_open(&f, path, &err) && !atomic_file_open(&g, path, &err)) {
			atomic_file_discard(&g);
			atomic_file_discard(&f);
		}
	}
	return NULL;
}

static atomic_int wait_a_little;

static void delayed_end(void)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread, NULL, open_and_discard, NULL))
			_exit(2);
	usleep((useconds_t)(300 + 71 * atomic_load(&wait_a_little)));
	atomic_files_abandon();
	_exit(0);
}

// Whatever other threads are at when the signal comes.
START_TEST(test_atomic_files_abandon_beside_threads_leaves_nothing)
{
	setup_dir();
	for (int i = 0; i < 60; i++) {
		int status = 1;

		atomic_store(&wait_a_little, i);
		if (fork() == 0)
			delayed_end();
		wait(&status);
		ck_assert_int_eq(status, 0);
		ck_assert_msg(count_entries() == 0, "try %d leaves %d files", i, count_entries());
	}
	remove_dir();
}
END_TEST

UNIT_MAIN("base/atomic_file",
	  ADD(test_atomic_file_commit_replaces_and_obeys_umask) ADD(test_atomic_file_discard_leaves_target_untouched)
	      ADD(test_atomic_file_each_failure_leaves_nothing_behind)
		  ADD(test_atomic_file_symlink_is_replaced_not_followed)
		      ADD(test_atomic_file_name_of_any_length_that_fits_is_written)
			  ADD(test_atomic_file_special_target_is_refused)
			      ADD(test_atomic_file_lazy_error_at_close_is_the_commits)
				  ADD(test_atomic_file_owner_only_is_nobody_elses)
				      ADD(test_atomic_file_commit_many_threads_keep_the_umask)
					  ADD(test_atomic_files_abandon_removes_all_and_lets_none_be_made)
					      ADD(test_atomic_files_abandon_beside_threads_leaves_nothing))
