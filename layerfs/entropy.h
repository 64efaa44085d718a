// SPDX-License-Identifier: Apache-2.0
//
// The catalogue of what will not come out the same in the next build of an image: one table of rules (entropy_rules.c),
// a line a rule. A rule knows the paths that it speaks of (a glob), may look into the file (a probe), and names the
// cause, how likely it moves a measurement, the remedy, and what `--scrub` may do about it.
//
// `scan` asks of every entry of one image; `diff` asks of every entry that differs between two. Rules are tried in
// table order, the first that matches speaks. The table carries a version: a change of what a rule scrubs is a new one.
#ifndef LAYERFS_ENTROPY_H
#define LAYERFS_ENTROPY_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { ENTROPY_RULES_VERSION = 2 };

enum entropy_severity { ENTROPY_LOW, ENTROPY_MEDIUM, ENTROPY_HIGH };

enum entropy_scrub {
	SCRUB_NONE,  // no remedy that is safe without knowing the program: the user's to mend
	SCRUB_DROP,  // the file is left out
	SCRUB_EMPTY, // the file stays with no bytes (its presence means something: /etc/machine-id)
};

// A regular file's bytes, wherever they are: up to n bytes at off into p; bytes read, 0 at the end, -1.
struct entropy_file {
	ssize_t (*read)(void *ctx, uint64_t off, void *p, size_t n, struct err *err);
	void *ctx;
	uint64_t size;
};

struct entropy_rule {
	const char *id;	   // what --scrub and --json call it
	const char *glob;  // against the path from the root, no leading slash; alternatives separated by '|'
	enum entropy_severity severity;
	enum entropy_scrub scrub;
	const char *cause;  // half a sentence: what in the file varies
	const char *remedy; // one line, said to the user
	// 1: the file has what the rule speaks of; 0: not; -1: error. NULL: the path alone decides.
	int (*probe)(const struct entropy_file *f, struct err *err);
};

extern const struct entropy_rule entropy_rules[]; // ends with a row whose id is NULL
const struct entropy_rule *entropy_rule_by_id(const char *id, size_t len); // or NULL
// Whether it speaks of a stamp inside the file: then something else may differ in it, too. Not so of a log or a cache,
// which vary as a whole.
bool entropy_rule_is_of_a_stamp(const struct entropy_rule *r);
// Whether that stamp is a number in a text. The other stamps are fields of a binary format.
bool entropy_rule_is_of_a_number(const struct entropy_rule *r);
const char *entropy_severity_name(enum entropy_severity s);		   // "low", "medium", "high"
// 0 and *out, or -1 for a word that is none of the three.
int entropy_severity_parse(const char *word, enum entropy_severity *out);

// The first rule that matches a regular file of that path (no leading slash). 1 with *rule, 0 if none, -1 if its
// bytes could not be read.
int entropy_match(const char *path, const struct entropy_file *f, const struct entropy_rule **rule, struct err *err);

// One alternative list against a path. In a glob `*` stands for any bytes but '/', `**` for any bytes, `?` for one
// byte but '/', everything else for itself. Linear in memory, at worst quadratic in time; no recursion, no locale.
bool entropy_glob(const char *glob, const char *path);

// A set of rules chosen by `--scrub RULES`: comma-separated ids, or `all` (every rule that can scrub), or `safe` (those
// of them of high severity). An unknown id, or one that cannot scrub, is ERR_USAGE. Bit i is entropy_rules[i].
int entropy_scrub_parse(const char *text, uint64_t *set, struct err *err);

#endif
