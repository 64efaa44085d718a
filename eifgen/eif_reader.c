// SPDX-License-Identifier: Apache-2.0
//
// The walk and the one pass over a file's bytes. No size from the file is believed before it has been held against the
// bytes that are left, and no buffer is ever sized by one: data goes past in blocks.
//
//   walk: section headers only (pread of 12 bytes each), until fewer than 12 bytes remain or something is no section
//   hash: header[0..0x220), then each section's header and data, in file order: CRC; kernel, cmdline, ramdisks: PCRs
#include "eifgen/eif_reader.h"

#include "base/be.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum {
	BLOCK = 128 * 1024,
	SECTIONS_MAX = 65536, // 12 bytes each: no real file has more than 32, and a walk must end some time
	HEADER_CRC_AT = 0x220,
};

static const char *const section_names[] = {
	[EIF_SECTION_INVALID] = NULL,	 [EIF_SECTION_KERNEL] = "kernel",	[EIF_SECTION_CMDLINE] = "cmdline",
	[EIF_SECTION_RAMDISK] = "ramdisk", [EIF_SECTION_SIGNATURE] = "signature", [EIF_SECTION_METADATA] = "metadata",
};

const char *eif_section_name(uint16_t type)
{
	return type <= EIF_SECTION_METADATA ? section_names[type] : NULL;
}

int eif_note(struct eif_file *f, bool tolerated, struct err *err, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;
	char *copy;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (mem_grow(&f->anomalies, &f->anomaly_cap, f->anomaly_count, sizeof(*f->anomalies), err))
		return -1;
	copy = mem_strdup(text, err);
	if (!copy)
		return -1;
	f->anomalies[f->anomaly_count++] = (struct eif_anomaly){copy, tolerated};
	return 0;
}

static int read_header(struct eif_file *f, uint8_t h[EIF_HEADER_SIZE], struct err *err)
{
	if (f->size < EIF_HEADER_SIZE)
		return err_set(err, ERR_INPUT, "%llu bytes, fewer than an EIF's header of %d",
			       (unsigned long long)f->size, EIF_HEADER_SIZE);
	if (io_pread_full(f->fd, h, EIF_HEADER_SIZE, 0, err))
		return -1;
	f->version = get_be16(h + 4);
	f->flags = get_be16(h + 6);
	f->default_mem = get_be64(h + 8);
	f->default_cpus = get_be64(h + 16);
	f->reserved = get_be16(h + 0x18);
	f->declared_sections = get_be16(h + 0x1a);
	for (size_t i = 0; i < EIF_MAX_SECTIONS; i++) {
		f->offsets[i] = get_be64(h + 0x1c + 8 * i);
		f->sizes[i] = get_be64(h + 0x11c + 8 * i);
	}
	f->unused = get_be32(h + 0x21c);
	f->stored_crc = get_be32(h + HEADER_CRC_AT);
	return 0;
}

