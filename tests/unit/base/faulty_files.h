// SPDX-License-Identifier: Apache-2.0
//
// A directory with one path in it, and the n-th call of a kind that fails, for the tests of what reads and writes
// files.
#ifndef TESTS_UNIT_BASE_FAULTY_FILES_H
#define TESTS_UNIT_BASE_FAULTY_FILES_H

#include "base/fault.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64], path[128];
static enum fault_point fault_kind;
static int countdown;

static bool fail_nth(enum fault_point point)
{
	return point == fault_kind && --countdown == 0;
}

static void arm(enum fault_point kind, int nth)
{
	fault_kind = kind;
	countdown = nth;
	base_fault_hook = fail_nth;
}

static void setup_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/eifgen-io-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
}

static void remove_dir(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

#endif
