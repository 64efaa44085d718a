// SPDX-License-Identifier: Apache-2.0
//
// The outer tar of archives: any bytes, opened as a docker-archive and as an OCI archive, from a memory file.
#include "base/io.h"
#include "layerfs/image.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_as(const char *transport, int fd)
{
	struct image_options opt = {.arch = "amd64"};
	struct image *img = NULL;
	struct err err = ERR_INIT;
	char ref[64];

	snprintf(ref, sizeof(ref), "%s/proc/self/fd/%d", transport, fd);
	if (!image_open(ref, &opt, &img, &err))
		image_free(img);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	struct err err = ERR_INIT;

	if (fd < 0)
		return 0;
	if (!io_write(fd, data, size, &err)) {
		open_as("docker-archive:", fd);
		open_as("oci-archive:", fd);
	}
	close(fd);
	return 0;
}
