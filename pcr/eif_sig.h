// SPDX-License-Identifier: Apache-2.0
//
// The EIF's signature section (facts/eif-format.md 4):
//
//   81 a2  73 "signing_certificate" 99 nn nn <one unsigned integer a byte of the PEM file>
//          69 "signature"           98 nn    <one unsigned integer a byte of the COSE_Sign1>
//
// with the COSE payload  a2 6e "register_index" 00  6e "register_value" 98 30 <one unsigned integer a byte of PCR0>.
// The byte strings are arrays of integers because that is how AWS's library serialises them; its reader refuses others.
#ifndef PCR_EIF_SIG_H
#define PCR_EIF_SIG_H

#include "base/buf.h"
#include "base/err.h"
#include "pcr/pcr.h"

#include <stdbool.h>
#include <stddef.h>

enum { EIF_SIG_MAX = 32768 }; // bytes of the section, by AWS's format description; our writer keeps to it

struct eif_sig {
	struct buf cert; // the PEM file, byte for byte
	struct buf cose; // the encoded COSE_Sign1
	size_t entries;	 // of the outer array; only the first counts
};

#define EIF_SIG_INIT {BUF_INIT(0), BUF_INIT(0), 0}

// Reads a section as AWS's reader does, tolerances included (facts 4.1): other key order, unknown keys, integer keys,
// entry as array, indefinite and non-minimal lengths, further entries. *out must be initialised; empty on failure.
int eif_sig_parse(struct eif_sig *out, const void *p, size_t n, struct err *err);
void eif_sig_free(struct eif_sig *s);
#define _cleanup_eif_sig_ __attribute__((cleanup(eif_sig_free)))

// Appends the section's bytes / the payload for PCR0.
int eif_sig_write(const void *cert, size_t cert_len, const void *cose, size_t cose_len, struct buf *out,
		  struct err *err);
int eif_sig_payload(const uint8_t pcr0[PCR_SIZE], struct buf *out, struct err *err);

#endif
