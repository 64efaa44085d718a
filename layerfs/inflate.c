// SPDX-License-Identifier: Apache-2.0
//
// A layer is a row of members (gzip) or frames (zstd), one behind the other:
//
//   between ── a sound member header ──► inside ── the member's end ──► between ── no more input ──► end
//
// Each inflater only knows how to go on inside; rows, refills, early ends and what may begin a member are decided here
// once, so that all behave alike. zlib and isa-l check the member's CRC and length themselves, zstd its checksum if
// the frame has one.
//
// A zstd frame says how far back it may refer, and that window has to be in memory. Windows to 8 MiB, which is what
// builders write and all that RFC 8878 asks of a reader, are taken as they come; for longer ones, to 128 MiB, there is
// one permit in the process, so that what a run needs does not grow with the threads that meet such frames.
#include "layerfs/inflate.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <pthread.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#if __has_include(<isa-l/igzip_lib.h>) && !defined(EIFGEN_NO_ISAL)
#define HAVE_ISAL 1
#include <isa-l/igzip_lib.h>
#else
#define HAVE_ISAL 0
#endif

enum {
	INPUT = 128 * 1024,
	GZIP_HEADER_SEEN = 4,
	HEADER_SEEN = 18, // the longest header of a zstd frame, so that none is taken in two pieces
	WINDOW_LOG = 23,
	LONG_WINDOW_LOG = 27,
};

static pthread_mutex_t long_window_permit = PTHREAD_MUTEX_INITIALIZER;

struct inflate {
	struct byte_source from;
	enum image_compression kind;
	bool between, any, eof;
	// Goes on inside a member: takes from z->in, puts at most n bytes into out. *done at the member's end.
	ssize_t (*step)(struct inflate *z, void *out, size_t n, bool *done, struct err *err);
	int (*begin)(struct inflate *z, struct err *err);
	const uint8_t *in;
	size_t left;
	z_stream zlib;
	ZSTD_DStream *zstd;
	bool long_window; // it has the permit
#if HAVE_ISAL
	struct inflate_state *isal;
#endif
	uint8_t input[INPUT];
};

// ---- zlib ----------------------------------------------------------------------------------------------------------

static int zlib_begin(struct inflate *z, struct err *err)
{
	return inflateReset(&z->zlib) == Z_OK ? 0 : err_set(err, ERR_INPUT, "gzip: the inflater does not start");
}

static ssize_t zlib_step(struct inflate *z, void *out, size_t n, bool *done, struct err *err)
{
	uInt room = n > UINT32_MAX ? UINT32_MAX : (uInt)n;
	int rc;

	z->zlib.next_in = (Bytef *)(uintptr_t)z->in;
	z->zlib.avail_in = (uInt)z->left;
	z->zlib.next_out = out;
	z->zlib.avail_out = room;
	rc = inflate(&z->zlib, Z_NO_FLUSH);
	z->in = z->zlib.next_in;
	z->left = z->zlib.avail_in;
	if (rc == Z_MEM_ERROR)
		return err_nomem(err);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return err_set(err, ERR_INPUT, "gzip: damaged data");
	*done = rc == Z_STREAM_END;
	return room - z->zlib.avail_out;
}

// ---- isa-l ---------------------------------------------------------------------------------------------------------

#if HAVE_ISAL
static int isal_begin(struct inflate *z, struct err *err)
{
	(void)err;
	isal_inflate_reset(z->isal);
	z->isal->crc_flag = ISAL_GZIP;
	return 0;
}

static ssize_t isal_step(struct inflate *z, void *out, size_t n, bool *done, struct err *err)
{
	uint32_t room = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	int rc;

	z->isal->next_in = (uint8_t *)(uintptr_t)z->in;
	z->isal->avail_in = (uint32_t)z->left;
	z->isal->next_out = out;
	z->isal->avail_out = room;
	rc = isal_inflate(z->isal);
	z->in = z->isal->next_in;
	z->left = z->isal->avail_in;
	if (rc < 0)
		return err_set(err, ERR_INPUT, "gzip: damaged data");
	*done = z->isal->block_state == ISAL_BLOCK_FINISH;
	return room - z->isal->avail_out;
}
#endif

// ---- zstd ----------------------------------------------------------------------------------------------------------

static int zstd_begin(struct inflate *z, struct err *err)
{
	if (ZSTD_isError(ZSTD_DCtx_reset(z->zstd, ZSTD_reset_session_only)))
		return err_set(err, ERR_INPUT, "zstd: the inflater does not start");
	return 0;
}

// Waits for the permit and keeps it: whoever has it waits for nothing. The frame begins again.
static int zstd_lengthen(struct inflate *z, struct err *err)
{
	pthread_mutex_lock(&long_window_permit);
	z->long_window = true;
	if (ZSTD_isError(ZSTD_DCtx_reset(z->zstd, ZSTD_reset_session_only)) ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, LONG_WINDOW_LOG)))
		return err_set(err, ERR_INPUT, "zstd: the inflater does not start");
	return 0;
}

