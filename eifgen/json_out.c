// SPDX-License-Identifier: Apache-2.0
//
// The separator before a value is decided in one place (before_value): a comma unless the container is fresh or a key
// has just been written, then a newline and indentation if pretty.
#include "eifgen/json_out.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static bool failed(const struct jout *o)
{
	return o->err.class != ERR_NONE;
}

static void put(struct jout *o, const void *p, size_t n)
{
	if (!failed(o))
		buf_add(&o->text, p, n, &o->err);
}

static void puts_(struct jout *o, const char *s)
{
	put(o, s, strlen(s));
}

static void indent(struct jout *o)
{
	puts_(o, "\n");
	for (unsigned i = 0; i < o->depth; i++)
		puts_(o, "  ");
}

static void quoted(struct jout *o, const uint8_t *p, size_t n)
{
	static const char *const short_form[0x20] = {
		['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t"};
	char esc[8];

	puts_(o, "\"");
	while (n) {
		size_t len = utf8_next(p, n, NULL);

		if (!len) {
			puts_(o, "\xef\xbf\xbd");
			len = 1;
		} else if (*p == '"' || *p == '\\') {
			snprintf(esc, sizeof(esc), "\\%c", *p);
			puts_(o, esc);
		} else if (*p < 0x20) {
			snprintf(esc, sizeof(esc), "\\u%04x", *p);
			puts_(o, short_form[*p] ? short_form[*p] : esc);
		} else {
			put(o, p, len);
		}
		p += len;
		n -= len;
	}
	puts_(o, "\"");
}

// After jout_key the value follows at once: text ends in ':' or ": ", which no finished value does outside a string.
static bool after_key(const struct jout *o)
{
	size_t n = o->text.len;

	return n && (o->text.data[n - 1] == ':' || (n > 1 && o->text.data[n - 1] == ' ' && o->text.data[n - 2] == ':'));
}

static void before_value(struct jout *o, const char *key)
{
	if (key) {
		jout_key(o, key, strlen(key));
		return;
	}
	if (failed(o) || after_key(o) || !o->depth)
		return;
	if (!o->fresh)
		puts_(o, ",");
	if (o->pretty)
		indent(o);
	o->fresh = false;
}

void jout_key(struct jout *o, const void *p, size_t n)
{
	before_value(o, NULL);
	quoted(o, p, n);
	puts_(o, o->pretty ? ": " : ":");
}

void jout_open(struct jout *o, const char *key, char bracket)
{
	before_value(o, key);
	put(o, &bracket, 1);
	o->depth++;
	o->fresh = true;
}

void jout_close(struct jout *o, char bracket)
{
	o->depth--;
	if (!o->fresh && o->pretty)
		indent(o);
	put(o, &bracket, 1);
	o->fresh = false;
}

void jout_strn(struct jout *o, const char *key, const void *p, size_t n)
{
	before_value(o, key);
	quoted(o, p, n);
}

void jout_str(struct jout *o, const char *key, const char *s)
{
	if (s)
		jout_strn(o, key, s, strlen(s));
	else
		jout_null(o, key);
}

void jout_token(struct jout *o, const char *key, const char *text)
{
	before_value(o, key);
	puts_(o, text);
}

void jout_uint(struct jout *o, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
	jout_token(o, key, text);
}

void jout_bool(struct jout *o, const char *key, bool v)
{
	jout_token(o, key, v ? "true" : "false");
}

void jout_null(struct jout *o, const char *key)
{
	jout_token(o, key, "null");
}

void jout_hex(struct jout *o, const char *key, const void *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	before_value(o, key);
	puts_(o, "\"");
	for (size_t i = 0; i < n; i++) {
		char two[2] = {digits[p[i] >> 4], digits[p[i] & 15]};

		put(o, two, 2);
	}
	puts_(o, "\"");
}

const char *jout_text(struct jout *o, struct err *err)
{
	const char *text;

	if (o->pretty)
		puts_(o, "\n");
	text = failed(o) ? NULL : buf_cstr(&o->text, &o->err);
	if (!text && err)
		*err = o->err;
	return text;
}

void jout_free(struct jout *o)
{
	buf_free(&o->text);
}
