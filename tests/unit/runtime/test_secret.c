// SPDX-License-Identifier: Apache-2.0
//
// Secret memory and the parts of the sandbox that a test process can stand.
#include "runtime/common/sandbox.h"
#include "runtime/common/secret.h"

#include "base/io.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

START_TEST(test_secret_read_file_holds_the_bytes)
{
	_cleanup_secret_ struct secret s = SECRET_INIT;
	struct err err = ERR_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/eifgen-test-secret.%d", (int)getpid());
	assert_ok(io_write_file(path, "hush", 4, &err));
	assert_ok(secret_read_file(&s, path, &err));
	ck_assert_uint_eq(s.len, 4);
	ck_assert_mem_eq(s.data, "hush", 4);
	secret_free(&s);
	ck_assert_ptr_null(s.data);
	unlink(path);
	ck_assert_int_eq(secret_read_file(&s, path, &err), -1);
	ck_assert_int_eq(secret_new(&s, SECRET_MAX + 1, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
}
END_TEST

START_TEST(test_sandbox_prepare_sets_limits)
{
	struct err err = ERR_INIT;
	struct rlimit l;
	uint64_t files = sandbox_prepare(&err);

	ck_assert_msg(files > 0, "%s", err.msg);
	getrlimit(RLIMIT_NOFILE, &l);
	ck_assert_uint_eq(l.rlim_cur, files);
	getrlimit(RLIMIT_CORE, &l);
	ck_assert_uint_eq(l.rlim_max, 0);
	ck_assert_int_eq(prctl(PR_GET_DUMPABLE), 0);
	prctl(PR_SET_DUMPABLE, 1); // the leak checker traces its own process
}
END_TEST

UNIT_MAIN("runtime/secret", ADD(test_secret_read_file_holds_the_bytes) ADD(test_sandbox_prepare_sets_limits))
