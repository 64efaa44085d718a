// SPDX-License-Identifier: Apache-2.0
//
// Two ramdisks, written with newc_writer into temporary files, and what diff says of them.
#include "eifgen/diff.h"

#include "base/io.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct item {
	const char *name;
	uint32_t mode, mtime, ino, nlink;
	const char *data;
};

static int temp_file(void)
{
	char path[] = "/tmp/eifgen-diff-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	return fd;
}

static struct diff_side *side(const char *name, const struct item *items)
{
	struct err err = ERR_INIT;
	struct diff_side *s = mem_zalloc(1, sizeof(*s), &err);
	struct newc_writer w;
	const struct newc_header trailer = {.nlink = 1};

	s->fd = temp_file();
	s->name = mem_strdup(name, &err);
	newc_writer_init(&w, sink_fd(&s->fd));
	for (uint32_t i = 0; items[i].name; i++) {
		struct newc_header h = {
			.ino = items[i].ino ? items[i].ino : i + 1,
			.mode = items[i].mode,
			.nlink = items[i].nlink ? items[i].nlink : 1,
			.mtime = items[i].mtime,
			.filesize = (uint32_t)strlen(items[i].data),
		};

		assert_ok(newc_write_entry(&w, &h, items[i].name, strlen(items[i].name), &err));
		assert_ok(newc_write_data(&w, items[i].data, h.filesize, &err));
	}
	assert_ok(newc_write_trailer(&w, &trailer, &err));
	s->ramdisk_count = 2; // the application ramdisk; the first is absent
	assert_ok(listing_read(s->fd, 0, w.offset, &s->ramdisks[1], &err));
	return s;
}

static struct diff *compare(struct diff_side *a, struct diff_side *b)
{
	struct err err = ERR_INIT;
	struct diff *d = NULL;

	assert_ok(diff_sides(a, b, &d, &err));
	return d;
}

static void done(struct diff *d, struct diff_side *a, struct diff_side *b)
{
	diff_free(d);
	diff_side_free(a);
	diff_side_free(b);
}

#define REG (S_IFREG | 0644)

START_TEST(test_diff_sides_equal_ramdisks_are_the_same)
{
	const struct item items[] = {{"rootfs", S_IFDIR | 0755, 1, 0, 2, ""}, {"rootfs/a", REG, 1, 0, 1, "x"}, {0}};
	struct diff_side *a = side("a", items), *b = side("b", items);
	struct diff *d = compare(a, b);

	ck_assert(diff_same(d));
	ck_assert_uint_eq(d->entry_count, 0);
	ck_assert(d->looked_inside);
	done(d, a, b);
}
END_TEST

START_TEST(test_diff_sides_one_of_each_is_named_with_its_cause)
{
	const struct item one[] = {{"rootfs/a", REG, 1, 0, 1, "x"},
				   {"rootfs/gone", REG, 1, 0, 1, "x"},
				   {"rootfs/l", S_IFLNK | 0777, 1, 0, 1, "to"},
				   {"rootfs/m", REG, 1, 0, 1, "x"},
				   {"rootfs/t", REG, 1, 0, 1, "x"},
				   {"rootfs/var/log/dpkg.log", REG, 1, 0, 1, "10:00"},
				   {0}};
	const struct item two[] = {{"rootfs/a", REG, 1, 0, 1, "y"},
				   {"rootfs/l", S_IFLNK | 0777, 1, 0, 1, "from"},
				   {"rootfs/m", S_IFREG | 0600, 1, 0, 1, "x"},
				   {"rootfs/new", REG, 1, 0, 1, "x"},
				   {"rootfs/t", REG, 2, 0, 1, "x"},
				   {"rootfs/var/log/dpkg.log", REG, 1, 0, 1, "11:00"},
				   {0}};
	static const struct {
		const char *path;
		unsigned what;
		const char *cause;
	} want[] = {
		{"rootfs/a", DIFF_CONTENT, "content"},
		{"rootfs/gone", DIFF_REMOVED, "removed"},
		{"rootfs/l", DIFF_TARGET, "symlink-target"},
		{"rootfs/m", DIFF_MODE, "mode-or-owner"},
		{"rootfs/new", DIFF_ADDED, "added"},
		{"rootfs/t", DIFF_MTIME, "timestamp"},
		{"rootfs/var/log/dpkg.log", DIFF_CONTENT, "dpkg-log"},
	};
	struct diff_side *a = side("a", one), *b = side("b", two);
	struct diff *d = compare(a, b);

	ck_assert(!diff_same(d));
	ck_assert_uint_eq(d->entry_count, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < d->entry_count; i++) {
		const struct diff_entry *e = &d->entries[i];

		ck_assert_str_eq(e->a ? e->a->path : e->b->path, want[i].path);
		ck_assert_uint_eq(e->what & ~(unsigned)DIFF_INO, want[i].what);
		ck_assert_str_eq(e->cause.id, want[i].cause);
		ck_assert_uint_eq(diff_entry_moves(e), DIFF_PCR0 | DIFF_PCR2);
	}
	done(d, a, b);
}
END_TEST

