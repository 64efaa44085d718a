// SPDX-License-Identifier: Apache-2.0
//
// Writing the measurements back into cage.json by changing nothing else: the person's order, indentation and spacing
// are theirs. The text has been parsed before, so a scanner that only knows strings and brackets finds the member's
// bytes.
#include "eifgen/cage_config.h"
#include "base/hex.h"

#include <string.h>

struct span {
	size_t start, end;
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The end of the string that begins at `at` (its first quote).
static size_t string_end(const uint8_t *p, size_t n, size_t at)
{
	for (at++; at < n && p[at] != '"'; at++)
		at += p[at] == '\\';
	return at + 1;
}

// The end of the value that begins at `at`: a string, a container with all inside it, or a bare word.
static size_t value_end(const uint8_t *p, size_t n, size_t at)
{
	size_t depth = 0;

	while (at < n) {
		bool whole = p[at] == '"' || p[at] == '}' || p[at] == ']'; // a value may end with this

		if (depth == 0 && (p[at] == ',' || p[at] == '}' || p[at] == ']' || is_blank(p[at])))
			return at; // behind a bare word
		depth += p[at] == '{' || p[at] == '[';
		depth -= p[at] == '}' || p[at] == ']';
		at = p[at] == '"' ? string_end(p, n, at) : at + 1;
		if (whole && depth == 0)
			return at;
	}
	return n;
}

// Whether the n bytes within a key's quotes say `key` (letters), escaped or not.
static bool key_is(const uint8_t *p, size_t n, const char *key)
{
	size_t i = 0;

	for (; *key && i < n; key++) {
		uint8_t c[2] = {0, p[i]};
		bool escaped = p[i] == '\\' && n - i >= 6 && p[i + 1] == 'u';

		if (escaped && hex_decode((const char *)p + i + 2, 4, c, sizeof(c)))
			return false;
		if (c[0] || c[1] != (uint8_t)*key)
			return false;
		i += escaped ? 6 : 1;
	}
	return !*key && i == n;
}

// Finds the value of top-level member `key`; *last is where the last member's value ends (or behind `{`), *empty
// whether there is none. False if the key is not there.
static bool find_member(const uint8_t *p, size_t n, const char *key, struct span *value, size_t *last, bool *empty)
{
	size_t at = (size_t)((const uint8_t *)memchr(p, '{', n) - p) + 1;

	*last = at;
	*empty = true;
	for (;;) {
		while (at < n && (is_blank(p[at]) || p[at] == ','))
			at++;
		if (at >= n || p[at] != '"')
			return false;
		size_t name = at, name_end = string_end(p, n, at);

		at = name_end;
		while (at < n && (is_blank(p[at]) || p[at] == ':'))
			at++;
		value->start = at;
		value->end = at = *last = value_end(p, n, at);
		*empty = false;
		if (name_end - name >= 2 && key_is(p + name + 1, name_end - name - 2, key))
			return true;
	}
}

static int put_value(struct buf *out, const struct pcr_values *v, const char *indent, struct err *err)
{
	char hex[2 * PCR_SIZE + 1];
	const struct {
		const char *name;
		const uint8_t *value;
	} rows[] = {{"PCR0", v->pcr0}, {"PCR1", v->pcr1}, {"PCR2", v->pcr2}, {"PCR8", v->has_pcr8 ? v->pcr8 : NULL}};

	if (buf_printf(out, err, "{\n%s%s\"HashAlgorithm\": \"Sha384 { ... }\"", indent, indent))
		return -1;
	for (size_t i = 0; i < 4; i++)
		if (rows[i].value && buf_printf(out, err, ",\n%s%s\"%s\": \"%s\"", indent, indent, rows[i].name,
						hex_encode(rows[i].value, PCR_SIZE, hex)))
			return -1;
	return buf_printf(out, err, "\n%s}", indent);
}

// What the file's own members are indented by: the blanks before its first key, if that begins a line; at most 8.
static void find_indent(const uint8_t *p, size_t n, char out[9])
{
	size_t at = (size_t)((const uint8_t *)memchr(p, '{', n) - p) + 1, len = 0;

	strcpy(out, "  ");
	while (at < n && (p[at] == '\r' || p[at] == ' '))
		at++;
	if (at >= n || p[at] != '\n')
		return;
	for (at++; at < n && len < 8 && (p[at] == ' ' || p[at] == '\t'); at++)
		out[len++] = (char)p[at];
	out[len] = 0;
	if (len == 0)
		strcpy(out, "  ");
}

int cage_config_set_pcrs(const void *text, size_t n, const struct pcr_values *pcrs, struct buf *out, struct err *err)
{
	const uint8_t *p = text;
	struct span value = {0, 0};
	bool empty;
	size_t last;
	char indent[9];

	if (!memchr(p, '{', n))
		return err_set(err, ERR_INPUT, "the file is no JSON object");
	find_indent(p, n, indent);
	if (find_member(p, n, "attestation", &value, &last, &empty))
		return buf_add(out, p, value.start, err) || put_value(out, pcrs, indent, err) ||
		       buf_add(out, p + value.end, n - value.end, err) ? -1 : 0;
	if (buf_add(out, p, last, err) || buf_printf(out, err, "%s\n%s\"attestation\": ", empty ? "" : ",", indent) ||
	    put_value(out, pcrs, indent, err))
		return -1;
	while (last < n && is_blank(p[last]) && p[last] != '\n')
		last++;
	if (last < n && p[last] != '\n' && p[last] != '\r' && buf_add_byte(out, '\n', err))
		return -1;
	return buf_add(out, p + last, n - last, err);
}
