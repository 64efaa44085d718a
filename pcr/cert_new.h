// SPDX-License-Identifier: Apache-2.0
//
// A fresh P-384 key with a self-signed certificate for signing EIFs.
#ifndef PCR_CERT_NEW_H
#define PCR_CERT_NEW_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

struct cert_request {
	const char *subject; // "CN=name,O=company": attributes with commas between them
	int64_t from;	     // valid from then, seconds since 1970
	unsigned days;	     // 1..36500
};

// Appends key (PKCS#8, unencrypted) and certificate, both PEM. ERR_USAGE for a subject that is none.
int cert_new(const struct cert_request *req, struct buf *key_pem, struct buf *cert_pem, struct err *err);

#endif
