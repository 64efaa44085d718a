// SPDX-License-Identifier: Apache-2.0
//
// The one-byte exchange with the parent, over a socket pair; and the bounded file read that feeds init's parsers.
#include "runtime/init/boot.h"
#include "runtime/init/heartbeat.h"
#include "runtime/init/words.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// A parent that has already answered with `reply` (n bytes) and closed its sending half.
static int parent(const void *reply, size_t n, int *theirs)
{
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ck_assert_int_eq(write(pair[1], reply, n), (ssize_t)n);
	shutdown(pair[1], SHUT_WR);
	*theirs = pair[1];
	return pair[0];
}

START_TEST(test_init_heartbeat_exchange_echoed_byte_is_done)
{
	const char *why = NULL;
	uint8_t got = 0;
	int theirs, fd = parent("\xb7", 1, &theirs);

	ck_assert_int_eq(init_heartbeat_exchange(fd, &why), 0);
	ck_assert_int_eq(read(theirs, &got, 1), 1);
	ck_assert_int_eq(got, 0xb7);
	close(fd);
	close(theirs);
}
END_TEST

START_TEST(test_init_heartbeat_exchange_other_byte_fails)
{
	const char *why = NULL;
	int theirs, fd = parent("\xb8", 1, &theirs);

	ck_assert_int_eq(init_heartbeat_exchange(fd, &why), -1);
	ck_assert_str_eq(why, "the parent's reply is another byte");
	close(fd);
	close(theirs);
}
END_TEST

START_TEST(test_init_heartbeat_exchange_close_fails)
{
	const char *why = NULL;
	int theirs, fd = parent("", 0, &theirs);

	ck_assert_int_eq(init_heartbeat_exchange(fd, &why), -1);
	ck_assert_str_eq(why, "the parent closed without a reply");
	close(fd);
	close(theirs);
}
END_TEST

START_TEST(test_init_read_file_whole_with_nul_behind)
{
	char path[] = "/tmp/init-test-XXXXXX", *data;
	int fd = mkstemp(path);
	size_t len, want = 10000;
	char *bytes = malloc(want);

	memset(bytes, 'x', want);
	ck_assert_int_eq(write(fd, bytes, want), (ssize_t)want);
	close(fd);
	ck_assert_int_eq(init_read_file(path, &data, &len), 0);
	ck_assert_uint_eq(len, want);
	ck_assert_int_eq(memcmp(data, bytes, want), 0);
	ck_assert_int_eq(data[len], 0);
	unlink(path);
	free(data);
	free(bytes);
}
END_TEST

START_TEST(test_init_read_file_absent_is_enoent_endless_is_efbig)
{
	char *data;
	size_t len;

	ck_assert_int_eq(init_read_file("/nonexistent/file", &data, &len), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(init_read_file("/dev/zero", &data, &len), -1);
	ck_assert_int_eq(errno, EFBIG);
}
END_TEST

UNIT_MAIN("init/heartbeat",
	  ADD(test_init_heartbeat_exchange_echoed_byte_is_done)
	  ADD(test_init_heartbeat_exchange_other_byte_fails)
	  ADD(test_init_heartbeat_exchange_close_fails)
	  ADD(test_init_read_file_whole_with_nul_behind)
	  ADD(test_init_read_file_absent_is_enoent_endless_is_efbig))
