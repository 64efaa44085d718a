// SPDX-License-Identifier: Apache-2.0
//
// A trick a test: archives that two readers take for two trees, each refused with its reason; and beside them the
// honest forms that must pass. Every archive is fed in one piece and byte by byte; both must say the same.
#include "layerfs/tarcheck.h"

#include "tests/unit/layerfs/tar_maker.h"
#include "tests/unit/unit.h"

static struct err err;
static struct buf b;
static struct tar_entry e; // the last entry seen; names copied below
static char name[4096], link_name[4096];

static void teardown(void)
{
	buf_free(&b);
}

// Number of entries, or -1 with err.
static int run(size_t piece)
{
	struct tarcheck *t = tarcheck_new(4000, &err);
	int n = 0, rc = 0;

	ck_assert_ptr_nonnull(t);
	for (size_t at = 0; at < b.len && !rc; at += piece) {
		rc = tarcheck_feed(t, b.data + at, b.len - at < piece ? b.len - at : piece, &err);
		for (; !rc && tarcheck_next(t, &e); n++) {
			snprintf(name, sizeof(name), "%s", e.name);
			snprintf(link_name, sizeof(link_name), "%s", e.link);
		}
	}
	if (!rc)
		rc = tarcheck_finish(t, &err);
	tarcheck_free(t);
	return rc ? -1 : n;
}

static void refused(const char *why)
{
	for (size_t piece = 1; piece <= 1 << 20; piece *= 1 << 10) {
		err = (struct err)ERR_INIT;
		ck_assert_msg(run(piece) == -1, "passed, not refused: %s", why);
		ck_assert_msg(strstr(err.msg, why) != NULL, "%s", err.msg);
	}
	buf_free(&b);
}

static void passes(int entries)
{
	for (size_t piece = 1; piece <= 1 << 20; piece *= 1 << 10) {
		int n = run(piece);

		ck_assert_msg(n == entries, "%d entries; %s", n, n < 0 ? err.msg : "");
	}
	buf_free(&b);
}

// A header with `len` bytes at `at` replaced, its checksum made right again.
static void odd(struct tar_member m, size_t at, const void *p, size_t len)
{
	uint8_t h[512];

	tar_header(h, &m);
	memcpy(h + at, p, len);
	tar_sum(h);
	tar_raw(&b, h, 512);
	if (m.data)
		tar_raw(&b, m.data, m.size);
	tar_pad(&b);
}

static const struct tar_member FILE_X = {.name = "x", .type = '0', .mode = 0644};
#define GNU_MAGIC "ustar  "

START_TEST(test_tarcheck_empty_and_endless_archives_pass)
{
	passes(0); // no byte at all
	tar_end(&b);
	passes(0);
	tar_file(&b, "x", "1"); // no end marker: every reader takes it
	passes(1);
	tar_file(&b, "x", "1");
	for (int i = 0; i < 10; i++)
		tar_end(&b);
	passes(1);
}
END_TEST

START_TEST(test_tarcheck_unknown_type_is_refused)
{
	static const char types[] = {'8', '9', 'Z', 'I', 'X', 'A', 'D', 'M', 'N', 'V', '\xff', ' ', '\1'};

	for (size_t i = 0; i < sizeof(types); i++) {
		struct tar_member m = FILE_X;

		m.type = types[i];
		tar_put(&b, m);
		tar_end(&b);
		refused("entry \"x\": unknown entry type");
	}
}
END_TEST

// The name in the message is the one that the entry would have had.
START_TEST(test_tarcheck_unknown_type_is_named_as_extended_headers_say)
{
	struct tar_member m = FILE_X;

	m.type = 'Z';
	tar_pax(&b, "path", "from/pax", NULL);
	tar_put(&b, m);
	refused("entry \"from/pax\": unknown entry type \"Z\"");
	tar_ext(&b, 'L', "from/gnu", 9);
	tar_put(&b, m);
	refused("entry \"from/gnu\": unknown entry type \"Z\"");
}
END_TEST

START_TEST(test_tarcheck_size_on_what_has_no_data_is_refused)
{
	for (char type = '1'; type <= '6'; type++) {
		tar_put(&b, (struct tar_member){.name = "x", .type = type, .link = "y", .data = "abc", .size = 3});
		tar_end(&b);
		refused("a size on an entry of type");
		tar_pax(&b, "size", "9000000000", NULL);
		tar_link(&b, "x", type, "y");
		refused("a size on an entry of type");
	}
}
END_TEST

