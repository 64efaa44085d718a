// SPDX-License-Identifier: Apache-2.0
//
// Feeds the newc reader. Whatever it accepts is written again with our writer, and must come out the same: the reader
// takes nothing that the writer would not write.
#include "base/io.h"
#include "layerfs/newc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int copy(struct newc_reader *r, const uint8_t *data, struct buf *out, struct err *err)
{
	struct newc_writer w;
	struct newc_entry e;
	int rc;

	newc_writer_init(&w, sink_buf(out));
	while ((rc = newc_reader_next(r, &e, err)) == 1) {
		if (newc_write_entry(&w, &e.h, e.name, e.name_len, err) ||
		    newc_write_data(&w, data + e.data_offset, e.h.filesize, err))
			abort();
	}
	if (rc == 0 && newc_write_trailer(&w, newc_reader_trailer(r), err))
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct newc_reader *r = NULL;
	struct buf out = BUF_INIT(0);
	int fd = memfd_create("newc", MFD_CLOEXEC);

	if (fd < 0 || io_write(fd, data, size, &err) || newc_reader_new(fd, 0, size, &r, &err))
		abort();
	if (copy(r, data, &out, &err) == 0 && (out.len != size || memcmp(out.data, data, size)))
		abort();
	buf_free(&out);
	newc_reader_free(r);
	close(fd);
	return 0;
}
