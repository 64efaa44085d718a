// SPDX-License-Identifier: Apache-2.0
//
// What software an image holds, as its own package databases say: dpkg (status and status.d), apk (installed), rpm
// (rpmdb.sqlite, Packages, Packages.db), found at their usual places in the merged tree. Written as an SPDX 2.3
// document in JSON (spdx.github.io/spdx-spec/v2.3): one package for the image, one for each package it contains, with a
// package URL (purl). The same image and epoch give the same bytes: packages are sorted, the namespace is made of the
// image's digest.
#ifndef EIFGEN_SBOM_H
#define EIFGEN_SBOM_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "layerfs/tree.h"

#include <stddef.h>
#include <stdint.h>

enum {
	SBOM_DATABASE_MAX = 256 << 20, // bytes of one package database
	SBOM_PACKAGES_MAX = 1 << 20,
};

enum sbom_kind { SBOM_DEB, SBOM_APK, SBOM_RPM };

struct sbom_package {
	enum sbom_kind kind;
	char *name, *version;  // owned; version as the package manager compares it (epoch and release included)
	char *arch, *license;  // owned; "" where the database does not say
};

struct sbom {
	struct sbom_package *packages; // sorted by kind, name, version, arch
	size_t count, cap;
	char *distro, *distro_version; // ID and VERSION_ID of etc/os-release; "" where absent
};

// Reads every database that the tree has. An image without any gives an empty list. A database that is there and
// cannot be read is ERR_INPUT with its path. *out is the caller's.
int sbom_read(const struct tree *tree, struct sbom **out, struct err *err);
void sbom_free(struct sbom *s);
CLEANUP_DEFINE(struct sbom, sbom_free, sbom_free)

struct sbom_document {
	const char *image_name;	  // what the document calls the image
	const char *image_digest; // "sha256:…" of the manifest, or of the config where there is no manifest
	uint32_t epoch;		  // the document's time of creation
	const char *tool_version; // eifgen's
};

// Appends the document and a newline.
int sbom_write_spdx(const struct sbom *s, const struct sbom_document *doc, struct buf *out, struct err *err);

// ---- between the readers -------------------------------------------------------------------------------------------
// Adds a package; all four strings are copied (len bytes each; NUL-free). Bytes that are no UTF-8 are ERR_INPUT.
struct sbom_text {
	const char *p;
	size_t len;
};
int sbom_add(struct sbom *s, enum sbom_kind kind, struct sbom_text name, struct sbom_text version,
	     struct sbom_text arch, struct sbom_text license, struct err *err);

#endif
