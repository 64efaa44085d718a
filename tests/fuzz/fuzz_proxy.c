// SPDX-License-Identifier: Apache-2.0
//
// The PROXY parser as its reader drives it: prefixes grow, what it asks for is more than it has, and a header that is
// taken whole is taken at no other length.
#include "runtime/common/proxy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_info info;
	size_t want = 0, have = 0;
	int whole = proxy_parse(data, size, &want, &info, NULL), rc = 0;

	if (whole > (int)size || whole > PROXY_MAX)
		abort();
	while (have <= size && (rc = proxy_parse(data, have, &want, &info, NULL)) == 0) {
		if (want <= have || want > PROXY_MAX)
			abort();
		have++;
	}
	if (whole > 0 && (rc != whole || (int)have != whole))
		abort();
	if (whole > 0 && info.src.kind == ADDR_TCP) { // what we would write for this client says the same
		struct proxy_info again;
		uint8_t out[PROXY_OUT_MAX];
		size_t n = proxy_format(&info.src, &info.dst, out);

		if (proxy_parse(out, n, &want, &again, NULL) != (int)n || memcmp(&again, &info, sizeof(info)) != 0)
			abort();
	}
	return 0;
}
