// SPDX-License-Identifier: Apache-2.0
//
// The configuration decoder with a table of every type; whatever it filled in is released.
#include "runtime/common/config.h"

#include <stddef.h>

struct sample {
	bool flag;
	uint64_t count;
	char *name;
	struct addr at;
	struct config_list list;
};

static const struct config_field fields[] = {
    {"a", CONFIG_BOOL, offsetof(struct sample, flag), 0, 0, false},
    {"b.c", CONFIG_UINT, offsetof(struct sample, count), 2, 1000, true},
    {"b.d", CONFIG_TEXT, offsetof(struct sample, name), 1, 8, false},
    {"b.e.f", CONFIG_ADDR, offsetof(struct sample, at), 0, 0, false},
    {"g", CONFIG_LIST, offsetof(struct sample, list), 0, 16, false},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample s = {0};
	struct err err = ERR_INIT;

	config_decode(data, size, fields, sizeof(fields) / sizeof(*fields), &s, &err);
	config_release(fields, sizeof(fields) / sizeof(*fields), &s);
	return 0;
}
