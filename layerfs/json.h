// SPDX-License-Identifier: Apache-2.0
//
// JSON that strangers wrote, read strictly. json_parse holds the text against RFC 8259 with a scanner of its own
// before cJSON builds a tree from it, because cJSON alone takes much that other readers refuse or read differently:
// control characters, bytes that are no UTF-8, `\u0000`, text behind the document. Refused besides: more than `max`
// bytes, nesting past JSON_DEPTH_MAX, the same key twice in one object.
//
// The getters give one member of an object. A member that is null counts as absent, as Docker's readers have it. Their
// keys are exact; an object that also holds the key in other letters (`layers` and `Layers`) is refused, since
// case-blind readers would see another document. Messages name the key; the caller puts the object in front.
#ifndef LAYERFS_JSON_H
#define LAYERFS_JSON_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MAX = 64 }; // real documents stop at 8; bounds cJSON's recursion and ours

enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

// Parses exactly n bytes. *out is the caller's (cJSON_Delete). ERR_LIMIT past max bytes, ERR_INPUT with the byte
// offset for whatever breaks a rule above, ERR_MEMORY.
int json_parse(const void *p, size_t n, size_t max, cJSON **out, struct err *err);
// The whole file at `path`, of at most max bytes, likewise; the path is in the message.
int json_parse_file(const char *path, size_t max, cJSON **out, struct err *err);

CLEANUP_DEFINE(cJSON, cleanup_json, cJSON_Delete)
#define _cleanup_json_ _cleanup_(cleanup_jsonp)

// Each of these: 0 with *out set; an absent optional member leaves *out as it was (set the default before). -1 with
// ERR_INPUT if it is missing though required, or of another type. `obj` must be an object, else ERR_INPUT. What is
// handed out is borrowed from obj.
int json_get_string(const cJSON *obj, const char *key, enum json_need need, const char **out, struct err *err);
int json_get_bool(const cJSON *obj, const char *key, enum json_need need, bool *out, struct err *err);
int json_get_u64(const cJSON *obj, const char *key, enum json_need need, uint64_t *out, struct err *err); // to 2^53 - 1
int json_get_i64(const cJSON *obj, const char *key, enum json_need need, int64_t *out, struct err *err); // +-(2^53 - 1)
int json_get_array(const cJSON *obj, const char *key, enum json_need need, const cJSON **out, struct err *err);
int json_get_object(const cJSON *obj, const char *key, enum json_need need, const cJSON **out, struct err *err);

// A list of strings, copied: *items (an array of *count strings, both the caller's: json_strings_free). *present says
// whether the key was there and not null; it may be NULL. An absent or empty list gives NULL and 0.
int json_get_strings(const cJSON *obj, const char *key, char ***items, size_t *count, bool *present, struct err *err);
void json_strings_free(char **items, size_t count);

// Appends the string as a JSON string with its quotes; bytes >= 0x80 pass as they are (the text must be UTF-8), control
// characters become \u00XX, `"` and `\` are escaped, nothing else: the canonical form that our records use.
int json_add_quoted(struct buf *out, const char *s, struct err *err);

#endif
