// SPDX-License-Identifier: Apache-2.0
//
// How push and pull write an EIF into a registry: the types of the artifact and of its parts, in this order, the second
// only if there is a record.
#ifndef EIFGEN_CMD_EIF_ARTIFACT_H
#define EIFGEN_CMD_EIF_ARTIFACT_H

#define EIF_ARTIFACT_TYPE "application/vnd.eifgen.enclave.v1"
#define EIF_PART_TYPE "application/vnd.eifgen.eif.v4"
#define RECORD_PART_TYPE "application/vnd.eifgen.record.v1+json"

#endif