START_TEST(test_diff_sides_moved_entry_is_order_and_the_rest_is_not)
{
	const struct item one[] = {{"a", REG, 1, 1, 1, ""}, {"b", REG, 1, 2, 1, ""}, {"c", REG, 1, 3, 1, ""},
				   {"d", REG, 1, 4, 1, ""}, {0}};
	const struct item two[] = {{"b", REG, 1, 2, 1, ""}, {"c", REG, 1, 3, 1, ""}, {"d", REG, 1, 4, 1, ""},
				   {"a", REG, 1, 1, 1, ""}, {0}};
	struct diff_side *a = side("a", one), *b = side("b", two);
	struct diff *d = compare(a, b);

	ck_assert_uint_eq(d->entry_count, 1);
	ck_assert_str_eq(d->entries[0].a->path, "a");
	ck_assert_uint_eq(d->entries[0].what, DIFF_ORDER);
	done(d, a, b);
}
END_TEST

// The first name of an inode carries its bytes: when another name comes before it, nothing about its content has
// changed.
START_TEST(test_diff_sides_hard_links_are_compared_by_their_inode)
{
	const struct item one[] = {{"rootfs/b", REG, 1, 7, 2, "same"}, {"rootfs/c", REG, 1, 7, 2, ""},
				   {"rootfs/x", REG, 1, 8, 2, "old"}, {"rootfs/y", REG, 1, 8, 2, ""}, {0}};
	const struct item two[] = {{"rootfs/a", REG, 1, 7, 2, "same"}, {"rootfs/b", REG, 1, 7, 2, ""},
				   {"rootfs/x", REG, 1, 8, 2, "longer"}, {"rootfs/y", REG, 1, 8, 2, ""}, {0}};
	static const struct {
		const char *path;
		unsigned what;
		const char *cause;
	} want[] = {{"rootfs/a", DIFF_ADDED, "added"}, {"rootfs/b", DIFF_LINKS, "links"}, {"rootfs/c", DIFF_REMOVED, "removed"},
		    {"rootfs/x", DIFF_CONTENT | DIFF_SIZE, "content"}, {"rootfs/y", DIFF_CONTENT | DIFF_SIZE, "content"}};
	struct diff_side *a = side("a", one), *b = side("b", two);
	struct diff *d = compare(a, b);

	ck_assert_uint_eq(d->entry_count, 5);
	for (size_t i = 0; i < 5; i++) {
		const struct diff_entry *e = &d->entries[i];

		ck_assert_str_eq((e->b ? e->b : e->a)->path, want[i].path);
		ck_assert_msg(e->what == want[i].what, "%s: %x", want[i].path, e->what);
		ck_assert_str_eq(e->cause.id, want[i].cause);
	}
	done(d, a, b);
}
END_TEST

START_TEST(test_diff_sides_inode_numbers_after_an_addition_are_counted)
{
	const struct item one[] = {{"rootfs/b", REG, 1, 1, 1, ""}, {"rootfs/c", REG, 1, 2, 1, ""}, {0}};
	const struct item two[] = {{"rootfs/a", REG, 1, 1, 1, ""}, {"rootfs/b", REG, 1, 2, 1, ""},
				   {"rootfs/c", REG, 1, 3, 1, ""}, {0}};
	struct diff_side *a = side("a", one), *b = side("b", two);
	struct diff *d = compare(a, b);

	ck_assert_uint_eq(d->entry_count, 1);
	ck_assert_uint_eq(d->entries[0].what, DIFF_ADDED);
	ck_assert_uint_eq(d->renumbered, 2);
	done(d, a, b);
}
END_TEST

