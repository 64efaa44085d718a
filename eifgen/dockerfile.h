// SPDX-License-Identifier: Apache-2.0
//
// A Dockerfile as its reference describes it: parser directives, comments, continuation lines, heredocs, JSON and shell
// forms, stages, ARG and ENV with their expansion. Two steps: dockerfile_parse cuts the text into instructions and
// keeps where each stood, so that a writer can leave what it does not change byte for byte; dockerfile_evaluate works
// out what the last stage's image config will be, as far as the text (and a base image's config, if one is given) says.
#ifndef EIFGEN_DOCKERFILE_H
#define EIFGEN_DOCKERFILE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DOCKERFILE_MAX = 4 << 20, DOCKERFILE_INSTRUCTIONS_MAX = 20000, DOCKERFILE_WORDS_MAX = 4096 };

struct docker_instruction {
	char *word;	   // upper case: "FROM"
	char *args;	   // one logical line: continuations joined, comment lines between them left out, trimmed
	size_t start, end; // its bytes in the text: whole lines, heredocs included
	unsigned line;	   // of its first byte, from 1
	char **list;	   // the JSON form's strings; NULL: not in that form
	size_t count;
};

struct dockerfile {
	char escape;	     // '\\', or what the escape directive says
	bool open; // the text ends with a continuation mark: what is put behind it belongs to the last instruction
	struct docker_instruction *items; // owned
	size_t count, cap;
};

// Parses n bytes. *out is the caller's. ERR_INPUT with `line N: `; ERR_LIMIT past the caps.
int dockerfile_parse(const void *text, size_t n, struct dockerfile **out, struct err *err);
void dockerfile_free(struct dockerfile *d);
CLEANUP_DEFINE(struct dockerfile, dockerfile_free, dockerfile_free)

// A list of texts, owned.
struct docker_list {
	char **item;
	size_t count, cap;
	bool set; // the list was given, if only as an empty one
};

int docker_list_add(struct docker_list *l, const char *text, struct err *err);
int docker_list_copy(struct docker_list *to, const struct docker_list *from, struct err *err);
void docker_list_clear(struct docker_list *l);

// What an image's config will say.
struct docker_image {
	struct docker_list entrypoint, cmd, env; // env: NAME=VALUE in order of first mention
	struct docker_list shell;		 // of the shell forms; not set: /bin/sh -c
	char *user, *workdir;			 // "" when not set
	struct docker_list expose;		 // "8080/tcp"
	bool healthcheck;			 // a HEALTHCHECK other than NONE
	char *base;	     // of the stage: what FROM names when no stage of the file has that name
	bool onbuild;	     // the last stage holds ONBUILD, which acts in other builds only
	struct docker_list triggers; // ONBUILD's instructions; they act at once in a stage whose base this is
	size_t stages;
};

struct docker_build {
	const char *const *args; // NAME=VALUE of the command line
	size_t arg_count;
	const char *arch;		 // OCI name, of TARGETARCH and its kin
	// the config of the last stage's base image, or NULL: then nothing of it is known
	const struct docker_image *base;
};

// out is cleared first; ERR_INPUT with `line N: ` for what no builder would take, ERR_LIMIT for what would cost too
// much.
int dockerfile_evaluate(const struct dockerfile *d, const struct docker_build *build, struct docker_image *out,
			struct err *err);
void docker_image_clear(struct docker_image *i);

// What working out one Dockerfile may cost, in bytes copied and variables and patterns looked at: far more than one
// that is meant to be built, and some seconds at most.
enum { DOCKERFILE_WORK_MAX = 1 << 27 };
// Takes steps off what is left: ERR_LIMIT if that is less.
int docker_spend(uint64_t *work, uint64_t steps, struct err *err);

// The value of a word with quotes removed and variables expanded from `vars` (NAME=VALUE, the last one counts), in
// every form that the reference has. The caller's; NULL with err. What it costs is taken off *work.
char *docker_expand(const char *word, char escape, const struct docker_list *vars, uint64_t *work, struct err *err);

#endif
