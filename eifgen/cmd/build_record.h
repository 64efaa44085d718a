// SPDX-License-Identifier: Apache-2.0
//
// A job's record: what build, pcr and rebuild write, and hold against others.
#ifndef EIFGEN_CMD_BUILD_RECORD_H
#define EIFGEN_CMD_BUILD_RECORD_H

#include "eifgen/cmd/build_options.h"
#include "eifgen/json_out.h"
#include "eifgen/record.h"

// The job as a record's source; everything borrowed from it.
struct record_source build_job_source(const struct build_job *job);

// Digests of the finished EIF in fd, which is read if the build did not digest it, and of its listing, which the build
// was asked for; both "sha256:…" in room for DIGEST_TEXT_MAX. listing may be NULL.
int build_job_digests(const struct build_job *job, int fd, char *eif, char *listing, struct err *err);

// What build, pcr and rebuild say of a finished job, as members of an open object.
void build_job_report(const struct build_job *job, struct jout *o);

// For --locked: takes the record's epoch if the command line gave none, then refuses any input that is not the
// record's.
int build_job_lock_epoch(struct build_options *opt, const struct record *r, char epoch[24], struct err *err);

#endif
