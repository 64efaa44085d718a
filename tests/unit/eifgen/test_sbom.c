// SPDX-License-Identifier: Apache-2.0
//
// Package databases of each kind in a small tree, and the document made of them. The rpm database is a real SQLite
// file, made here with one header by hand; a real rpm's is read by the command tests.
#include "eifgen/sbom_rpm.h"

#include "base/be.h"
#include "base/io.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

#include <cjson/cJSON.h>
#include <sqlite3.h>
#include <string.h>

static struct err err;

static const char dpkg_status[] = "Package: bash\nEssential: yes\nStatus: install ok installed\nArchitecture: amd64\n"
				  "Version: 5.2.15-2+b2\nDescription: shell\n Version: 9 (a continuation line)\n\n"
				  "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n"
				  "Package: adduser\nStatus: install ok installed\nArchitecture: all\nVersion: 3.134\n";
static const char apk_installed[] = "C:Q1x=\nP:musl\nV:1.2.4-r2\nA:x86_64\nL:MIT\nF:lib\nR:ld\n\nP:zlib\nV:1.3-r0\nA:x86_64\n"
				    "L:Zlib AND X\n\n";

static void put(struct tree *tree, const char *path, const void *data, size_t n)
{
	struct node *dir = tree_root(tree);
	const char *p = path;

	for (const char *slash; (slash = strchr(p, '/')); p = slash + 1) {
		char name[64];
		struct node *child;

		snprintf(name, sizeof(name), "%.*s", (int)(slash - p), p);
		child = tree_child(tree, dir, name, strlen(name));
		dir = child ? child : tree_add_dir(tree, dir, name, 0755, &err);
		ck_assert_ptr_nonnull(dir);
	}
	ck_assert_ptr_nonnull(tree_add_file(tree, dir, p, 0644, data, n, &err));
}

static struct sbom *read_tree(struct tree *tree)
{
	struct sbom *s = NULL;

	assert_ok(tree_sort(tree, &err));
	assert_ok(sbom_read(tree, &s, &err));
	return s;
}

static void expect(const struct sbom *s, size_t i, const char *name, const char *version, const char *arch)
{
	ck_assert_uint_lt(i, s->count);
	ck_assert_str_eq(s->packages[i].name, name);
	ck_assert_str_eq(s->packages[i].version, version);
	ck_assert_str_eq(s->packages[i].arch, arch);
}

START_TEST(test_sbom_read_dpkg_and_apk_give_installed_packages_sorted)
{
	struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
	struct sbom *s;

	put(tree, "var/lib/dpkg/status", dpkg_status, sizeof(dpkg_status) - 1);
	put(tree, "var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2024a\nArchitecture: all\n", 49);
	put(tree, "var/lib/dpkg/status.d/tzdata.md5sums", "Package: no\nVersion: 1\n", 23);
	put(tree, "lib/apk/db/installed", apk_installed, sizeof(apk_installed) - 1);
	s = read_tree(tree);
	ck_assert_uint_eq(s->count, 5);
	expect(s, 0, "adduser", "3.134", "all");
	expect(s, 1, "bash", "5.2.15-2+b2", "amd64");
	expect(s, 2, "tzdata", "2024a", "all");
	expect(s, 3, "musl", "1.2.4-r2", "x86_64");
	ck_assert_str_eq(s->packages[3].license, "MIT");
	expect(s, 4, "zlib", "1.3-r0", "x86_64");
	sbom_free(s);
	tree_free(tree);
}
END_TEST

START_TEST(test_sbom_read_apk_under_usr_is_found)
{
	static const char installed[] = "P:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\n\n";
	struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
	struct sbom *s;

	put(tree, "usr/lib/apk/db/installed", installed, sizeof(installed) - 1);
	s = read_tree(tree);
	ck_assert_uint_eq(s->count, 1);
	expect(s, 0, "musl", "1.2.5-r9", "x86_64");
	sbom_free(s);
	put(tree, "lib/apk/db/installed", installed, sizeof(installed) - 1);
	s = read_tree(tree);
	ck_assert_uint_eq(s->count, 1);
	sbom_free(s);
	tree_free(tree);
}
END_TEST

START_TEST(test_sbom_read_image_without_databases_is_empty)
{
	struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
	struct sbom *s;

	put(tree, "bin/x", "x", 1);
	s = read_tree(tree);
	ck_assert_uint_eq(s->count, 0);
	ck_assert_str_eq(s->distro, "");
	sbom_free(s);
	tree_free(tree);
}
END_TEST

