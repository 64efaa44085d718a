// SPDX-License-Identifier: Apache-2.0
//
// A record turned back into the options that made it: for `rebuild`, and for what stands on it.
#ifndef EIFGEN_CMD_REBUILD_H
#define EIFGEN_CMD_REBUILD_H

#include "eifgen/cmd/build_record.h"

// What the options borrow from: strings that the record does not hold in that form.
struct rebuild_pins {
	char epoch[24];
	char *cmd_json; // owned
	struct buf scrub;
};

// Sets layout, mtime policy, epoch, overrides, scrub rules, metadata, architecture and command line from the record.
// opt keeps what says where things are (image options, --blobs and the single files). opt then borrows from r and pins,
// which must outlive it. A command line that was given is an ERR_USAGE elsewhere: it is a pin like the others.
int rebuild_pin_options(const struct record *r, struct build_options *opt, struct rebuild_pins *pins, struct err *err);
void rebuild_pins_clear(struct rebuild_pins *p);

// Opens the job for a rebuild of r. `image`: where its image is now, or NULL for the record's own reference. A registry
// is asked for the record's manifest, whatever the tag means by now; one that does not have it (a mirror with other
// layers for the same config) is asked for what the reference says. That it is the same image is record_check_inputs'
// to see.
int rebuild_open(struct build_job *job, const struct build_options *opt, const struct record *r, const char *image,
		 struct err *err);

// True if a rebuild can compare the file itself: it is not signed, or is signed again with the same certificate's key.
bool rebuild_is_whole(const struct record *r, const struct build_job *job);

// Compares what a rebuild gave with the record; writes `Reproduced` and `Differences` into the open object o.
// eif_digest: of the rebuilt file. 0 if all is as recorded, 1 if not.
int rebuild_compare(const struct record *r, const struct build_job *job, const char *eif_digest, struct jout *o);

#endif
