// SPDX-License-Identifier: Apache-2.0
//
// Addresses: what is read, what is refused, and that a listener and a dial of each local kind meet.
#include "runtime/common/addr.h"

#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

START_TEST(test_addr_parse_good_forms_print_back)
{
	static const char *const forms[] = {"vsock:3:7777",  "vsock:any:7777",  "tcp:127.0.0.1:80",
					    "tcp:0.0.0.0:0", "tcp:[::1]:65535", "unix:/run/x.sock"};
	struct err err = ERR_INIT;
	char text[ADDR_TEXT_MAX];
	struct addr a;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		assert_ok(addr_parse(forms[i], &a, &err));
		ck_assert_str_eq(addr_format(&a, text), forms[i]);
	}
}
END_TEST

START_TEST(test_addr_parse_bad_forms_are_usage_errors)
{
	static const char *const forms[] = {"",
					    "tcp:",
					    "tcp:localhost:80",
					    "tcp:127.0.0.1",
					    "tcp:1.2.3.4:65536",
					    "tcp:1.2.3.4:+1",
					    "tcp:::1:80",
					    "vsock:3",
					    "vsock:x:1",
					    "vsock:-1:1",
					    "vsock:1:4294967295",
					    "unix:",
					    "127.0.0.1:80",
					    "tcp:1.2.3.4:",
					    "tcp:[::1:80",
					    "tcp:127.1:80"};
	char longest[200] = "unix:/";
	struct addr a;

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg(addr_parse(forms[i], &a, &err) == -1, "%s was taken", forms[i]);
		ck_assert_int_eq(err.class, ERR_USAGE);
	}
	memset(longest + 6, 'x', 150);
	ck_assert_int_eq(addr_parse(longest, &a, NULL), -1);
}
END_TEST

static void meet(const char *text)
{
	struct err err = ERR_INIT;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;
	bool pending;
	int lfd, fd;

	assert_ok(addr_parse(text, &at, &err));
	lfd = addr_listen(&at, 8, &err);
	ck_assert_msg(lfd >= 0, "%s", err.msg);
	ck_assert_int_eq(getsockname(lfd, (struct sockaddr *)&ss, &len), 0);
	addr_from_sockaddr(&at, (struct sockaddr *)&ss, len);
	ck_assert_int_eq(addr_kind_of(lfd), at.kind);
	fd = addr_connect(&at, &pending, &err);
	ck_assert_msg(fd >= 0, "%s", err.msg);
	usleep(10000);
	ck_assert_int_eq(addr_connect_result(fd), 0);
	close(fd);
	close(lfd);
}

START_TEST(test_addr_listen_and_connect_meet)
{
	char path[64];

	meet("tcp:127.0.0.1:0");
	meet("tcp:[::1]:0");
	snprintf(path, sizeof(path), "unix:/tmp/eifgen-test-addr.%d", (int)getpid());
	meet(path);
	meet(path); // the dead listener's path is taken over
	unlink(path + 5);
}
END_TEST

START_TEST(test_addr_listen_live_unix_path_is_refused)
{
	struct err err = ERR_INIT;
	char path[64];
	struct addr at;
	int fd;

	snprintf(path, sizeof(path), "unix:/tmp/eifgen-test-live.%d", (int)getpid());
	assert_ok(addr_parse(path, &at, &err));
	fd = addr_listen(&at, 8, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(addr_listen(&at, 8, &err), -1);
	ck_assert_int_eq(err.class, ERR_IO);
	close(fd);
	unlink(path + 5);
}
END_TEST

UNIT_MAIN("runtime/addr", ADD(test_addr_parse_good_forms_print_back) ADD(test_addr_parse_bad_forms_are_usage_errors)
			      ADD(test_addr_listen_and_connect_meet) ADD(test_addr_listen_live_unix_path_is_refused))
