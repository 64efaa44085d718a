// SPDX-License-Identifier: Apache-2.0
//
// Both gzip inflaters say the same of the same bytes: whole, in members, cut anywhere, with any byte wrong, with bytes
// behind, read in pieces of any size. zstd's frames may refer 128 MiB back, one inflater at a time more than 8.
#include "layerfs/inflate.h"

#include "base/buf.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static struct buf packed;
static uint8_t plain[200000];

struct feed {
	const uint8_t *p;
	size_t left, piece;
};

static ssize_t feed_read(void *ctx, void *p, size_t n, struct err *err)
{
	struct feed *f = ctx;

	(void)err;
	n = n < f->left ? n : f->left;
	n = n < f->piece ? n : f->piece;
	if (n)
		memcpy(p, f->p, n);
	f->p += n;
	f->left -= n;
	return (ssize_t)n;
}

static void member(size_t at, size_t n, int level)
{
	z_stream z = {0};

	ck_assert_int_eq(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(buf_reserve(&packed, n + 2000, NULL), 0);
	z.next_in = plain + at;
	z.avail_in = (uInt)n;
	z.next_out = packed.data + packed.len;
	z.avail_out = (uInt)(n + 2000);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	packed.len += z.total_out;
	deflateEnd(&z);
}

static void setup(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = i % 3 ? (uint8_t)((x = x * 1103515245 + 12345) >> 29) : (uint8_t)(i >> 8);
	packed.len = 0;
}

static void teardown(void)
{
	buf_free(&packed);
}

// A zstd frame that says it refers back 2^log bytes; it need not do so.
static void frame(size_t at, size_t n, int log)
{
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ZSTD_inBuffer in = {plain + at, n, 0};
	ZSTD_outBuffer out;

	ck_assert_int_eq(buf_reserve(&packed, ZSTD_compressBound(n), NULL), 0);
	out = (ZSTD_outBuffer){packed.data + packed.len, ZSTD_compressBound(n), 0};
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 10);
	ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
	ck_assert_uint_eq(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(c);
	packed.data[packed.len + 5] = (uint8_t)((log - 10) << 3);
	packed.len += out.pos;
}

// Length of what came out into `out`, or -1 with err.
static ssize_t inflate_kind(enum image_compression kind, enum inflate_engine engine, size_t piece, struct buf *out,
			    struct err *err)
{
	struct feed f = {packed.data, packed.len, piece};
	struct inflate *z = NULL;
	uint8_t buf[7001];
	ssize_t n;

	out->len = 0;
	if (inflate_new(kind, engine, (struct byte_source){feed_read, &f}, &z, err))
		ck_abort_msg("%s", err->msg);
	while ((n = inflate_read(z, buf, piece < sizeof(buf) ? piece + 1 : sizeof(buf), err)) > 0)
		ck_assert_int_eq(buf_add(out, buf, (size_t)n, NULL), 0);
	inflate_free(z);
	return n < 0 ? -1 : (ssize_t)out->len;
}

static ssize_t inflate_all(enum inflate_engine engine, size_t piece, struct buf *out, struct err *err)
{
	return inflate_kind(IMAGE_GZIP, engine, piece, out, err);
}

static bool has_isal(void)
{
	return !strcmp(inflate_engine_name(INFLATE_BEST), "isa-l");
}

// The verdict of both, which must be one: true if the stream is sound and gives the plain bytes.
static bool verdict(size_t piece)
{
	struct buf a = BUF_INIT(0), b = BUF_INIT(0);
	struct err ea = ERR_INIT, eb = ERR_INIT;
	ssize_t na = inflate_all(INFLATE_ZLIB, piece, &a, &ea);

	if (has_isal()) {
		ssize_t nb = inflate_all(INFLATE_ISAL, piece, &b, &eb);

		ck_assert_msg(na == nb, "zlib %zd (%s), isa-l %zd (%s)", na, ea.msg, nb, eb.msg);
		ck_assert(na < 0 || (na == 0 || !memcmp(a.data, b.data, (size_t)na)));
		ck_assert_int_eq(ea.class, eb.class);
	}
	if (na >= 0)
		ck_assert(!memcmp(a.data ? a.data : plain, plain, (size_t)na));
	buf_free(&a);
	buf_free(&b);
	return na == (ssize_t)sizeof(plain);
}

START_TEST(test_inflate_members_in_any_pieces_come_out_whole)
{
	for (int level = 0; level <= 9; level += 3) {
		packed.len = 0;
		member(0, 1, level);
		member(1, 0, level);
		member(1, 99999, level);
		member(100000, 100000, 9 - level);
		ck_assert(verdict(1));
		ck_assert(verdict(13));
		ck_assert(verdict(1000000));
	}
}
END_TEST

START_TEST(test_inflate_cut_anywhere_is_refused)
{
	member(0, sizeof(plain), 6);
	for (size_t full = packed.len, cut = 0; cut < full; cut += cut < 40 || full - cut < 40 ? 1 : 997) {
		packed.len = cut;
		ck_assert_msg(!verdict(100000), "cut at %zu", cut);
	}
}
END_TEST

START_TEST(test_inflate_wrong_bytes_are_never_taken_for_others)
{
	member(0, sizeof(plain), 6);
	for (size_t at = 0; at < packed.len; at += at < 20 || packed.len - at < 20 ? 1 : 1511) {
		if (at >= 4 && at < 10) // time, flags and system of the header: of no consequence
			continue;
		packed.data[at] ^= 0x10;
		ck_assert_msg(!verdict(100000), "byte %zu", at);
		packed.data[at] ^= 0x10;
	}
}
END_TEST

START_TEST(test_inflate_bytes_behind_are_refused)
{
	static const char *const tails[] = {"\0\0\0\0", "junk", "\x1f\x8b\x08", "\x1f\x8b\x08\x00", "x"};

	member(0, sizeof(plain), 1);
	for (size_t i = 0, full = packed.len; i < 5; i++) {
		size_t n = i == 4 ? 1 : i == 2 ? 3 : 4;

		packed.len = full;
		ck_assert_int_eq(buf_add(&packed, tails[i], n, NULL), 0);
		ck_assert_msg(!verdict(100000), "tail %zu", i);
	}
}
END_TEST

START_TEST(test_inflate_zstd_windows_to_128_mib_are_taken)
{
	static const int logs[] = {10, 23, 24, 27};
	static const size_t pieces[] = {1, 1000000};
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;

	for (size_t k = 0; k < 4; k++) {
		int log = logs[k];

		for (size_t i = 0; i < 2; i++) {
			packed.len = 0;
			frame(0, 5000, 10);
			frame(5000, 15000, log);
			frame(20000, 40000, 20);
			ck_assert_msg(inflate_kind(IMAGE_ZSTD, INFLATE_BEST, pieces[i], &out, &err) == 60000,
				      "window 2^%d, pieces of %zu: %s", log, pieces[i], err.msg);
			ck_assert_mem_eq(out.data, plain, 60000);
		}
	}
}
END_TEST

// At the very end, where fewer bytes are left than a header may have: frames of nothing, and frames to be skipped.
START_TEST(test_inflate_zstd_small_frames_at_the_end_are_taken)
{
	static const uint8_t tails[][21] = {
		{17, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0},
		{17, 0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0, 0x51, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'},
		{9, 0x28, 0xb5, 0x2f, 0xfd, 0x20, 0, 1, 0, 0},
	};
	static const size_t pieces[] = {1, 7, 1000000};
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;

	for (size_t k = 0; k < 3; k++) {
		for (size_t i = 0; i < 3; i++) {
			packed.len = 0;
			frame(0, 5000, 10);
			ck_assert_int_eq(buf_add(&packed, tails[k] + 1, tails[k][0], NULL), 0);
			ck_assert_msg(inflate_kind(IMAGE_ZSTD, INFLATE_BEST, pieces[i], &out, &err) == 5000,
				      "tail %zu, pieces of %zu: %s", k, pieces[i], err.msg);
		}
	}
}
END_TEST

START_TEST(test_inflate_zstd_windows_past_128_mib_are_refused)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);

	for (int log = 28; log <= 41; log++) {
		struct err err = ERR_INIT;

		packed.len = 0;
		frame(0, 5000, 10);
		frame(5000, 15000, log);
		ck_assert_int_eq(inflate_kind(IMAGE_ZSTD, INFLATE_BEST, 1000, &out, &err), -1);
		ck_assert_str_eq(err.msg, "zstd: a window of more than 128 MiB");
	}
}
END_TEST

