// SPDX-License-Identifier: Apache-2.0
//
// Lexical, as Docker and umoci clean the names of entries and of hard-link targets before they look at any file.
#include "layerfs/path_clean.h"

#include <string.h>

static int pop(struct buf *out, struct err *err)
{
	const uint8_t *slash;

	if (!out->len)
		return err_set(err, ERR_INPUT, "it leaves the root");
	slash = memrchr(out->data, '/', out->len);
	out->len = slash ? (size_t)(slash - out->data) : 0;
	return 0;
}

int path_clean(const char *name, size_t n, struct buf *out, struct err *err)
{
	out->len = 0;
	while (n) {
		const char *slash = memchr(name, '/', n);
		size_t c = slash ? (size_t)(slash - name) : n;

		if (c == 2 && name[0] == '.' && name[1] == '.') {
			if (pop(out, err))
				return -1;
		} else if (c > 1 || (c == 1 && *name != '.')) {
			if ((out->len && buf_add_byte(out, '/', err)) || buf_add(out, name, c, err))
				return -1;
		}
		name += c + (slash ? 1 : 0);
		n -= c + (slash ? 1 : 0);
	}
	return buf_cstr(out, err) ? 0 : -1;
}
