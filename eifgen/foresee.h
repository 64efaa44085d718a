// SPDX-License-Identifier: Apache-2.0
//
// How long the application ramdisk will be and what its CRC will be, before it is written: the layout is run with
// nobody behind it. What it makes itself (headers, names, padding) is counted and summed, contents are joined by the
// CRC that they got when they were spooled, and none is read. With that the EIF's header is known before its last
// section, so that a digest of the file can run beside the writing.
#ifndef EIFGEN_FORESEE_H
#define EIFGEN_FORESEE_H

#include "eifgen/layout.h"

struct foresight {
	bool known; // false: the layout refuses this image, and will say so when it is really run
	uint64_t size;
	uint32_t crc;
};

// Says nothing to opt->warn. -1 only for trouble that is not the image's: memory, reading.
int foresee_app(const struct layout_options *opt, struct layout_app *app, struct foresight *out, struct err *err);

#endif
