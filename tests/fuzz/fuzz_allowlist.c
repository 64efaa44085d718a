// SPDX-License-Identifier: Apache-2.0
//
// Allowlist text and a name, separated by the first NUL. Whatever parses must answer; what it allows by name it knows.
#include "runtime/common/allowlist.h"

#include <stdlib.h>
#include <string.h>

// Neither case nor a dot at the end makes another name of it.
static void check_spelling(const struct allowlist *list, const char *name, size_t n)
{
	char other[300];

	if (n == 0 || n > 253 || name[n - 1] == '.')
		return;
	for (size_t i = 0; i < n; i++)
		other[i] = name[i] >= 'a' && name[i] <= 'z' ? (char)(name[i] - 32) : name[i];
	other[n] = '.';
	if (allowlist_allows_name(list, name, n, 443) != allowlist_allows_name(list, other, n + 1, 443))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	const uint8_t *nul = memchr(data, '\0', size);
	size_t list_len = nul ? (size_t)(nul - data) : size;
	struct allowlist *list = allowlist_new(&err);

	if (list && allowlist_parse(list, (const char *)data, list_len, &err) == 0 && nul) {
		const char *name = (const char *)nul + 1;
		size_t n = size - list_len - 1;
		struct ip_addr ip;

		if (allowlist_allows_name(list, name, n, 443) && !allowlist_knows_name(list, name, n))
			abort();
		check_spelling(list, name, n);
		if (ip_parse(name, n, &ip) == 0) {
			char text[IP_TEXT_MAX];
			struct ip_addr back;

			allowlist_allows_addr(list, &ip, 443);
			ip_classify(&ip);
			if (ip_parse(ip_format(&ip, text), strlen(text), &back) < 0 || memcmp(&ip, &back, sizeof(ip)) != 0)
				abort();
		}
	}
	allowlist_free(list);
	return 0;
}
