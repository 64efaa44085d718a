// SPDX-License-Identifier: Apache-2.0
//
// libcurl.so.4 has kept its ABI since 2006, and newer functions are found or not. Options are no symbols, so the
// version that brought the newest one is asked for.
#include "layerfs/curl_api.h"

enum { CURL_OLDEST = 0x075500 }; // 7.85.0: CURLOPT_PROTOCOLS_STR

static struct curl_api table;
const struct curl_api *const curl = &table;

static int start(struct err *err)
{
	const curl_version_info_data *v = curl->version_info(CURLVERSION_NOW);

	if (v->version_num < CURL_OLDEST)
		return err_set(err, ERR_UNSUPPORTED, "library libcurl.so.4 is version %s; 7.85.0 or later is needed",
			       v->version);
	if (curl->global_init(CURL_GLOBAL_DEFAULT))
		return err_set(err, ERR_IO, "library libcurl.so.4 does not start");
	return 0;
}

int curl_load(struct err *err)
{
#define CURL_API_SYMBOL(f) "curl_" #f,
	static const char *const symbols[] = {CURL_API(CURL_API_SYMBOL)};
	static const struct dynlib lib = {"libcurl.so.4", symbols, sizeof(symbols) / sizeof(*symbols), sizeof(table),
					  start};
	static struct dynlib_state state = DYNLIB_STATE_INIT;

	return dynlib_need(&lib, &state, &table, err);
}
