// SPDX-License-Identifier: Apache-2.0
//
// Packed entry lists: every field of every kind comes back, in order, as often as it is read, over chunks, as bytes and
// back, counted from another base; memory goes with reading when it is asked to.
#include "layerfs/entry_list.h"

#include "base/fault.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct err err;

// Bounds within which all that is sound is allowed.
static struct entry_bounds wide_bounds(uint64_t count)
{
	return (struct entry_bounds){count, UINT64_MAX, 1000000, LIST_FILE, LIST_OPAQUE};
}

static struct entry_list *back_again(const void *p, size_t n, uint64_t count, uint64_t base)
{
	struct entry_bounds b = wide_bounds(count);

	return entry_list_read(p, n, &b, base, &err);
}

enum { PATH = 300, COUNT = 20000 }; // entries: several chunks of 64 KiB

struct sample {
	struct list_entry e;
	char path[PATH], target[PATH];
};

// Entry i of a list that has every kind, shared and unshared paths, and numbers at their ends.
static void sample(struct sample *s, unsigned i, uint64_t base)
{
	static const uint64_t wide[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX >> 1};
	static const int64_t times[] = {0, 1, -1, 1700000000, INT64_MIN, INT64_MAX, -62135596800};
	enum list_kind kind = (enum list_kind)(i % (LIST_OPAQUE + 1));

	memset(s, 0, sizeof(*s));
	s->e.kind = kind;
	s->e.path_len = (size_t)snprintf(s->path, PATH, i % 11 == 5 ? "%u" : "usr/share/doc/%u/\xff\xfe%u", i / 50, i);
	if (i % 13 == 0)
		s->path[s->e.path_len = 0] = 0; // the root
	s->e.path = s->path;
	s->e.target = s->target;
	s->e.has_xattr = i & 1;
	s->e.has_capability = i & 2;
	if (kind < LIST_WHITEOUT) {
		s->e.perm = i & 07777;
		s->e.uid = (uint32_t)wide[i % 7];
		s->e.gid = (uint32_t)wide[i / 7 % 7];
		s->e.mtime = times[i % 7];
		s->e.mtime_nsec = i * 31 % 1000000000;
	}
	if (kind == LIST_FILE || kind == LIST_AUFS_LINK) {
		s->e.size = wide[i / 3 % 8];
		s->e.content = base + i * 77;
		s->e.crc = i * 2654435761u;
	} else if (kind == LIST_CHAR || kind == LIST_BLOCK) {
		s->e.dev_major = i;
		s->e.dev_minor = UINT32_MAX - i;
	} else if (kind == LIST_SYMLINK || kind == LIST_HARDLINK) {
		s->e.target_len = (size_t)snprintf(s->target, PATH, "%s/%u", kind == LIST_SYMLINK ? ".." : "up", i);
	}
}

static struct entry_list *make(unsigned count, uint64_t base)
{
	struct entry_list *l = entry_list_new(base, &err);
	struct sample s;

	for (unsigned i = 0; i < count; i++) {
		sample(&s, i, base);
		assert_ok(entry_list_add(l, &s.e, &err));
	}
	return l;
}

static bool same(const struct list_entry *a, const struct list_entry *b)
{
	return a->kind == b->kind && a->has_xattr == b->has_xattr && a->has_capability == b->has_capability &&
	       a->perm == b->perm && a->uid == b->uid && a->gid == b->gid && a->mtime == b->mtime &&
	       a->mtime_nsec == b->mtime_nsec && a->size == b->size && a->content == b->content && a->crc == b->crc &&
	       a->dev_major == b->dev_major && a->dev_minor == b->dev_minor && a->path_len == b->path_len &&
	       a->target_len == b->target_len && !strcmp(a->path, b->path) && !strcmp(a->target, b->target);
}

