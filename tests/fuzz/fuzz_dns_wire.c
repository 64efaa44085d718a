// SPDX-License-Identifier: Apache-2.0
//
// DNS queries: whatever comes, the reply fits its buffer, keeps the id, and is itself no query.
#include "runtime/common/dns_wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ip_addr ip = {16, {1}};
	uint8_t out[DNS_REPLY_MAX];
	struct dns_query q, again;
	enum dns_rcode rcode = DNS_NOERROR;
	enum dns_parsed parsed = dns_query_read(data, size, &q, &rcode);

	if (parsed == DNS_PARSED_IGNORE)
		return 0;
	size_t n = dns_reply_write(&q, rcode, NULL, 0, out);

	if (n > sizeof(out) || out[0] != data[0] || out[1] != data[1])
		abort();
	if (q.question_len && memcmp(out + DNS_HEADER_LEN, data + DNS_HEADER_LEN, q.question_len) != 0)
		abort(); // a resolver looks for its own question, byte for byte
	if (dns_query_read(out, n, &again, &rcode) != DNS_PARSED_IGNORE)
		abort();
	if (parsed == DNS_PARSED_QUERY && dns_reply_write(&q, DNS_NOERROR, &ip, 5, out) > sizeof(out))
		abort();
	return 0;
}
