// SPDX-License-Identifier: Apache-2.0
//
// The host's replies, as the enclave reads them: what is taken is within its bounds, what is refused leaves nothing.
#include "runtime/data-plane/advice.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct advice a = ADVICE_INIT;
	struct err err = ERR_INIT;
	int64_t at = -1;

	if (advice_read(data, size, &a, &err) == 0 &&
	    (a.transaction_sample < 1 || a.transaction_sample > ADVICE_NUMBER_MAX || a.max_connections > ADVICE_NUMBER_MAX))
		abort();
	if (advice_read_time(data, size, &at, &err) == 0 ? at < 0 : at != -1)
		abort();
	return 0;
}
