// SPDX-License-Identifier: Apache-2.0
//
// API keys: a request must carry `api-key: KEY` once, and the SHA-512 of KEY must be in a file that holds one digest a
// line in hex (blank lines and lines that begin with `#` are skipped). The file holds no key, so it may be measured
// with the image: `printf %s "$KEY" | sha512sum`. Every digest is compared, in constant time, whether or not one has
// matched.
#ifndef RUNTIME_DATA_PLANE_APIKEY_H
#define RUNTIME_DATA_PLANE_APIKEY_H

#include "base/err.h"
#include "runtime/common/http1.h"

enum { APIKEY_FILE_MAX = 1024 * 1024, APIKEY_MAX = 1024 /* keys, and bytes of one */ };

struct apikeys;

// NULL with ERR_INPUT and the line's number; a file without a digest is an error, since it would refuse everyone.
struct apikeys *apikeys_load(const char *path, struct err *err);
void apikeys_free(struct apikeys *k);

// Does this request carry a key that is known? Exactly one api-key field, 1 to APIKEY_MAX bytes.
bool apikeys_admit(const struct apikeys *k, const struct http1_head *rq);

#endif
