// SPDX-License-Identifier: Apache-2.0
//
// The cache of layers and its directory: what was stored comes back and is all that comes back; the bound holds and
// takes what was used longest ago; foreign files stay; the run that stores goes before the cache.
#include "layerfs/layer_cache.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "layerfs/cache_files.h"
#include "tests/unit/layerfs/layer_maker.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>

CLEANUP_DEFINE(struct tree, tree_free, tree_free)

enum { KIB = 1024, LAYERS = 4, SIZE = 200 * KIB }; // a stored layer takes SIZE and some blocks of the disk

static struct err err;
static char dir[64];
static struct layer_cache *cache;
static struct layer_options opt;
static struct limits limits;
static struct made m;
static struct buf tars[LAYERS];
static char paths[LAYERS][200]; // of each layer's entry, once it was stored

static void reopen(uint64_t max_bytes)
{
	layer_cache_free(cache);
	cache = NULL;
	assert_ok(layer_cache_open(dir, max_bytes, &cache, &err));
	opt.cache = cache;
}

static void setup(void)
{
	static char content[SIZE];

	strcpy(dir, "/tmp/eifgen-cache-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	limits = limits_default;
	opt = (struct layer_options){.policy = TREE_WRITE_THROUGH, .threads = 1, .limits = &limits};
	m = (struct made){.count = 0};
	for (unsigned i = 0; i < LAYERS; i++) {
		char name[20];

		for (size_t k = 0; k < SIZE; k++)
			content[k] = (char)((k * 2654435761u >> 13) + i + 1);
		snprintf(name, sizeof(name), "d/f%u", i);
		tar_put(&tars[i], (struct tar_member){.name = name, .type = '0', .mode = 0644, .data = content, .size = SIZE});
		tar_end(&tars[i]);
	}
	reopen(0);
}

static void teardown(void)
{
	char command[100];

	layer_cache_free(cache);
	for (unsigned i = 0; i < LAYERS; i++)
		buf_free(&tars[i]);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

// ---- what tests do -------------------------------------------------------------------------------------------------

static int no_blob(void *ctx, size_t i, struct byte_source *out, struct err *e)
{
	(void)ctx, (void)i, (void)out;
	return err_set(e, ERR_INPUT, "not in the cache");
}

// Merges the layers with these numbers (0 ends the list, they count from 1), out of the cache alone if `warm`.
static int merge(const char *numbers, bool warm, struct tree **t)
{
	struct layer_set set = {0, &m, made_what, warm ? no_blob : made_open, made_close};

	m.count = 0;
	for (; *numbers; numbers++)
		made_plain(&m, &tars[*numbers - '1']);
	set.count = m.count;
	return layer_set_merge(&set, &opt, t, &err);
}

static void store(const char *numbers)
{
	struct tree *t = NULL;

	assert_ok(merge(numbers, false, &t));
	tree_free(t);
}

static bool is_held(unsigned number)
{
	struct tree *t = NULL;
	char text[2] = {(char)('0' + number), 0};
	bool held = !merge(text, true, &t);

	tree_free(t);
	return held;
}

// Which of the layers the directory holds, as digits; asked of the names alone, so that nothing counts as used by it.
static const char *held(void)
{
	static char text[LAYERS + 1];
	size_t n = 0;

	for (unsigned i = 0; i < LAYERS; i++) {
		if (*paths[i] && !access(paths[i], F_OK))
			text[n++] = (char)('1' + i);
	}
	text[n] = 0;
	return text;
}

// Stores layer `number` alone and notes under which name; it was used `age` seconds ago.
static void store_aged(unsigned number, time_t age)
{
	const struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
	char text[2] = {(char)('0' + number), 0};
	DIR *d;
	struct dirent *e;

	store(text);
	d = opendir(dir);
	while ((e = readdir(d))) {
		char path[200];
		bool known = !strstr(e->d_name, ".layer") || strlen(e->d_name) != 70;

		snprintf(path, sizeof(path), "%s/%.100s", dir, e->d_name);
		for (unsigned i = 0; i < LAYERS; i++)
			known |= !strcmp(path, paths[i]);
		if (!known)
			strcpy(paths[number - 1], path);
	}
	closedir(d);
	ck_assert_int_eq(utimensat(AT_FDCWD, paths[number - 1], times, 0), 0);
}

static void make_file(const char *name, size_t size, time_t age)
{
	const struct timespec times[2] = {{time(NULL) - age, 0}, {time(NULL) - age, 0}};
	char path[200], *p = malloc(size);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	memset(p, 'x', size);
	ck_assert_int_eq(write(fd, p, size), (ssize_t)size);
	free(p);
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
}

static bool is_there(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

// ---- what comes back -----------------------------------------------------------------------------------------------

START_TEST(test_layer_cache_load_gives_what_was_stored)
{
	_cleanup_(tree_freep) struct tree *cold = NULL, *warm = NULL;
	struct buf a = BUF_INIT(0), b = BUF_INIT(0);

	assert_ok(merge("1234", false, &cold));
	ck_assert_uint_eq(layer_cache_hits(cache), 0);
	assert_ok(merge("1234", true, &warm));
	ck_assert_uint_eq(layer_cache_hits(cache), 4);
	tree_text(cold, &a);
	tree_text(warm, &b);
	ck_assert_str_eq((char *)a.data, (char *)b.data);
	for (unsigned i = 0; i < LAYERS; i++) {
		static char one[SIZE], two[SIZE];
		char name[20];
		const struct node *n;

		snprintf(name, sizeof(name), "d/f%u", i);
		n = tree_resolve(cold, name, strlen(name), true, &err);
		ck_assert_int_eq(tree_content_read(cold, n->inode, 0, one, SIZE, &err), SIZE);
		n = tree_resolve(warm, name, strlen(name), true, &err);
		ck_assert_int_eq(tree_content_read(warm, n->inode, 0, two, SIZE, &err), SIZE);
		ck_assert(!memcmp(one, two, SIZE));
	}
	ck_assert(!layer_cache_was_damaged(cache));
	buf_free(&a);
	buf_free(&b);
}
END_TEST

// Under limits that the reader would refuse it for, and with another size, an entry is not taken; and not removed.
START_TEST(test_layer_cache_load_what_the_reader_would_refuse_is_not_taken)
{
	store_aged(1, 0);
	ck_assert(is_held(1));
	limits.path = 3;
	ck_assert(!is_held(1));
	limits.path = 4;
	ck_assert(is_held(1));
	limits.entries = 0;
	ck_assert(!is_held(1));
	limits.entries = 1;
	limits.expanded = tars[0].len - 1;
	ck_assert(!is_held(1));
	limits.expanded = tars[0].len;
	ck_assert(is_held(1));
	tars[0].len++; // the descriptor's size
	ck_assert(!is_held(1));
	tars[0].len--;
	ck_assert(is_held(1));
}
END_TEST

START_TEST(test_layer_cache_load_any_damage_is_no_hit_and_goes)
{
	struct stat st;

	store_aged(1, 0);
	ck_assert_int_eq(stat(paths[0], &st), 0);
	for (off_t at = SIZE; at < st.st_size; at++) { // sums, lists, footer, digest
		int fd = open(paths[0], O_RDWR);
		uint8_t byte;

		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		if (is_held(1) || !access(paths[0], F_OK))
			ck_abort_msg("byte %lld", (long long)at);
		store_aged(1, 0);
	}
	ck_assert_int_eq(truncate(paths[0], 30), 0);
	ck_assert(!is_held(1));
	ck_assert_int_eq(access(paths[0], F_OK), -1);
}
END_TEST

// An entry that cannot even be opened would be in the way for ever.
START_TEST(test_layer_cache_load_what_cannot_be_opened_goes)
{
	char aside[250];

	store_aged(1, 0);
	snprintf(aside, sizeof(aside), "%s-aside", paths[0]);
	ck_assert_int_eq(rename(paths[0], aside), 0);
	ck_assert_int_eq(symlink(aside, paths[0]), 0);
	ck_assert(!is_held(1));
	store("1");
	ck_assert(is_held(1));
	ck_assert_int_eq(access(aside, F_OK), 0);
}
END_TEST

START_TEST(test_layer_cache_store_zeros_are_holes)
{
	static char zeros[SIZE * 10];
	struct cache_usage u;

	buf_free(&tars[0]);
	tar_put(&tars[0], (struct tar_member){.name = "z", .type = '0', .mode = 0644, .data = zeros, .size = sizeof(zeros)});
	tar_end(&tars[0]);
	store_aged(1, 0);
	assert_ok(cache_files_usage(dir, &u, &err));
	ck_assert_uint_lt(u.bytes, SIZE);
	ck_assert(is_held(1));
}
END_TEST

// ---- the bound -----------------------------------------------------------------------------------------------------

START_TEST(test_layer_cache_trim_takes_what_was_used_longest_ago)
{
	store_aged(1, 300);
	store_aged(2, 500);
	store_aged(3, 400);
	reopen(3 * SIZE + SIZE / 2);
	store_aged(4, 0);
	ck_assert_str_eq(held(), "134");
	reopen(2 * SIZE + SIZE / 2);
	layer_cache_trim(cache);
	ck_assert_str_eq(held(), "14");
}
END_TEST

START_TEST(test_layer_cache_trim_what_was_just_used_stays)
{
	store_aged(1, 500);
	store_aged(2, 400);
	reopen(2 * SIZE + SIZE / 2);
	ck_assert(is_held(1));
	reopen(2 * SIZE + SIZE / 2); // another run
	store_aged(3, 0);
	ck_assert_str_eq(held(), "13");
}
END_TEST

// An image larger than the bound keeps what it can, and does so again and again.
START_TEST(test_layer_cache_store_does_not_push_out_what_this_run_uses)
{
	reopen(2 * SIZE + SIZE / 2);
	for (int i = 0; i < 3; i++) {
		struct cache_usage u;

		store("1234");
		assert_ok(cache_files_usage(dir, &u, &err));
		ck_assert_uint_eq(u.files, 2);
		ck_assert_uint_eq(layer_cache_hits(cache), i ? 2 : 0);
		reopen(2 * SIZE + SIZE / 2);
	}
	reopen(SIZE / 2);
	store("1"); // larger than the bound: nothing else goes for its sake
	reopen(0);
	ck_assert_uint_eq(is_held(1) + is_held(2) + is_held(3) + is_held(4), 2);
}
END_TEST

// Room for one more, and two workers that want it: what was found stays.
START_TEST(test_layer_cache_store_two_at_once_keep_the_bound_together)
{
	for (int i = 0; i < 8; i++) {
		struct cache_usage u;

		reopen(3 * SIZE + SIZE / 2);
		opt.threads = 2;
		store("12");
		reopen(3 * SIZE + SIZE / 2);
		store("3412");
		ck_assert_uint_eq(layer_cache_hits(cache), 2);
		assert_ok(cache_files_clean(dir, &u, &err));
		ck_assert_uint_eq(u.files, 3);
	}
}
END_TEST

START_TEST(test_layer_cache_trim_foreign_files_stay_and_do_not_count)
{
	struct cache_usage u;

	make_file("precious.eif", 10 * SIZE, 100000);
	make_file("0123.layer", 10 * SIZE, 100000);
	reopen(2 * SIZE + SIZE / 2);
	store_aged(1, 20);
	store_aged(2, 10);
	ck_assert_str_eq(held(), "12");
	reopen(SIZE + SIZE / 2);
	layer_cache_trim(cache);
	ck_assert_str_eq(held(), "2");
	ck_assert(is_there("precious.eif") && is_there("0123.layer"));
	assert_ok(cache_files_clean(dir, &u, &err));
	ck_assert_uint_eq(u.files, 1);
	ck_assert_uint_eq(u.foreign, 2);
	ck_assert(is_there("precious.eif") && is_there("0123.layer"));
	ck_assert_str_eq(held(), "");
}
END_TEST

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// What another run is writing stays; what a killed one left a day ago goes.
START_TEST(test_layer_cache_trim_temporary_files_go_after_a_day)
{
	make_file(HEX64 ".layer.tmp-aaaaaa", 10 * SIZE, 3600);
	make_file(HEX64 ".marks.tmp-bbbbbb", 10, 90000);
	make_file(HEX64 ".marks", 10, -200000); // a clock was wrong once
	reopen(20 * SIZE);
	store_aged(1, 0);
	ck_assert(is_there(HEX64 ".layer.tmp-aaaaaa"));
	layer_cache_trim(cache);
	ck_assert(is_there(HEX64 ".layer.tmp-aaaaaa"));
	ck_assert(!is_there(HEX64 ".marks.tmp-bbbbbb"));
}
END_TEST

START_TEST(test_layer_cache_put_keeps_the_bound)
{
	static char p[SIZE];
	struct buf got = BUF_INIT(0);

	store_aged(1, 100);
	store_aged(2, 50);
	reopen(2 * SIZE + SIZE / 2);
	layer_cache_put(cache, HEX64 ".marks", p, sizeof(p));
	ck_assert_str_eq(held(), "2");
	assert_ok(layer_cache_get(cache, HEX64 ".marks", SIZE + 100, &got, &err));
	ck_assert_uint_eq(got.len, SIZE);
	make_file(HEX64 ".marks", 100, 0); // no digest of it
	ck_assert_int_eq(layer_cache_get(cache, HEX64 ".marks", SIZE + 100, &got, &err), 1);
	ck_assert(!is_there(HEX64 ".marks"));
	ck_assert_int_eq(layer_cache_get(cache, HEX64 ".marks", SIZE + 100, &got, &err), 1);
	buf_free(&got);
}
END_TEST

// ---- the run goes first --------------------------------------------------------------------------------------------

START_TEST(test_layer_cache_yield_removes_what_this_run_stored)
{
	store_aged(1, 100);
	reopen(0);
	ck_assert_int_eq(layer_cache_yield(cache, -1), LAYER_CACHE_KEPT); // nothing of this run is there
	reopen(0);
	store_aged(2, 0);
	store_aged(3, 0);
	ck_assert_str_eq(held(), "123");
	ck_assert_int_eq(layer_cache_yield(cache, -1), LAYER_CACHE_GAVE);
	ck_assert_int_eq(layer_cache_yield(cache, -1), LAYER_CACHE_GAVE_BEFORE);
	ck_assert_str_eq(held(), "1");
	store("4");
	ck_assert_str_eq(held(), "1");
	ck_assert(!is_held(4));
	ck_assert(is_held(1));
}
END_TEST

START_TEST(test_layer_cache_yield_only_to_the_disk_it_is_on)
{
	int here = open(dir, O_PATH), elsewhere = open("/proc/self/status", O_RDONLY);

	store_aged(1, 0);
	ck_assert_int_eq(layer_cache_yield(cache, elsewhere), LAYER_CACHE_KEPT);
	store_aged(2, 0); // nor does it stop to store
	ck_assert_str_eq(held(), "12");
	ck_assert_int_eq(layer_cache_yield(cache, here), LAYER_CACHE_GAVE);
	ck_assert_str_eq(held(), "");
	ck_assert_int_eq(layer_cache_yield(cache, elsewhere), LAYER_CACHE_KEPT);
	close(here);
	close(elsewhere);
}
END_TEST

static const struct spool *no_spool;
START_TEST(test_layer_cache_store_leaves_room_for_the_run)
{
	struct layer_content c = {.content = 0};

	made_plain(&m, &tars[0]);
	c.entries = entry_list_new(0, &err);
	c.removals = entry_list_new(0, &err);
	layer_cache_store(cache, &m.what[0], no_spool, &c, UINT64_C(1) << 62);
	ck_assert(!layer_cache_holds(cache, &m.what[0]));
	layer_cache_store(cache, &m.what[0], no_spool, &c, 0);
	ck_assert(layer_cache_holds(cache, &m.what[0]));
	layer_content_clear(&c);
}
END_TEST

START_TEST(test_layer_cache_store_what_is_there_is_left)
{
	struct layer_content c = {.content = 0};
	struct stat before, after;

	store_aged(1, 1000);
	ck_assert_int_eq(stat(paths[0], &before), 0);
	c.entries = entry_list_new(0, &err);
	c.removals = entry_list_new(0, &err);
	layer_cache_store(cache, &m.what[0], no_spool, &c, 0);
	ck_assert_int_eq(stat(paths[0], &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_int_eq(before.st_size, after.st_size);
	layer_content_clear(&c);
}
END_TEST

static void *merge_some(void *ctx)
{
	struct layer_set set = {m.count, &m, made_what, made_open, made_close};
	struct tree *t = NULL;
	struct err e = ERR_INIT;
	int rc = layer_set_merge(&set, &opt, &t, &e);

	(void)ctx;
	tree_free(t);
	return rc ? &m : NULL;
}

static void delay(void)
{
	static atomic_uint n;
	struct timespec t = {0, (atomic_fetch_add(&n, 1) * 7919 % 13) * 100000};

	nanosleep(&t, NULL);
}

// One cache under several runs of several threads, which trim while others load: each ends well.
START_TEST(test_layer_cache_runs_beside_each_other_are_safe)
{
	pthread_t threads[4];
	void *bad;

	for (int i = 0; i < 8; i++)
		made_plain(&m, &tars[i % LAYERS]);
	opt.threads = 4;
	base_delay_hook = delay;
	reopen(2 * SIZE + SIZE / 2);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 4; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, merge_some, NULL), 0);
		layer_cache_trim(cache);
		for (int i = 0; i < 4; i++) {
			ck_assert_int_eq(pthread_join(threads[i], &bad), 0);
			ck_assert_ptr_null(bad);
		}
		reopen(round % 2 ? SIZE : 0);
	}
	base_delay_hook = NULL;
}
END_TEST

// ---- failures ------------------------------------------------------------------------------------------------------

static int fail_at;
static enum fault_point fail_what;
static bool hook(enum fault_point p)
{
	return p == fail_what && __atomic_sub_fetch(&fail_at, 1, __ATOMIC_RELAXED) == 0;
}

// Whatever fails while a layer is stored or loaded: the merge ends well or with that failure, and what is kept is
// sound.
START_TEST(test_layer_cache_every_fault_costs_the_entry_at_most)
{
	for (int warm = 0; warm < 2; warm++) {
		for (int what = 0; what < FAULT_POINTS; what++) {
			bool done = false;

			for (int n = 1; !done; n++) {
				struct cache_usage u;
				struct tree *t = NULL;
				int rc;

				assert_ok(cache_files_clean(dir, &u, &err));
				if (warm)
					store("1");
				fail_what = (enum fault_point)what;
				fail_at = n;
				base_fault_hook = hook;
				rc = merge("1", false, &t);
				base_fault_hook = NULL;
				done = fail_at > 0;
				tree_free(t);
				if (rc)
					ck_assert_int_eq(err.class, what == FAULT_ALLOC ? ERR_MEMORY : ERR_IO);
				assert_ok(cache_files_usage(dir, &u, &err));
				ck_assert_uint_eq(u.foreign, 0);
				ck_assert_uint_eq(u.files, is_held(1));
				if (!is_held(1))
					store("1");
				ck_assert(is_held(1));
				layer_cache_was_damaged(cache);
			}
		}
	}
}
END_TEST

UNIT_MAIN("layerfs/layer_cache", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_layer_cache_load_gives_what_was_stored)
	  ADD(test_layer_cache_load_what_the_reader_would_refuse_is_not_taken)
	  ADD(test_layer_cache_store_what_is_there_is_left) ADD(test_layer_cache_load_any_damage_is_no_hit_and_goes)
	  ADD(test_layer_cache_load_what_cannot_be_opened_goes)
	  ADD(test_layer_cache_store_zeros_are_holes) ADD(test_layer_cache_trim_takes_what_was_used_longest_ago)
	  ADD(test_layer_cache_trim_what_was_just_used_stays)
	  ADD(test_layer_cache_store_does_not_push_out_what_this_run_uses)
	  ADD(test_layer_cache_store_two_at_once_keep_the_bound_together)
	  ADD(test_layer_cache_trim_foreign_files_stay_and_do_not_count)
	  ADD(test_layer_cache_trim_temporary_files_go_after_a_day) ADD(test_layer_cache_put_keeps_the_bound)
	  ADD(test_layer_cache_yield_removes_what_this_run_stored)
	  ADD(test_layer_cache_yield_only_to_the_disk_it_is_on) ADD(test_layer_cache_store_leaves_room_for_the_run)
	  ADD(test_layer_cache_runs_beside_each_other_are_safe)
	  ADD(test_layer_cache_every_fault_costs_the_entry_at_most))
