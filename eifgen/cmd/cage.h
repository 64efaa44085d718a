// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage …`: the three commands around a project's cage.json, what they share, and the program that builds its
// Dockerfile.
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

// ---- building the Dockerfile (cage_builder.c) -----------------------------------------------------------------------
struct cage_build_request {
	const char *builder; // "buildah", "podman", "docker", or NULL: the first of them that is in PATH
	const char *dockerfile, *context;
	const char *arch; // OCI name
	uint32_t epoch;
	bool no_cache;
	const char *const *build_args; // NAME=VALUE
	size_t build_arg_count;
	const char *work; // the OCI layout to make; what an earlier run left there is removed, anything else refused
};

// Runs the builder, its output on stderr, and leaves the image in `work`. *tag (static) is what a reference to it needs
// behind the directory: ":cage" or "". 0 or -1; the builder's name and exit status are in the message. A signal that
// would end us meanwhile ends the builder, and we return -1.
int cage_builder_run(const struct cage_build_request *r, const char **tag, struct err *err);
// Puts the layout at `fresh` in `place`; what stood there (a layout of ours, or nothing) is at `fresh` then, so that
// another call takes it back. ERR_USAGE if something else stands there.
int cage_image_swap(const char *fresh, const char *place, struct err *err);
// Removes a layout of ours; anything else stays. Silent.
void cage_image_drop(const char *dir);

// ---- what the commands share (cage.c) -------------------------------------------------------------------------------
enum cage_option { CAGE_OPT_CONFIG = 900, CAGE_OPT_RUNTIME, CAGE_OPT_BUILD_ARG };
enum { CAGE_BUILD_ARGS_MAX = 256 };

#define CAGE_SHORTS "f:"
#define CAGE_LONGS                                                                                                     \
	{"file", required_argument, NULL, 'f'}, {"config", required_argument, NULL, CAGE_OPT_CONFIG},                  \
		{"runtime", required_argument, NULL, CAGE_OPT_RUNTIME},                                                \
		{"build-arg", required_argument, NULL, CAGE_OPT_BUILD_ARG}
#define CAGE_HELP                                                                                                      \
	"  -f, --file FILE           the Dockerfile (default: the one that cage.json names)\n"                              \
	"      --config FILE         default: CONTEXT/cage.json\n"                                                     \
	"      --runtime DIR         the directory that `make bundle` makes\n"                                         \
	"      --build-arg NAME=VALUE\n"                                                                               \
	"                            for the Dockerfile; repeat it\n"

struct cage_options { // all borrowed from argv
	const char *context, *file, *config_path, *runtime;
	const char *build_args[CAGE_BUILD_ARGS_MAX];
	size_t build_arg_count;
};

// Takes option `opt` (of CAGE_LONGS) with optarg. 0; EXIT_TROUBLE with the usage error said; -1 if it is none of these.
int cage_option_take(struct cage_options *o, int opt);
// After the last option: the one operand, and what must be there. 0, or EXIT_TROUBLE with the usage error said.
int cage_options_end(struct cage_options *o, int argc, char **argv);

struct cage_file;
struct cage_bundle;
// What the options name: cage.json, the Dockerfile's path, the runtime that the file wants. What is set on failure is
// the caller's to free, too.
int cage_options_load(const struct cage_options *o, struct cage_file *f, char **dockerfile, struct cage_bundle **bundle,
		      struct err *err);

// ---- cage.json ------------------------------------------------------------------------------------------------------
struct cage_file {
	char *path; // owned
	struct buf text;
	struct cage_config *config; // owned
};

// Reads and parses; the path is in the message. -1 leaves *f for cage_file_clear, too.
int cage_file_load(const char *path, struct cage_file *f, struct err *err);
void cage_file_clear(struct cage_file *f);

// NAME as seen from the directory of FILE, or NAME alone if it is absolute. The caller's; NULL with err.
char *cage_path_beside(const char *file, const char *name, struct err *err);

#endif
