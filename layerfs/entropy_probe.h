// SPDX-License-Identifier: Apache-2.0
//
// Probes: what the table of entropy rules asks of a file's bytes. Each reads little (a header, at most
// PROBE_TEXT_MAX of a text) and bounds all by the file's size. 1 yes, 0 no, -1 unreadable.
#ifndef LAYERFS_ENTROPY_PROBE_H
#define LAYERFS_ENTROPY_PROBE_H

#include "layerfs/entropy.h"

// The place of the source's stamp (its time, with flags its size, too) among the first ENTROPY_PYC_HEAD bytes of
// compiled Python. False if they have none: no such file, or one that goes by its source's hash (PEP 552).
enum { ENTROPY_PYC_HEAD = 16 };
bool entropy_pyc_stamp(const uint8_t *head, size_t *off, size_t *n);

int entropy_probe_not_empty(const struct entropy_file *f, struct err *err);
// machine-id(5): a value, not "uninitialized"
int entropy_probe_machine_id(const struct entropy_file *f, struct err *err);
int entropy_probe_host_names(const struct entropy_file *f, struct err *err); // hosts(5): a word that is one machine's
int entropy_probe_pyc_stamp(const struct entropy_file *f, struct err *err);	// PEP 552: flags word 0; or no flags
int entropy_probe_gzip_time(const struct entropy_file *f, struct err *err);	// RFC 1952: MTIME not 0
int entropy_probe_ar_times(const struct entropy_file *f, struct err *err);	// ar(5): a member's date not 0
int entropy_probe_zip_times(const struct entropy_file *f, struct err *err);	// APPNOTE 4.3.7: not 1980-01-01 00:00
// shadow(5): a field 3 of 4 digits or more
int entropy_probe_shadow_date(const struct entropy_file *f, struct err *err);
int entropy_probe_apk_virtual(const struct entropy_file *f, struct err *err);	// V: a version of 8 digits or more
int entropy_probe_java_keystore(const struct entropy_file *f, struct err *err); // feedfeed, or PKCS #12's SEQUENCE

#endif
