// SPDX-License-Identifier: Apache-2.0
//
// Why two versions of one file differ: from the path (the entropy table of layerfs) and from the bytes. A verdict is a
// class with a word, half a sentence and a remedy; it is a help for people, never part of a measurement.
//
// Bytes are judged by making both versions alike in one respect and comparing again: zip, ar and gzip stamps zeroed;
// digits and names of months masked; hex runs masked; lines sorted. The first respect that makes them equal is the
// cause. Of files past CAUSE_READ_MAX, and of those whose bytes are not given, it is only said that they differ.
#ifndef EIFGEN_CAUSE_H
#define EIFGEN_CAUSE_H

#include "base/err.h"
#include "layerfs/entropy.h"

enum { CAUSE_READ_MAX = 16 << 20 };

// What differs about an entry: bits, for diff and for this.
enum diff_what {
	DIFF_ADDED = 1,	     // only in B
	DIFF_REMOVED = 2,    // only in A
	DIFF_TYPE = 4,
	DIFF_MODE = 8,	     // permission bits
	DIFF_OWNER = 16,     // uid or gid
	DIFF_MTIME = 32,
	DIFF_SIZE = 64,	     // regular files
	DIFF_CONTENT = 128,  // regular files: bytes differ
	DIFF_TARGET = 256,   // symlinks
	DIFF_RDEV = 512,
	DIFF_LINKS = 1024,   // nlink, or which names share an inode
	DIFF_ORDER = 2048,   // place among the entries that both have
	DIFF_INO = 4096,     // inode number alone (it follows from additions and removals before it)
};

struct cause {
	const char *id;	    // "timestamp", "embedded-date", or an entropy rule's id
	const char *text;   // half a sentence
	const char *remedy; // one line
};

// Judges one entry. a and b give its bytes on either side; NULL where it is absent or no regular file, or where the
// caller will not have it read.
// *out points to static strings.
int cause_judge(const char *path, unsigned what, const struct entropy_file *a, const struct entropy_file *b,
		struct cause *out, struct err *err);

#endif