static void expect(struct entry_list *l, unsigned count, uint64_t base, bool consume)
{
	struct list_entry e;
	struct sample s;

	ck_assert_uint_eq(entry_list_count(l), count);
	for (unsigned i = 0; i < count; i++) {
		sample(&s, i, base);
		if (entry_list_next(l, consume, &e, &err) != 1 || !same(&e, &s.e))
			ck_abort_msg("entry %u", i);
	}
	ck_assert_int_eq(entry_list_next(l, consume, &e, &err), 0);
	ck_assert_int_eq(entry_list_next(l, consume, &e, &err), 0);
}

START_TEST(test_entry_list_next_gives_what_add_took)
{
	struct entry_list *l = make(COUNT, 1000);

	expect(l, COUNT, 1000, false);
	entry_list_rewind(l);
	expect(l, COUNT, 1000, false);
	entry_list_rewind(l);
	expect(l, COUNT, 1000, true);
	entry_list_free(l);
}
END_TEST

START_TEST(test_entry_list_next_consume_frees_as_it_goes)
{
	struct entry_list *l = make(COUNT, 0);
	uint64_t all = entry_list_bytes(l);
	struct list_entry e;

	ck_assert_uint_gt(all, 4 * 64 * 1024);
	for (int i = 0; i < COUNT / 2; i++)
		ck_assert_int_eq(entry_list_next(l, true, &e, &err), 1);
	ck_assert_uint_lt(entry_list_bytes(l), all * 2 / 3);
	entry_list_free(l);
}
END_TEST

START_TEST(test_entry_list_empty_has_nothing)
{
	struct entry_list *l = entry_list_new(5, &err), *back;
	struct list_entry e;

	ck_assert_int_eq(entry_list_next(l, true, &e, &err), 0);
	ck_assert_uint_eq(entry_list_bytes(l), 0);
	back = back_again("", 0, 0, 9);
	ck_assert_int_eq(entry_list_next(back, false, &e, &err), 0);
	entry_list_free(l);
	entry_list_free(back);
	entry_list_free(NULL);
}
END_TEST

// A path and a target larger than a chunk, between small ones.
START_TEST(test_entry_list_add_long_names_come_back)
{
	enum { LONG = 200000 };
	char *name = malloc(LONG + 1), *target = malloc(LONG + 1);
	struct entry_list *l = entry_list_new(0, &err);
	struct list_entry small = {.kind = LIST_DIR, .path = "a", .path_len = 1, .target = ""}, e,
			  big = {.kind = LIST_SYMLINK, .path = name, .path_len = LONG, .target = target, .target_len = LONG};

	memset(name, 'n', LONG);
	memset(target, 't', LONG);
	name[LONG] = target[LONG] = 0;
	for (int i = 0; i < 3; i++) {
		assert_ok(entry_list_add(l, &small, &err));
		assert_ok(entry_list_add(l, &big, &err));
	}
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(entry_list_next(l, true, &e, &err), 1);
		ck_assert(same(&e, &small));
		ck_assert_int_eq(entry_list_next(l, true, &e, &err), 1);
		ck_assert(same(&e, &big));
	}
	entry_list_free(l);
	free(name);
	free(target);
}
END_TEST

// What the warm cache does: out as bytes, in again, and the contents lie elsewhere then.
START_TEST(test_entry_list_read_of_write_is_the_same_at_another_base)
{
	struct entry_list *l = make(COUNT, 1000), *back;
	struct buf b = BUF_INIT(0), again = BUF_INIT(0);

	assert_ok(entry_list_write(l, sink_buf(&b), &err));
	ck_assert_uint_eq(b.len, entry_list_bytes(l));
	back = back_again(b.data, b.len, COUNT, 7000000);
	ck_assert_ptr_nonnull(back);
	expect(back, COUNT, 7000000, false);
	assert_ok(entry_list_write(back, sink_buf(&again), &err));
	ck_assert_uint_eq(again.len, b.len);
	ck_assert(!memcmp(again.data, b.data, b.len));
	entry_list_rewind(back);
	expect(back, COUNT, 7000000, true);
	entry_list_free(l);
	entry_list_free(back);
	buf_free(&b);
	buf_free(&again);
}
END_TEST

