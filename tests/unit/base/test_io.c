// SPDX-License-Identifier: Apache-2.0
//
// Files: whole reads and writes, bounded slurps, sinks, places.
#include "base/io.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "tests/unit/base/faulty_files.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void expect_content(const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	assert_ok(io_slurp(path, 1000, &b, &err));
	ck_assert_str_eq(buf_cstr(&b, &err), want);
}

START_TEST(test_io_open_missing_file_is_named)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(io_open("/nonexistent/\"x", &err), -1);
	ck_assert_int_eq(err.errnum, ENOENT);
	ck_assert_str_eq(err.msg, "open \"/nonexistent/\\\"x\": No such file or directory");
}
END_TEST

START_TEST(test_io_read_pipe_in_pieces_gives_all)
{
	struct err err = ERR_INIT;
	char got[10];
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	if (!fork()) {
		for (int i = 0; i < 7; i++) {
			ck_assert_int_eq(write(p[1], "x", 1), 1);
			usleep(2000);
		}
		_exit(0);
	}
	close(p[1]);
	ck_assert_int_eq(io_read(p[0], got, 5, &err), 5);
	ck_assert_int_eq(io_read(p[0], got, 5, &err), 2); // the end is a short count
	ck_assert_int_eq(io_read(p[0], got, 5, &err), 0);
	close(p[0]);
}
END_TEST

START_TEST(test_io_pread_full_early_end_is_input_error)
{
	struct err err = ERR_INIT;
	char got[8];
	int fd;

	setup_dir();
	assert_ok(io_write_file(path, "0123456789", 10, &err));
	fd = io_open(path, &err);
	assert_ok(io_pread_full(fd, got, 8, 2, &err));
	ck_assert(!memcmp(got, "23456789", 8));
	ck_assert_int_eq(io_pread(fd, got, 8, 6, &err), 4);
	ck_assert_int_eq(io_pread_full(fd, got, 8, 3, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_str_eq(err.msg, "file ends at byte 10, 1 bytes early");
	close(fd);
	remove_dir();
}
END_TEST

START_TEST(test_io_file_size_only_of_regular_files)
{
	struct err err = ERR_INIT;
	uint64_t size = 7;
	int fd;

	setup_dir();
	assert_ok(io_write_file(path, "0123456789", 10, &err));
	fd = io_open(path, &err);
	assert_ok(io_file_size(fd, &size, &err));
	ck_assert_uint_eq(size, 10);
	close(fd);
	fd = io_open("/dev/null", &err);
	ck_assert_int_eq(io_file_size(fd, &size, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	close(fd);
	remove_dir();
}
END_TEST

START_TEST(test_io_slurp_past_limit_is_refused)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;

	setup_dir();
	assert_ok(io_write_file(path, "0123456789", 10, &err));
	assert_ok(io_slurp(path, 10, &b, &err));
	assert_ok(io_slurp(path, 10, &b, &err)); // appends: the limit is the file's, not the buffer's
	ck_assert_uint_eq(b.len, 20);
	ck_assert_int_eq(io_slurp(path, 9, &b, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_int_eq(io_slurp("/dev/zero", 100000, &b, &err), -1); // endless, still bounded
	ck_assert_int_eq(io_slurp(dir, 10, &b, &err), -1);
	ck_assert_int_eq(err.errnum, EISDIR);
	remove_dir();
}
END_TEST

START_TEST(test_io_read_and_write_ask_the_fault_hook)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	int fd;

	setup_dir();
	assert_ok(io_write_file(path, "x", 1, &err));
	arm(FAULT_READ, 1);
	ck_assert_int_eq(io_slurp(path, 10, &b, &err), -1);
	ck_assert_int_eq(err.errnum, EIO);
	fd = open(path, O_RDWR);
	arm(FAULT_WRITE, 1);
	ck_assert_int_eq(io_write(fd, "y", 1, &err), -1);
	arm(FAULT_WRITE, 1);
	ck_assert_int_eq(io_pwrite(fd, "y", 1, 0, &err), -1);
	base_fault_hook = NULL;
	close(fd);
	expect_content("x");
	remove_dir();
}
END_TEST

START_TEST(test_io_pwrite_writes_at_the_offset)
{
	struct err err = ERR_INIT;
	int fd;

	setup_dir();
	assert_ok(io_write_file(path, "0123456789", 10, &err));
	fd = open(path, O_RDWR);
	assert_ok(io_pwrite(fd, "ab", 2, 4, &err));
	assert_ok(io_pwrite(fd, "", 0, 99, &err));
	close(fd);
	expect_content("0123ab6789");
	remove_dir();
}
END_TEST

START_TEST(test_sinks_write_where_they_point)
{
	_cleanup_buf_ struct buf b = BUF_INIT(3);
	struct sink s = sink_buf(&b);
	struct err err = ERR_INIT;
	int p[2];
	char got[2];

	assert_ok(sink_write(&s, "ab", 2, &err));
	assert_ok(sink_write(&s, NULL, 0, &err));
	ck_assert_int_eq(sink_write(&s, "cd", 2, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_int_eq(pipe(p), 0);
	s = sink_fd(&p[1]);
	assert_ok(sink_write(&s, "xy", 2, &err));
	ck_assert_int_eq(io_read(p[0], got, 2, &err), 2);
	ck_assert(!memcmp(got, "xy", 2));
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(test_io_fail_temporary_names_the_directory)
{
	struct err err = ERR_INIT;

	err_set(&err, ERR_IO, "full");
	ck_assert_int_eq(io_fail_temporary("a\n", &err), -1);
	ck_assert_str_eq(err.msg, "temporary file in \"a\\x0a\": full");
	err_set(&err, ERR_IO, "full");
	ck_assert_int_eq(io_fail_temporary(NULL, &err), -1);
	ck_assert_str_eq(err.msg, "temporary file in \"/var/tmp\": full");
}
END_TEST

START_TEST(test_io_same_place_spellings_of_one_name_are_one)
{
	char link[160], other[200];

	setup_dir();
	snprintf(link, sizeof(link), "%s-link", dir);
	ck_assert_int_eq(symlink(dir, link), 0);
	snprintf(other, sizeof(other), "%s/.//%s", link, strrchr(path, '/') + 1);
	ck_assert(io_same_place(path, path));
	ck_assert(io_same_place(path, other));
	ck_assert(io_same_place("x", "./x"));
	ck_assert(!io_same_place("x", "y"));
	ck_assert(!io_same_place(path, strrchr(path, '/') + 1));
	ck_assert(!io_same_place("/nonexistent/x", "/nonexistent/y"));
	unlink(link);
	remove_dir();
}
END_TEST

UNIT_MAIN("base/io", ADD(test_io_open_missing_file_is_named) ADD(test_io_read_pipe_in_pieces_gives_all)
			 ADD(test_io_pread_full_early_end_is_input_error) ADD(test_io_file_size_only_of_regular_files)
			     ADD(test_io_slurp_past_limit_is_refused) ADD(test_io_read_and_write_ask_the_fault_hook)
				 ADD(test_io_pwrite_writes_at_the_offset) ADD(test_sinks_write_where_they_point)
							 ADD(test_io_fail_temporary_names_the_directory) ADD(test_io_same_place_spellings_of_one_name_are_one))
