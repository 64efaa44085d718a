// SPDX-License-Identifier: Apache-2.0
//
// What `sign` does with the record of the EIF that it signs: the record stays true, since whoever pushes, verifies or
// rebuilds holds the file against it.
#ifndef EIFGEN_CMD_SIGN_RECORD_H
#define EIFGEN_CMD_SIGN_RECORD_H

#include "base/io.h"
#include "eifgen/eif_reader.h"
#include "eifgen/record.h"
#include "pcr/signer.h"

// Where the EIF at `path` really is: what a symlink leads to, so that signing in place reaches the file and not the
// link. The caller frees it.
char *sign_target(const char *path, struct err *err);

struct sign_record {
	// --record, or NULL: FILE.record.json beside the file or the link that leads to it, if there is one
	const char *path;
	bool none;	  // --no-record
	char *from, *to;  // owned; NULL: no record is written
	struct record *record;
	struct atomic_file file;
};

#define SIGN_RECORD_INIT {.file = ATOMIC_FILE_INIT}

// Finds the record of the EIF at `eif`, open as f, and decides where the signed file's goes: OUT.record.json, or, if
// the EIF is signed in place (out NULL), where it is. `given` is what the EIF was called by: the same, or a link to it.
// The default is the record beside the EIF, else the one beside the link. A default that is another file's record, or
// none at all, is warned of and left alone, as is a second one beside the link; one that --record names is ERR_MISMATCH
// or ERR_INPUT.
int sign_record_find(struct sign_record *s, const char *eif, const char *given, const char *out,
		     const struct eif_file *f, struct err *err);

// Writes the record of the signed EIF, open as fd, into s->file, for the caller to commit. Nothing to do without one.
int sign_record_write(struct sign_record *s, const struct signer *signer, bool attached, const uint8_t pcr8[PCR_SIZE],
		      const struct buf *section, int fd, struct err *err);
void sign_record_clear(struct sign_record *s);
#define _cleanup_sign_record_ __attribute__((cleanup(sign_record_clear)))

#endif