// Takes one section at `at`. 1: taken; 0: what stands there is none, and an anomaly says why; -1: error.
static int walk_section(struct eif_file *f, uint64_t at, struct err *err)
{
	uint8_t h[EIF_SECTION_HEADER_SIZE];
	struct eif_section s = {.offset = at};
	uint64_t left = f->size - at - EIF_SECTION_HEADER_SIZE;

	if (io_pread_full(f->fd, h, sizeof(h), at, err))
		return -1;
	s.type = get_be16(h);
	s.flags = get_be16(h + 2);
	s.size = get_be64(h + 4);
	if (!eif_section_name(s.type))
		return eif_note(f, false, err, "section %zu at byte %llu is of type %u, which does not exist",
				f->section_count, (unsigned long long)at, s.type);
	if (s.size > left)
		return eif_note(f, false, err, "section %zu at byte %llu declares %llu bytes, %llu are left",
				f->section_count, (unsigned long long)at, (unsigned long long)s.size,
				(unsigned long long)left);
	if (f->section_count == SECTIONS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d sections", SECTIONS_MAX);
	if (mem_grow(&f->sections, &f->section_cap, f->section_count, sizeof(s), err))
		return -1;
	f->sections[f->section_count++] = s;
	return 1;
}

static int walk(struct eif_file *f, struct err *err)
{
	uint64_t at = EIF_HEADER_SIZE;

	while (f->size - at >= EIF_SECTION_HEADER_SIZE) {
		int rc = walk_section(f, at, err);

		if (rc < 0)
			return -1;
		if (!rc) {
			f->cut = true;
			f->lacks = f->anomalies[f->anomaly_count - 1].text;
			return 0;
		}
		at += EIF_SECTION_HEADER_SIZE + f->sections[f->section_count - 1].size;
	}
	if (at < f->size)
		return eif_note(f, false, err, "%u bytes after the last section", (unsigned)(f->size - at));
	return 0;
}

static bool is_measured(uint16_t type)
{
	return type == EIF_SECTION_KERNEL || type == EIF_SECTION_CMDLINE || type == EIF_SECTION_RAMDISK;
}

static int hash_section(struct eif_file *f, const struct eif_section *s, struct pcr_measure *m, uLong *crc,
			struct err *err)
{
	uint8_t block[BLOCK];
	uint64_t at = s->offset, end = s->offset + EIF_SECTION_HEADER_SIZE + s->size;

	if (is_measured(s->type) &&
	    pcr_measure_section(m, s->type == EIF_SECTION_RAMDISK ? PCR_RAMDISK : PCR_KERNEL_CMDLINE, err))
		return -1;
	while (at < end) {
		size_t skip = at == s->offset ? EIF_SECTION_HEADER_SIZE : 0; // in the CRC, not in the registers
		size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;

		if (io_pread_full(f->fd, block, n, at, err))
			return -1;
		*crc = crc32_z(*crc, block, n);
		if (is_measured(s->type) && pcr_measure_update(m, block + skip, n - skip, err))
			return -1;
		at += n;
	}
	return 0;
}

static int hash(struct eif_file *f, const uint8_t header[EIF_HEADER_SIZE], struct err *err)
{
	struct pcr_measure *m = pcr_measure_new(err);
	uLong crc = crc32_z(0, header, HEADER_CRC_AT);
	int rc = m ? 0 : -1;

	for (size_t i = 0; i < f->section_count && !rc; i++)
		rc = hash_section(f, &f->sections[i], m, &crc, err);
	if (!rc)
		rc = pcr_measure_final(m, &f->pcrs, err);
	pcr_measure_free(m);
	if (rc)
		return -1;
	f->crc = (uint32_t)crc;
	f->crc_ok = !f->cut && f->crc == f->stored_crc;
	if (!f->cut && !f->crc_ok)
		return eif_note(f, false, err, "CRC in the header is %08x, that of the content is %08x", f->stored_crc,
				f->crc);
	return 0;
}

static int read_all(struct eif_file *f, struct err *err)
{
	uint8_t header[EIF_HEADER_SIZE];
	bool magic;

	if (io_file_size(f->fd, &f->size, err)) {
		err->class = ERR_IO; // a directory or a device: no file to judge
		return -1;
	}
	if (read_header(f, header, err))
		return -1;
	magic = !memcmp(header, ".eif", 4);
	if (!magic && eif_note(f, false, err, "magic is %02x %02x %02x %02x, not \".eif\"", header[0], header[1],
			       header[2], header[3]))
		return -1;
	if (walk(f, err))
		return -1;
	if (!magic && (f->cut || !f->section_count))
		return err_set(err, ERR_INPUT, "no EIF: neither its magic nor its sections are there");
	if (hash(f, header, err) || eif_check_layout(f, err) || eif_read_metadata(f, err))
		return -1;
	f->signature_anomalies = f->anomaly_count;
	return eif_read_signature(f, err) ? -1 : eif_forgive_count(f, err);
}

// Of a descriptor that is the file's from here on.
static int open_taken(int fd, struct eif_file **out, struct err *err)
{
	_cleanup_eif_file_ struct eif_file *f = mem_zalloc(1, sizeof(*f), err);

	if (!f) {
		close(fd);
		return -1;
	}
	f->fd = fd;
	if (read_all(f, err))
		return -1;
	*out = steal_ptr(&f);
	return 0;
}

int eif_file_open(const char *path, struct eif_file **out, struct err *err)
{
	int fd = io_open(path, err);

	return fd < 0 ? -1 : open_taken(fd, out, err);
}

int eif_file_open_fd(int fd, struct eif_file **out, struct err *err)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return own < 0 ? err_sys(err, errno, "duplicate a descriptor") : open_taken(own, out, err);
}

void eif_file_free(struct eif_file *f)
{
	if (!f)
		return;
	cleanup_closep(&f->fd);
	free(f->sections);
	for (size_t i = 0; i < f->anomaly_count; i++)
		free(f->anomalies[i].text);
	free(f->anomalies);
	jdoc_free(&f->meta);
	eif_sig_free(&f->sig);
	X509_free(f->cert);
	free(f);
}

int eif_reader_pcrs(const char *path, struct pcr_values *v, struct err *err)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;

	if (eif_file_open(path, &f, err))
		return -1;
	if (!f->crc_ok || (f->signature_count && !f->pcrs.has_pcr8)) {
		for (size_t i = 0; i < f->anomaly_count; i++)
			if (!f->anomalies[i].tolerated)
				return err_set(err, ERR_INPUT, "%s", f->anomalies[i].text);
		return err_set(err, ERR_INPUT, "not a sound EIF");
	}
	*v = f->pcrs;
	return 0;
}

int eif_file_copy(const struct eif_file *f, const struct eif_section *s, struct sink out, struct err *err)
{
	uint8_t block[BLOCK];
	uint64_t at = s->offset + EIF_SECTION_HEADER_SIZE, end = at + s->size;

	while (at < end) {
		size_t n = end - at < BLOCK ? (size_t)(end - at) : BLOCK;

		if (io_pread_full(f->fd, block, n, at, err) || sink_write(&out, block, n, err))
			return -1;
		at += n;
	}
	return 0;
}
