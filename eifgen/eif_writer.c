// SPDX-License-Identifier: Apache-2.0
//
// The streaming EIF writer. Data goes out through one block buffer, past the registers and the section's CRC; what is
// known late is written late, at its known place:
//
//   header (zeros at first) | section header (zeros) | data … | section header (zeros) | data …
//        ^ finish: counts, offsets, sizes, CRC         ^ finish: type and size
//
// The file's CRC covers [0, 0x220) and [0x224, EOF), so it is joined at the end from the CRC of each piece
// (crc_join) and no byte is read back. With fd -1 all this happens and nothing is written.
//
// Blocks go through a fan-out (base/fanout.h) to three consumers: the two halves of the registers, and CRC with file.
// Each sees the bytes in order, so threads change nothing but the time; at the end of a section all are waited for. A
// mark ends a block, and travels with it: each lane puts its part of the registers' state there when it is through.
//
// A digest of the file begins with the header, which holds the CRC of all behind it. Who can foresee size and CRC of
// the last section gets a fourth consumer, which digests the header that will come about, the sections that are written
// already, and the last one as it comes. The real CRC is computed all the same, and the header made of it; if it is
// not the foreseen one the digest is void. So what is foreseen wrongly costs time and never gives a wrong digest.
#include "eifgen/eif.h"

#include "base/be.h"
#include "base/checked.h"
#include "base/cpus.h"
#include "base/fanout.h"
#include "base/mem.h"
#include "layerfs/crc.h"
#include "layerfs/digest.h"

#include <string.h>

enum {
	BLOCK = 256 * 1024, // one write(2) and one digest update a block, however small the pieces that come
	BLOCKS = 16, // 6 ms of hashing: what a wait for the disk may take before anybody runs out of work
	HEADER_CRC_AT = 0x220,
	DEFAULT_CPUS = 2,
};
static const uint64_t default_mem = 1u << 30; // both written always; no tool sets them (facts/eif-format.md 1.1)

struct section {
	enum eif_section_type type;
	uint64_t offset, size; // of the section header; of the data
	uint32_t crc;	       // of the data
};

struct eif_writer {
	int fd; // borrowed; -1: measure only
	enum eif_arch arch;
	uint64_t end; // bytes so far, those in `block` included
	struct section sections[EIF_MAX_SECTIONS];
	unsigned count;
	bool open, measured;
	struct pcr_measure *measure;
	struct fanout *blocks;
	uint8_t *block; // of `blocks`, being filled; NULL: none taken yet
	size_t used;	// of block: bytes of the open section not yet handed on
	bool feed;	// the open section is measured; changed only while the consumers rest
	uint64_t handed_on, fed[2]; // blocks: by this thread, by the lanes
	uint8_t *marks[BLOCKS]; // of each block in the ring: where the registers' state behind it goes, or NULL
	uint64_t written; // where the file's consumer goes on
	struct foreseen {
		uint8_t header[EIF_HEADER_SIZE], section[EIF_SECTION_HEADER_SIZE];
		struct digester *digest; // NULL: nothing was foreseen
		unsigned last;		 // the number of the last section
		bool begun, held; // begun: header and earlier sections are in the digest; held: it was foreseen rightly
	} foreseen;
};

// The lanes count their blocks, and look whether a mark was left behind this one.
static int feed_lane(struct eif_writer *w, enum pcr_lane lane, const void *p, size_t n, struct err *err)
{
	uint8_t *mark = w->marks[w->fed[lane]++ % BLOCKS];

	if (w->feed && pcr_measure_lane(w->measure, lane, p, n, err))
		return -1;
	if (mark)
		pcr_measure_save_lane(w->measure, lane, mark);
	return 0;
}

static int feed_all(void *ctx, const void *p, size_t n, struct err *err)
{
	return feed_lane(ctx, PCR_LANE_ALL, p, n, err);
}