static atomic_bool other_is_through;

static void *inflate_beside(void *ctx)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;

	ck_assert_int_eq(inflate_kind(IMAGE_ZSTD, INFLATE_BEST, 1000, &out, &err), 5000);
	atomic_store(&other_is_through, true);
	return ctx;
}

START_TEST(test_inflate_zstd_long_windows_are_one_at_a_time)
{
	struct feed f;
	struct inflate *z = NULL;
	struct err err = ERR_INIT;
	pthread_t other;
	uint8_t byte;

	frame(0, 5000, 24);
	f = (struct feed){packed.data, packed.len, 1000};
	assert_ok(inflate_new(IMAGE_ZSTD, INFLATE_BEST, (struct byte_source){feed_read, &f}, &z, &err));
	ck_assert_int_eq(inflate_read(z, &byte, 1, &err), 1);
	ck_assert_int_eq(pthread_create(&other, NULL, inflate_beside, NULL), 0);
	usleep(50000);
	ck_assert(!atomic_load(&other_is_through));
	inflate_free(z);
	pthread_join(other, NULL);
	ck_assert(atomic_load(&other_is_through));
}
END_TEST

UNIT_MAIN("layerfs/inflate", tcase_add_checked_fixture(tc_, setup, teardown);
	  ADD(test_inflate_members_in_any_pieces_come_out_whole) ADD(test_inflate_cut_anywhere_is_refused)
	  ADD(test_inflate_wrong_bytes_are_never_taken_for_others) ADD(test_inflate_bytes_behind_are_refused)
	  ADD(test_inflate_zstd_windows_to_128_mib_are_taken)
	  ADD(test_inflate_zstd_small_frames_at_the_end_are_taken) ADD(test_inflate_zstd_windows_past_128_mib_are_refused)
	  ADD(test_inflate_zstd_long_windows_are_one_at_a_time))