START_TEST(test_entry_list_shared_paths_cost_little)
{
	struct entry_list *l = entry_list_new(0, &err);
	char path[PATH];

	for (int i = 0; i < 1000; i++) {
		struct list_entry e = {.kind = LIST_FILE, .path = path, .target = "", .perm = 0644};

		e.path_len = (size_t)snprintf(path, PATH, "usr/lib/python3/dist-packages/a-long-name/file-%04d", i);
		assert_ok(entry_list_add(l, &e, &err));
	}
	ck_assert_uint_lt(entry_list_bytes(l), 1000 * 20);
	entry_list_free(l);
}
END_TEST

// ---- lists that lie ------------------------------------------------------------------------------------------------

static struct entry_bounds bounds;

// What reading these bytes to the end says: "" if all is well.
static const char *reading(const void *p, size_t n)
{
	struct entry_list *l = entry_list_read(p, n, &bounds, 1000, &err);
	struct list_entry e;
	int r = l ? 1 : -1;

	err.msg[0] = 0;
	while (r > 0)
		r = entry_list_next(l, true, &e, &err);
	entry_list_free(l);
	if (r < 0)
		ck_assert_int_eq(err.class, ERR_MISMATCH);
	return r < 0 ? err.msg[0] ? err.msg : "refused" : "";
}

static const char *reading_one(const struct list_entry *e)
{
	struct entry_list *l = entry_list_new(1000, &err);
	struct buf b = BUF_INIT(0);
	const char *said;

	assert_ok(entry_list_add(l, e, &err));
	assert_ok(entry_list_write(l, sink_buf(&b), &err));
	said = reading(b.data, b.len);
	entry_list_free(l);
	buf_free(&b);
	return said;
}

static const char *reading_path(const char *path, size_t n)
{
	return reading_one(&(struct list_entry){.kind = LIST_DIR, .path = path, .path_len = n, .target = ""});
}

