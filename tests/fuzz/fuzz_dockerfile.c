// SPDX-License-Identifier: Apache-2.0
//
// A Dockerfile from a stranger: cut and evaluated. Instructions stand in order, within the text, and do not overlap.
#include "eifgen/dockerfile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const args[] = {"BASE=debian", "EMPTY="};
	static const struct docker_build build = {.args = args, .arg_count = 2, .arch = "amd64"};
	struct dockerfile *d = NULL;
	struct docker_image image = {.stages = 0};
	struct err err = ERR_INIT;
	size_t at = 0;

	if (dockerfile_parse(data, size, &d, &err))
		return 0;
	for (size_t i = 0; i < d->count; i++) {
		if (d->items[i].start < at || d->items[i].end <= d->items[i].start || d->items[i].end > size)
			abort();
		at = d->items[i].end;
	}
	if (dockerfile_evaluate(d, &build, &image, &err) == 0)
		docker_image_clear(&image);
	dockerfile_free(d);
	return 0;
}