// A header with name, version, release, epoch and arch, as rpm's database holds it.
static size_t make_header(uint8_t *out)
{
	static const struct {
		uint32_t tag, type;
		const char *text; // NULL: the integer 2
	} tags[] = {{1000, 6, "tool"}, {1001, 6, "1.2"}, {1002, 6, "3.el9"}, {1003, 4, NULL}, {1014, 9, "MIT"}, {1022, 6, "noarch"}};
	uint8_t *index = out + 8, *data = index + 6 * 16, *p = data;

	for (size_t i = 0; i < 6; i++) {
		if (!tags[i].text)
			p = data + ((size_t)(p - data) + 3) / 4 * 4;
		put_be32(index + i * 16, tags[i].tag);
		put_be32(index + i * 16 + 4, tags[i].type);
		put_be32(index + i * 16 + 8, (uint32_t)(p - data));
		put_be32(index + i * 16 + 12, 1);
		if (tags[i].text) {
			p = (uint8_t *)stpcpy((char *)p, tags[i].text) + 1;
		} else {
			put_be32(p, 2);
			p += 4;
		}
	}
	put_be32(out, 6);
	put_be32(out + 4, (uint32_t)(p - data));
	return (size_t)(p - out);
}

static void put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static unsigned char *make_database(const uint8_t *header, size_t n, sqlite3_int64 *size)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *st = NULL;
	unsigned char *image;

	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	sqlite3_exec(db, "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)", NULL, NULL, NULL);
	sqlite3_prepare_v2(db, "INSERT INTO Packages VALUES (1, ?)", -1, &st, NULL);
	sqlite3_bind_blob(st, 1, header, (int)n, SQLITE_STATIC);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_DONE);
	sqlite3_finalize(st);
	image = sqlite3_serialize(db, "main", size, 0);
	sqlite3_close(db);
	return image;
}

START_TEST(test_sbom_read_rpm_database_gives_full_version)
{
	struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
	uint8_t header[256];
	sqlite3_int64 size = 0;
	unsigned char *image = make_database(header, make_header(header), &size);
	struct buf text = BUF_INIT(0);
	struct sbom *s;

	put(tree, "usr/lib/sysimage/rpm/rpmdb.sqlite", image, (size_t)size);
	s = read_tree(tree);
	ck_assert_uint_eq(s->count, 1);
	expect(s, 0, "tool", "2:1.2-3.el9", "noarch");
	assert_ok(sbom_write_spdx(s, &(struct sbom_document){"img", "sha256:ab", 1, "1.0"}, &text, &err));
	ck_assert_ptr_nonnull(buf_cstr(&text, &err));
	ck_assert_ptr_nonnull(strstr((const char *)text.data, "\"pkg:rpm/redhat/tool@1.2-3.el9?arch=noarch&epoch=2\""));
	ck_assert_ptr_nonnull(strstr((const char *)text.data, "\"versionInfo\": \"2:1.2-3.el9\""));
	buf_free(&text);
	sbom_free(s);
	sqlite3_free(image);
	tree_free(tree);
}
END_TEST

START_TEST(test_sbom_read_rpm_broken_header_is_refused)
{
	for (size_t cut = 0; cut < 8 + 6 * 16; cut += 5) {
		struct sbom s = {0};
		uint8_t header[256];
		sqlite3_int64 size = 0;
		unsigned char *image;

		make_header(header);
		image = make_database(header, cut, &size);
		err.class = ERR_NONE;
		ck_assert_int_eq(sbom_read_rpm(&s, image, (size_t)size, &err), -1);
		ck_assert_int_eq(err.class, ERR_INPUT);
		sqlite3_free(image);
	}
}
END_TEST

// What `sql` makes of an empty database.
static unsigned char *database_of(const char *sql, sqlite3_int64 *size)
{
	sqlite3 *db = NULL;
	unsigned char *image;

	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	image = sqlite3_serialize(db, "main", size, 0);
	sqlite3_close(db);
	return image;
}

