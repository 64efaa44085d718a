// SPDX-License-Identifier: Apache-2.0
//
// Configuration of a plane: one CBOR map (RFC 8949, strict: minimal heads, definite lengths), measured with the image.
// Keys are text; a value that is a map groups keys, written here with dots: {"ingress": {"listen": "vsock:any:7777"}}
// holds the key `ingress.listen`. A program describes its keys in a table and gets a struct filled in.
//
// It fails closed: a key not in the table, a key twice, a value of another type or out of range, a required key that
// is absent, bytes after the map, all are errors that name the key, and the program does not start.
#ifndef RUNTIME_CONFIG_H
#define RUNTIME_CONFIG_H

#include "base/err.h"
#include "runtime/common/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONFIG_FILE_MAX = 256 * 1024, // an allowlist of thousands of names fits
	CONFIG_KEYS_MAX = 64,         // keys in one table, and in one map
	CONFIG_DEPTH_MAX = 4,
	CONFIG_LIST_MAX = 4096, // elements of a list
	CONFIG_TEXT_MAX = 4096, // bytes of one text
};

struct config_list {
	char **items; // owned
	size_t n;
};

enum config_type {
	CONFIG_BOOL, // bool
	CONFIG_UINT, // uint64_t, min..max
	CONFIG_TEXT, // char *, owned, no NUL inside, min..max bytes (max 0: CONFIG_TEXT_MAX)
	CONFIG_ADDR, // struct addr
	CONFIG_LIST, // struct config_list of texts, at most max (0: CONFIG_LIST_MAX)
};

struct config_field {
	const char *key; // with dots
	enum config_type type;
	size_t offset; // in the struct
	uint64_t min, max;
	bool required;
};

// Fills `out` from n bytes. Members whose key is absent keep what the caller put there (defaults: CONFIG_TEXT members
// must be NULL or from mem_strdup, lists empty). 0, or -1 with ERR_INPUT; what was filled in is still the caller's to
// release.
int config_decode(const void *cbor, size_t n, const struct config_field *fields, size_t count, void *out,
		  struct err *err);

// config_decode of a file; the path is in the message.
int config_load(const char *path, const struct config_field *fields, size_t count, void *out, struct err *err);

// Frees texts and lists and sets them to NULL / empty. Idempotent.
void config_release(const struct config_field *fields, size_t count, void *out);

#endif
