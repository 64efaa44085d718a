// SPDX-License-Identifier: Apache-2.0
//
// The newc writer against bytes spelled out by hand, and the reader against each departure that it must refuse.
#include "base/io.h"
#include "layerfs/newc.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct err err;

// One directory, one file of five bytes, the trailer.
static void write_sample(struct buf *b)
{
	struct newc_header dir = {.ino = 0x2d1, .mode = S_IFDIR | 0755, .nlink = 2, .mtime = 0x58f63f08, .devmajor = 3,
				  .devminor = 1};
	struct newc_header file = {.ino = 2, .mode = S_IFREG | 0644, .uid = 0xfffffffe, .nlink = 1, .filesize = 5};
	struct newc_header end = {.nlink = 1};
	struct newc_writer w;

	newc_writer_init(&w, sink_buf(b));
	assert_ok(newc_write_entry(&w, &dir, "dev", 3, &err));
	assert_ok(newc_write_entry(&w, &file, "ab", 2, &err));
	assert_ok(newc_write_data(&w, "he", 2, &err));
	assert_ok(newc_write_data(&w, "llo", 3, &err));
	assert_ok(newc_write_trailer(&w, &end, &err));
	ck_assert_uint_eq(w.offset, b->len);
}

// Reads all of `b`: the number of entries, or -1.
static int read_all(const struct buf *b, uint64_t size)
{
	struct newc_reader *r = NULL;
	struct newc_entry e;
	int fd = memfd_create("t", MFD_CLOEXEC), n = 0, rc;

	assert_ok(io_write(fd, b->data, b->len, &err));
	assert_ok(newc_reader_new(fd, 0, size, &r, &err));
	while ((rc = newc_reader_next(r, &e, &err)) == 1)
		n++;
	newc_reader_free(r);
	close(fd);
	return rc ? -1 : n;
}

START_TEST(test_newc_write_entry_of_directory_gives_the_known_header)
{
	static const char want[] = "070701000002d1000041ed000000000000000000000002"
				   "58f63f0800000000000000030000000100000000000000000000000400000000dev";
	struct buf b = BUF_INIT(0);

	write_sample(&b);
	ck_assert_mem_eq(b.data, want, sizeof(want));
	ck_assert_uint_eq(b.len, 512);
	buf_free(&b);
}
END_TEST

START_TEST(test_newc_write_data_pads_to_four_and_trailer_to_512)
{
	struct buf b = BUF_INIT(0);

	write_sample(&b);
	// 116 for dev (114 padded), 116 for ab (113 padded), then hello and three NUL
	ck_assert_mem_eq(b.data + 116 + 116, "hello\0\0\0" "070701", 14);
	for (size_t i = 116 + 116 + 8 + 124; i < b.len; i++)
		ck_assert_uint_eq(b.data[i], 0);
	buf_free(&b);
}
END_TEST

static int told_entry(void *ctx, const struct newc_entry *e, struct err *why)
{
	return buf_printf(ctx, why, "%s %zu %o %u at %u;", e->name, e->name_len, e->h.mode, e->h.filesize, (unsigned)e->data_offset);
}

static int told_data(void *ctx, const void *p, size_t n, struct err *why)
{
	return buf_add(ctx, p, n, why) || buf_add_byte(ctx, '|', why) ? -1 : 0;
}

static int told_trailer(void *ctx, const struct newc_header *h, uint64_t size, struct err *why)
{
	return h->nlink == 9 ? err_set(why, ERR_LIMIT, "told enough") : buf_printf(ctx, why, "end %u %u", h->nlink, (unsigned)size);
}

START_TEST(test_newc_watch_is_told_of_all_in_order_and_may_refuse)
{
	struct newc_header file = {.mode = S_IFREG, .nlink = 1, .filesize = 5}, dir = {.mode = S_IFDIR}, end = {.nlink = 3};
	struct buf b = BUF_INIT(0), said = BUF_INIT(0);
	struct newc_watch watch = {told_entry, told_data, told_trailer, &said};
	struct newc_writer w;

	newc_writer_init(&w, sink_buf(&b));
	w.watch = &watch;
	assert_ok(newc_write_entry(&w, &file, "a", 1, &err));
	assert_ok(newc_write_data(&w, "xy", 2, &err));
	assert_ok(newc_write_data(&w, "zab", 3, &err));
	assert_ok(newc_write_entry(&w, &dir, "dir", 3, &err));
	assert_ok(newc_write_trailer(&w, &end, &err));
	ck_assert_str_eq(buf_cstr(&said, &err), "a 1 100000 5 at 112;xy|zab|dir 3 40000 0 at 236;end 3 512");
	ck_assert_mem_eq(b.data + 112, "xyzab", 5);
	end.nlink = 9;
	ck_assert_int_eq(newc_write_trailer(&w, &end, &err), -1);
	ck_assert_str_eq(err.msg, "told enough");
	buf_free(&b);
	buf_free(&said);
}
END_TEST