START_TEST(test_diff_sides_repeated_path_and_trailing_slash_are_paired)
{
	const struct item one[] = {{"rootfs/x/", S_IFDIR | 0755, 1, 0, 2, ""}, {"rootfs/x", S_IFDIR | 0755, 2, 0, 2, ""}, {0}};
	const struct item two[] = {{"rootfs/x/", S_IFDIR | 0755, 1, 0, 2, ""}, {"rootfs/x", S_IFDIR | 0755, 3, 0, 2, ""}, {0}};
	struct diff_side *a = side("a", one), *b = side("b", two);
	struct diff *d = compare(a, b);

	ck_assert_uint_eq(d->entry_count, 1);
	ck_assert_uint_eq(d->entries[0].a->occurrence, 1);
	ck_assert_uint_eq(d->entries[0].what, DIFF_MTIME);
	done(d, a, b);
}
END_TEST

START_TEST(test_diff_sides_facts_that_differ_are_parts_with_registers)
{
	const struct item items[] = {{"rootfs", S_IFDIR | 0755, 1, 0, 2, ""}, {0}};
	struct diff_side *a = side("a", items), *b = side("b", items);
	struct err err = ERR_INIT;

	assert_ok(diff_side_add_fact(a, "kernel", "11", &err));
	assert_ok(diff_side_add_fact(b, "kernel", "22", &err));
	assert_ok(diff_side_add_fact(a, "metadata", "{}", &err));
	assert_ok(diff_side_add_fact(b, "metadata", "{1}", &err));
	assert_ok(diff_side_add_fact(a, "epoch", "7", &err)); // only one side says: nothing to compare
	struct diff *d = compare(a, b);
	ck_assert_uint_eq(d->part_count, 2);
	ck_assert_str_eq(d->parts[0].name, "kernel");
	ck_assert_uint_eq(d->parts[0].moves, DIFF_PCR0 | DIFF_PCR1);
	ck_assert_uint_eq(d->parts[1].moves, 0);
	ck_assert(!diff_same(d));
	done(d, a, b);
}
END_TEST

START_TEST(test_diff_print_hostile_names_cannot_end_the_page_script)
{
	const struct item one[] = {{"rootfs/</script><img src=x>\xff", REG, 1, 0, 1, "a"}, {0}};
	const struct item two[] = {{"rootfs/</script><img src=x>\xff", REG, 1, 0, 1, "b"}, {0}};
	struct diff_side *a = side("a", one), *b = side("b", two);
	struct diff *d = compare(a, b);
	_cleanup_buf_ struct buf html = BUF_INIT(0), json = BUF_INIT(0), text = BUF_INIT(0);
	struct err err = ERR_INIT;
	size_t ends = 0;

	assert_ok(diff_print_html(d, &html, &err));
	assert_ok(diff_print_json(d, &json, &err));
	assert_ok(diff_print_text(d, &text, &err));
	for (const char *p = buf_cstr(&html, &err); (p = strstr(p, "</script>")); p++)
		ends++;
	ck_assert_uint_eq(ends, 2); // the template's own
	ck_assert_ptr_nonnull(strstr(buf_cstr(&json, &err), "\"PathHex\": \"726f6f7466732f3c2f7363726970743e"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&html, &err), "\"ContentA\":\"YQ==\",\"ContentB\":\"Yg==\""));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text, &err), "\\xff\""));
	done(d, a, b);
}
END_TEST

UNIT_MAIN("eifgen/diff", ADD(test_diff_sides_equal_ramdisks_are_the_same)
	  ADD(test_diff_sides_one_of_each_is_named_with_its_cause)
	  ADD(test_diff_sides_moved_entry_is_order_and_the_rest_is_not)
	  ADD(test_diff_sides_hard_links_are_compared_by_their_inode)
	  ADD(test_diff_sides_inode_numbers_after_an_addition_are_counted)
	  ADD(test_diff_sides_repeated_path_and_trailing_slash_are_paired)
	  ADD(test_diff_sides_facts_that_differ_are_parts_with_registers)
	  ADD(test_diff_print_hostile_names_cannot_end_the_page_script))
