// SPDX-License-Identifier: Apache-2.0
//
// Writer and reader against each other and against what no vector shows: limits, wrong order of calls, hostile sizes.
#include "base/be.h"
#include "base/io.h"
#include "eifgen/eif_reader.h"
#include "layerfs/crc.h"
#include "layerfs/digest.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct eif_metadata metadata = {.image_name = "n",	      .image_version = "v",    .build_time = "t",
					     .build_tool = "b",	      .build_tool_version = "1", .operating_system = "o",
					     .kernel_version = "k"};

static void add(struct eif_writer *w, enum eif_section_type type, const char *data)
{
	struct err err = ERR_INIT;

	assert_ok(eif_writer_section(w, type, &err));
	for (const char *c = data; *c; c++) // a byte at a time: the block buffer must not show
		assert_ok(eif_writer_write(w, c, 1, &err));
}

// A sound small EIF in a fresh memory file; its path in `path`.
static int make_eif(char path[64], struct pcr_values *pcrs)
{
	struct err err = ERR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	int fd = memfd_create("eif", 0);
	struct eif_writer *w = eif_writer_new(fd, EIF_AARCH64, &err);

	add(w, EIF_SECTION_KERNEL, "kernel");
	add(w, EIF_SECTION_CMDLINE, "");
	assert_ok(eif_metadata_write(&metadata, &text, &err));
	assert_ok(eif_writer_section(w, EIF_SECTION_METADATA, &err));
	assert_ok(eif_writer_write(w, text.data, text.len, &err));
	add(w, EIF_SECTION_RAMDISK, "one");
	add(w, EIF_SECTION_RAMDISK, "two");
	assert_ok(eif_writer_measure(w, pcrs, &err));
	assert_ok(eif_writer_finish(w, &err));
	eif_writer_free(w);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

START_TEST(test_eif_file_open_reads_back_what_the_writer_wrote)
{
	struct err err = ERR_INIT;
	struct pcr_values pcrs = {.has_pcr8 = false};
	_cleanup_eif_file_ struct eif_file *f = NULL;
	char path[64];
	int fd = make_eif(path, &pcrs);

	assert_ok(eif_file_open(path, &f, &err));
	ck_assert_uint_eq(f->anomaly_count, 0);
	ck_assert_uint_eq(f->section_count, 5);
	ck_assert(f->crc_ok && f->flags == 1 && f->has_metadata && !f->signature_count);
	ck_assert_mem_eq(f->pcrs.pcr0, pcrs.pcr0, PCR_SIZE);
	ck_assert_mem_eq(f->pcrs.pcr1, pcrs.pcr1, PCR_SIZE);
	ck_assert_mem_eq(f->pcrs.pcr2, pcrs.pcr2, PCR_SIZE);
	close(fd);
}
END_TEST

START_TEST(test_eif_file_open_each_flipped_header_byte_is_an_anomaly_or_an_error)
{
	struct pcr_values pcrs;
	char path[64];
	int fd = make_eif(path, &pcrs);

	for (int at = 0; at < EIF_HEADER_SIZE; at++) {
		_cleanup_eif_file_ struct eif_file *f = NULL;
		struct err err = ERR_INIT;
		uint8_t byte;

		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte ^= 0xff;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		assert_ok(eif_file_open(path, &f, &err)); // the sections are sound, so it is still described
		ck_assert_msg(f->anomaly_count > 0 && !f->crc_ok, "byte %d", at);
		byte ^= 0xff;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
	close(fd);
}
END_TEST

START_TEST(test_eif_file_open_every_cut_is_noticed)
{
	struct pcr_values pcrs;
	char path[64];
	int fd = make_eif(path, &pcrs);
	off_t size = lseek(fd, 0, SEEK_END);

	for (off_t n = size - 1; n >= 0; n--) {
		_cleanup_eif_file_ struct eif_file *f = NULL;
		struct err err = ERR_INIT;

		ck_assert_int_eq(ftruncate(fd, n), 0);
		if (eif_file_open(path, &f, &err)) {
			ck_assert(n < EIF_HEADER_SIZE && err.class == ERR_INPUT);
		} else if (!f->anomaly_count || f->crc_ok) {
			ck_abort_msg("cut at %ld", (long)n);
		}
	}
	close(fd);
}
END_TEST

START_TEST(test_eif_file_open_a_huge_section_allocates_nothing)
{
	static const uint64_t sizes[] = {1ull << 40, 1ull << 63, UINT64_MAX, UINT64_MAX - 12};
	struct pcr_values pcrs;
	char path[64];
	int fd = make_eif(path, &pcrs);

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		_cleanup_eif_file_ struct eif_file *f = NULL;
		struct err err = ERR_INIT;
		uint8_t size[8];

		put_be64(size, sizes[i]);
		ck_assert_int_eq(pwrite(fd, size, 8, EIF_HEADER_SIZE + 4), 8);
		assert_ok(eif_file_open(path, &f, &err));
		ck_assert(f->cut && f->section_count == 0 && !f->crc_ok);
		ck_assert_ptr_nonnull(strstr(f->anomalies[0].text, "declares"));
	}
	close(fd);
}
END_TEST

START_TEST(test_eif_reader_pcrs_half_a_file_gives_none)
{
	struct err err = ERR_INIT;
	struct pcr_values pcrs, again;
	char path[64];
	int fd = make_eif(path, &pcrs);

	assert_ok(eif_reader_pcrs(path, &again, &err));
	ck_assert_mem_eq(again.pcr0, pcrs.pcr0, PCR_SIZE);
	ck_assert_int_eq(ftruncate(fd, lseek(fd, 0, SEEK_END) - 1), 0);
	ck_assert_int_eq(eif_reader_pcrs(path, &again, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	close(fd);
}
END_TEST

START_TEST(test_eif_writer_calls_in_a_wrong_order_are_refused)
{
	struct err err = ERR_INIT;
	struct pcr_values v;
	struct eif_writer *w = eif_writer_new(-1, EIF_X86_64, &err);

	ck_assert_int_eq(eif_writer_write(w, "x", 1, &err), -1); // outside a section
	add(w, EIF_SECTION_KERNEL, "k");
	assert_ok(eif_writer_measure(w, &v, &err));
	ck_assert_int_eq(eif_writer_measure(w, &v, &err), -1);
	ck_assert_int_eq(eif_writer_section(w, EIF_SECTION_RAMDISK, &err), -1); // it would not be in the registers
	assert_ok(eif_writer_section(w, EIF_SECTION_SIGNATURE, &err));
	assert_ok(eif_writer_finish(w, &err));
	ck_assert_uint_eq(eif_writer_size(w), EIF_HEADER_SIZE + 2 * EIF_SECTION_HEADER_SIZE + 1);
	eif_writer_free(w);
}
END_TEST

// What is measured so far, over blocks, and as if nobody had asked in the end.
START_TEST(test_eif_writer_sha384_so_far_is_the_kernels_and_changes_nothing)
{
	static uint8_t kernel[600000];
	struct err err = ERR_INIT;
	struct pcr_values asked, plain;
	uint8_t so_far[PCR_SIZE], want[PCR_SIZE];

	memset(kernel, 'k', sizeof(kernel));
	ck_assert_ptr_nonnull(SHA384(kernel, sizeof(kernel), want));
	for (int threads = 0; threads < 2; threads++) {
		for (int ask = 0; ask < 2; ask++) {
			struct eif_writer *w = eif_writer_new(-1, EIF_X86_64, &err);

			if (threads)
				assert_ok(eif_writer_use_threads(w, 0, &err));
			assert_ok(eif_writer_section(w, EIF_SECTION_KERNEL, &err));
			assert_ok(eif_writer_write(w, kernel, sizeof(kernel), &err));
			if (ask)
				assert_ok(eif_writer_sha384_so_far(w, so_far, &err));
			add(w, EIF_SECTION_CMDLINE, "reboot=k");
			add(w, EIF_SECTION_RAMDISK, "one");
			assert_ok(eif_writer_measure(w, ask ? &asked : &plain, &err));
			eif_writer_free(w);
		}
		ck_assert_mem_eq(so_far, want, PCR_SIZE);
		ck_assert_mem_eq(asked.pcr0, plain.pcr0, PCR_SIZE);
		ck_assert_mem_eq(asked.pcr1, plain.pcr1, PCR_SIZE);
	}
}
END_TEST

START_TEST(test_eif_writer_section_the_33rd_does_not_fit)
{
	struct err err = ERR_INIT;
	struct eif_writer *w = eif_writer_new(-1, EIF_X86_64, &err);

	for (int i = 0; i < EIF_MAX_SECTIONS; i++)
		assert_ok(eif_writer_section(w, EIF_SECTION_RAMDISK, &err));
	ck_assert_int_eq(eif_writer_section(w, EIF_SECTION_RAMDISK, &err), -1);
	ck_assert_int_eq(err.class, ERR_LIMIT);
	eif_writer_free(w);
}
END_TEST

// ---- the digest that runs beside ------------------------------------------------------------------------------------

static const char last[] = "the last section, as long as one likes";

// Two sections and `last`, of which size and CRC are said beforehand. The digest said, "" for none; the file's own in
// `own`.
static const char *foresee(bool threads, uint64_t size, uint32_t crc, char own[DIGEST_TEXT_MAX])
{
	static char said[DIGEST_TEXT_MAX];
	struct err err = ERR_INIT;
	struct pcr_values pcrs;
	int fd = memfd_create("eif", 0);
	struct eif_writer *w = eif_writer_new(fd, EIF_X86_64, &err);

	if (threads)
		assert_ok(eif_writer_use_threads(w, 0, &err));
	add(w, EIF_SECTION_KERNEL, "kernel");
	add(w, EIF_SECTION_RAMDISK, "one");
	assert_ok(eif_writer_section(w, EIF_SECTION_RAMDISK, &err));
	assert_ok(eif_writer_foresee(w, size, crc, &err));
	assert_ok(eif_writer_write(w, last, sizeof(last), &err));
	assert_ok(eif_writer_measure(w, &pcrs, &err));
	assert_ok(eif_writer_finish(w, &err));
	said[0] = 0;
	ck_assert(eif_writer_digest(w, said) == (said[0] != 0));
	assert_ok(digest_of_range(fd, 0, eif_writer_size(w), own, &err));
	eif_writer_free(w);
	close(fd);
	return said;
}

START_TEST(test_eif_writer_digest_of_a_header_foreseen_rightly_is_the_files)
{
	char own[DIGEST_TEXT_MAX];

	for (int threads = 0; threads < 2; threads++)
		ck_assert_str_eq(foresee(threads, sizeof(last), crc_add(0, last, sizeof(last)), own), own);
}
END_TEST

// A wrong CRC or length is no harm to the file, and its digest is not said.
START_TEST(test_eif_writer_digest_of_a_header_foreseen_wrongly_is_none)
{
	char right[DIGEST_TEXT_MAX], own[DIGEST_TEXT_MAX];
	uint32_t crc = crc_add(0, last, sizeof(last));

	for (int threads = 0; threads < 2; threads++) {
		foresee(threads, sizeof(last), crc, right);
		for (int bit = 0; bit < 32; bit++) {
			ck_assert_str_eq(foresee(threads, sizeof(last), crc ^ 1u << bit, own), "");
			ck_assert_str_eq(own, right);
		}
		ck_assert_str_eq(foresee(threads, sizeof(last) - 1, crc, own), "");
		ck_assert_str_eq(own, right);
		ck_assert_str_eq(foresee(threads, UINT64_MAX, crc, own), "");
		ck_assert_str_eq(own, right);
	}
}
END_TEST

// Another section behind the one that was to be the last, or one that was to be there and has no byte.
START_TEST(test_eif_writer_digest_of_another_end_is_none)
{
	struct err err = ERR_INIT;
	char text[DIGEST_TEXT_MAX];

	for (int more = 0; more < 2; more++) {
		int fd = memfd_create("eif", 0);
		struct eif_writer *w = eif_writer_new(fd, EIF_X86_64, &err);

		assert_ok(eif_writer_section(w, EIF_SECTION_RAMDISK, &err));
		assert_ok(eif_writer_foresee(w, (uint64_t)more, crc_add(0, "x", (size_t)more), &err));
		assert_ok(eif_writer_write(w, "x", (size_t)more, &err));
		if (more)
			assert_ok(eif_writer_section(w, EIF_SECTION_SIGNATURE, &err));
		assert_ok(eif_writer_finish(w, &err));
		ck_assert(!eif_writer_digest(w, text));
		eif_writer_free(w);
		close(fd);
	}
}
END_TEST

START_TEST(test_eif_writer_foresee_at_a_wrong_time_is_refused)
{
	struct err err = ERR_INIT;
	int fd = memfd_create("eif", 0);
	struct eif_writer *w = eif_writer_new(fd, EIF_X86_64, &err), *nowhere = eif_writer_new(-1, EIF_X86_64, &err);
	char text[DIGEST_TEXT_MAX];

	ck_assert_int_eq(eif_writer_foresee(w, 1, 1, &err), -1); // no section
	add(w, EIF_SECTION_KERNEL, "k");
	ck_assert_int_eq(eif_writer_foresee(w, 1, 1, &err), -1); // it has begun
	assert_ok(eif_writer_section(w, EIF_SECTION_RAMDISK, &err));
	assert_ok(eif_writer_foresee(w, 1, 1, &err));
	ck_assert_int_eq(eif_writer_foresee(w, 1, 1, &err), -1); // twice
	assert_ok(eif_writer_section(nowhere, EIF_SECTION_RAMDISK, &err));
	ck_assert_int_eq(eif_writer_foresee(nowhere, 1, 1, &err), -1);
	assert_ok(eif_writer_finish(nowhere, &err));
	ck_assert(!eif_writer_digest(nowhere, text));
	eif_writer_free(nowhere);
	eif_writer_free(w);
	close(fd);
}
END_TEST

START_TEST(test_eif_writer_finish_a_full_disk_is_the_outputs)
{
	struct err err = ERR_INIT;
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	struct eif_writer *w = eif_writer_new(fd, EIF_X86_64, &err);

	ck_assert_int_eq(eif_writer_finish(w, &err), -1);
	ck_assert_int_eq(err.errnum, ENOSPC);
	ck_assert_str_eq(err.msg, "output file: write: No space left on device");
	eif_writer_free(w);
	close(fd);
}
END_TEST

START_TEST(test_eif_metadata_write_a_field_that_is_missing_or_no_text_is_refused)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct eif_metadata m = metadata;

	m.build_tool = NULL;
	ck_assert_int_eq(eif_metadata_write(&m, &out, &err), -1);
	ck_assert_int_eq(err.class, ERR_USAGE);
	m.build_tool = "\xff";
	ck_assert_int_eq(eif_metadata_write(&m, &out, &err), -1);
	ck_assert_int_eq(err.class, ERR_INPUT);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

UNIT_MAIN("eifgen/eif", ADD(test_eif_file_open_reads_back_what_the_writer_wrote)
	ADD(test_eif_file_open_each_flipped_header_byte_is_an_anomaly_or_an_error)
	ADD(test_eif_file_open_every_cut_is_noticed) ADD(test_eif_file_open_a_huge_section_allocates_nothing)
	ADD(test_eif_reader_pcrs_half_a_file_gives_none) ADD(test_eif_writer_calls_in_a_wrong_order_are_refused)
	ADD(test_eif_writer_section_the_33rd_does_not_fit)
	ADD(test_eif_writer_sha384_so_far_is_the_kernels_and_changes_nothing)
	ADD(test_eif_writer_finish_a_full_disk_is_the_outputs)
	ADD(test_eif_writer_digest_of_a_header_foreseen_rightly_is_the_files)
	ADD(test_eif_writer_digest_of_a_header_foreseen_wrongly_is_none)
	ADD(test_eif_writer_digest_of_another_end_is_none) ADD(test_eif_writer_foresee_at_a_wrong_time_is_refused)
	ADD(test_eif_metadata_write_a_field_that_is_missing_or_no_text_is_refused))
