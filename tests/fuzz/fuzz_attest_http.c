// SPDX-License-Identifier: Apache-2.0
//
// The answer of a host that nothing is known of yet. The bytes are put in a buffer of exactly their size, so that one
// byte read behind them is seen.
#include "eifgen/attest_http.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf answer = BUF_INIT(0), doc = BUF_INIT(0);

	answer.data = malloc(size ? size : 1);
	if (!answer.data)
		return 0;
	if (size)
		memcpy(answer.data, data, size);
	answer.len = answer.cap = size;
	if (!attest_http_document(&answer, &doc, NULL) && doc.len > size)
		abort();
	buf_free(&answer);
	buf_free(&doc);
	return 0;
}
