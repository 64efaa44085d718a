// SPDX-License-Identifier: Apache-2.0
//
// The spool: what is appended comes back, over pieces, holes and few descriptors; contents from earlier are believed
// only as far as their sums hold; what is given back is gone, and nothing else is; a full disk names the directory.
#include "layerfs/spool.h"

#include "base/fault.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct err err;
static struct spool *s;
static struct spool_summer *summer;
static char dir[] = "/tmp/eifgen-spool-XXXXXX";

static void setup(void)
{
	strcpy(dir, "/tmp/eifgen-spool-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	s = spool_new(dir, 2, &err);
	ck_assert_ptr_nonnull(s);
	summer = spool_summer_new(&err);
	ck_assert_ptr_nonnull(summer);
}

static void teardown(void)
{
	spool_free(s);
	spool_summer_free(summer);
	ck_assert_int_eq(rmdir(dir), 0); // so nothing with a name was left in it
}

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static void append(unsigned file, uint64_t from, size_t n)
{
	uint8_t *p = malloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(from + i);
	assert_ok(spool_append(s, file, p, n, &err));
	free(p);
}

// n bytes at ref + off are those that append made from `from` on; from < 0: zeros.
static void expect(uint64_t ref, uint64_t off, int64_t from, size_t n)
{
	uint8_t *p = malloc(n);

	memset(p, 0xee, n);
	assert_ok(spool_read(s, ref, off, p, n, &err));
	for (size_t i = 0; i < n; i++) { // Check makes a note of each assertion: not one a byte
		if (p[i] != (from < 0 ? 0 : byte_at((uint64_t)from + i)))
			ck_abort_msg("byte %zu of %zu", i, n);
	}
	free(p);
}

static int open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

START_TEST(test_spool_append_small_pieces_come_back)
{
	uint64_t ref = spool_position(s, 0), other = spool_position(s, 1), total = 0;

	ck_assert_uint_ne(ref, other);
	for (size_t n = 0; n < 3000; n += 7) { // past the buffer's size, in no step that divides it
		ck_assert_uint_eq(spool_position(s, 0), ref + total);
		append(0, total, n);
		append(1, n, 1);
		total += n;
	}
	assert_ok(spool_flush(s, 0, &err));
	assert_ok(spool_flush(s, 1, &err));
	expect(ref, 0, 0, (size_t)total);
	for (uint64_t k = 0; k * 7 < 3000; k++)
		expect(other, k, (int64_t)k * 7, 1);
}
END_TEST

START_TEST(test_spool_append_over_chunks_comes_back)
{
	uint64_t ref = spool_position(s, 0);
	const size_t sizes[] = {5, SPOOL_CHUNK - 9, 8, 3 * SPOOL_CHUNK, 300000, 1, SPOOL_CHUNK};
	uint64_t total = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		append(0, total, sizes[i]);
		total += sizes[i];
	}
	assert_ok(spool_flush(s, 0, &err));
	expect(ref, 0, 0, (size_t)total);
	expect(ref, SPOOL_CHUNK - 1, SPOOL_CHUNK - 1, 2);
	expect(ref + 77, SPOOL_CHUNK, SPOOL_CHUNK + 77, 100000);
	append(0, total, 10); // the file goes on after a flush
	assert_ok(spool_flush(s, 0, &err));
	expect(ref, total - 5, (int64_t)total - 5, 15);
}
END_TEST

// Zeros at the beginning, within, at the end of what was written, and pieces that are nothing but zeros.
START_TEST(test_spool_zeros_read_as_zeros)
{
	uint64_t ref = spool_position(s, 0), z = 2 * (uint64_t)SPOOL_CHUNK + 12345;

	assert_ok(spool_append_zeros(s, 0, z, &err));
	append(0, z, 1000);
	assert_ok(spool_append_zeros(s, 0, 50, &err));
	append(0, z + 1050, 10);
	assert_ok(spool_append_zeros(s, 0, 3 * (uint64_t)SPOOL_CHUNK, &err));
	assert_ok(spool_flush(s, 0, &err));
	ck_assert_uint_eq(spool_position(s, 0), ref + z + 1060 + 3 * (uint64_t)SPOOL_CHUNK);
	expect(ref, 0, -1, (size_t)z);
	expect(ref, z, (int64_t)z, 1000);
	expect(ref, z + 1000, -1, 50);
	expect(ref, z + 1050, (int64_t)z + 1050, 10);
	expect(ref, z + 1060, -1, 3 * SPOOL_CHUNK);
}
END_TEST

