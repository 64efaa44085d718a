// SPDX-License-Identifier: Apache-2.0
//
// Reading EIFs from strangers. eif_file_open walks the sections as AWS's reader does, by their own headers from byte
// 548 on (facts/eif-format.md 7), and hashes them in one pass; but where that reader ignores or crashes, this one
// bounds everything by the file's size first and writes down what is not as it should be: the anomalies. Each is either
// a departure, which no writer of ours or of AWS's would make, or tolerated: something that AWS's own tools have
// written, or verify as it is.
//
// A file that cannot be an EIF at all (shorter than the header, or without the magic and without one readable section)
// is an error; everything else opens.
#ifndef EIFGEN_EIF_READER_H
#define EIFGEN_EIF_READER_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "eifgen/eif.h"
#include "eifgen/json_value.h"
#include "pcr/eif_sig.h"
#include "pcr/pcr.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct eif_section {
	uint16_t type, flags;
	uint64_t offset; // of the section's header; its data stands 12 bytes further
	uint64_t size;	 // of the data
};

struct eif_anomaly {
	char *text; // one line
	bool tolerated;
};

struct eif_file {
	int fd;
	uint64_t size;

	// The header as it stands there.
	uint16_t version, flags, reserved, declared_sections;
	uint64_t default_mem, default_cpus;
	uint64_t offsets[EIF_MAX_SECTIONS], sizes[EIF_MAX_SECTIONS];
	uint32_t unused, stored_crc;

	// The walk.
	struct eif_section *sections;
	size_t section_count, section_cap;
	bool cut;	       // it ended at something that is no section; what comes behind was not read
	uint32_t crc;	       // computed over header and sections
	bool crc_ok;	       // and equal to the stored one, and not cut
	struct pcr_values pcrs; // of the sections walked; pcr8 if a certificate could be read

	// The last metadata section, if there is one that is sound (facts 5.3). meta.nodes is NULL otherwise.
	bool has_metadata;
	struct jdoc meta;
	// Into meta; NULL if it is not sound.
	const struct jval *image_name, *image_version, *build[5], *docker_info, *custom;

	// The last signature section. `sig` is empty and cert NULL where they could not be read.
	size_t signature_count;
	struct eif_sig sig;
	X509 *cert;
	bool cose_ok;	   // the COSE signature is that of the certificate's key
	bool signature_ok; // and its payload is the one for this file's PCR0

	// Why the file is not whole: the walk ended early, or the header counts more sections than there are. One of
	// the anomalies' texts; NULL if nothing is missing.
	const char *lacks;
	struct eif_anomaly *anomalies;
	size_t anomaly_count, anomaly_cap;
	size_t signature_anomalies; // index of the first that concerns the signature section alone; the rest do too
};

// Names of meta's five build fields, in order.
extern const char *const eif_build_fields[5];

// *out is the caller's. ERR_IO if it is no regular file or cannot be read, ERR_INPUT if it is no EIF at all, ERR_LIMIT
// past 65536 sections, ERR_MEMORY.
int eif_file_open(const char *path, struct eif_file **out, struct err *err);
// The same of a file that is open for reading; what it is called does not matter. fd stays the caller's.
int eif_file_open_fd(int fd, struct eif_file **out, struct err *err);
void eif_file_free(struct eif_file *f);
CLEANUP_DEFINE(struct eif_file, cleanup_eif_file, eif_file_free)
#define _cleanup_eif_file_ _cleanup_(cleanup_eif_filep)

// PCR0-2 of the file, and PCR8 if it is signed. Stricter than opening: a file that is cut, whose CRC is wrong or whose
// signature section cannot be read is ERR_INPUT, since registers of half a file mislead.
int eif_reader_pcrs(const char *path, struct pcr_values *v, struct err *err);

// Copies a section's data to a sink.
int eif_file_copy(const struct eif_file *f, const struct eif_section *s, struct sink out, struct err *err);
const char *eif_section_name(uint16_t type); // "kernel"; "type 9" is not named: NULL

// ---- between the reader's files -------------------------------------------------------------------------------------
// Writes down an anomaly. 0, or -1 out of memory.
int eif_note(struct eif_file *f, bool tolerated, struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int eif_check_layout(struct eif_file *f, struct err *err);   // header tables, order, counts
int eif_read_metadata(struct eif_file *f, struct err *err);  // fills has_metadata and what follows
int eif_read_signature(struct eif_file *f, struct err *err); // fills signature_count and what follows, pcr8
// After the signature was read: a num_sections of 0 becomes tolerated where it is all that is wrong with a signed file.
int eif_forgive_count(struct eif_file *f, struct err *err);

#endif
