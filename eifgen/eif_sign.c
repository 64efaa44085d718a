// SPDX-License-Identifier: Apache-2.0
//
// The copy is measured again while it is written, so that a file that changes under our hands between reading and
// copying gets no signature made for its earlier content.
#include "eifgen/eif_sign.h"

#include <string.h>

int eif_sign_allowed(const struct eif_file *f, struct err *err)
{
	for (size_t i = 0; i < f->signature_anomalies; i++)
		if (!f->anomalies[i].tolerated)
			return err_set(err, ERR_INPUT, "not signed, because something is wrong with it: %s",
				       f->anomalies[i].text);
	if (f->version != EIF_VERSION)
		return err_set(err, ERR_INPUT, "not signed: version %u, and only %d is written: build it again",
			       f->version, EIF_VERSION);
	return 0;
}

static int copy_sections(const struct eif_file *f, const struct buf *section, struct eif_writer *w, struct err *err)
{
	struct pcr_values again = {.has_pcr8 = false};

	for (size_t i = 0; i < f->section_count; i++) {
		const struct eif_section *s = &f->sections[i];

		if (s->type == EIF_SECTION_SIGNATURE)
			continue;
		if (eif_writer_section(w, (enum eif_section_type)s->type, err) ||
		    eif_file_copy(f, s, eif_writer_sink(w), err))
			return -1;
	}
	if (eif_writer_measure(w, &again, err))
		return -1;
	if (memcmp(again.pcr0, f->pcrs.pcr0, PCR_SIZE) != 0)
		return err_set(err, ERR_INPUT, "the file changed while it was read");
	if (eif_writer_section(w, EIF_SECTION_SIGNATURE, err) || eif_writer_write(w, section->data, section->len, err))
		return -1;
	return eif_writer_finish(w, err);
}

int eif_sign_copy(const struct eif_file *f, const struct buf *section, int fd, struct err *err)
{
	struct eif_writer *w = eif_writer_new(fd, f->flags & 1 ? EIF_AARCH64 : EIF_X86_64, err);
	int rc = w ? copy_sections(f, section, w, err) : -1;

	eif_writer_free(w);
	return rc;
}
