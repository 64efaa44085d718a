// SPDX-License-Identifier: Apache-2.0
//
// Image references, the forms of containers-transports(5):
//   oci:DIR[:NAME]   oci-archive:FILE[:NAME]   docker-archive:FILE[:REF | :@N]
//   docker://[HOST[:PORT]/]REPO[:TAG][@DIGEST]   docker-daemon:REF | docker-daemon:sha256:ID
//   PATH (recognised by what stands there)
// A path ends at the first colon, as it does for skopeo. REF is a Docker name: `hello:1` is docker.io/library/hello:1.
// Parsing is a function of the text alone; only reference_detect looks at the file system.
#ifndef LAYERFS_REFERENCE_H
#define LAYERFS_REFERENCE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>

enum reference_kind {
	REFERENCE_PATH, // bare; reference_detect makes one of the three next ones of it
	REFERENCE_OCI_DIR,
	REFERENCE_OCI_ARCHIVE,
	REFERENCE_DOCKER_ARCHIVE,
	REFERENCE_REGISTRY,
	REFERENCE_DAEMON,
};

struct reference {
	enum reference_kind kind;
	char *path; // PATH, OCI_*, DOCKER_ARCHIVE
	// OCI_*: the ref.name asked for; DOCKER_ARCHIVE: full Docker name or "@N"; DAEMON: as given; or NULL
	char *name;
	char *host, *repo;   // REGISTRY; host with its port
	char *tag, *digest;  // REGISTRY; tag is NULL if a digest is given
};

// ERR_USAGE with the reason if the text is no reference, ERR_UNSUPPORTED for a form that is known and not read
// (containers-storage:, dir:, …), with the skopeo line that makes an oci: directory of it. *out is the caller's also
// after a failure (reference_clear).
int reference_parse(const char *text, struct reference *out, struct err *err);
void reference_clear(struct reference *ref);
#define _cleanup_reference_ _cleanup_(reference_clear)

// For REFERENCE_PATH: a directory with index.json becomes OCI_DIR; of a file only the caller's look inside tells, so it
// becomes OCI_ARCHIVE or DOCKER_ARCHIVE by `has_layout` (an oci-layout member) there. Here: 0 with *is_dir set, -1 with
// ERR_INPUT if the path is neither or the directory is none.
int reference_detect(struct reference *ref, bool *is_dir, struct err *err);

// The full form of a Docker name, HOST/REPO:TAG: docker.io, library/ and latest are filled in. ERR_USAGE if it is none.
// *out is the caller's.
int reference_normalize(const char *name, char **out, struct err *err);

#endif