START_TEST(test_spool_append_past_48_bits_is_refused)
{
	append(0, 0, 1);
	ck_assert_int_eq(spool_append_zeros(s, 0, UINT64_MAX, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	ck_assert_int_eq(spool_append_zeros(s, 0, (UINT64_C(1) << 48) - 1, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
}
END_TEST

// Pieces share one file when a quarter of the descriptors is used up, holes among them too.
START_TEST(test_spool_few_descriptors_suffice)
{
	struct rlimit few = {32, 32};
	uint64_t ref, total = 0;
	int before;

	spool_free(s);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = spool_new(dir, 2, &err);
	ref = spool_position(s, 0);
	before = open_files();
	for (int i = 0; i < 9; i++, total += SPOOL_CHUNK)
		append(0, total, SPOOL_CHUNK);
	// the rest of this piece is a hole, the next is full
	assert_ok(spool_append_zeros(s, 0, SPOOL_CHUNK / 2, &err));
	append(0, total + SPOOL_CHUNK / 2, SPOOL_CHUNK);
	assert_ok(spool_append_zeros(s, 0, SPOOL_CHUNK, &err));
	assert_ok(spool_flush(s, 0, &err));
	ck_assert_int_le(open_files() - before, 8);
	expect(ref, 0, 0, (size_t)total);
	expect(ref, total, -1, SPOOL_CHUNK / 2);
	expect(ref, total + SPOOL_CHUNK / 2, (int64_t)total + SPOOL_CHUNK / 2, SPOOL_CHUNK);
	expect(ref, total + SPOOL_CHUNK + SPOOL_CHUNK / 2, -1, SPOOL_CHUNK);
	// What shares a file is kept, whatever was dropped.
	spool_expect(s, ref + 8 * (uint64_t)SPOOL_CHUNK, 10);
	spool_drop(s, ref + 8 * (uint64_t)SPOOL_CHUNK, 10);
	expect(ref, 8 * (uint64_t)SPOOL_CHUNK, 8 * (int64_t)SPOOL_CHUNK, 10);
}
END_TEST

START_TEST(test_spool_drop_gives_back_what_nobody_expects)
{
	uint64_t ref = spool_position(s, 0), c = SPOOL_CHUNK;
	uint8_t byte;
	int before = open_files();

	append(0, 0, 3 * SPOOL_CHUNK);
	assert_ok(spool_flush(s, 0, &err));
	ck_assert_int_eq(open_files() - before, 3);
	spool_expect(s, ref, 10);
	spool_expect(s, ref + c - 5, 10); // over the border
	spool_expect(s, ref + 2 * c, 10);
	spool_drop(s, ref, 10);
	expect(ref, 0, 0, 10); // the second span still needs this piece
	spool_drop(s, ref + c - 5, 10);
	ck_assert_int_eq(open_files() - before, 1);
	ck_assert_int_eq(spool_read(s, ref, 0, &byte, 1, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, "given back"));
	ck_assert_int_eq(spool_read(s, ref, c + 1, &byte, 1, &err), -1);
	expect(ref, 2 * c, 2 * (int64_t)c, 10);
	spool_drop(s, ref, 10); // once too often: nothing happens
	spool_drop(s, ref + 2 * c, 0);
	expect(ref, 2 * c, 2 * (int64_t)c, 10);
}
END_TEST

START_TEST(test_spool_drop_without_expect_does_nothing)
{
	uint64_t ref = spool_position(s, 0);

	append(0, 0, 100);
	assert_ok(spool_flush(s, 0, &err));
	spool_drop(s, ref, 100);
	expect(ref, 0, 0, 100);
}
END_TEST

// ---- contents from earlier -----------------------------------------------------------------------------------------

static int fail_at;
static enum fault_point fail_what;
static bool hook(enum fault_point p)
{
	return p == fail_what && --fail_at == 0;
}

static char earlier[64];
static const uint8_t seed[SPOOL_SEED] = {1, 2, 3};

// A file of n bytes, those that append makes from `from` on, and its sums. The descriptor.
static int make_earlier(uint64_t from, size_t n, uint8_t **sums)
{
	uint8_t *p = malloc(n);
	int fd;

	snprintf(earlier, sizeof(earlier), "%s/earlier", dir);
	fd = open(earlier, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(from + i);
	ck_assert_int_eq(write(fd, p, n), (ssize_t)n);
	*sums = malloc((n / SPOOL_PIECE + 1) * SPOOL_SUM);
	for (size_t at = 0; at < n; at += SPOOL_PIECE)
		assert_ok(spool_piece_sum(summer, seed, at / SPOOL_PIECE, p + at,
					  n - at < SPOOL_PIECE ? n - at : SPOOL_PIECE,
					  *sums + at / SPOOL_PIECE * SPOOL_SUM, &err));
	free(p);
	return fd;
}

START_TEST(test_spool_adopt_sound_contents_are_read)
{
	size_t n = 2 * SPOOL_PIECE + 777;
	bool damaged = false;
	uint8_t *sums, byte;
	int fd = make_earlier(0, n, &sums);
	uint64_t ref = spool_adopt(s, earlier, fd, n, seed, sums, &damaged, &err);

	ck_assert_uint_ne(ref, 0);
	expect(ref, 0, 0, n);
	expect(ref + 5, SPOOL_PIECE, SPOOL_PIECE + 5, 10);
	ck_assert_int_eq(spool_read(s, ref, n, &byte, 1, &err), -1);
	ck_assert_int_eq(err.class, ERR_MISMATCH);
	ck_assert(!damaged);
	spool_expect(s, ref, n); // not the spool's to give back
	spool_drop(s, ref, n);
	expect(ref, 0, 0, 10);
	ck_assert_int_eq(unlink(earlier), 0);
}
END_TEST

enum { SHIFT = 12345, ADOPTED_SIZE = 40 * SPOOL_PIECE + 5 }; // more than are held
static uint64_t two[2];

static void adopt_two(bool *damaged)
{
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *sums;
		int fd = make_earlier(i * SHIFT, ADOPTED_SIZE, &sums);

		two[i] = spool_adopt(s, earlier, fd, ADOPTED_SIZE, seed, sums, damaged, &err);
		ck_assert_uint_ne(two[i], 0);
		unlink(earlier);
	}
}

static void *read_by_turns(void *ctx)
{
	uint8_t *p = ctx;

	for (unsigned k = 0; k < 600; k++) {
		unsigned i = k % 2;
		uint64_t off = (uint64_t)k * 65537 % (ADOPTED_SIZE - 20000);

		if (spool_read(s, two[i], off, p, 20000, NULL))
			return p;
		for (size_t j = 0; j < 20000; j++) {
			if (p[j] != byte_at(i * SHIFT + off + j))
				return p;
		}
	}
	return NULL;
}

// Some pieces are held in memory; who wants others, or the same at the same time, gets the right bytes all the same.
START_TEST(test_spool_adopt_two_read_by_turns_and_threads_give_their_own_bytes)
{
	static uint8_t room[4][20000];
	pthread_t threads[4];
	bool damaged = false;
	void *wrong;

	adopt_two(&damaged);
	expect(two[0], 0, 0, ADOPTED_SIZE);
	expect(two[1], SPOOL_PIECE - 7, SPOOL_PIECE - 7 + SHIFT, 14);
	expect(two[0], SPOOL_PIECE - 7, SPOOL_PIECE - 7, 14);
	adopt_two(&damaged);
	for (unsigned t = 0; t < 4; t++)
		ck_assert_int_eq(pthread_create(&threads[t], NULL, read_by_turns, room[t]), 0);
	for (unsigned t = 0; t < 4; t++) {
		ck_assert_int_eq(pthread_join(threads[t], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
	ck_assert(!damaged);
}
END_TEST

START_TEST(test_spool_adopt_damage_is_found_and_removed)
{
	size_t n = 2 * SPOOL_PIECE + 777;
	const off_t places[] = {0, SPOOL_PIECE - 1, SPOOL_PIECE, 2 * SPOOL_PIECE + 776};

	for (size_t i = 0; i < 4; i++) {
		bool damaged = false;
		uint8_t *sums, byte = (uint8_t)(byte_at((uint64_t)places[i]) ^ 0x10), got;
		int fd = make_earlier(0, n, &sums);
		uint64_t ref = spool_adopt(s, earlier, fd, n, seed, sums, &damaged, &err);

		ck_assert_int_eq(pwrite(fd, &byte, 1, places[i]), 1);
		ck_assert_int_eq(spool_read(s, ref, (uint64_t)places[i] / SPOOL_PIECE * SPOOL_PIECE, &got, 1, &err), -1);
		ck_assert_int_eq(err.class, ERR_MISMATCH);
		ck_assert(damaged);
		ck_assert_int_eq(access(earlier, F_OK), -1);
	}
}
END_TEST

// What was right when it was read first must be right again when it is read again: bytes that are no longer in memory.
START_TEST(test_spool_adopt_damage_after_the_first_read_is_found)
{
	size_t n = ADOPTED_SIZE;
	bool damaged = false;
	uint8_t *sums, byte = (uint8_t)(byte_at(5) ^ 1), got[10];
	int fd = make_earlier(0, n, &sums);
	uint64_t ref = spool_adopt(s, earlier, fd, n, seed, sums, &damaged, &err);

	expect(ref, 0, 0, n);
	ck_assert_int_eq(pwrite(fd, &byte, 1, 5), 1);
	ck_assert_int_eq(spool_read(s, ref, 0, got, sizeof(got), &err), -1);
	ck_assert_int_eq(err.class, ERR_MISMATCH);
	ck_assert(damaged);
	ck_assert_int_eq(access(earlier, F_OK), -1);
	damaged = false;
	fd = make_earlier(0, n, &sums);
	ref = spool_adopt(s, earlier, fd, n, seed, sums, &damaged, &err);
	expect(ref, 0, 0, n);
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert_int_eq(spool_read(s, ref, n - 10, got, sizeof(got), &err), 0); // still held
	ck_assert_int_eq(spool_read(s, ref, SPOOL_PIECE, got, sizeof(got), &err), -1);
	ck_assert(damaged);
}
END_TEST

// Past their share of descriptors files are opened when they are read; one that is gone by then counts as damaged.
START_TEST(test_spool_adopt_few_descriptors_suffice)
{
	struct rlimit few = {32, 32};
	uint64_t refs[20];
	bool damaged = false;
	uint8_t *sums, got;
	int before;

	spool_free(s);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = spool_new(dir, 2, &err);
	before = open_files();
	for (unsigned i = 0; i < 20; i++) {
		int fd = make_earlier(0, 1000, &sums);

		refs[i] = spool_adopt(s, earlier, fd, 1000, seed, sums, &damaged, &err);
		ck_assert_uint_ne(refs[i], 0);
	}
	ck_assert_int_eq(open_files() - before, 4);
	for (unsigned i = 0; i < 20; i++)
		expect(refs[i], 3, 3, 500);
	ck_assert(!damaged);
	for (unsigned i = 0; i < SPOOL_ADOPTED_MAX / 10; i++) { // what is held gives way
		int fd = make_earlier(0, 1000, &sums);

		expect(spool_adopt(s, earlier, fd, 1000, seed, sums, &damaged, &err), 0, 0, 1);
	}
	ck_assert_int_eq(unlink(earlier), 0);
	ck_assert_int_eq(spool_read(s, refs[19], 0, &got, 1, &err), -1);
	ck_assert(damaged);
}
END_TEST

// A shortage of our own says nothing about the file: it stays, and nobody is told that it is damaged.
START_TEST(test_spool_adopt_shortage_is_no_damage)
{
	struct rlimit few = {8, 1024}, none = {0, 1024};
	uint64_t refs[2];
	bool damaged = false;
	uint8_t *sums, got;

	spool_free(s);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	s = spool_new(dir, 1, &err);
	few.rlim_cur = 1024;
	for (int i = 0; i < 2; i++) { // the second is closed again
		int fd;

		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		fd = make_earlier(0, 1000, &sums);
		few.rlim_cur = 8; // an eighth is one
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		few.rlim_cur = 1024;
		refs[i] = spool_adopt(s, earlier, fd, 1000, seed, sums, &damaged, &err);
		ck_assert_uint_ne(refs[i], 0);
	}
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_int_eq(spool_read(s, refs[1], 0, &got, 1, &err), -1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	ck_assert_int_eq(err.errnum, EMFILE);
	expect(refs[0], 0, 0, 1000);
	fail_what = FAULT_ALLOC;
	fail_at = 1;
	base_fault_hook = hook;
	ck_assert_int_eq(spool_read(s, refs[1], 0, &got, 1, &err), -1); // no memory to hold one more
	base_fault_hook = NULL;
	ck_assert_int_eq(err.class, ERR_MEMORY);
	ck_assert(!damaged);
	expect(refs[1], 0, 0, 1000);
	ck_assert_int_eq(unlink(earlier), 0);
}
END_TEST

// Neither another seed nor another place gives the same sum: pieces cannot change places unseen.
START_TEST(test_spool_piece_sum_depends_on_seed_number_and_bytes)
{
	uint8_t a[SPOOL_SUM], b[SPOOL_SUM], other[SPOOL_SEED] = {1, 2, 4};

	assert_ok(spool_piece_sum(summer, seed, 7, "piece", 5, a, &err));
	assert_ok(spool_piece_sum(summer, seed, 7, "piece", 5, b, &err));
	ck_assert_mem_eq(a, b, SPOOL_SUM);
	assert_ok(spool_piece_sum(summer, seed, 8, "piece", 5, b, &err));
	ck_assert_mem_ne(a, b, SPOOL_SUM);
	assert_ok(spool_piece_sum(summer, other, 7, "piece", 5, b, &err));
	ck_assert_mem_ne(a, b, SPOOL_SUM);
	assert_ok(spool_piece_sum(summer, seed, 7, "piecf", 5, b, &err));
	ck_assert_mem_ne(a, b, SPOOL_SUM);
}
END_TEST

START_TEST(test_spool_adopt_too_many_is_refused)
{
	bool damaged = false;

	for (int i = 0; i <= SPOOL_ADOPTED_MAX; i++) {
		uint8_t *sums;
		int fd = make_earlier(0, 10, &sums);
		uint64_t ref = spool_adopt(s, earlier, fd, 10, seed, sums, &damaged, &err);

		ck_assert_int_eq(ref == 0, i == SPOOL_ADOPTED_MAX);
		if (!ref) {
			close(fd);
			free(sums);
		}
	}
	unlink(earlier);
}
END_TEST

// ---- trouble -------------------------------------------------------------------------------------------------------

START_TEST(test_spool_new_bad_file_count_is_refused)
{
	ck_assert_ptr_null(spool_new(dir, 0, &err));
	ck_assert_ptr_null(spool_new(dir, SPOOL_FILES_MAX + 1, &err));
	ck_assert_int_eq(err.class, ERR_USAGE);
}
END_TEST

START_TEST(test_spool_open_unnamed_is_where_it_should_be)
{
	char link[64], place[PATH_MAX] = "";
	int fd = spool_open_unnamed(NULL, &err);

	ck_assert_int_ge(fd, 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ck_assert_int_gt(readlink(link, place, sizeof(place) - 1), 0);
	close(fd);
	ck_assert_msg(!strncmp(place, "/var/tmp/", 9), "%s", place); // /tmp may be memory
	ck_assert_int_eq(spool_open_unnamed("/no/such", &err), -1);
	ck_assert_str_eq(err.msg, "temporary file in \"/no/such\": create: No such file or directory");
	ck_assert_int_eq(spool_open_unnamed("/proc", &err), -1);
	ck_assert_msg(strstr(err.msg, "temporary file in \"/proc\": create: ") != NULL, "%s", err.msg);
}
END_TEST

static unsigned given_way;
static bool gives_way(void *ctx, int fd)
{
	(void)fd;
	given_way++;
	return ctx != NULL;
}

START_TEST(test_spool_full_disk_names_the_directory)
{
	struct rlimit small = {1 << 20, 1 << 20};
	uint8_t *p = calloc(1, 2 << 20);

	spool_on_full(s, gives_way, NULL); // a limit on files is no full disk

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(spool_append(s, 0, p, 2 << 20, &err), -1);
	ck_assert_int_eq(err.class, ERR_IO);
	ck_assert_msg(strstr(err.msg, dir) && strstr(err.msg, "temporary file in "), "%s", err.msg);
	append(1, 0, 100); // what is still in the buffer fails when it is flushed
	ck_assert_int_eq(spool_append_zeros(s, 1, 3 << 20, &err), 0);
	ck_assert_int_eq(spool_flush(s, 1, &err), -1);
	ck_assert_msg(strstr(err.msg, dir) != NULL, "%s", err.msg);
	free(p);
}
END_TEST

START_TEST(test_spool_every_fault_is_an_error)
{
	static uint8_t big[300000];

	for (int what = 0; what < 3; what++) {
		for (int n = 1;; n++) {
			uint8_t *sums = NULL, got[10];
			bool damaged = false;
			int fd = make_earlier(0, 100, &sums), rc;
			struct spool *x;
			uint64_t ref = 0;

			fail_what = (enum fault_point)what;
			fail_at = n;
			base_fault_hook = hook;
			x = spool_new(dir, 1, &err);
			rc = !x || spool_append(x, 0, "abc", 3, &err) || spool_append(x, 0, big, sizeof(big), &err) ||
			     spool_flush(x, 0, &err) || spool_read(x, 0, 1, got, 2, &err) ||
			     !(ref = spool_adopt(x, earlier, fd, 100, seed, sums, &damaged, &err)) ||
			     spool_read(x, ref, 0, got, 10, &err);
			base_fault_hook = NULL;
			spool_free(x);
			if (!ref) {
				close(fd);
				free(sums);
			}
			unlink(earlier);
			if (!rc) {
				ck_assert_int_gt(n, 2);
				break;
			}
			ck_assert_int_eq(err.class, what == FAULT_ALLOC ? ERR_MEMORY : ERR_IO);
		}
	}
}
END_TEST

UNIT_MAIN("layerfs/spool", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_spool_append_small_pieces_come_back) ADD(test_spool_append_over_chunks_comes_back)
	  ADD(test_spool_zeros_read_as_zeros) ADD(test_spool_append_past_48_bits_is_refused)
	  ADD(test_spool_few_descriptors_suffice) ADD(test_spool_drop_gives_back_what_nobody_expects)
	  ADD(test_spool_drop_without_expect_does_nothing) ADD(test_spool_adopt_sound_contents_are_read)
	  ADD(test_spool_adopt_two_read_by_turns_and_threads_give_their_own_bytes)
	  ADD(test_spool_adopt_damage_is_found_and_removed) ADD(test_spool_piece_sum_depends_on_seed_number_and_bytes)
	  ADD(test_spool_adopt_damage_after_the_first_read_is_found) ADD(test_spool_adopt_few_descriptors_suffice)
	  ADD(test_spool_adopt_shortage_is_no_damage) ADD(test_spool_adopt_too_many_is_refused) ADD(test_spool_new_bad_file_count_is_refused)
	  ADD(test_spool_open_unnamed_is_where_it_should_be)
	  ADD(test_spool_full_disk_names_the_directory) ADD(test_spool_every_fault_is_an_error))
