// SPDX-License-Identifier: Apache-2.0
//
// The files of real double builds in testdata/scan, for the tests of the entropy rules: index.tsv, a row a file, and
// the kept bytes (tests/tools/scan_fixtures.sh says what the columns are).
#ifndef TESTS_SCAN_FIXTURES_H
#define TESTS_SCAN_FIXTURES_H

#include "base/buf.h"
#include "base/io.h"
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <string.h>

enum { FIXTURES_MAX = 256, FIXTURE_COLUMNS = 11 };

struct fixture {
	const char *rule, *scene, *day; // of the first build's image, or "-"
	bool positive;			// it differs between the builds; else it is the same
	const char *path[2], *sha256[2]; // of the whole file, in the first and the second build
	struct buf data[2];		 // the kept bytes; of one that is the same, only the first's
};

struct fixtures {
	struct buf index; // what the rows point into
	struct fixture list[FIXTURES_MAX];
	size_t count;
};

static inline void fixture_slurp(const char *name, struct buf *out)
{
	const char *dir = getenv("SCAN_FIXTURES");
	struct err err = ERR_INIT;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "testdata/scan", name);
	assert_ok(io_slurp(path, 1 << 20, out, &err));
}

static inline void fixture_load(struct fixture *f, char *line)
{
	char *column[FIXTURE_COLUMNS], *save = NULL, name[256];

	for (int i = 0; i < FIXTURE_COLUMNS; i++) {
		column[i] = strtok_r(i ? NULL : line, "\t", &save);
		ck_assert_msg(column[i], "a row of %d columns", i);
	}
	*f = (struct fixture){.rule = column[0], .positive = !strcmp(column[1], "yes"), .scene = column[2],
			      .path = {column[3], column[6]}, .sha256 = {column[5], column[8]}, .day = column[10],
			      .data = {BUF_INIT(0), BUF_INIT(0)}};
	for (int k = 0; k < 1 + f->positive; k++) {
		snprintf(name, sizeof(name), "%s.%d", column[9], k + 1);
		fixture_slurp(name, &f->data[k]);
	}
}

static inline void fixtures_load(struct fixtures *f)
{
	struct err err = ERR_INIT;
	char *save = NULL;

	*f = (struct fixtures){.index = BUF_INIT(0)};
	fixture_slurp("index.tsv", &f->index);
	ck_assert_ptr_nonnull(buf_cstr(&f->index, &err));
	for (char *line = strtok_r((char *)f->index.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		ck_assert_uint_lt(f->count, FIXTURES_MAX);
		fixture_load(&f->list[f->count++], line);
	}
	ck_assert_uint_gt(f->count, 0);
}

static inline void fixtures_free(struct fixtures *f)
{
	for (size_t i = 0; i < f->count; i++)
		for (int k = 0; k < 2; k++)
			buf_free(&f->list[i].data[k]);
	buf_free(&f->index);
}

#endif
