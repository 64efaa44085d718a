// SPDX-License-Identifier: Apache-2.0
//
// The record of a build: what went in by digest, which rules by version, what came out. Canonical JSON (members sorted
// by bytes, no white space, integers only) and one LF, so that equal builds give equal records, and a record can be
// signed. Its schema, version 1, is eifgen-record(5). Nothing in it speaks of the machine or the time of day.
#ifndef EIFGEN_RECORD_H
#define EIFGEN_RECORD_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "eifgen/build.h"
#include "epoch/epoch.h"
#include "layerfs/json.h"

#define RECORD_SCHEMA "eifgen-record/1"
enum { RECORD_FILE_MAX = 64 << 20 };

// What a record is made from. All borrowed.
struct record_source {
	const struct build_input *input;
	const struct build_output *output; // NULL: inputs alone (for a comparison with another record)
	const struct epoch *epoch;
	const char *image_reference; // where the image will be found; NULL: by what it was opened
	const char *eif_digest;	    // "sha256:…" of the file; NULL: none was written
	const char *listing_digest; // of what `ls --json` prints of it; NULL likewise
	char *const *cmd;	    // --cmd, or NULL
	size_t cmd_count;
	const char *const *env; // --env, as given
	size_t env_count;
	const char *user, *workdir; // --user, --workdir, or NULL
	const char *scrub_rules;    // --scrub, or NULL
	char *const *unpredictable;
	size_t unpredictable_count;
	bool ignore_signature; // record_check_inputs: a rebuild without the key
};

// Appends the record's text.
int record_write(const struct record_source *src, struct buf *out, struct err *err);

// Appends a JSON text in the form of a record: members sorted, no white space, one LF behind.
int record_canonical(const char *text, struct buf *out, struct err *err);

// ---- reading -------------------------------------------------------------------------------------------------------
struct record {
	char *path; // as given
	cJSON *doc; // checked: schema, and that Measurements holds PCR0 to PCR2
	struct pcr_values pcrs;
};

// *out is the caller's. ERR_INPUT with the path for anything that is no record of a known schema.
int record_load(const char *path, struct record **out, struct err *err);
void record_free(struct record *r);
CLEANUP_DEFINE(struct record, record_free, record_free)

// Members by path, as "Platform.Init.Sha256". NULL if there is none (or it is null).
const cJSON *record_get(const struct record *r, const char *path);
const char *record_text(const struct record *r, const char *path); // strings only
int record_number(const struct record *r, const char *path, uint64_t *out, struct err *err);

// A signature that was put on the record's EIF after it was built. All borrowed.
struct record_signature {
	const uint8_t *pcr8;		// PCR_SIZE bytes
	const char *certificate_sha256; // hex, of its DER
	const char *nonce;		// "RFC 6979", or "token" if another run gives another signature
	const void *section;		// the signature section's data
	size_t section_len;
	const char *eif_sha256; // hex, of the signed file
	uint64_t eif_size;
};

// Appends the record of the signed EIF. ERR_INPUT if r has no list of sections.
int record_sign(const struct record *r, const struct record_signature *s, struct buf *out, struct err *err);

// Holds the inputs of a build against those of a record: ERR_MISMATCH names the first that differs, with both values.
// The image may have come by another reference; layers, config and everything that is measured must be the same.
int record_check_inputs(const struct record *r, const struct record_source *now, struct err *err);

#endif
