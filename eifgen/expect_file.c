// SPDX-License-Identifier: Apache-2.0
//
// The Measurements object stands at the top of a record and of what the commands print; eif_build prints its members
// bare, which is taken too.
#include "eifgen/expect_file.h"

#include "layerfs/json.h"

#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 64 << 20 }; // a record with its listing of a large image

int expect_add_file(struct pcr_expect *e, const char *path, struct err *err)
{
	_cleanup_json_ cJSON *doc = NULL;
	const cJSON *measurements;
	size_t before = e->count;

	if (json_parse_file(path, FILE_MAX, &doc, err))
		return -1;
	measurements = cJSON_GetObjectItemCaseSensitive(doc, "Measurements");
	if (!cJSON_IsObject(measurements))
		measurements = doc;
	for (unsigned i = 0; i < PCR_COUNT; i++) {
		const char *hex = NULL;
		char key[16];

		snprintf(key, sizeof(key), "PCR%u", i);
		if (json_get_string(measurements, key, JSON_OPTIONAL, &hex, err) ||
		    (hex && pcr_expect_add_hex(e, i, hex, err)))
			return err_prefix(err, "%s: ", path);
		if (i == 0 && e->count == before)
			return err_set(err, ERR_INPUT, "%s: no Measurements with a PCR0", path);
	}
	return 0;
}
