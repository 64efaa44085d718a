// SPDX-License-Identifier: Apache-2.0
//
// libcurl, opened when a registry or a Docker daemon is first spoken to. `curl->easy_init()` is curl_easy_init() of
// libcurl.so.4, with the prototype of curl/curl.h (which checks the variable part of easy_setopt and easy_getinfo in
// macros only, so not here: see the setters in http.c). Private to layerfs.
#ifndef LAYERFS_CURL_API_H
#define LAYERFS_CURL_API_H

#include "base/dynlib.h"

#include <curl/curl.h>

// clang-format off
#define CURL_API(X)                                                                                                    \
	X(global_init) X(version_info) X(free)                                                                         \
	X(easy_init) X(easy_cleanup) X(easy_setopt) X(easy_getinfo) X(easy_header) X(easy_pause) X(easy_strerror)      \
	X(easy_escape)                                                                                                 \
	X(multi_init) X(multi_cleanup) X(multi_add_handle) X(multi_remove_handle) X(multi_perform) X(multi_poll)       \
	X(multi_timeout) X(multi_info_read)                                                                            \
	X(slist_append) X(slist_free_all)                                                                              \
	X(url) X(url_cleanup) X(url_get) X(url_set)
// clang-format on

#define CURL_API_FIELD(f) __typeof__(curl_##f) *f;
struct curl_api {
	CURL_API(CURL_API_FIELD)
} __attribute__((aligned(DYNLIB_PAGE)));

// Read-only, its pointers NULL until curl_load has returned 0.
extern const struct curl_api *const curl;

// Before any call through `curl`; any thread, any number of times. The first one opens and initialises the library, and
// its answer stays: 0, or -1 with ERR_UNSUPPORTED if it cannot be opened or is too old, ERR_IO if it does not start.
// err may be NULL.
int curl_load(struct err *err);

#endif
