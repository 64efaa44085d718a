// SPDX-License-Identifier: Apache-2.0
//
// The listing that is made while ramdisks are written is that of the finished file, byte for byte.
#include "eifgen/entries.h"

#include "base/fault.h"
#include "layerfs/newc.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct err err;

static int entry(struct newc_writer *w, struct newc_header h, const char *name, const char *data)
{
	size_t n = strlen(data);

	h.filesize = (uint32_t)n;
	if (newc_write_entry(w, &h, name, strlen(name), &err))
		return -1;
	// in two pieces
	return newc_write_data(w, data, n / 2, &err) || newc_write_data(w, data + n / 2, n - n / 2, &err) ? -1 : 0;
}

// Every type, names that JSON has to spell out, hard links of both forms, and a second ramdisk with another trailer.
static int write_ramdisk(struct buf *b, const struct newc_watch *watch, uint32_t number)
{
	struct newc_header trailer = {.ino = number * 7, .nlink = number};
	struct newc_writer w;

	newc_writer_init(&w, sink_buf(b));
	w.watch = watch;
	if (entry(&w, (struct newc_header){.ino = 1, .mode = S_IFDIR | 0755, .nlink = 2, .devmajor = 3}, "dev", "") ||
	    entry(&w, (struct newc_header){.ino = 2, .mode = S_IFREG | 04711, .uid = 5, .nlink = 1}, "a \"file\"", "some data") ||
	    entry(&w, (struct newc_header){.ino = 3, .mode = S_IFREG | 0644, .gid = number, .nlink = 1}, "empty", "") ||
	    entry(&w, (struct newc_header){.ino = 4, .mode = S_IFREG | 0644, .nlink = 2}, "two", "names") ||
	    entry(&w, (struct newc_header){.ino = 4, .mode = S_IFREG | 0644, .nlink = 2}, "two again", "") ||
	    entry(&w, (struct newc_header){.ino = 5, .mode = S_IFLNK | 0777, .nlink = 1}, "link", "to/\xff/there") ||
	    entry(&w, (struct newc_header){.ino = 6, .mode = S_IFLNK | 0777, .nlink = 1}, "short link", "x") ||
	    entry(&w, (struct newc_header){.ino = 7, .mode = S_IFCHR | 0600, .nlink = 1, .rdevmajor = 1}, "null", "") ||
	    entry(&w, (struct newc_header){.ino = 8, .mode = S_IFREG | 0600, .nlink = 1}, "last", "the last one's data"))
		return -1;
	return newc_write_trailer(&w, &trailer, &err);
}

static void listing_of(const struct buf *const *ramdisks, struct buf *out)
{
	struct eif_section s[2];
	struct eif_file eif = {.fd = memfd_create("t", 0), .sections = s, .section_count = 2};
	uint64_t at = 0;

	for (size_t i = 0; i < 2; i++) {
		s[i] = (struct eif_section){.type = EIF_SECTION_RAMDISK, .offset = at, .size = ramdisks[i]->len};
		assert_ok(io_pwrite(eif.fd, ramdisks[i]->data, ramdisks[i]->len, at + EIF_SECTION_HEADER_SIZE, &err));
		at += EIF_SECTION_HEADER_SIZE + ramdisks[i]->len;
	}
	assert_ok(entries_of_eif(&eif, ENTRIES_JSON, sink_buf(out), &err));
	close(eif.fd);
}

// All of it into `out`; 0 or -1.
static int watch_all(struct buf *first, struct buf *second, struct buf *out)
{
	struct entries_watch *x = NULL;
	int rc;

	if (entries_watch_new(sink_buf(out), &x, &err))
		return -1;
	rc = write_ramdisk(first, entries_watch_told(x), 1) || write_ramdisk(second, entries_watch_told(x), 2) ||
			     entries_watch_end(x, &err)
		     ? -1
		     : 0;
	entries_watch_free(x);
	return rc;
}

START_TEST(test_entries_watch_gives_the_finished_files_listing)
{
	struct buf first = BUF_INIT(0), second = BUF_INIT(0), beside = BUF_INIT(0), after = BUF_INIT(0);
	const struct buf *const ramdisks[] = {&first, &second};

	assert_ok(watch_all(&first, &second, &beside));
	listing_of(ramdisks, &after);
	ck_assert_str_eq(buf_cstr(&beside, &err), buf_cstr(&after, &err));
	ck_assert_ptr_nonnull(strstr((char *)after.data, "{\"ramdisk\":2,\"path\":\"last\""));
	ck_assert_ptr_nonnull(strstr((char *)after.data, "\"path\":\"empty\",\"type\":\"file\",\"mode\":\"0644\",\"uid\":0,"
							 "\"gid\":1,\"mtime\":0,\"size\":0,\"sha256\":\"e3b0c442"));
	buf_free(&first);
	buf_free(&second);
	buf_free(&beside);
	buf_free(&after);
}
END_TEST

static int fail_at;
static bool hook(enum fault_point p)
{
	return p == FAULT_ALLOC && --fail_at == 0;
}

START_TEST(test_entries_watch_every_failed_allocation_is_an_error)
{
	int rc = -1;

	for (int n = 1; rc; n++) {
		struct buf first = BUF_INIT(0), second = BUF_INIT(0), out = BUF_INIT(0);

		err = (struct err)ERR_INIT;
		fail_at = n;
		base_fault_hook = hook;
		rc = watch_all(&first, &second, &out);
		base_fault_hook = NULL;
		ck_assert(!rc || err.class == ERR_MEMORY);
		buf_free(&first);
		buf_free(&second);
		buf_free(&out);
	}
}
END_TEST

UNIT_MAIN("eifgen/entries_watch", ADD(test_entries_watch_gives_the_finished_files_listing)
	  ADD(test_entries_watch_every_failed_allocation_is_an_error))
