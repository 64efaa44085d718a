// SPDX-License-Identifier: Apache-2.0
//
// What sbom.c reads rpm's databases with, in each of their three forms, whole in memory. The packages of the database
// are added to the list; ERR_INPUT for bytes that are no database of the form, or a broken one. Private to the sbom
// files.
#ifndef EIFGEN_SBOM_RPM_H
#define EIFGEN_SBOM_RPM_H

#include "eifgen/sbom.h"

int sbom_read_rpm(struct sbom *s, uint8_t *db, size_t n, struct err *err); // rpmdb.sqlite; db may be changed
int sbom_read_rpm_bdb(struct sbom *s, const uint8_t *db, size_t n, struct err *err); // Packages: Berkeley DB
int sbom_read_rpm_ndb(struct sbom *s, const uint8_t *db, size_t n, struct err *err); // Packages.db

// One header as all three hold it.
int sbom_add_rpm(struct sbom *s, const uint8_t *header, size_t n, struct err *err);

#endif