START_TEST(test_entry_list_read_paths_that_are_not_clean_are_refused)
{
	static const char *const bad[] = {"/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "./a", "../a", "a/./b", "a/../b"};
	static const char *const good[] = {"", "a", "a/b", "...", "a/...", ".a", "..a", "a./b..", "\xff"};
	struct entry_list *l = entry_list_new(0, &err);
	struct buf b = BUF_INIT(0);

	bounds = wide_bounds(1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(*reading_path(bad[i], strlen(bad[i])), "%s", bad[i]);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		ck_assert_str_eq(reading_path(good[i], strlen(good[i])), "");
	ck_assert_str_ne(reading_path("a\0b", 3), "");
	bounds = wide_bounds(2); // "a/." and then "a/.b": what is shared ends within a component
	for (int i = 0; i < 2; i++) {
		struct list_entry e = {.kind = LIST_DIR, .target = "", .path = i ? "a/.b" : "a/.c", .path_len = 4};

		assert_ok(entry_list_add(l, &e, &err));
	}
	assert_ok(entry_list_write(l, sink_buf(&b), &err));
	ck_assert_str_eq(reading(b.data, b.len), "");
	b.data[b.len - 6] = '.'; // "a/.b" becomes "a/.."
	ck_assert_str_ne(reading(b.data, b.len), "");
	entry_list_free(l);
	buf_free(&b);
}
END_TEST

START_TEST(test_entry_list_read_numbers_out_of_bounds_are_refused)
{
	struct list_entry file = {.kind = LIST_FILE, .path = "f", .path_len = 1, .target = "", .content = 1090, .size = 10},
			  link = {.kind = LIST_SYMLINK, .path = "l", .path_len = 1, .target = "../t", .target_len = 4}, e;

	bounds = (struct entry_bounds){1, 100, 4, LIST_FILE, LIST_AUFS_LINK};
	ck_assert_str_eq(reading_one(&file), "");
	ck_assert_str_eq(reading_one(&link), "");
	e = file, e.size = 11;
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.content = 1091;
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.content = 999; // before the base: a wrap
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.size = UINT64_MAX;
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.perm = 010000;
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.mtime_nsec = 1000000000;
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.path = "fffff", e.path_len = 5;
	ck_assert_str_ne(reading_one(&e), "");
	e = link, e.target = "12345", e.target_len = 5;
	ck_assert_str_ne(reading_one(&e), "");
	e = link, e.target = "a\0b", e.target_len = 3;
	ck_assert_str_ne(reading_one(&e), "");
	e = link, e.kind = LIST_HARDLINK;
	ck_assert_str_ne(reading_one(&e), ""); // its target is a path
	e = file, e.kind = LIST_WHITEOUT;
	ck_assert_str_ne(reading_one(&e), "");
	e = file, e.kind = (enum list_kind)77;
	ck_assert_str_ne(reading_one(&e), "");
}
END_TEST

// Cut anywhere, more or fewer entries than said, any byte another: refused or read, and never past the bytes (ASan).
START_TEST(test_entry_list_read_any_bytes_stay_within_them)
{
	struct entry_list *l = make(60, 1000);
	struct buf b = BUF_INIT(0);
	uint8_t *copy;

	assert_ok(entry_list_write(l, sink_buf(&b), &err));
	bounds = wide_bounds(60);
	ck_assert_str_eq(reading(b.data, b.len), "");
	for (size_t n = 0; n < b.len; n++) {
		copy = malloc(n ? n : 1);
		memcpy(copy, b.data, n);
		ck_assert_str_ne(reading(copy, n), "");
		free(copy);
	}
	for (size_t i = 0; i < b.len; i++) {
		for (int k = 0; k < 4; k++) {
			uint8_t was = b.data[i];

			b.data[i] = k == 0 ? 0xff : k == 1 ? 0x80 : k == 2 ? 0 : (uint8_t)(was + 1);
			reading(b.data, b.len);
			b.data[i] = was;
		}
	}
	bounds.count = 59;
	ck_assert_str_ne(reading(b.data, b.len), "");
	bounds.count = 61;
	ck_assert_str_ne(reading(b.data, b.len), "");
	bounds.count = UINT64_MAX;
	ck_assert_str_ne(reading(b.data, b.len), "");
	entry_list_free(l);
	buf_free(&b);
}
END_TEST

static int fail_at;
static bool hook(enum fault_point p)
{
	return p == FAULT_ALLOC && --fail_at == 0;
}

START_TEST(test_entry_list_every_failed_allocation_is_an_error)
{
	for (int n = 1;; n++) {
		struct entry_list *l, *back = NULL;
		struct buf b = BUF_INIT(0);
		struct list_entry e;
		struct sample s;
		int rc;

		fail_at = n;
		base_fault_hook = hook;
		l = entry_list_new(0, &err);
		rc = l ? 0 : -1;
		for (unsigned i = 0; i < 12 && !rc; i++) {
			sample(&s, i, 0);
			rc = entry_list_add(l, &s.e, &err);
		}
		rc = rc || entry_list_write(l, sink_buf(&b), &err) ? -1 : 0;
		if (!rc)
			rc = (back = back_again(b.data, b.len, 12, 0)) ? 0 : -1;
		for (unsigned i = 0; i < 12 && !rc; i++)
			rc = entry_list_next(back, true, &e, &err) == 1 ? 0 : -1;
		base_fault_hook = NULL;
		entry_list_free(l);
		entry_list_free(back);
		buf_free(&b);
		if (!rc) {
			ck_assert_int_gt(n, 5);
			break;
		}
		ck_assert_int_eq(err.class, ERR_MEMORY);
	}
}
END_TEST

UNIT_MAIN("layerfs/entry_list",
	  ADD(test_entry_list_next_gives_what_add_took) ADD(test_entry_list_next_consume_frees_as_it_goes)
	  ADD(test_entry_list_empty_has_nothing) ADD(test_entry_list_add_long_names_come_back)
	  ADD(test_entry_list_read_of_write_is_the_same_at_another_base) ADD(test_entry_list_shared_paths_cost_little)
	  ADD(test_entry_list_read_paths_that_are_not_clean_are_refused)
	  ADD(test_entry_list_read_numbers_out_of_bounds_are_refused)
	  ADD(test_entry_list_read_any_bytes_stay_within_them)
	  ADD(test_entry_list_every_failed_allocation_is_an_error))
