// SPDX-License-Identifier: Apache-2.0
//
// The epoch: the one time that enters measured bytes, in seconds since 1970, and where it came from. Libraries never
// read the environment: the command passes the value of SOURCE_DATE_EPOCH in.
#ifndef EPOCH_EPOCH_H
#define EPOCH_EPOCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { EPOCH_DEFAULT = 315532801 }; // 1980-01-01 00:00:01 UTC, the earliest that every archive format holds

enum epoch_source { EPOCH_FROM_DEFAULT, EPOCH_FROM_NUMBER, EPOCH_FROM_ENV, EPOCH_FROM_GIT, EPOCH_FROM_IMAGE };

struct epoch {
	uint32_t seconds;
	enum epoch_source source;
	char commit[65];  // git: object id in hex (40 or 64 digits), else ""
	bool dirty;       // git: the work tree differs from HEAD (below the path, if one was given)
	char *dir, *path; // git: as given, or NULL; owned
};

void epoch_clear(struct epoch *e); // frees dir and path

// `text`: decimal seconds, 0 to 2^32-1, nothing else around. source says how to mark it (EPOCH_FROM_NUMBER or _ENV).
int epoch_from_text(const char *text, enum epoch_source source, struct epoch *out, struct err *err);
// Commit time (committer) of HEAD of the repository that holds dir; with path, of the last commit that changed it
// (path is relative to dir). facts in the architecture's hazards: safe.directory, SHA-256 repositories, shallow clones.
int epoch_from_git(const char *dir, const char *path, struct epoch *out, struct err *err);
// As epoch_from_git without a path, but commits (of one parent) that changed nothing but `file` (relative to dir) are
// stepped over, and that file alone does not make the work tree dirty: for a file into which a build writes its
// results, whose commit must not move the next build's epoch. A file outside of the work tree steps over nothing.
int epoch_from_git_but(const char *dir, const char *file, struct epoch *out, struct err *err);
// Whether a git repository holds dir (one that cannot be read counts: reading it gives the reason).
bool epoch_git_holds(const char *dir);
// RFC 3339 text of an image config's `created`; NULL or text that is no time is ERR_INPUT.
int epoch_from_created(const char *created, struct epoch *out, struct err *err);

// "2024-06-11T12:00:00Z" for seconds, by arithmetic (no timezone database). out holds 21 bytes.
char *epoch_rfc3339(uint32_t seconds, char out[21]);
const char *epoch_source_name(enum epoch_source s); // "default", "number", "SOURCE_DATE_EPOCH", "git", "image"

#endif
