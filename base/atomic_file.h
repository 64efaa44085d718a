// SPDX-License-Identifier: Apache-2.0
//
// Output that appears whole or not at all: written to a temporary file in the target's directory (mode 0600 while it is
// written, then 0666 less the umask, or what the target has), renamed at commit. A target that is a symlink is
// replaced, not followed; one that exists and is no regular file (a device, a pipe, a directory, a symlink to one) is
// an error.
//
// After a power cut a name that was committed shortly before leads to the older file or to the new one, and either is
// whole; not so with a lazy one: until the system has written it (half a minute by Linux's defaults) a cut may leave
// nothing, an empty file or a part under the name, though the older file of that name is gone.
#ifndef BASE_ATOMIC_FILE_H
#define BASE_ATOMIC_FILE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct atomic_place; // where the handler of a signal finds the temporary name

struct atomic_file {
	int fd; // -1 when closed; seekable
	char *path, *tmp;
	struct atomic_place *place;
	bool ready; // prepared: only the rename is left
	// Set after atomic_file_open: no fsync. For what is large and can be made again, and for the small files that
	// speak of it, which are worth nothing without it: their fsync waits for as much of it as the system has begun
	// to write, since a journal writes in order (milliseconds if nothing, seconds on a slow disk when memory is
	// short). Errors that a file system keeps for the end (NFS, CIFS and FUSE tell of a full disk or a quota at
	// close) are the commit's all the same.
	bool lazy;
	// Set after atomic_file_open for a file that is changed in place: it keeps the permissions that it has.
	bool keep_mode;
	// Set after atomic_file_open for what is the owner's alone: it stays 0600, whatever the umask allows.
	bool owner_only;
};

#define ATOMIC_FILE_INIT {-1, NULL, NULL, NULL, false, false, false, false}

int atomic_file_open(struct atomic_file *f, const char *path, struct err *err);
// All of a commit but the rename, which then hardly fails: for outputs that appear together, prepare each, then commit.
int atomic_file_prepare(struct atomic_file *f, struct err *err);
int atomic_file_commit(struct atomic_file *f, struct err *err); // fsync, rename; on error nothing appears
void atomic_file_discard(struct atomic_file *f); // removes the temporary file; idempotent; after commit nothing
// Unlinks every temporary file that is in the making, in any thread, and lets none be opened after it (ERR_IO, EINTR).
// Async-signal-safe: for the handler of a signal that ends the process.
void atomic_files_abandon(void);
#define _cleanup_atomic_file_ __attribute__((cleanup(atomic_file_discard)))

#endif