static int feed_rest(void *ctx, const void *p, size_t n, struct err *err)
{
	return feed_lane(ctx, PCR_LANE_REST, p, n, err);
}

static int write_at(const struct eif_writer *w, const void *p, size_t n, uint64_t off, struct err *err)
{
	return io_pwrite(w->fd, p, n, off, err) ? err_prefix(err, "output file: ") : 0;
}

static int feed_file(void *ctx, const void *p, size_t n, struct err *err)
{
	struct eif_writer *w = ctx;
	struct section *s = &w->sections[w->count - 1];

	s->crc = crc_add(s->crc, p, n);
	if (write_at(w, p, n, w->written, err))
		return -1;
	w->written += n;
	return 0;
}

static void section_header(const struct section *s, uint8_t h[EIF_SECTION_HEADER_SIZE])
{
	memset(h, 0, EIF_SECTION_HEADER_SIZE);
	put_be16(h, (uint16_t)s->type);
	put_be64(h + 4, s->size);
}

// Header and earlier sections; the headers of those are not on the disk yet.
static int begin_digest(struct eif_writer *w, struct err *err)
{
	struct foreseen *f = &w->foreseen;
	uint8_t h[EIF_SECTION_HEADER_SIZE];

	f->begun = true;
	if (digester_add(f->digest, f->header, sizeof(f->header), err))
		return -1;
	for (unsigned i = 0; i < f->last; i++) {
		const struct section *s = &w->sections[i];

		section_header(s, h);
		if (digester_add(f->digest, h, sizeof(h), err) ||
		    digester_add_range(f->digest, w->fd, s->offset + sizeof(h), s->size, err))
			return err_prefix(err, "output file: ");
	}
	return digester_add(f->digest, f->section, sizeof(f->section), err);
}

static int feed_digest(void *ctx, const void *p, size_t n, struct err *err)
{
	struct eif_writer *w = ctx;

	if (!w->foreseen.begun && begin_digest(w, err))
		return -1;
	return digester_add(w->foreseen.digest, p, n, err);
}

static int set_up_blocks(struct eif_writer *w, unsigned helpers, struct err *err)
{
	fanout_free(w->blocks);
	w->blocks = fanout_new(helpers ? BLOCKS : 2, BLOCK, helpers, err);
	if (!w->blocks || fanout_add(w->blocks, feed_all, w, err) || fanout_add(w->blocks, feed_rest, w, err))
		return -1;
	if (w->fd < 0) // nobody will ask for the CRC of a file that is not there
		return 0;
	return fanout_add(w->blocks, feed_file, w, err);
}

int eif_writer_use_threads(struct eif_writer *w, unsigned threads, struct err *err)
{
	unsigned n = threads ? threads : cpus_allowed();

	return set_up_blocks(w, n > 1 ? n - 1 : 1, err); // the caller's thread is one of them
}

struct eif_writer *eif_writer_new(int fd, enum eif_arch arch, struct err *err)
{
	struct eif_writer *w = mem_zalloc(1, sizeof(*w), err);

	if (!w)
		return NULL;
	w->fd = fd;
	w->arch = arch;
	w->end = EIF_HEADER_SIZE;
	w->measure = pcr_measure_new(err);
	if (!w->measure || set_up_blocks(w, 0, err)) {
		eif_writer_free(w);
		return NULL;
	}
	return w;
}

static bool is_measured(enum eif_section_type type)
{
	return type == EIF_SECTION_KERNEL || type == EIF_SECTION_CMDLINE || type == EIF_SECTION_RAMDISK;
}

static int flush_block(struct eif_writer *w, uint8_t *mark, struct err *err)
{
	size_t n = w->used;

	if (!n)
		return 0;
	w->used = 0;
	w->block = NULL;
	w->marks[w->handed_on++ % BLOCKS] = mark;
	return fanout_publish(w->blocks, n, err);
}

