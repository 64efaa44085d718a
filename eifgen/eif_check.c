// SPDX-License-Identifier: Apache-2.0
//
// Header and order of sections against what is written: by our writer and by AWS's eif_build and nitro-cli,
//
//   version 4      kernel cmdline metadata ramdisk… [signature]
//   version 2, 3   kernel cmdline ramdisk… [signature]            (AWS's tools before 4: tolerated)
//
// AWS's reader ignores all of this; what boots an enclave is said to check it (facts/eif-format.md 7).
#include "eifgen/eif_reader.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t default_mem = 1u << 30; // what every writer puts there (facts 1.1)
enum { DEFAULT_CPUS = 2, FLAG_AARCH64 = 1 };

static size_t count_type(const struct eif_file *f, uint16_t type)
{
	size_t n = 0;

	for (size_t i = 0; i < f->section_count; i++)
		n += f->sections[i].type == type;
	return n;
}

static int check_version(struct eif_file *f, struct err *err)
{
	bool metadata = count_type(f, EIF_SECTION_METADATA) > 0;

	if (f->version == EIF_VERSION)
		return 0;
	if (f->version == 2 || f->version == 3)
		return metadata
			   ? eif_note(f, false, err, "version %u has no metadata section, and here is one", f->version)
			   : eif_note(f, true, err, "version %u, as AWS's tools wrote before %d", f->version,
				      EIF_VERSION);
	return eif_note(f, false, err, "version %u; %d is written today", f->version, EIF_VERSION);
}

static int check_fixed(struct eif_file *f, struct err *err)
{
	if (check_version(f, err))
		return -1;
	if ((f->flags & ~FLAG_AARCH64) && eif_note(f, false, err, "unknown header flags %04x", f->flags))
		return -1;
	if (f->default_mem != default_mem &&
	    eif_note(f, false, err, "default memory is %" PRIu64 ", always %" PRIu64, f->default_mem, default_mem))
		return -1;
	if (f->default_cpus != DEFAULT_CPUS &&
	    eif_note(f, false, err, "default processors are %" PRIu64 ", always %d", f->default_cpus, DEFAULT_CPUS))
		return -1;
	if ((f->reserved || f->unused) && eif_note(f, false, err, "reserved header fields are not zero"))
		return -1;
	return 0;
}

// A slot of the header's tables against the section that stands at its place (NULL: the slot is unused).
static int check_slot(struct eif_file *f, size_t i, const struct eif_section *s, struct err *err)
{
	uint64_t offset = s ? s->offset : 0, size = s ? s->size : 0;

	if (f->offsets[i] != offset &&
	    eif_note(f, false, err, "section_offsets[%zu] is %" PRIu64 ", not %" PRIu64, i, f->offsets[i], offset))
		return -1;
	if (f->sizes[i] == size)
		return 0;
	if (s && s->type == EIF_SECTION_SIGNATURE)
		return eif_note(f, true, err,
				"section_sizes[%zu] is %" PRIu64 ", the signature has %" PRIu64
				" bytes: stale since AWS's sign-eif replaced it",
				i, f->sizes[i], size);
	return eif_note(f, false, err, "section_sizes[%zu] is %" PRIu64 ", not %" PRIu64, i, f->sizes[i], size);
}

static int check_tables(struct eif_file *f, struct err *err)
{
	if (f->declared_sections != f->section_count &&
	    eif_note(f, false, err, "num_sections is %u, the file holds %zu", f->declared_sections, f->section_count))
		return -1;
	if (f->declared_sections > f->section_count)
		f->lacks = f->anomalies[f->anomaly_count - 1].text;
	if (f->section_count > EIF_MAX_SECTIONS &&
	    eif_note(f, false, err, "%zu sections, more than %d", f->section_count, EIF_MAX_SECTIONS))
		return -1;
	for (size_t i = 0; i < EIF_MAX_SECTIONS; i++)
		if (check_slot(f, i, i < f->section_count ? &f->sections[i] : NULL, err))
			return -1;
	for (size_t i = 0; i < f->section_count; i++)
		if (f->sections[i].flags &&
		    eif_note(f, false, err, "section %zu has flags %04x, always 0", i, f->sections[i].flags))
			return -1;
	return 0;
}

// How many sections of a type a sound file holds.
static const struct {
	uint16_t type;
	bool needed, once;
} counts[] = {
	{EIF_SECTION_KERNEL, true, true},    {EIF_SECTION_CMDLINE, true, true},	   {EIF_SECTION_METADATA, false, true},
	{EIF_SECTION_RAMDISK, true, false}, {EIF_SECTION_SIGNATURE, false, true},
};

static int check_counts(struct eif_file *f, bool *right, struct err *err)
{
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		const char *name = eif_section_name(counts[i].type);
		size_t n = count_type(f, counts[i].type);
		bool needed = counts[i].needed || (counts[i].type == EIF_SECTION_METADATA && f->version >= EIF_VERSION);

		if ((n || !needed) && (n <= 1 || !counts[i].once))
			continue;
		*right = false;
		if (n ? eif_note(f, false, err, "%zu %s sections, not one", n, name)
		      : eif_note(f, false, err, "no %s section", name))
			return -1;
	}
	return 0;
}

// With the right counts, each section's rank may only grow.
static int check_order(struct eif_file *f, struct err *err)
{
	static const int rank[] = {[EIF_SECTION_KERNEL] = 1,	[EIF_SECTION_CMDLINE] = 2, [EIF_SECTION_METADATA] = 3,
				   [EIF_SECTION_RAMDISK] = 4, [EIF_SECTION_SIGNATURE] = 5};

	for (size_t i = 1; i < f->section_count; i++)
		if (rank[f->sections[i].type] < rank[f->sections[i - 1].type])
			return eif_note(f, false, err,
					"a %s section before the %s section; the order is kernel, cmdline, metadata, "
					"ramdisks, signature",
					eif_section_name(f->sections[i - 1].type),
					eif_section_name(f->sections[i].type));
	return 0;
}

int eif_check_layout(struct eif_file *f, struct err *err)
{
	bool right = true;

	if (check_fixed(f, err))
		return -1;
	if (f->cut)
		return 0; // counts and tables speak of the whole file, which was not seen
	if (check_tables(f, err) || check_counts(f, &right, err))
		return -1;
	return right ? check_order(f, err) : 0;
}

// AWS's tools describe a file whose count is 0 and verify its signature (testdata/eif/good/86-resign-nsec-zero).
// Nothing that verify vouches for rests on the count: the tables name every section at its place, the CRC holds, and
// the signer answers for kernel, cmdline and ramdisks. An unsigned file has nothing but its form to speak for it.
int eif_forgive_count(struct eif_file *f, struct err *err)
{
	struct eif_anomaly *only = NULL;
	char *text;

	if (f->declared_sections || !f->crc_ok || !f->signature_ok) // a file that is cut has no right CRC
		return 0;
	for (size_t i = 0; i < f->anomaly_count; i++) {
		if (f->anomalies[i].tolerated)
			continue;
		if (only)
			return 0;
		only = &f->anomalies[i];
	}
	if (!only)
		return 0;
	text = mem_printf(err, "%s: AWS's readers pass over that, and the signature answers for the content",
			  only->text);
	if (!text)
		return -1;
	free(only->text);
	*only = (struct eif_anomaly){text, true};
	return 0;
}
