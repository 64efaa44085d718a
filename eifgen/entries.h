// SPDX-License-Identifier: Apache-2.0
//
// Every entry of a root file system, as `ls` prints it: from an EIF's ramdisks, or from an image's merged tree. The
// JSON is one object, an entry a line, complete enough to write a ramdisk again from it and the files that `extract`
// makes:
//
//   {"entries":[
//   {"ramdisk":2,"path":"rootfs/bin/sh","type":"file","mode":"0755","uid":0,"gid":0,"mtime":0,"size":9,"sha256":"…",
//    "ino":4,"nlink":1,"dev":"0:0","offset":1234},
//   …],"ramdisks":[{"ramdisk":2,"size":5120,"trailer":{"ino":0,"nlink":1,"dev":"0:0"}}]}
//
// `offset` counts from the start of ramdisk-N.cpio. A path or target that is not UTF-8 also stands in hex (`path_hex`,
// `target_hex`). Of a hard-linked file, the names without data have no sha256; they share `ino`. An image's entries
// have `layer` instead of ramdisk, ino, dev and offset, and `hardlink`, the first name of the inode.
#ifndef EIFGEN_ENTRIES_H
#define EIFGEN_ENTRIES_H

#include "base/io.h"
#include "eifgen/eif_reader.h"
#include "layerfs/image.h"
#include "layerfs/newc.h"
#include "layerfs/tree.h"

enum entries_form { ENTRIES_JSON, ENTRIES_TEXT };

// Ramdisks that are no plain newc archive (compressed ones, for instance) are ERR_UNSUPPORTED with their number.
int entries_of_eif(const struct eif_file *eif, enum entries_form form, struct sink out, struct err *err);
// The tree must be sorted; its marks are used. Layers are named by their digests in img.
int entries_of_tree(struct tree *tree, const struct image *img, enum entries_form form, struct sink out,
		    struct err *err);

// The JSON of an EIF's ramdisks while they are written: what entries_of_eif would give of the finished file, except
// that nobody reads it. `out`'s context is borrowed.
struct entries_watch; // opaque
int entries_watch_new(struct sink out, struct entries_watch **to, struct err *err);
// For the writer of each ramdisk in turn; one thread at a time.
const struct newc_watch *entries_watch_told(const struct entries_watch *x);
int entries_watch_end(struct entries_watch *x, struct err *err); // after the last ramdisk
void entries_watch_free(struct entries_watch *x);		  // NULL fine

#endif
