// SPDX-License-Identifier: Apache-2.0
//
// What a host answers to GET /.well-known/attestation, of which not a byte is to be trusted before the document has
// been verified: a whole HTTP/1 answer, its body plain or chunked (RFC 9112 6 and 7.1), in the body
// {"attestation_doc": base64} or the bare document.
#ifndef EIFGEN_ATTEST_HTTP_H
#define EIFGEN_ATTEST_HTTP_H

#include "base/buf.h"
#include "base/err.h"

enum { ATTEST_HTTP_MAX = 128 * 1024 }; // bytes of an answer: a document in base64 is 44 KiB at the very most

// Appends the document in `answer` to `doc`; what stands in `answer` is lost. ERR_INPUT with the rule that is broken.
int attest_http_document(struct buf *answer, struct buf *doc, struct err *err);

#endif