static int close_section(struct eif_writer *w, struct err *err)
{
	if (!w->open)
		return 0;
	if (flush_block(w, NULL, err) || fanout_drain(w->blocks, err))
		return -1;
	w->open = false;
	return 0;
}

int eif_writer_section(struct eif_writer *w, enum eif_section_type type, struct err *err)
{
	if (close_section(w, err))
		return -1;
	if (w->count == EIF_MAX_SECTIONS)
		return err_set(err, ERR_LIMIT, "an EIF holds at most %d sections", EIF_MAX_SECTIONS);
	if (w->measured && is_measured(type))
		return err_set(err, ERR_USAGE, "a measured section after the measurement was taken");
	if (is_measured(type) &&
	    pcr_measure_section(w->measure, type == EIF_SECTION_RAMDISK ? PCR_RAMDISK : PCR_KERNEL_CMDLINE, err))
		return -1;
	w->sections[w->count++] = (struct section){.type = type, .offset = w->end};
	w->end += EIF_SECTION_HEADER_SIZE;
	w->written = w->end;
	w->feed = is_measured(type);
	w->open = true;
	return 0;
}

void *eif_writer_room(struct eif_writer *w, size_t *n, struct err *err)
{
	if (!w->open) {
		err_set(err, ERR_USAGE, "data outside a section");
		return NULL;
	}
	if (!w->block)
		w->block = fanout_buffer(w->blocks);
	*n = BLOCK - w->used;
	return w->block + w->used;
}

int eif_writer_filled(struct eif_writer *w, size_t n, struct err *err)
{
	w->used += n;
	if (ckd_add(&w->end, w->end, n) || w->end > INT64_MAX)
		return err_set(err, ERR_LIMIT, "the EIF grows past what a file can hold");
	w->sections[w->count - 1].size += n;
	return w->used == BLOCK ? flush_block(w, NULL, err) : 0;
}

int eif_writer_write(struct eif_writer *w, const void *p, size_t n, struct err *err)
{
	const uint8_t *b = p;

	while (n) {
		size_t take;
		void *to = eif_writer_room(w, &take, err);

		if (!to)
			return -1;
		if (take > n)
			take = n;
		memcpy(to, b, take);
		if (eif_writer_filled(w, take, err))
			return -1;
		b += take;
		n -= take;
	}
	return 0;
}

static int sink_section(void *ctx, const void *p, size_t n, struct err *err)
{
	return eif_writer_write(ctx, p, n, err);
}

struct sink eif_writer_sink(struct eif_writer *w)
{
	return (struct sink){sink_section, w};
}

int eif_writer_measure(struct eif_writer *w, struct pcr_values *pcrs, struct err *err)
{
	if (w->measured)
		return err_set(err, ERR_USAGE, "the measurement was taken before");
	if (close_section(w, err) || pcr_measure_final(w->measure, pcrs, err))
		return -1;
	w->measured = true;
	return 0;
}

static void fill_fields(const struct eif_writer *w, uint8_t h[EIF_HEADER_SIZE])
{
	memset(h, 0, EIF_HEADER_SIZE);
	memcpy(h, ".eif", 4);
	put_be16(h + 4, EIF_VERSION);
	put_be16(h + 6, w->arch == EIF_AARCH64 ? 1 : 0);
	put_be64(h + 8, default_mem);
	put_be64(h + 16, DEFAULT_CPUS);
	put_be16(h + 0x1a, (uint16_t)w->count);
	for (unsigned i = 0; i < w->count; i++) {
		put_be64(h + 0x1c + 8 * i, w->sections[i].offset);
		put_be64(h + 0x11c + 8 * i, w->sections[i].size);
	}
}

