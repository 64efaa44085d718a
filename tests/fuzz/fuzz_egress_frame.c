// SPDX-License-Identifier: Apache-2.0
//
// Egress requests, and the TLS hello that one may carry. A request that reads must write back to the same bytes.
#include "runtime/common/egress_frame.h"

#include <stdlib.h>
#include <string.h>

// A verdict on a part is final: more bytes do not change it.
static void check_prefixes(const uint8_t *data, size_t size)
{
	char name[HOSTNAME_MAX + 1], early[HOSTNAME_MAX + 1];
	enum tls_hello whole = tls_hello_read(data, size, name);

	for (size_t n = 0; n < size && n < 600; n++) {
		enum tls_hello part = tls_hello_read(data, n, early);

		if (part != TLS_HELLO_MORE && (part != whole || strcmp(name, early) != 0))
			abort();
		if (part != TLS_HELLO_MORE)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[EGRESS_REQUEST_MAX];
	struct egress_request req;
	struct err err = ERR_INIT;
	enum egress_status status;
	char name[HOSTNAME_MAX + 1];
	long n = egress_request_read(data, size, &req, &err);

	if (n > 0) {
		if (egress_request_write(&req, out) != (size_t)n || memcmp(out, data, (size_t)n) != 0)
			abort();
		check_prefixes(req.data, req.data_len);
	}
	if (n == 0 && size >= EGRESS_REQUEST_MAX)
		abort(); // waits for more than a request can hold
	if (size >= EGRESS_REPLY_LEN)
		egress_reply_read(data, &status, &err);
	if (tls_hello_read(data, size, name) == TLS_HELLO_MORE && size >= TLS_HELLO_MAX)
		abort();
	check_prefixes(data, size);
	return 0;
}
