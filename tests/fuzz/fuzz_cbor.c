// SPDX-License-Identifier: Apache-2.0
//
// The CBOR reader on any bytes, in both modes: no crash, no read past the end; what strict mode takes, lenient mode
// takes too, and ends at the same byte.
#include "base/cbor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	struct cbor_reader strict, lenient;
	_cleanup_buf_ struct buf out = BUF_INIT(4096);
	struct cbor_item item;

	cbor_reader_init(&strict, data, size, CBOR_STRICT);
	cbor_reader_init(&lenient, data, size, CBOR_LENIENT);
	if (!cbor_skip(&strict, &err) && (cbor_skip(&lenient, &err) || lenient.p != strict.p))
		abort();
	cbor_reader_init(&lenient, data, size, CBOR_LENIENT);
	while (!cbor_at_end(&lenient)) {
		struct cbor_reader before = lenient;

		if (cbor_next(&lenient, &item, &err))
			break;
		if (lenient.p <= before.p || lenient.p > lenient.end)
			abort();
		cbor_read_string(&before, CBOR_TEXT, &out, &err);
	}
	return 0;
}