START_TEST(test_tarcheck_end_marker_tricks_are_refused)
{
	static const char zero[512];

	tar_file(&b, "x", "1");
	tar_raw(&b, zero, 512);
	tar_file(&b, "y", "1");
	tar_end(&b);
	refused("a lone zero block");
	tar_file(&b, "x", "1");
	tar_raw(&b, zero, 512);
	refused("a lone zero block");
	tar_end(&b);
	tar_file(&b, "y", "1"); // a second archive behind the first
	tar_end(&b);
	refused("bytes behind the archive's end");
	tar_end(&b);
	tar_raw(&b, "garbage", 7);
	tar_pad(&b);
	refused("bytes behind the archive's end");
	tar_end(&b);
	tar_raw(&b, zero, 100);
	refused("ends within an entry");
}
END_TEST

START_TEST(test_tarcheck_early_end_is_refused)
{
	tar_put(&b, (struct tar_member){.name = "x", .type = '0', .size = 3000});
	refused("ends within an entry");
	tar_put(&b, (struct tar_member){.name = "x", .type = 'x', .size = 30});
	refused("ends within an entry");
	tar_file(&b, "x", "1");
	b.len -= 512;
	refused("ends within an entry");
	tar_file(&b, "x", "1");
	b.len -= 1; // short of its padding
	refused("ends within an entry");
}
END_TEST

START_TEST(test_tarcheck_checksum_is_checked)
{
	uint8_t h[512];
	unsigned sum = 0;

	tar_file(&b, "x", "");
	b.data[0] = 'y';
	refused("checksum is wrong");
	tar_file(&b, "x", "");
	memcpy(b.data + 148, "zzzzzzzz", 8);
	refused("checksum");
	tar_header(h, &(struct tar_member){.name = "\xe9", .type = '0'}); // the old sum over signed bytes
	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += (unsigned)(int8_t)h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	tar_raw(&b, h, 512);
	passes(1);
}
END_TEST

