// SPDX-License-Identifier: Apache-2.0
//
// The EIF reader on any bytes: no crash, no read past the end, no allocation sized by the file. What opens must
// describe, and what has no departure must be writable again by our writer with the same registers.
#include "base/io.h"
#include "eifgen/eif_reader.h"
#include "eifgen/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void rewrite(const struct eif_file *f)
{
	struct err err = ERR_INIT;
	struct pcr_values again = {.has_pcr8 = false};
	struct eif_writer *w = eif_writer_new(-1, EIF_X86_64, &err);

	for (size_t i = 0; w && i < f->section_count; i++)
		if (eif_writer_section(w, (enum eif_section_type)f->sections[i].type, &err) ||
		    eif_file_copy(f, &f->sections[i], eif_writer_sink(w), &err))
			abort();
	if (!w || eif_writer_measure(w, &again, &err) || eif_writer_finish(w, &err))
		abort();
	if (memcmp(again.pcr0, f->pcrs.pcr0, PCR_SIZE) != 0 || eif_writer_size(w) != f->size)
		abort();
	eif_writer_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_eif_file_ struct eif_file *f = NULL;
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	bool departure = false;
	char path[64];
	int fd = memfd_create("eif", MFD_CLOEXEC);

	if (fd < 0 || io_write(fd, data, size, &err))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!eif_file_open(path, &f, &err)) {
		jout_open(&o, NULL, '{');
		if (report_describe(&o, f, &err) || !jout_text(&o, &err))
			abort();
		for (size_t i = 0; i < f->anomaly_count; i++)
			departure = departure || !f->anomalies[i].tolerated;
		if (!departure)
			rewrite(f);
	}
	close(fd);
	return 0;
}
