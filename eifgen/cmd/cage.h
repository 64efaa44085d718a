// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage …`: the three commands around a project's cage.json, and the program that builds its Dockerfile.
#ifndef EIFGEN_CMD_CAGE_H
#define EIFGEN_CMD_CAGE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "eifgen/cage_config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int cage_build_run(int argc, char **argv);
int cage_init_run(int argc, char **argv);
int cage_dockerfile_run(int argc, char **argv);

// ---- building the Dockerfile (cage_builder.c) ------------------------------------------------------------------------
struct cage_build_request {
	const char *builder; // "buildah", "podman", "docker", or NULL: the first of them that is in PATH
	const char *dockerfile, *context;
	const char *arch; // OCI name
	uint32_t epoch;
	bool no_cache;
	const char *const *build_args; // NAME=VALUE
	size_t build_arg_count;
	const char *work; // the OCI layout to make; one that is there is replaced, anything else refused
};

// Runs the builder, its output on stderr, and leaves the image in `work`. *ref (the caller's) is its reference. 0 or -1; the
// builder's name and exit status are in the message.
int cage_builder_run(const struct cage_build_request *r, char **ref, struct err *err);

// ---- cage.json -------------------------------------------------------------------------------------------------------
struct cage_file {
	char *path; // owned
	struct buf text;
	struct cage_config *config; // owned
};

// Reads and parses; the path is in the message. -1 leaves *f for cage_file_clear, too.
int cage_file_load(const char *path, struct cage_file *f, struct err *err);
void cage_file_clear(struct cage_file *f);

// DIR/NAME, or NAME alone if it is absolute. The caller's; NULL with err.
char *cage_path(const char *dir, const char *name, struct err *err);

#endif
