// SPDX-License-Identifier: Apache-2.0
//
// cage.json from a stranger: whatever is taken can be compiled into strict CBOR, survives the write-back of registers,
// and has an allowlist that the enclave takes.
#include "base/cbor.h"
#include "eifgen/cage_config.h"
#include "runtime/common/allowlist.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct pcr_values registers = {.pcr0 = {1}, .pcr1 = {2}, .pcr2 = {3}};
	struct cage_config *c = NULL, *again = NULL;
	struct buf cbor = BUF_INIT(0), text = BUF_INIT(0);
	struct err err = ERR_INIT;
	struct cbor_reader r;

	if (cage_config_parse(data, size, &c, &err))
		return 0;
	struct allowlist *list = allowlist_new(&err);

	for (size_t i = 0; list && i < c->egress.count; i++)
		if (allowlist_add(list, c->egress.destinations[i], strlen(c->egress.destinations[i]), &err))
			abort();
	allowlist_free(list);
	if (cage_config_compile(c, 80, &cbor, &err) == 0) {
		cbor_reader_init(&r, cbor.data, cbor.len, CBOR_STRICT);
		if (cbor_skip(&r, &err) || cbor_end(&r, &err))
			abort();
	}
	if (cage_config_set_pcrs(data, size, &registers, &text, &err) ||
	    cage_config_parse(text.data, text.len, &again, &err) || !again->attestation.present)
		abort();
	cage_config_free(again);
	cage_config_free(c);
	buf_free(&cbor);
	buf_free(&text);
	return 0;
}