// The header of the sections as they stand.
static void fill_header(const struct eif_writer *w, uint8_t header[EIF_HEADER_SIZE])
{
	uint8_t h[EIF_SECTION_HEADER_SIZE];
	uint32_t crc;

	fill_fields(w, header);
	crc = crc_add(0, header, HEADER_CRC_AT);
	for (unsigned i = 0; i < w->count; i++) {
		section_header(&w->sections[i], h);
		crc = crc_join(crc_add(crc, h, sizeof(h)), w->sections[i].crc, w->sections[i].size);
	}
	put_be32(header + HEADER_CRC_AT, crc);
}

int eif_writer_foresee(struct eif_writer *w, uint64_t size, uint32_t crc, struct err *err)
{
	struct section *s = w->count ? &w->sections[w->count - 1] : NULL;
	struct foreseen *f = &w->foreseen;

	if (w->fd < 0 || !w->open || !s || s->size || f->digest)
		return err_set(err, ERR_USAGE, "only a section that is about to be written can be foreseen, and once");
	s->size = size;
	s->crc = crc;
	fill_header(w, f->header);
	section_header(s, f->section);
	s->size = 0;
	s->crc = 0;
	f->last = w->count - 1;
	f->digest = digester_new(err);
	return f->digest ? fanout_add(w->blocks, feed_digest, w, err) : -1;
}

int eif_writer_finish(struct eif_writer *w, struct err *err)
{
	uint8_t header[EIF_HEADER_SIZE], h[EIF_SECTION_HEADER_SIZE];

	if (close_section(w, err))
		return -1;
	fill_header(w, header);
	w->foreseen.held = w->foreseen.begun && !memcmp(header, w->foreseen.header, sizeof(header));
	if (w->fd < 0)
		return 0;
	for (unsigned i = 0; i < w->count; i++) {
		section_header(&w->sections[i], h);
		if (write_at(w, h, sizeof(h), w->sections[i].offset, err))
			return -1;
	}
	return write_at(w, header, sizeof(header), 0, err);
}

bool eif_writer_digest(struct eif_writer *w, char *text)
{
	struct err ignored = ERR_INIT;
	bool held = w->foreseen.held;

	w->foreseen.held = false; // a digest ends once
	return held && !digester_end(w->foreseen.digest, text, &ignored);
}

int eif_writer_settle(struct eif_writer *w, struct err *err)
{
	return flush_block(w, NULL, err) || fanout_drain(w->blocks, err) ? -1 : 0;
}

int eif_writer_save(struct eif_writer *w, uint8_t out[PCR_MEASURE_STATE], struct err *err)
{
	if (eif_writer_settle(w, err))
		return -1;
	pcr_measure_save(w->measure, out);
	return 0;
}

int eif_writer_mark(struct eif_writer *w, uint8_t out[PCR_MEASURE_STATE], struct err *err)
{
	if (w->used)
		return flush_block(w, out, err);
	return eif_writer_save(w, out, err); // the last block is with the lanes already
}

int eif_writer_resume(struct eif_writer *w, const uint8_t in[PCR_MEASURE_STATE], uint64_t skipped, struct err *err)
{
	if (w->fd >= 0 || !w->open)
		return err_set(err, ERR_USAGE, "bytes can be passed over only where none are written");
	if (eif_writer_settle(w, err) || pcr_measure_load(w->measure, in, err))
		return -1;
	w->end += skipped;
	w->sections[w->count - 1].size += skipped;
	return 0;
}

int eif_writer_sha384_so_far(struct eif_writer *w, uint8_t *out, struct err *err)
{
	return eif_writer_settle(w, err) || pcr_measure_so_far(w->measure, out, err) ? -1 : 0;
}

const uint8_t *eif_writer_ramdisk2_sha384(const struct eif_writer *w)
{
	return pcr_measure_rest_sha384(w->measure);
}

uint64_t eif_writer_size(const struct eif_writer *w)
{
	return w->end;
}

void eif_writer_free(struct eif_writer *w)
{
	if (!w)
		return;
	fanout_free(w->blocks);
	pcr_measure_free(w->measure);
	digester_free(w->foreseen.digest);
	free(w);
}
