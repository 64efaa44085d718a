// SPDX-License-Identifier: Apache-2.0
//
// Lists that come in pages: the head of a page says where the next one is, in a Link header (RFC 8288 3):
//
//   Link: <URI>; name=value; rel="next other"; title="a, \"b\"", <URI>; …
//
// A header that cannot be read is an error: to pass over it would be to pass over the rest of the list.
#include "layerfs/http.h"

#include "base/mem.h"

#include <string.h>

static const char blanks[] = " \t";

static bool has_word(const char *p, size_t n, const char *word)
{
	const char *end = p + n;

	while (p < end) {
		size_t len = strcspn(p, " \t\"");

		if (len > (size_t)(end - p))
			len = (size_t)(end - p);
		if (len == strlen(word) && !strncasecmp(p, word, len))
			return true;
		p += len + 1;
	}
	return false;
}

// One parameter. *next is set if it is `rel` and has the word. Gives what follows it.
static const char *read_parameter(const char *p, bool *next)
{
	const char *name = p + strspn(p, blanks), *end = name + strcspn(name, "=;, \t");
	const char *value = end + strspn(end, blanks);
	bool quoted;
	size_t n;

	if (*value != '=')
		return value;
	value += 1 + strspn(value + 1, blanks);
	quoted = *value == '"';
	value += quoted;
	for (n = 0; value[n] && !strchr(quoted ? "\"" : ";, \t", value[n]); n++)
		n += quoted && value[n] == '\\' && value[n + 1];
	if (end - name == 3 && !strncasecmp(name, "rel", 3))
		*next |= has_word(value, n, "next");
	value += n;
	value += quoted && *value == '"';
	return value + strspn(value, blanks);
}

int http_link_next(const char *line, char **out, struct err *err)
{
	*out = NULL;
	for (const char *p = line; *(p += strspn(p, " \t,"));) {
		const char *uri = p + 1, *close = *p == '<' ? strchr(uri, '>') : NULL;
		bool next = false;

		if (!close)
			return err_set(err, ERR_INPUT, "Link: cannot be read");
		p = close + 1 + strspn(close + 1, blanks);
		while (*p == ';')
			p = read_parameter(p + 1, &next);
		if (*p && *p != ',')
			return err_set(err, ERR_INPUT, "Link: cannot be read");
		if (next) {
			*out = mem_dup(uri, (size_t)(close - uri), err);
			return *out ? 0 : -1;
		}
	}
	return 0;
}

int http_next_page(const struct http_settings *set, struct http_stream *s, char **out, struct err *err)
{
	const char *line;

	*out = NULL;
	for (size_t i = 0; (line = http_header(s, "Link", i)); i++) {
		_cleanup_free_ char *uri = NULL;

		if (http_link_next(line, &uri, err))
			return -1;
		if (!uri)
			continue;
		*out = http_resolve(set, http_url(s), uri, err);
		return *out ? 0 : -1;
	}
	return 0;
}
