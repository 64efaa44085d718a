// SPDX-License-Identifier: Apache-2.0
//
// Signing an EIF that exists: its sections copied through the writer, which makes every header field anew, the
// signature section last. (AWS's sign-eif edits in place and leaves the old signature's size in the header.)
#ifndef EIFGEN_EIF_SIGN_H
#define EIFGEN_EIF_SIGN_H

#include "base/buf.h"
#include "base/err.h"
#include "eifgen/eif_reader.h"

// ERR_INPUT if something else than an old signature is wrong with the file: a signature would vouch for it.
int eif_sign_allowed(const struct eif_file *f, struct err *err);

// Writes f without its signature sections, then `section`, to fd (fresh, seekable). The registers of what was written
// are held against f's.
int eif_sign_copy(const struct eif_file *f, const struct buf *section, int fd, struct err *err);

#endif
