// SPDX-License-Identifier: Apache-2.0
//
// rpm's database in SQLite: table Packages, one row a package, column blob with the header (rpm's "immutable" form,
// without the magic that a package file has):
//
//   index count u32, data length u32, then per index entry { tag u32, type u32, offset u32, count u32 }, then the data
//
// Integers big-endian. Strings (type 6, and the first of type 9) end with NUL inside the data.
//
// The SQLite library reads the file from memory, and the file is somebody else's: its schema is code that would run
// here. So the one SELECT may read columns and nothing else (a view that never ends is refused when it is compiled), no
// value may be longer than the file, patterns match nothing (GLOB takes exponential time), and all rows together may
// not hold more bytes than the file (pages that are reached again and again).
#include "eifgen/sbom_rpm.h"

#include "base/be.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	RPM_NAME = 1000,
	RPM_VERSION = 1001,
	RPM_RELEASE = 1002,
	RPM_EPOCH = 1003,
	RPM_LICENSE = 1014,
	RPM_ARCH = 1022,
	RPM_TYPE_INT32 = 4,
	RPM_TYPE_STRING = 6,
	RPM_TYPE_I18NSTRING = 9,
	RPM_INDEX_MAX = 65536, // entries of one header; rpm's own bound
};

struct rpm_header {
	const uint8_t *index, *data;
	uint32_t count, data_len;
};

static int header_open(const uint8_t *p, size_t n, struct rpm_header *h, struct err *err)
{
	if (n < 8)
		return err_set(err, ERR_INPUT, "an rpm header of %zu bytes", n);
	h->count = get_be32(p);
	h->data_len = get_be32(p + 4);
	if (h->count > RPM_INDEX_MAX || n - 8 < (size_t)h->count * 16 || n - 8 - (size_t)h->count * 16 < h->data_len)
		return err_set(err, ERR_INPUT, "an rpm header whose lengths do not fit its %zu bytes", n);
	h->index = p + 8;
	h->data = p + 8 + (size_t)h->count * 16;
	return 0;
}

// The entry of a tag and the data that it points at; NULL if absent or out of bounds.
static const uint8_t *header_find(const struct rpm_header *h, uint32_t tag, uint32_t *type, size_t *left)
{
	for (uint32_t i = 0; i < h->count; i++) {
		const uint8_t *e = h->index + (size_t)i * 16;
		uint32_t off = get_be32(e + 8);

		if (get_be32(e) != tag)
			continue;
		if (off >= h->data_len)
			return NULL;
		*type = get_be32(e + 4);
		*left = h->data_len - off;
		return h->data + off;
	}
	return NULL;
}

static struct sbom_text header_string(const struct rpm_header *h, uint32_t tag)
{
	uint32_t type = 0;
	size_t left = 0;
	const uint8_t *p = header_find(h, tag, &type, &left);

	if (!p || (type != RPM_TYPE_STRING && type != RPM_TYPE_I18NSTRING) || !memchr(p, '\0', left))
		return (struct sbom_text){"", 0};
	return (struct sbom_text){(const char *)p, strlen((const char *)p)};
}

// "[epoch:]version-release"
static char *full_version(const struct rpm_header *h, struct err *err)
{
	struct sbom_text v = header_string(h, RPM_VERSION), r = header_string(h, RPM_RELEASE);
	uint32_t type = 0;
	size_t left = 0;
	const uint8_t *epoch = header_find(h, RPM_EPOCH, &type, &left);
	char head[16] = "";

	if (epoch && type == RPM_TYPE_INT32 && left >= 4)
		snprintf(head, sizeof(head), "%u:", get_be32(epoch));
	return mem_printf(err, "%s%.*s%s%.*s", head, (int)v.len, v.p, r.len ? "-" : "", (int)r.len, r.p);
}

int sbom_add_rpm(struct sbom *s, const uint8_t *p, size_t n, struct err *err)
{
	_cleanup_free_ char *version = NULL;
	struct rpm_header h;
	struct sbom_text name;

	if (header_open(p, n, &h, err))
		return -1;
	name = header_string(&h, RPM_NAME);
	version = full_version(&h, err);
	if (!version)
		return -1;
	if (!name.len || !strcmp(name.p, "gpg-pubkey")) // keys are kept as if they were packages
		return 0;
	return sbom_add(s, SBOM_RPM, name, (struct sbom_text){version, strlen(version)}, header_string(&h, RPM_ARCH),
			header_string(&h, RPM_LICENSE), err);
}

// What a statement may do: read from a table. `in_view` is named for what runs inside a view or a trigger.
static int authorize(void *ctx, int action, const char *a, const char *b, const char *database, const char *in_view)
{
	(void)ctx, (void)a, (void)b, (void)database;
	return (action == SQLITE_SELECT || action == SQLITE_READ) && !in_view ? SQLITE_OK : SQLITE_DENY;
}

static void restrict_database(sqlite3 *db, size_t n)
{
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, n < SBOM_DATABASE_MAX ? (int)n : SBOM_DATABASE_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 0);
	sqlite3_set_authorizer(db, authorize, NULL);
}

static int read_rows(struct sbom *s, sqlite3 *db, size_t left, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = 0, step;

	if (sqlite3_prepare_v2(db, "SELECT blob FROM Packages", -1, &st, NULL) != SQLITE_OK)
		return err_set(err, ERR_INPUT, "no rpm database: %s", sqlite3_errmsg(db));
	while ((step = sqlite3_step(st)) == SQLITE_ROW && !rc) {
		const uint8_t *p = sqlite3_column_blob(st, 0);
		size_t n = (size_t)sqlite3_column_bytes(st, 0);

		rc = n < left ? sbom_add_rpm(s, p ? p : (const uint8_t *)"", n, err)
			      : err_set(err, ERR_INPUT, "rpm database: its rows hold more than its file");
		left -= n < left ? n + 1 : left;
	}
	if (!rc && step != SQLITE_DONE)
		rc = err_set(err, ERR_INPUT, "rpm database: %s", sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return rc;
}

int sbom_read_rpm(struct sbom *s, uint8_t *bytes, size_t n, struct err *err)
{
	sqlite3 *db = NULL;
	int rc;

	// A database in WAL mode cannot be opened without its log beside it; bytes 18 and 19 say which mode. What the
	// log held was checkpointed when the last writer closed, or is no part of the image.
	if (n > 19 && bytes[18] == 2 && bytes[19] == 2)
		bytes[18] = bytes[19] = 1;
	if (sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL) != SQLITE_OK ||
	    sqlite3_deserialize(db, "main", bytes, (sqlite3_int64)n, (sqlite3_int64)n, SQLITE_DESERIALIZE_READONLY) !=
		    SQLITE_OK) {
		sqlite3_close(db);
		return err_set(err, ERR_INPUT, "no SQLite database");
	}
	restrict_database(db, n);
	rc = read_rows(s, db, n, err);
	sqlite3_close(db);
	return rc;
}
