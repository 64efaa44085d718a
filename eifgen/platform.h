// SPDX-License-Identifier: Apache-2.0
//
// The platform: kernel, command line, init, nsm.ko and extra modules, from a directory or singly. Each file but the
// kernel is read once, into memory; the kernel is held open and goes past in pieces. Either way what is measured, what
// is digested for the record and what is written are the same bytes.
//
//   DIR/bzImage (x86_64) or DIR/Image (aarch64), its .config, DIR/cmdline, DIR/init, DIR/nsm.ko
//
// The directory is looked into only if kernel, command line or init is not given singly: a platform that is named file
// by file takes nothing from what happens to be installed. A kernel given singly has its .config given singly too.
#ifndef EIFGEN_PLATFORM_H
#define EIFGEN_PLATFORM_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "eifgen/eif.h"
#include "eifgen/layout.h"
#include "layerfs/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct platform_file {
	char *path;    // as it was opened; NULL: absent
	char *name;    // its last component
	uint8_t *data; // owned; not NULL if the file is there, even an empty one, unless it is `in_file`
	size_t size;
	bool in_file; // a kernel in a regular file: open as `fd`, its bytes are had by platform_kernel_pass
	int fd;
	char digest[DIGEST_TEXT_MAX]; // "sha256:…", "" if absent, or if it is to be made later
};

struct platform {
	enum eif_arch arch;
	// cmdline_file is absent if --cmdline gave the text
	struct platform_file kernel, config, cmdline_file, init, nsm;
	struct platform_file *modules;				      // in load order
	size_t module_count;
	// what is stored and measured: the file's text less white space at both ends, or the option's as it is
	char *cmdline;
	char *os, *kernel_version; // from the .config's third line; "Linux" and "unknown" without
	bool init_is_ours;	   // it carries our init's marker, so it honours `user` and `workdir`
	bool kernel_is_bootable;   // bzImage header (x86_64), Image header (aarch64)
	char *bundle; // text of the bundle.json beside init, if that lists init with this digest; else NULL
};

struct platform_options {
	enum eif_arch arch;
	const char *dir; // NULL: `default_dir`
	const char *default_dir;
	const char *kernel, *config, *cmdline, *init, *nsm; // paths (cmdline: the text); NULL: from the directory
	bool no_nsm;
	const char *const *modules; // paths
	size_t module_count;
	// the kernel, megabytes of it, is not digested before platform_kernel_pass or platform_kernel_pin
	bool pin_later;
};

#define PLATFORM_DEFAULT_DIR "/usr/share/nitro_enclaves/blobs"

// *out is the caller's. A missing kernel, command line or init is an error that names the path; .config and nsm.ko may
// be missing from a directory. ERR_LIMIT past the caps in platform.c.
int platform_load(const struct platform_options *opt, struct platform **out, struct err *err);
// All of the kernel into `to`, in pieces; with `pin` its digest is taken on the way if it is not there yet. A kernel
// whose bytes are no longer those of the digest that it had is ERR_INPUT; `to` has seen them then.
int platform_kernel_pass(struct platform *p, struct sink to, bool pin, struct err *err);
int platform_kernel_pin(struct platform *p, struct err *err); // the digest alone, if it is not there yet
void platform_free(struct platform *p);
CLEANUP_DEFINE(struct platform, platform_free, platform_free)

// The same as bytes for a layout. *modules (the caller's: free) holds module_count files that b borrows.
int platform_bootstrap(const struct platform *p, struct layout_bootstrap *b, struct layout_file **modules,
		       struct err *err);

const char *platform_arch_name(enum eif_arch arch);  // "x86_64" or "aarch64"
const char *platform_oci_arch(enum eif_arch arch);   // "amd64" or "arm64"
bool platform_arch_parse(const char *text, enum eif_arch *out); // either spelling

#endif