START_TEST(test_newc_write_entry_with_data_missing_fails)
{
	struct newc_header file = {.mode = S_IFREG, .nlink = 1, .filesize = 5};
	struct newc_writer w;
	struct buf b = BUF_INIT(0);

	newc_writer_init(&w, sink_buf(&b));
	assert_ok(newc_write_entry(&w, &file, "a", 1, &err));
	ck_assert_int_eq(newc_write_entry(&w, &file, "b", 1, &err), -1);
	ck_assert_int_eq(newc_write_data(&w, "123456", 6, &err), -1);
	ck_assert_int_eq(newc_write_trailer(&w, &file, &err), -1);
	buf_free(&b);
}
END_TEST

START_TEST(test_newc_write_entry_with_bad_name_fails)
{
	struct newc_header dir = {.mode = S_IFDIR};
	struct newc_writer w;
	struct buf b = BUF_INIT(0);

	newc_writer_init(&w, sink_buf(&b));
	ck_assert_int_eq(newc_write_entry(&w, &dir, "", 0, &err), -1);
	ck_assert_int_eq(newc_write_entry(&w, &dir, "a\0b", 3, &err), -1);
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(test_newc_write_entry_with_long_name_is_read_back)
{
	static char name[9000];
	struct newc_header dir = {.mode = S_IFDIR | 0700, .nlink = 2}, end = {.nlink = 1};
	struct newc_writer w;
	struct buf b = BUF_INIT(0);

	memset(name, 'n', sizeof(name));
	newc_writer_init(&w, sink_buf(&b));
	assert_ok(newc_write_entry(&w, &dir, name, sizeof(name), &err));
	assert_ok(newc_write_entry(&w, &dir, name, 4095, &err));
	assert_ok(newc_write_trailer(&w, &end, &err));
	ck_assert_int_eq(read_all(&b, b.len), 2);
	buf_free(&b);
}
END_TEST

START_TEST(test_newc_reader_next_of_our_archive_gives_entries_then_trailer)
{
	struct buf b = BUF_INIT(0);
	struct newc_reader *r = NULL;
	struct newc_entry e;
	int fd = memfd_create("t", MFD_CLOEXEC);

	write_sample(&b);
	assert_ok(io_write(fd, "junk", 4, &err));
	assert_ok(io_write(fd, b.data, b.len, &err));
	assert_ok(newc_reader_new(fd, 4, b.len, &r, &err));
	ck_assert_int_eq(newc_reader_next(r, &e, &err), 1);
	ck_assert_str_eq(e.name, "dev");
	ck_assert_uint_eq(e.h.mode, S_IFDIR | 0755);
	ck_assert_uint_eq(e.h.mtime, 0x58f63f08);
	ck_assert_int_eq(newc_reader_next(r, &e, &err), 1);
	ck_assert_uint_eq(e.name_len, 2);
	ck_assert_uint_eq(e.h.uid, 0xfffffffe);
	ck_assert_uint_eq(e.data_offset, 4 + 116 + 116);
	ck_assert_int_eq(newc_reader_next(r, &e, &err), 0);
	ck_assert_int_eq(newc_reader_next(r, &e, &err), 0);
	ck_assert_uint_eq(newc_reader_trailer(r)->nlink, 1);
	newc_reader_free(r);
	buf_free(&b);
	close(fd);
}
END_TEST

// Each row changes one byte of the sample.
static const struct {
	size_t at;
	char byte;
	const char *says;
} departures[] = {
	{5, '2', "magic"},				    // 070702: with check sums
	{11, 'D', "lower-case"},			    // upper-case digit
	{20, 'x', "lower-case"},			    // no digit
	{109, '1', "check sum"},			    // check field
	{113, 'x', "NUL"},				    // name without its NUL
	{114, 'x', "padding"},				    // after the name
	{111, 0, "NUL"},				    // NUL inside the name
	{116 + 6 + 8 + 4, '0', "unknown entry type"},	    // mode 000001a4
	{116 + 6 + 8 + 4, '4', "neither file nor symlink"}, // a directory with data
	{116 + 6 + 8 + 3, '1', "sixteen bits"},
	{116 + 116 + 5, 1, "padding"}, // after the data
	{116 + 6 + 6 * 8, 'f', "past the end"},
	{511, 1, "padding"},
	{6 + 11 * 8 + 1, 'f', "past 65535"},
	{6 + 11 * 8 + 7, '1', "empty"},
};

START_TEST(test_newc_reader_next_of_a_changed_byte_refuses_it)
{
	struct buf b = BUF_INIT(0);

	write_sample(&b);
	b.data[departures[_i].at] = (uint8_t)departures[_i].byte;
	ck_assert_int_eq(read_all(&b, b.len), -1);
	ck_assert_msg(strstr(err.msg, departures[_i].says) != NULL, "row %d: %s", _i, err.msg);
	ck_assert_int_eq(err.class, ERR_INPUT);
	buf_free(&b);
}
END_TEST

START_TEST(test_newc_reader_next_of_every_shorter_archive_refuses_it)
{
	struct buf b = BUF_INIT(0);

	write_sample(&b);
	for (size_t n = 0; n < b.len; n++)
		ck_assert_int_eq(read_all(&b, n), -1);
	ck_assert_int_eq(read_all(&b, b.len), 2);
	buf_free(&b);
}
END_TEST

START_TEST(test_newc_reader_next_of_bytes_after_the_padding_refuses_them)
{
	struct buf b = BUF_INIT(0);

	write_sample(&b);
	assert_ok(buf_add(&b, "\0\0\0\0", 4, &err));
	ck_assert_int_eq(read_all(&b, b.len), -1);
	buf_free(&b);
}
END_TEST

// One symlink with n bytes of target, the last of them `last`. Returns what reading it does.
static int read_link(size_t n, char last)
{
	static char target[70000];
	struct newc_header link = {.mode = S_IFLNK | 0777, .filesize = (uint32_t)n}, end = {.nlink = 1};
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct newc_writer w;

	memset(target, 't', sizeof(target));
	if (n)
		target[n - 1] = last;
	newc_writer_init(&w, sink_buf(&b));
	assert_ok(newc_write_entry(&w, &link, "link", 4, &err));
	assert_ok(newc_write_data(&w, target, n, &err));
	assert_ok(newc_write_trailer(&w, &end, &err));
	return read_all(&b, b.len);
}

START_TEST(test_newc_reader_next_of_a_target_that_is_no_text_refuses_it)
{
	ck_assert_int_eq(read_link(0, 't'), 1);
	ck_assert_int_eq(read_link(1, 't'), 1);
	ck_assert_int_eq(read_link(65535, 't'), 1);
	ck_assert_int_eq(read_link(65536, 't'), -1);
	ck_assert_msg(strstr(err.msg, "target past 65535 bytes") != NULL, "%s", err.msg);
	ck_assert_int_eq(read_link(65535, 0), -1);
	ck_assert_msg(strstr(err.msg, "NUL in it") != NULL, "%s", err.msg);
	ck_assert_int_eq(read_link(1, 0), -1);
}
END_TEST

UNIT_MAIN("layerfs/newc",
	  ADD(test_newc_write_entry_of_directory_gives_the_known_header)
	  ADD(test_newc_write_data_pads_to_four_and_trailer_to_512)
	  ADD(test_newc_watch_is_told_of_all_in_order_and_may_refuse)
	  ADD(test_newc_write_entry_with_data_missing_fails)
	  ADD(test_newc_write_entry_with_bad_name_fails)
	  ADD(test_newc_write_entry_with_long_name_is_read_back)
	  ADD(test_newc_reader_next_of_our_archive_gives_entries_then_trailer)
	  tcase_add_loop_test(tc_, test_newc_reader_next_of_a_changed_byte_refuses_it, 0,
			      sizeof(departures) / sizeof(departures[0]));
	  ADD(test_newc_reader_next_of_every_shorter_archive_refuses_it)
	  ADD(test_newc_reader_next_of_bytes_after_the_padding_refuses_them)
	  ADD(test_newc_reader_next_of_a_target_that_is_no_text_refuses_it))