START_TEST(test_tarcheck_numbers_that_go_refuses_are_refused)
{
	static const struct {
		size_t at;
		const char *text;
		size_t n;
		const char *why;
	} bad[] = {
		{124, "12x", 3, "not octal"},		      {124, "0000000-001", 11, "not octal"},
		{124, "00000000008", 11, "not octal"},	      {100, "1 2", 3, "not octal"},
		{108, "12\0 3", 5, "bytes behind"},	      {124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12, "size: a negative"},
		{124, "\x80\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x00", 12, "past 63 bits"},
		{108, "\xff\xff\xff\xff\xff\xff\xff\xfe", 8, "uid: a negative number"},
		{329, "zz", 2, "device number"},	      {136, "later", 5, "mtime"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		odd(FILE_X, bad[i].at, bad[i].text, bad[i].n);
		tar_end(&b);
		refused(bad[i].why);
	}
}
END_TEST

START_TEST(test_tarcheck_base256_numbers_are_read)
{
	odd(FILE_X, 108, "\x80\x00\x00\x00\xff\xff\xff\xfe", 8);
	ck_assert_int_eq(run(512), 1);
	ck_assert_uint_eq(e.uid, 4294967294u);
	buf_free(&b);
	odd(FILE_X, 136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12);
	ck_assert_int_eq(run(512), 1);
	ck_assert_int_eq(e.mtime, -2);
}
END_TEST

START_TEST(test_tarcheck_blank_numbers_are_zero)
{
	odd(FILE_X, 108, "       ", 8);
	ck_assert_int_eq(run(512), 1);
	ck_assert_uint_eq(e.uid, 0);
	buf_free(&b);
	odd(FILE_X, 100, "   644 ", 8);
	ck_assert_int_eq(run(512), 1);
	ck_assert_uint_eq(e.mode, 0644);
}
END_TEST

START_TEST(test_tarcheck_magic_decides_on_the_prefix)
{
	struct tar_member m = {.name = "x", .type = '0', .prefix = "dir"};

	tar_put(&b, m);
	ck_assert_int_eq(run(512), 1);
	ck_assert_str_eq(name, "dir/x");
	buf_free(&b);
	m.magic = "\0\0\0\0\0\0\0"; // the oldest form has no prefix
	tar_put(&b, m);
	ck_assert_int_eq(run(512), 1);
	ck_assert_str_eq(name, "x");
	buf_free(&b);
	m.magic = GNU_MAGIC; // nor has GNU's, where these bytes are a time
	tar_put(&b, m);
	refused("access or change time");
	m.magic = "ustar 00";
	tar_put(&b, m);
	refused("magic");
}
END_TEST

START_TEST(test_tarcheck_sparse_fields_in_a_plain_gnu_entry_are_refused)
{
	odd((struct tar_member){.name = "x", .type = '0', .magic = GNU_MAGIC, .data = "abc", .size = 3}, 386,
	    "00000000000 00000000003 ", 24);
	tar_end(&b);
	refused("sparse fields in an entry that is not sparse");
}
END_TEST

START_TEST(test_tarcheck_name_forms)
{
	struct tar_member m = FILE_X;

	m.name = "";
	tar_put(&b, m);
	refused("without a name");
	odd(FILE_X, 0, "a\0hidden", 8); // an embedded NUL ends the name for every reader
	ck_assert_int_eq(run(512), 1);
	ck_assert_str_eq(name, "a");
	buf_free(&b);
	tar_put(&b, (struct tar_member){.name = "s", .type = '2', .link = ""});
	refused("a link to nothing");
	tar_put(&b, (struct tar_member){.name = "d/", .type = 0});
	ck_assert_int_eq(run(512), 1);
	ck_assert_int_eq(e.type, '5');
}
END_TEST

START_TEST(test_tarcheck_malformed_pax_is_refused)
{
	static const char *const bad[] = {
		"8 path=x\n", "11 path=x\n", "9 path=x!", "09 path=x\n", "+9 path=x\n", "9path=x\n", "9  path=x\n", "x\n",
		"5 =x\n", "6 path\n", "99999999999999999999 path=x\n", "0 path=x\n", "9 path=x\nrest", " 9 path=x\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tar_ext(&b, 'x', bad[i], strlen(bad[i]));
		tar_file(&b, "y", "");
		tar_end(&b);
		refused("pax record");
	}
	tar_ext(&b, 'x', "11 a\0h=xy\n\n", 11);
	tar_file(&b, "y", "");
	refused("malformed pax record");
}
END_TEST

START_TEST(test_tarcheck_pax_values_that_divide_readers_are_refused)
{
	static const struct {
		const char *key, *value, *why;
	} bad[] = {
		{"path", "", "empty"},		     {"linkpath", "", "empty"},
		{"size", "", "empty number"},	     {"size", "-1", "not decimal"},
		{"size", "+1", "not decimal"},	     {"size", "0x1", "not decimal"},
		{"size", "7", "in its pax record"},  {"uid", "-1", "not decimal"},
		{"uid", "99999999999999999999", "past 63"}, {"mtime", "now", "not decimal"},
		{"mtime", "1.x", "no number"},	     {"SCHILY.realsize", "5", "readers differ"},
		{"SUN.holesdata", " 0 5", "readers differ"}, {"GNU.sparse.what", "5", "unknown sparse key"},
		{"GNU.sparse.major", "2", "unknown sparse version"},
		{"GNU.sparse.realsize", "5", "make no sparse file"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tar_pax(&b, bad[i].key, bad[i].value, NULL);
		tar_file(&b, "y", "abc");
		tar_end(&b);
		refused(bad[i].why);
	}
	tar_pax(&b, "path", "a", "path", "b", NULL);
	tar_file(&b, "y", "");
	refused("stands there twice");
	tar_ext(&b, 'x', "12 path=a\0b\n", 12);
	tar_file(&b, "y", "");
	refused("a NUL within");
}
END_TEST

START_TEST(test_tarcheck_pax_overrides_are_applied)
{
	tar_pax(&b, "path", "long/name", "linkpath", "to", "uid", "5", "comment", "", "unknown.key", "\n=\n", NULL);
	tar_link(&b, "x", '2', "y");
	tar_end(&b);
	ck_assert_int_eq(run(512), 1);
	ck_assert_str_eq(name, "long/name");
	ck_assert_str_eq(link_name, "to");
	ck_assert_uint_eq(e.uid, 5);
	buf_free(&b);
	tar_pax(&b, "path", "one", NULL); // for one entry only
	tar_file(&b, "x", "");
	tar_file(&b, "x", "");
	ck_assert_int_eq(run(512), 2);
	ck_assert_str_eq(name, "x");
}
END_TEST

START_TEST(test_tarcheck_extended_headers_in_a_row_are_refused)
{
	tar_pax(&b, "path", "a", NULL);
	tar_pax(&b, "path", "b", NULL);
	tar_file(&b, "x", "");
	refused("behind another");
	tar_ext(&b, 'L', "a", 2);
	tar_ext(&b, 'L', "b", 2);
	tar_file(&b, "x", "");
	refused("behind another");
	tar_ext(&b, 'L', "a", 2);
	tar_pax(&b, "path", "b", NULL);
	tar_file(&b, "x", "");
	refused("behind another");
	tar_pax(&b, "path", "b", NULL);
	tar_ext(&b, 'K', "a", 2);
	tar_link(&b, "x", '2', "y");
	refused("behind another");
	tar_pax(&b, "path", "b", NULL);
	tar_ext(&b, 'g', "12 comment=\n", 12); // Go forgets the x header here
	tar_file(&b, "x", "");
	refused("behind another");
}
END_TEST

START_TEST(test_tarcheck_extended_header_before_nothing_is_refused)
{
	tar_pax(&b, "path", "a", NULL);
	tar_end(&b);
	refused("before nothing");
	tar_ext(&b, 'L', "a", 2);
	refused("before nothing");
}
END_TEST

START_TEST(test_tarcheck_gnu_long_names)
{
	tar_ext(&b, 'L', "name", 5);
	tar_ext(&b, 'K', "link", 4);
	tar_link(&b, "x", '2', "y");
	ck_assert_int_eq(run(512), 1);
	ck_assert_str_eq(name, "name");
	ck_assert_str_eq(link_name, "link");
	buf_free(&b);
	tar_ext(&b, 'L', "a\0b", 4);
	tar_file(&b, "x", "");
	refused("bytes behind its NUL");
	tar_ext(&b, 'L', "", 0);
	tar_file(&b, "x", "");
	refused("empty extended header");
	tar_ext(&b, 'L', "\0", 1);
	tar_file(&b, "x", "");
	refused("empty");
}
END_TEST

START_TEST(test_tarcheck_oversized_extended_header_is_refused)
{
	tar_put(&b, (struct tar_member){.name = "x", .type = 'x', .size = 2000000});
	refused("extended header of 2000000 bytes");
}
END_TEST

START_TEST(test_tarcheck_global_header_may_only_comment)
{
	tar_ext(&b, 'g', "52 comment=0123456789012345678901234567890123456789\n", 52);
	tar_file(&b, "x", "");
	passes(2); // 'g' itself is shown
	tar_ext(&b, 'g', "9 path=x\n", 9);
	tar_file(&b, "x", "");
	refused("a global pax record \"path\"");
}
END_TEST

START_TEST(test_tarcheck_path_past_the_limit_is_refused)
{
	char big[4002];

	memset(big, 'a', sizeof(big) - 1);
	big[4001] = '\0';
	tar_pax(&b, "path", big, NULL);
	tar_file(&b, "x", "");
	refused("--max-path");
}
END_TEST

// ---- sparse --------------------------------------------------------------------------------------------------------

static void old_sparse(const char *pieces, char extended, const char *realsize, size_t data)
{
	uint8_t h[512];
	struct tar_member m = {.name = "s", .type = 'S', .magic = GNU_MAGIC, .size = data};

	tar_header(h, &m);
	memcpy(h + 386, pieces, strlen(pieces));
	h[482] = (uint8_t)extended;
	memcpy(h + 483, realsize, 12);
	tar_sum(h);
	tar_raw(&b, h, 512);
}

START_TEST(test_tarcheck_old_sparse_forms)
{
	char block[512] = "00000000040 00000000001 ";

	old_sparse("00000000002 00000000003 ", 0, "00000000012", 3); // octal 2+3, size 10: short of nothing
	tar_raw(&b, "abc", 3);
	tar_pad(&b);
	ck_assert_int_eq(run(7), 1);
	ck_assert_uint_eq(e.size, 10);
	ck_assert(e.sparse && e.type == '0');
	buf_free(&b);
	old_sparse("00000000002 00000000001 00000000004 00000000001 00000000006 00000000001 00000000010 00000000001 ", 1,
		   "00000001000", 5);
	tar_raw(&b, block, 512);
	tar_raw(&b, "abcde", 5);
	tar_pad(&b);
	passes(1);
	old_sparse("00000000002 00000000003 ", 0, "00000000012", 4);
	refused("does not fit its data");
	old_sparse("00000000002 00000000003 ", 0, "00000000004", 3);
	refused("does not fit its data");
	old_sparse("00000000005 00000000003 00000000002 00000000001 ", 0, "00000000012", 4);
	refused("out of order");
	tar_put(&b, (struct tar_member){.name = "s", .type = 'S'});
	refused("without GNU's magic");
}
END_TEST

START_TEST(test_tarcheck_pax_sparse_forms)
{
	tar_pax(&b, "GNU.sparse.size", "10", "GNU.sparse.numblocks", "2", "GNU.sparse.offset", "1",
		"GNU.sparse.numbytes", "2", "GNU.sparse.offset", "9", "GNU.sparse.numbytes", "1", NULL);
	tar_file(&b, "x", "abc");
	ck_assert_int_eq(run(512), 1);
	ck_assert_uint_eq(e.size, 10);
	buf_free(&b);
	tar_pax(&b, "GNU.sparse.size", "10", "GNU.sparse.numblocks", "1", "GNU.sparse.map", "1,3", "GNU.sparse.name", "n",
		NULL);
	tar_file(&b, "x", "abc");
	ck_assert_int_eq(run(512), 1);
	ck_assert_str_eq(name, "n");
	buf_free(&b);
	tar_pax(&b, "GNU.sparse.size", "10", "GNU.sparse.numblocks", "2", "GNU.sparse.map", "1,3", NULL);
	tar_file(&b, "x", "abc");
	refused("make no sparse file");
	tar_pax(&b, "GNU.sparse.size", "10", "GNU.sparse.numblocks", "1", "GNU.sparse.map", "1,4", NULL);
	tar_file(&b, "x", "abc");
	refused("does not fit its data");
	tar_pax(&b, "GNU.sparse.size", "10", "GNU.sparse.numblocks", "1", "GNU.sparse.numbytes", "1", "GNU.sparse.offset",
		"1", NULL);
	tar_file(&b, "x", "abc");
	refused("out of turn");
	tar_pax(&b, "GNU.sparse.size", "10", "GNU.sparse.numblocks", "1", "GNU.sparse.map", "1,3", NULL);
	tar_dir(&b, "x", 0755);
	refused("on an entry of type '5'");
}
END_TEST

static void sparse_1_0(const char *map, size_t map_len, size_t size)
{
	char data[1024] = "";

	tar_pax(&b, "GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "100", "GNU.sparse.name", "n",
		NULL);
	memcpy(data, map, map_len);
	memcpy(data + 512, "abc", 3);
	tar_put(&b, (struct tar_member){.name = "x", .type = '0', .data = data, .size = size});
	tar_file(&b, "next", "1");
}

START_TEST(test_tarcheck_sparse_map_in_the_data)
{
	sparse_1_0("2\n5\n1\n98\n2\n", 11, 515);
	passes(2);
	sparse_1_0("2\n5\n1\n98\n3\n", 11, 516);
	refused("does not fit its data");
	sparse_1_0("2\n5\n1\n98\n2\nx", 12, 515);
	refused("bytes behind a sparse map");
	sparse_1_0("2\n5\n-1\n98\n2\n", 12, 515);
	refused("bad number");
	sparse_1_0("\n5\n1\n98\n2\n", 10, 515);
	refused("empty number");
	sparse_1_0("99999\n5\n1\n98\n2\n", 14, 515);
	refused("longer than its data");
	sparse_1_0("1\n5\n1\n", 6, 100);
	refused("bytes behind a sparse map");
}
END_TEST

UNIT_MAIN("layerfs/tarcheck", tcase_add_checked_fixture(tc_, NULL, teardown);
	  ADD(test_tarcheck_empty_and_endless_archives_pass) ADD(test_tarcheck_unknown_type_is_refused)
	  ADD(test_tarcheck_unknown_type_is_named_as_extended_headers_say)
	  ADD(test_tarcheck_size_on_what_has_no_data_is_refused) ADD(test_tarcheck_end_marker_tricks_are_refused)
	  ADD(test_tarcheck_early_end_is_refused) ADD(test_tarcheck_checksum_is_checked)
	  ADD(test_tarcheck_numbers_that_go_refuses_are_refused) ADD(test_tarcheck_base256_numbers_are_read)
	  ADD(test_tarcheck_blank_numbers_are_zero) ADD(test_tarcheck_magic_decides_on_the_prefix)
	  ADD(test_tarcheck_sparse_fields_in_a_plain_gnu_entry_are_refused) ADD(test_tarcheck_name_forms)
	  ADD(test_tarcheck_malformed_pax_is_refused) ADD(test_tarcheck_pax_values_that_divide_readers_are_refused)
	  ADD(test_tarcheck_pax_overrides_are_applied) ADD(test_tarcheck_extended_headers_in_a_row_are_refused)
	  ADD(test_tarcheck_extended_header_before_nothing_is_refused) ADD(test_tarcheck_gnu_long_names)
	  ADD(test_tarcheck_oversized_extended_header_is_refused)
	  ADD(test_tarcheck_global_header_may_only_comment) ADD(test_tarcheck_path_past_the_limit_is_refused)
	  ADD(test_tarcheck_old_sparse_forms) ADD(test_tarcheck_pax_sparse_forms)
	  ADD(test_tarcheck_sparse_map_in_the_data))
