// SPDX-License-Identifier: Apache-2.0
//
// The epoch as the user asked for it: one reading of --epoch and SOURCE_DATE_EPOCH for every command that has them.
#ifndef EIFGEN_CMD_EPOCH_OPTION_H
#define EIFGEN_CMD_EPOCH_OPTION_H

#include "base/err.h"
#include "epoch/epoch.h"

// The lines of --help that describe the option, for a command's usage text.
#define EPOCH_OPTION_HELP                                                                                              \
	"      --epoch N|git[:DIR[:PATH]]|image\n"                                                                     \
	"                            the time of the build: seconds since 1970, a commit's time, or the image's\n"     \
	"                            time of creation (else SOURCE_DATE_EPOCH, if set)\n"

// The first that applies of: `option` (the text of --epoch, NULL if not given); SOURCE_DATE_EPOCH; the git repository
// of `context` (with `path`, which may be NULL), unless context is NULL; EPOCH_DEFAULT. `created` is the image config's
// time for `--epoch image`, NULL where there is none. 0 and *out (the caller's: epoch_clear), or -1 with the option or
// variable at fault in the message.
int epoch_option_resolve(const char *option, const char *context, const char *path, const char *created,
			 struct epoch *out, struct err *err);

// True if what --epoch says needs no image: for commands that have none.
bool epoch_option_is_image(const char *option);

// Says on stderr, as a warning, that the work tree is not what the commit holds, if so.
void epoch_option_warn(const struct epoch *e);

#endif
