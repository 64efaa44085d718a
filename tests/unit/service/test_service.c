// SPDX-License-Identifier: Apache-2.0
//
// The gate (who waits, who passes, what a restart takes back), the late environment, and reading a launch's files.
#include "runtime/init/launch.h"
#include "runtime/service/gate.h"
#include "runtime/service/late_env.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
	strcpy(dir, "/tmp/gate-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(gate_make(dir), 0);
}

static void remove_dir(void)
{
	static const char *const names[] = {"ready", "up", "cmd", "env", "user", "workdir"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

// gate_close, with the gate elsewhere than at descriptor 3, which the test's own machinery uses. -1 or the descriptor.
static int close_gate(void)
{
	int saved = fcntl(GATE_FD, F_DUPFD_CLOEXEC, 10), rc = gate_close(dir), gate = rc ? -1 : dup(GATE_FD);

	if (saved >= 0) {
		dup2(saved, GATE_FD);
		close(saved);
	} else {
		close(GATE_FD);
	}
	return gate;
}

// A child that waits at the gate; a byte comes out of the descriptor when it has passed.
static int waiter(pid_t *pid)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	*pid = fork();
	if (*pid == 0) {
		int rc = gate_wait(dir);

		if (write(ends[1], rc ? "!" : ".", 1) != 1)
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static bool passed(int fd, int milliseconds)
{
	struct pollfd p = {fd, POLLIN, 0};
	char c = 0;

	return poll(&p, 1, milliseconds) == 1 && read(fd, &c, 1) == 1 && c == '.';
}

START_TEST(test_gate_wait_before_the_word_waits_then_passes)
{
	pid_t pid;
	int fd, gate;

	make_dir();
	gate = close_gate();
	ck_assert_int_ge(gate, 0);
	fd = waiter(&pid);
	ck_assert(!passed(fd, 200));
	ck_assert_int_eq(write(gate, "\n", 1), 1);
	ck_assert(passed(fd, 10000));
	waitpid(pid, NULL, 0);
	close(fd);
	fd = waiter(&pid); // a restart of the service: the word was remembered
	ck_assert(passed(fd, 10000));
	waitpid(pid, NULL, 0);
	close(fd);
	close(gate);
	remove_dir();
}
END_TEST

START_TEST(test_gate_wait_after_the_word_passes)
{
	pid_t pid;
	int fd, gate;

	make_dir();
	gate = close_gate();
	ck_assert_int_ge(gate, 0);
	ck_assert_int_eq(write(gate, "\n", 1), 1);
	fd = waiter(&pid);
	ck_assert(passed(fd, 10000));
	waitpid(pid, NULL, 0);
	close(fd);
	close(gate);
	remove_dir();
}
END_TEST

START_TEST(test_gate_close_takes_back_an_old_word)
{
	pid_t pid;
	int fd, gate;

	make_dir();
	gate = close_gate();
	ck_assert_int_ge(gate, 0);
	ck_assert_int_eq(write(gate, "\n\n", 2), 2);
	ck_assert_int_eq(gate_wait(dir), 0); // makes `up`; one byte is still in the FIFO
	close(gate);
	gate = close_gate();
	ck_assert_int_ge(gate, 0);
	fd = waiter(&pid);
	ck_assert(!passed(fd, 200));
	ck_assert_int_eq(write(gate, "\n", 1), 1);
	ck_assert(passed(fd, 10000));
	waitpid(pid, NULL, 0);
	close(fd);
	close(gate);
	remove_dir();
}
END_TEST

START_TEST(test_gate_wait_without_a_gate_fails)
{
	ck_assert_int_eq(gate_wait("/nonexistent"), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(gate_close("/nonexistent"), -1);
}
END_TEST

static void env_of(struct init_lines *env)
{
	static char text[] = "PATH=/bin\nA=1\n";
	static char copy[sizeof(text)];
	const char *why;

	memcpy(copy, text, sizeof(text));
	ck_assert_int_eq(init_lines_split(copy, strlen(text), env, &why), 0);
}

START_TEST(test_late_env_merge_replaces_and_appends)
{
	char late[] = "A=two\nlines \"$(id)\" `x`\0NEW=\0AA=3";
	struct init_lines env;
	const char *why = NULL;

	env_of(&env);
	ck_assert_int_eq(late_env_merge_text(late, sizeof(late), &env, &why), 0);
	ck_assert_uint_eq(env.count, 4);
	ck_assert_str_eq(env.line[0], "PATH=/bin");
	ck_assert_str_eq(env.line[1], "A=two\nlines \"$(id)\" `x`");
	ck_assert_str_eq(env.line[2], "NEW=");
	ck_assert_str_eq(env.line[3], "AA=3");
	ck_assert_ptr_null(env.line[4]);
	init_lines_free(&env);
}
END_TEST

START_TEST(test_late_env_merge_malformed_is_refused)
{
	char no_equals[] = "A=1\0WORD", no_name[] = "=1", no_end[] = {'A', '=', '1', 'x'};
	struct init_lines env;
	const char *why = NULL;

	env_of(&env);
	ck_assert_int_eq(late_env_merge_text(no_equals, sizeof(no_equals), &env, &why), -1);
	ck_assert_str_eq(why, "a word is not NAME=VALUE");
	ck_assert_int_eq(late_env_merge_text(no_name, sizeof(no_name), &env, &why), -1);
	ck_assert_int_eq(late_env_merge_text(no_end, sizeof(no_end), &env, &why), -1);
	ck_assert_str_eq(why, "the last word has no NUL behind it");
	ck_assert_int_eq(late_env_merge("/nonexistent", &env, &why), 0);
	init_lines_free(&env);
}
END_TEST

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
}

static void launch_free(struct init_launch *l) // in a program nothing of it is ever freed
{
	if (l->env.line)
		free(l->env.line[0]);
	if (l->cmd.line)
		free(l->cmd.line[0]);
	init_lines_free(&l->env);
	init_lines_free(&l->cmd);
	init_user_free(&l->user);
	free(l->workdir);
}

START_TEST(test_init_launch_read_all_four_files)
{
	struct init_launch l;
	char why[128];

	make_dir();
	put("cmd", "/bin/x\narg\n");
	put("env", "A=1\n");
	put("user", "7:8:9\n");
	put("workdir", "/srv/a b\n");
	ck_assert_int_eq(init_launch_read(dir, true, &l, why, sizeof(why)), 0);
	ck_assert_str_eq(l.cmd.line[1], "arg");
	ck_assert_str_eq(l.env.line[0], "A=1");
	ck_assert(l.has_user);
	ck_assert_uint_eq(l.user.uid, 7);
	ck_assert_str_eq(l.workdir, "/srv/a b");
	launch_free(&l);
	ck_assert_int_eq(init_launch_read(dir, false, &l, why, sizeof(why)), -1); // they were taken
	ck_assert_ptr_nonnull(strstr(why, "/env: No such file or directory"));
	remove_dir();
}
END_TEST

UNIT_MAIN("service/service",
	  ADD(test_gate_wait_before_the_word_waits_then_passes)
	  ADD(test_gate_wait_after_the_word_passes)
	  ADD(test_gate_close_takes_back_an_old_word)
	  ADD(test_gate_wait_without_a_gate_fails)
	  ADD(test_late_env_merge_replaces_and_appends)
	  ADD(test_late_env_merge_malformed_is_refused)
	  ADD(test_init_launch_read_all_four_files))
