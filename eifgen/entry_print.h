// SPDX-License-Identifier: Apache-2.0
//
// One listing's text, entry by entry, for whoever walks: an EIF, an image's tree, a ramdisk that is just being written.
// Private to eifgen/entr*.c; the form is entries.h's.
#ifndef EIFGEN_ENTRY_PRINT_H
#define EIFGEN_ENTRY_PRINT_H

#include "base/io.h"
#include "eifgen/entries.h"
#include "layerfs/newc.h"

#include <stdbool.h>

enum { ENTRY_PIECE = 64 << 10, ENTRY_PATH_SPACE = 64 << 10 };

struct entry {
	unsigned ramdisk; // from 1; 0: of an image
	const char *path;
	size_t path_len;
	uint32_t mode, uid, gid, ino, nlink, devmajor, devminor, rdevmajor, rdevminor;
	int64_t mtime;
	uint64_t size, offset;
	const char *sha256; // hex, or NULL
	const char *target; // or NULL
	const char *layer;  // digest, or NULL
	const char *hardlink;
};

// Begun by printer_init; cleared by printer_clear whatever happened.
struct printer {
	enum entries_form form;
	struct sink out;
	bool any; // an entry has been printed
	uint8_t *piece;	  // room of ENTRY_PIECE bytes for the walker; owned
	struct buf tail;  // the ramdisks' lines, which come last
	unsigned ramdisk; // the last one that ended
};

int printer_init(struct printer *p, enum entries_form form, struct sink out, struct err *err);
void printer_clear(struct printer *p);
int printer_entry(struct printer *p, const struct entry *e, struct err *err);
// What JSON has besides entries; nothing in the other form. text is NUL-terminated.
int printer_say(struct printer *p, const char *text, struct err *err);

// A newc entry of the ramdisk that comes after those ended; its data lies at `offset` there. Target and digest are the
// caller's to add.
struct entry entry_of_newc(const struct printer *p, const struct newc_entry *n, uint64_t offset);
// True if the listing gives a digest for it: a file with data, or one that no other name can have brought data for.
bool entry_has_digest(const struct newc_header *h);
int printer_ramdisk_end(struct printer *p, const struct newc_header *trailer, uint64_t size, struct err *err);
// After the last ramdisk.
int printer_end_eif(struct printer *p, struct err *err);

#endif