static ssize_t zstd_step(struct inflate *z, void *out, size_t n, bool *done, struct err *err)
{
	ZSTD_inBuffer in = {z->in, z->left, 0};
	ZSTD_outBuffer to = {out, n, 0};
	size_t rc = ZSTD_decompressStream(z->zstd, &to, &in);

	if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge) {
		if (z->long_window)
			return err_set(err, ERR_INPUT, "zstd: a window of more than %d MiB", 1 << (LONG_WINDOW_LOG - 20));
		return zstd_lengthen(z, err) ? -1 : zstd_step(z, out, n, done, err);
	}
	if (ZSTD_isError(rc))
		return err_set(err, ERR_INPUT, "zstd: %s", ZSTD_getErrorName(rc));
	z->in += in.pos;
	z->left -= in.pos;
	*done = rc == 0;
	return (ssize_t)to.pos;
}

// ---- rows of members -----------------------------------------------------------------------------------------------

// Sees to it that at least `want` bytes of input are there, unless the source ends before.
static int refill(struct inflate *z, size_t want, struct err *err)
{
	if (z->left >= want || z->eof)
		return 0;
	if (z->left)
		memmove(z->input, z->in, z->left);
	z->in = z->input;
	while (z->left < want && !z->eof) {
		ssize_t r = z->from.read(z->from.ctx, z->input + z->left, INPUT - z->left, err);

		if (r < 0)
			return -1;
		z->eof = r == 0;
		z->left += (size_t)r;
	}
	return 0;
}

static int early_end(const struct inflate *z, struct err *err)
{
	return err_set(err, ERR_INPUT, "%s: the stream ends early", z->kind == IMAGE_GZIP ? "gzip" : "zstd");
}

// 1: a member begins; 0: the row is at its end.
static int next_member(struct inflate *z, struct err *err)
{
	if (refill(z, HEADER_SEEN, err))
		return -1;
	if (!z->left)
		return z->any ? 0 : early_end(z, err);
	if (z->left < GZIP_HEADER_SEEN)
		return early_end(z, err);
	if (z->kind == IMAGE_GZIP && (z->in[0] != 0x1f || z->in[1] != 0x8b || z->in[2] != 8 || z->in[3] & 0xe0))
		return err_set(err, ERR_INPUT, "gzip: %s", z->any ? "bytes behind the end" : "not in gzip format");
	z->any = true;
	z->between = false;
	return z->begin(z, err) ? -1 : 1;
}

static ssize_t read_members(struct inflate *z, void *p, size_t n, struct err *err)
{
	for (;;) {
		bool done = false;
		size_t before;
		ssize_t r;

		if (z->between) {
			int more = next_member(z, err);

			if (more <= 0)
				return more;
		}
		if (!z->left && refill(z, 1, err))
			return -1;
		before = z->left;
		r = z->step(z, p, n, &done, err);
		if (r < 0)
			return -1;
		z->between = done;
		if (r > 0)
			return r;
		if (!done && z->left == before && z->eof)
			return early_end(z, err);
	}
}

ssize_t inflate_read(struct inflate *z, void *p, size_t n, struct err *err)
{
	if (!n)
		return 0;
	return z->kind == IMAGE_PLAIN ? z->from.read(z->from.ctx, p, n, err) : read_members(z, p, n, err);
}

// ---- making --------------------------------------------------------------------------------------------------------

static int gzip_setup(struct inflate *z, enum inflate_engine engine, struct err *err)
{
#if HAVE_ISAL
	if (engine != INFLATE_ZLIB) {
		z->isal = mem_alloc(sizeof(*z->isal), err);
		if (!z->isal)
			return -1;
		isal_inflate_init(z->isal);
		z->begin = isal_begin;
		z->step = isal_step;
		return 0;
	}
#else
	if (engine == INFLATE_ISAL)
		return err_set(err, ERR_UNSUPPORTED, "this program was built without isa-l");
#endif
	z->begin = zlib_begin;
	z->step = zlib_step;
	return inflateInit2(&z->zlib, 15 + 16) == Z_OK ? 0 : err_nomem(err); // 15: any window; 16: gzip only
}

static int zstd_setup(struct inflate *z, struct err *err)
{
	z->zstd = ZSTD_createDStream();
	z->begin = zstd_begin;
	z->step = zstd_step;
	if (!z->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, WINDOW_LOG)))
		return err_nomem(err);
	return 0;
}

int inflate_new(enum image_compression kind, enum inflate_engine engine, struct byte_source from, struct inflate **out,
		struct err *err)
{
	struct inflate *z = mem_zalloc(1, sizeof(*z), err);
	int rc = 0;

	if (!z)
		return -1;
	z->from = from;
	z->kind = kind;
	z->between = true;
	z->in = z->input;
	if (kind == IMAGE_GZIP)
		rc = gzip_setup(z, engine, err);
	else if (kind == IMAGE_ZSTD)
		rc = zstd_setup(z, err);
	if (rc) {
		inflate_free(z);
		return -1;
	}
	*out = z;
	return 0;
}

void inflate_free(struct inflate *z)
{
	if (!z)
		return;
	if (z->step == zlib_step)
		inflateEnd(&z->zlib);
	ZSTD_freeDStream(z->zstd);
	if (z->long_window)
		pthread_mutex_unlock(&long_window_permit);
#if HAVE_ISAL
	free(z->isal);
#endif
	free(z);
}

const char *inflate_engine_name(enum inflate_engine engine)
{
	if (engine == INFLATE_BEST)
		engine = HAVE_ISAL ? INFLATE_ISAL : INFLATE_ZLIB;
	return engine == INFLATE_ISAL ? "isa-l" : "zlib";
}