static void expect_refused(unsigned char *image, sqlite3_int64 size)
{
	struct sbom s = {0};

	err.class = ERR_NONE;
	ck_assert_int_eq(sbom_read_rpm(&s, image, (size_t)size, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	sqlite3_free(image);
}

START_TEST(test_sbom_read_rpm_view_in_place_of_the_table_is_refused)
{
	static const char *const views[] = {
		"SELECT x AS blob FROM t WHERE x < 0", // never gives a row
		"SELECT X'0000000000000000' AS blob FROM t", // never ends
	};

	for (size_t i = 0; i < 2; i++) {
		char sql[300];
		sqlite3_int64 size = 0;
		unsigned char *image;

		snprintf(sql, sizeof(sql),
			 "CREATE VIEW Packages AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM t) %s", views[i]);
		image = database_of(sql, &size);
		expect_refused(image, size);
	}
}
END_TEST

START_TEST(test_sbom_read_rpm_column_that_is_computed_is_bounded)
{
	sqlite3_int64 size = 0;
	unsigned char *image = database_of("CREATE TABLE Packages (n INTEGER, blob AS (zeroblob(n)));"
					   "INSERT INTO Packages VALUES (900000000)", &size);

	expect_refused(image, size);
	image = database_of("CREATE TABLE Packages (n TEXT, blob AS (n GLOB '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'));"
			    "INSERT INTO Packages VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')", &size);
	expect_refused(image, size);
}
END_TEST

// A leaf whose cells are all the same row of 100 000 bytes: rows that are read hold more than the file.
START_TEST(test_sbom_read_rpm_pages_that_are_read_again_are_refused)
{
	sqlite3_int64 size = 0;
	unsigned char *image = database_of("CREATE TABLE Packages (blob BLOB);"
					   "INSERT INTO Packages VALUES (zeroblob(100000));"
					   "WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM t LIMIT 50) "
					   "INSERT INTO Packages SELECT zeroblob(8) FROM t", &size);
	unsigned char *leaf = image + 4096;

	ck_assert_int_eq(leaf[0], 13); // a leaf of a table
	for (int i = 1; i < leaf[4]; i++)
		memcpy(leaf + 8 + 2 * i, leaf + 8, 2);
	expect_refused(image, size);
}
END_TEST

START_TEST(test_sbom_read_rpm_bytes_that_are_no_database_are_refused)
{
	struct sbom s = {0};
	uint8_t junk[4096];

	memset(junk, 'x', sizeof(junk));
	ck_assert_int_eq(sbom_read_rpm(&s, junk, sizeof(junk), &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
}
END_TEST

// Written by Berkeley DB itself (testdata/sbom): chains of pages, an entry inside a page, both byte orders.
START_TEST(test_sbom_read_rpm_bdb_of_either_byte_order)
{
	static const char *const names[] = {"sbom/Packages.little-endian", "sbom/Packages.big-endian"};

	for (size_t i = 0; i < 2; i++) {
		struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
		struct buf db = BUF_INIT(0);
		struct sbom *s;

		assert_ok(io_slurp(testdata_path(names[i]), 1 << 20, &db, &err));
		put(tree, "var/lib/rpm/Packages", db.data, db.len);
		s = read_tree(tree);
		ck_assert_uint_eq(s->count, 3);
		expect(s, 0, "abc", "", "");
		expect(s, 1, "big", "1.2-3", "noarch");
		expect(s, 2, "tool", "2:1.2-3", "noarch");
		ck_assert_str_eq(s->packages[1].license, "GPL-2.0-only");
		sbom_free(s);
		tree_free(tree);
		buf_free(&db);
	}
}
END_TEST

// Each byte of a page's head and of its entries, turned over: never more than an error, and never without an end.
START_TEST(test_sbom_read_rpm_bdb_damaged_anywhere_ends)
{
	struct buf db = BUF_INIT(0);

	assert_ok(io_slurp(testdata_path("sbom/Packages.little-endian"), 1 << 20, &db, &err));
	for (size_t i = 0; i < db.len; i++) {
		struct sbom *s = mem_zalloc(1, sizeof(*s), &err);

		db.data[i] ^= 0xff;
		sbom_read_rpm_bdb(s, db.data, db.len, &err);
		ck_assert_uint_le(s->count, 64);
		db.data[i] ^= 0xff;
		sbom_free(s);
	}
	for (size_t n = 0; n < db.len; n += 61) {
		struct sbom *s = mem_zalloc(1, sizeof(*s), &err);

		sbom_read_rpm_bdb(s, db.data, n, &err);
		sbom_free(s);
	}
	buf_free(&db);
}
END_TEST

// A chain whose last page leads back to its first.
START_TEST(test_sbom_read_rpm_bdb_chain_in_a_circle_is_refused)
{
	struct sbom *s = mem_zalloc(1, sizeof(*s), &err);
	struct buf db = BUF_INIT(0);

	assert_ok(io_slurp(testdata_path("sbom/Packages.little-endian"), 1 << 20, &db, &err));
	for (size_t at = 2048; at < db.len; at += 2048)
		if (db.data[at + 25] == 7)
			put_le32(db.data + at + 16, (uint32_t)(at / 2048));
	err.class = ERR_NONE;
	ck_assert_int_eq(sbom_read_rpm_bdb(s, db.data, db.len, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	sbom_free(s);
	buf_free(&db);
}
END_TEST

// One package in the first slot behind the head, every other slot free.
static void make_ndb(uint8_t db[8192])
{
	size_t n = make_header(db + 4096 + 16);

	memset(db, 0, 4096);
	for (size_t at = 32; at < 4096; at += 16)
		memcpy(db + at, "Slot", 4);
	memcpy(db, "RpmP", 4);
	put_le32(db + 12, 1);
	put_le32(db + 32 + 4, 7);
	put_le32(db + 32 + 8, 4096 / 16);
	put_le32(db + 32 + 12, 20);
	memcpy(db + 4096, "BlbS", 4);
	put_le32(db + 4096 + 4, 7);
	put_le32(db + 4096 + 12, (uint32_t)n);
}

START_TEST(test_sbom_read_rpm_ndb_gives_its_packages)
{
	struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
	uint8_t db[8192] = {0};
	struct sbom *s;

	make_ndb(db);
	put(tree, "usr/lib/sysimage/rpm/Packages.db", db, sizeof(db));
	s = read_tree(tree);
	ck_assert_uint_eq(s->count, 1);
	expect(s, 0, "tool", "2:1.2-3.el9", "noarch");
	sbom_free(s);
	tree_free(tree);
}
END_TEST

START_TEST(test_sbom_read_rpm_ndb_that_is_wrong_is_refused)
{
	static const struct {
		size_t at;
		uint32_t value;
	} wrong[] = {{0, 0},		   {4, 1},	      {12, 3},		 {32, 0}, {36, 8}, {40, 8192 / 16},
		     {40, 0x10000000}, {4096, 0}, {4096 + 4, 8}, {4096 + 12, 4096}, {4096 + 12, 0xffffffff}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sbom *s = mem_zalloc(1, sizeof(*s), &err);
		uint8_t db[8192] = {0};

		make_ndb(db);
		put_le32(db + wrong[i].at, wrong[i].value);
		err.class = ERR_NONE;
		ck_assert_msg(sbom_read_rpm_ndb(s, db, sizeof(db), &err) == -1 && err.class == ERR_INPUT, "row %zu", i);
		sbom_free(s);
	}
}
END_TEST

START_TEST(test_sbom_write_spdx_is_json_with_purls_and_twice_the_same)
{
	struct tree *tree = tree_new(TREE_WRITE_THROUGH, &err);
	const struct sbom_document doc = {"image", "sha256:00ff", 1700000000, "0.1.0"};
	_cleanup_buf_ struct buf one = BUF_INIT(0), two = BUF_INIT(0);
	struct sbom *s;
	cJSON *json;

	put(tree, "etc/os-release", "NAME=x\nID=debian\nVERSION_ID=\"12\"\n", 33);
	put(tree, "var/lib/dpkg/status", dpkg_status, sizeof(dpkg_status) - 1);
	s = read_tree(tree);
	assert_ok(sbom_write_spdx(s, &doc, &one, &err));
	assert_ok(sbom_write_spdx(s, &doc, &two, &err));
	ck_assert_uint_eq(one.len, two.len);
	ck_assert_mem_eq(one.data, two.data, one.len);
	json = cJSON_Parse(buf_cstr(&one, &err));
	ck_assert_ptr_nonnull(json);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "packages")), 3);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(json, "relationships")), 3);
	ck_assert_ptr_nonnull(strstr((const char *)one.data, "\"pkg:deb/debian/bash@5.2.15-2%2Bb2?arch=amd64&distro=debian-12\""));
	ck_assert_ptr_nonnull(strstr((const char *)one.data, "\"2023-11-14T22:13:20Z\""));
	cJSON_Delete(json);
	sbom_free(s);
	tree_free(tree);
}
END_TEST

UNIT_MAIN("eifgen/sbom", ADD(test_sbom_read_dpkg_and_apk_give_installed_packages_sorted)
	  ADD(test_sbom_read_apk_under_usr_is_found) ADD(test_sbom_read_image_without_databases_is_empty) ADD(test_sbom_read_rpm_database_gives_full_version)
	  ADD(test_sbom_read_rpm_broken_header_is_refused) ADD(test_sbom_read_rpm_bytes_that_are_no_database_are_refused)
	  ADD(test_sbom_read_rpm_view_in_place_of_the_table_is_refused)
	  ADD(test_sbom_read_rpm_column_that_is_computed_is_bounded)
	  ADD(test_sbom_read_rpm_pages_that_are_read_again_are_refused)
	  ADD(test_sbom_read_rpm_bdb_of_either_byte_order) ADD(test_sbom_read_rpm_bdb_damaged_anywhere_ends)
	  ADD(test_sbom_read_rpm_bdb_chain_in_a_circle_is_refused) ADD(test_sbom_read_rpm_ndb_gives_its_packages)
	  ADD(test_sbom_read_rpm_ndb_that_is_wrong_is_refused)
	  ADD(test_sbom_write_spdx_is_json_with_purls_and_twice_the_same))
