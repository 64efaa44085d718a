// SPDX-License-Identifier: Apache-2.0
//
// The Dockerfile way to a cage, for those who must stay with Docker and nitro-cli: the project's own text, untouched,
// and behind it the instructions that put the same files into the image as the overlay does.
#ifndef EIFGEN_CAGE_DOCKERFILE_H
#define EIFGEN_CAGE_DOCKERFILE_H

#include "eifgen/cage_bundle.h"
#include "eifgen/cage_config.h"
#include "eifgen/dockerfile.h"

struct cage_dockerfile {
	const void *text; // the Dockerfile
	size_t n;
	const struct docker_image *image; // what it evaluates to
	const struct cage_config *config;
	const struct cage_bundle *bundle;
	uint32_t port;
	const char *runtime; // where the bundle's files are: a directory of the context, or an https:// address
};

// Appends the whole Dockerfile. ERR_INPUT if there is nothing to run, or a word holds a line feed.
int cage_dockerfile_print(const struct cage_dockerfile *c, struct buf *out, struct err *err);

// An image config as skopeo or an OCI layout has it (JSON, n bytes) into *out, for dockerfile_evaluate. The caller
// clears it.
int cage_dockerfile_base(const void *json, size_t n, struct docker_image *out, struct err *err);

#endif
