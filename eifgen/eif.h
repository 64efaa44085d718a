// SPDX-License-Identifier: Apache-2.0
//
// The Enclave Image File, version 4 (facts/eif-format.md 1). All integers big-endian, no padding:
//
//   0x000 magic ".eif"  0x004 version u16  0x006 flags u16 (bit 0: aarch64)  0x008 default_mem u64
//   0x010 default_cpus u64  0x018 reserved u16  0x01a num_sections u16  0x01c offsets u64[32]  0x11c sizes u64[32]
//   0x21c unused u32  0x220 crc u32
//   then per section: type u16, flags u16, size u64, data
//
// The writer streams: sections are appended, digests and CRC run beside, header and section sizes are patched last.
#ifndef EIFGEN_EIF_H
#define EIFGEN_EIF_H

#include "base/err.h"
#include "base/io.h"
#include "pcr/pcr.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	EIF_HEADER_SIZE = 548,
	EIF_SECTION_HEADER_SIZE = 12,
	EIF_MAX_SECTIONS = 32,
	EIF_VERSION = 4,
};

enum eif_section_type {
	EIF_SECTION_INVALID = 0,
	EIF_SECTION_KERNEL,
	EIF_SECTION_CMDLINE,
	EIF_SECTION_RAMDISK,
	EIF_SECTION_SIGNATURE,
	EIF_SECTION_METADATA,
};

enum eif_arch { EIF_X86_64, EIF_AARCH64 };

// ---- writer --------------------------------------------------------------------------------------------------------
struct eif_writer; // opaque

// fd: a fresh, seekable file at offset 0, borrowed; -1 measures only (nothing is written, no CRC computed).
struct eif_writer *eif_writer_new(int fd, enum eif_arch arch, struct err *err);
// Before the first section: registers and file are served beside the caller's thread, by so many threads with it (0: as
// many as there are processors; at least one beside it). The bytes are the same either way.
int eif_writer_use_threads(struct eif_writer *w, unsigned threads, struct err *err);
// Begins a section; the one before it is closed. Order is the caller's: kernel, cmdline, metadata, ramdisks, signature.
int eif_writer_section(struct eif_writer *w, enum eif_section_type type, struct err *err);
int eif_writer_write(struct eif_writer *w, const void *p, size_t n, struct err *err);
// The same for who makes the data in place: the room that there is (*n bytes, at least one), and then how many of them
// have been filled. NULL without an open section.
void *eif_writer_room(struct eif_writer *w, size_t *n, struct err *err);
int eif_writer_filled(struct eif_writer *w, size_t n, struct err *err);
struct sink eif_writer_sink(struct eif_writer *w); // eif_writer_write as a sink
// Closes the last section and fills *pcrs (pcr0..2) from what was written; the caller may then add a signature section
// (which is not measured) before eif_writer_finish patches sizes, header and CRC into the file.
int eif_writer_measure(struct eif_writer *w, struct pcr_values *pcrs, struct err *err);
int eif_writer_finish(struct eif_writer *w, struct err *err);
// Within the last section, before its data, of a file that is written: says how long that section will be and what its
// CRC will be. Then the whole header is known, and from here on the file's SHA-256 is taken as the data goes by (what
// is on the disk already is read back for it), on a thread of its own if there are threads.
int eif_writer_foresee(struct eif_writer *w, uint64_t size, uint32_t crc, struct err *err);
// After eif_writer_finish: the file's SHA-256 as `sha256:…` into room for DIGEST_TEXT_MAX. Returns false, and says
// nothing, if nothing was foreseen or another header came about than the one foreseen: then the file has to be read.
bool eif_writer_digest(struct eif_writer *w, char *text);
// Measuring only (fd -1), within a section: the registers' state, and taking one up that `skipped` bytes of this
// section led to, which then count as written. Waits for the consumers.
int eif_writer_save(struct eif_writer *w, uint8_t out[PCR_MEASURE_STATE], struct err *err);
// The same without waiting for the registers: they put their state as of here into `out` when they get there. It is
// complete, and need not stay where it is any longer, after eif_writer_settle.
int eif_writer_mark(struct eif_writer *w, uint8_t out[PCR_MEASURE_STATE], struct err *err);
int eif_writer_settle(struct eif_writer *w, struct err *err); // all that was written has been measured
int eif_writer_resume(struct eif_writer *w, const uint8_t in[PCR_MEASURE_STATE], uint64_t skipped, struct err *err);
// SHA-384 of the measured bytes so far, PCR_SIZE of it: of the kernel, behind that section. Waits for the consumers.
int eif_writer_sha384_so_far(struct eif_writer *w, uint8_t *out, struct err *err);
// After eif_writer_measure, of a file with two ramdisks: the second one's SHA-384 (PCR_SIZE bytes), which PCR2 needed.
const uint8_t *eif_writer_ramdisk2_sha384(const struct eif_writer *w);
uint64_t eif_writer_size(const struct eif_writer *w); // bytes so far, header included
void eif_writer_free(struct eif_writer *w);

// Metadata of a file (facts/eif-format.md 5). custom_json: the text of --metadata or NULL.
struct eif_metadata {
	const char *image_name, *image_version, *build_time, *build_tool, *build_tool_version, *operating_system,
		*kernel_version;
	const char *custom_json;
	size_t custom_json_len;
};
// Appends the compact JSON, every key present, DockerInfo null. Custom JSON is parsed and re-written (facts 5.2).
int eif_metadata_write(const struct eif_metadata *m, struct buf *out, struct err *err);

// ---- reader: see eif_reader.h --------------------------------------------------------------------------------------

#endif
