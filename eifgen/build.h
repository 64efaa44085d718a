// SPDX-License-Identifier: Apache-2.0
//
// The pipeline: image -> tree -> two ramdisks -> EIF, in one streaming pass.
//
//   layers ──merge──► tree ──scrub, overlay──► layout ──► writer ──► file (or nowhere: `pcr`)
//                                                │           └────► PCR0 PCR1 PCR2, CRC, size, SHA-256 of the file
//                                                └────────────────► SHA-384 of each section, SHA-256 of the listing
//
// Invariant: what is measured depends on the inputs that the record names and on nothing else.
#ifndef EIFGEN_BUILD_H
#define EIFGEN_BUILD_H

#include "eifgen/eif.h"
#include "eifgen/json_out.h"
#include "eifgen/layout.h"
#include "eifgen/platform.h"
#include "eifgen/scan.h"
#include "layerfs/image.h"
#include "layerfs/layer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { BUILD_SECTIONS_MAX = 6, SHA384_SIZE = 48 };

struct build_section {
	enum eif_section_type type;
	uint64_t offset; // of the section's header in the file
	uint64_t size;
	uint8_t sha384[SHA384_SIZE];
};

// Adds to a merged tree (the cage overlay). May replace config values; what it hands out lives as long as ctx.
typedef int build_overlay(void *ctx, struct tree *tree, struct image_config *config, struct err *err);
// Makes the signature section from the measurements and sets pcr8; an empty section is not written.
typedef int build_sign(void *ctx, struct pcr_values *pcrs, struct buf *section, struct err *err);

// How far a build is, for who watches from another thread. Stage 0 reads layers, stage 1 writes ramdisks; bytes of
// each: done by this run, known from an earlier one (the cache), and both with what is left.
struct build_progress {
	atomic_uint stage;
	atomic_uint_fast64_t done[2], known[2], total[2];
};

struct build_input {
	struct image *image;
	struct image_config config; // the image's, with overrides in it; strings borrowed
	bool cmd_override;
	struct platform *platform; // pinned with want_sections, if it was not before
	struct layout_options layout;
	struct layer_options layers; // its policy is set from the layout
	uint64_t scrub;		     // set of entropy rules (layerfs/entropy.h), 0: none
	build_overlay *overlay;	     // NULL: none
	void *overlay_ctx;
	const char *overlay_digest; // "sha256:…" of what it adds, for the record
	uint32_t overlay_port;	    // the cage's service listens there, for the record
	// says where its tools came from, as an array's elements
	void (*overlay_report)(const void *ctx, struct jout *o);
	build_sign *sign; // NULL: unsigned
	void *sign_ctx;
	const char *certificate_sha256; // hex, of its DER, for the record
	const char *signature_nonce;	// "RFC 6979", or "token": another run gives another signature; for the record
	struct eif_metadata metadata; // build_time, os and kernel_version are filled by the build
	struct buf *sbom;	      // filled with the image's packages as SPDX; NULL: not wanted
	// before another try: what tree and layout told so far is void; NULL: nobody listens
	void (*restart)(void *ctx);
	void *restart_ctx;
	struct build_progress *progress; // NULL: nobody watches
	bool want_sections;	      // digest each section
	bool want_digest;	      // digest the file while it is written, if that can be
	bool want_listing;	      // digest the ramdisks' listing while they are written
};

struct build_output {
	struct pcr_values pcrs;
	uint64_t size;
	uint64_t skipped; // bytes of the application ramdisk that a warm prediction did not have to read
	struct build_section sections[BUILD_SECTIONS_MAX];
	size_t section_count;
	char digest[DIGEST_TEXT_MAX]; // of the file; "": not wanted, or the finished file has to be read for it
	char listing[DIGEST_TEXT_MAX]; // of the JSON that entries_of_eif gives; ""  as above
	struct scan *scrubbed; // what --scrub did; owned: build_output_clear
};

// Merges the layers, scrubs, overlays. *out is the caller's. in->config may be changed by the overlay.
int build_tree(struct build_input *in, struct build_output *result, struct tree **out, struct err *err);

// A damaged cache entry (layers.cache) shows only when it is read, and is gone then. So whoever reads a tree does it in
// a try: 0, or -1, after which ctx can be tried again. build_retry calls it until it succeeds or fails for another
// reason, and once more if the disk is full that fd is on (the try's output; -1: the one of temporary files) and the
// cache has stored something on it in this run; in between it empties *result, puts the config back that the overlay
// has changed, and calls in->restart. What comes out in the end is what a run without a cache gives.
typedef int build_try(void *ctx, struct err *err);
int build_retry(struct build_input *in, struct build_output *result, build_try *once, void *ctx, int fd, struct err *err);

// All of it, tried again as above. fd: a fresh file at offset 0, or -1 to measure only. Errors name the layer, entry or
// file at fault.
int build_eif(struct build_input *in, int fd, struct build_output *result, struct err *err);

void build_output_clear(struct build_output *o);

const char *build_section_name(enum eif_section_type type); // "kernel", "cmdline", …

#endif
