// SPDX-License-Identifier: Apache-2.0
//
// The answer is taken apart by spans that know their end, line by line; no C string is made of it, since nothing ends
// one but what the host sent. A body that is shorter than it says is refused, and so is one whose length is said in two
// ways.
#include "eifgen/attest_http.h"

#include "layerfs/json.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum {
	STATUS_LINE_MIN = 12,  // HTTP/1.1 200
	LENGTH_DIGITS_MAX = 8, // of a length: the answer's ceiling has six
};

struct span {
	const uint8_t *p;
	size_t n;
};

// Cuts the first line off `rest`. False if no line ends in it.
static bool take_line(struct span *rest, struct span *line)
{
	const uint8_t *end = rest->n ? memmem(rest->p, rest->n, "\r\n", 2) : NULL;

	if (!end)
		return false;
	*line = (struct span){rest->p, (size_t)(end - rest->p)};
	rest->p = end + 2;
	rest->n -= line->n + 2;
	return true;
}

static bool is_text(const struct span *s, const char *text)
{
	return s->n == strlen(text) && !strncasecmp((const char *)s->p, text, s->n);
}

static struct span trim(struct span s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static unsigned digit_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - (unsigned)'0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - (unsigned)'a' + 10 : UINT8_MAX;
}

// The digits that s begins with, as a number; how many there are, 0 for none or too many.
static size_t read_digits(const struct span *s, unsigned base, size_t *value)
{
	size_t n = 0;

	for (*value = 0; n < s->n && digit_value(s->p[n]) < base; n++) {
		if (n == LENGTH_DIGITS_MAX)
			return 0;
		*value = *value * base + digit_value(s->p[n]);
	}
	return n;
}

// ---- the head ------------------------------------------------------------------------------------------------------

struct framing {
	bool chunked, has_length;
	size_t length;
};

static int take_status(struct span *rest, struct err *err)
{
	struct span line, code;
	size_t value;

	if (!take_line(rest, &line) || line.n < STATUS_LINE_MIN || memcmp(line.p, "HTTP/1.", 7) != 0 ||
	    line.p[8] != ' ')
		return err_set(err, ERR_INPUT, "no attestation document in the certificate, and no HTTP answer");
	code = (struct span){line.p + 9, 3};
	if (read_digits(&code, 10, &value) != 3)
		return err_set(err, ERR_INPUT, "no attestation document in the certificate, and no HTTP answer");
	if (value != 200)
		return err_set(err, ERR_INPUT,
			       "no attestation document in the certificate, and HTTP status %zu for the well-known one",
			       value);
	return 0;
}

static int take_field(const struct span *line, struct framing *f, struct err *err)
{
	const uint8_t *colon = memchr(line->p, ':', line->n);
	struct span name = {line->p, colon ? (size_t)(colon - line->p) : 0}, value;

	if (!colon)
		return err_set(err, ERR_INPUT, "a header field that is none");
	value = trim((struct span){colon + 1, line->n - name.n - 1});
	if (is_text(&name, "transfer-encoding")) {
		if (f->chunked || !is_text(&value, "chunked"))
			return err_set(err, ERR_INPUT, "a transfer coding that is not chunked");
		f->chunked = true;
	} else if (is_text(&name, "content-length")) {
		if (f->has_length || !value.n || read_digits(&value, 10, &f->length) != value.n)
			return err_set(err, ERR_INPUT, "a length that is none, or two of them");
		f->has_length = true;
	}
	return 0;
}

static int take_head(struct span *rest, struct framing *f, struct err *err)
{
	struct span line;

	if (take_status(rest, err))
		return -1;
	while (take_line(rest, &line)) {
		if (!line.n)
			return f->chunked && f->has_length ? err_set(err, ERR_INPUT, "a length and chunks at once") : 0;
		if (take_field(&line, f, err))
			return -1;
	}
	return err_set(err, ERR_INPUT, "the answer is cut");
}

// ---- the body ------------------------------------------------------------------------------------------------------

// The size in front of a chunk; an extension behind ';' is passed over.
static bool read_chunk_size(const struct span *line, size_t *n)
{
	size_t digits = read_digits(line, 16, n);
	struct span behind = {line->p + digits, line->n - digits};

	behind = trim(behind);
	return digits && (!behind.n || *behind.p == ';');
}

// Joins the chunks of `rest` at the front of the buffer that it points into.
static int unchunk(struct buf *body, struct span rest, struct err *err)
{
	struct span line;
	size_t n, out = 0;

	for (;;) {
		if (!take_line(&rest, &line) || !read_chunk_size(&line, &n))
			return err_set(err, ERR_INPUT, "a chunked answer that is broken");
		if (!n)
			break; // trailer fields say nothing to us
		if (rest.n < n || rest.n - n < 2 || memcmp(rest.p + n, "\r\n", 2) != 0)
			return err_set(err, ERR_INPUT, "a chunked answer that is cut");
		memmove(body->data + out, rest.p, n);
		out += n;
		rest.p += n + 2;
		rest.n -= n + 2;
	}
	body->len = out;
	return 0;
}

// Leaves the body alone in `answer`.
static int take_body(struct buf *answer, struct err *err)
{
	struct span rest = {answer->data, answer->len};
	struct framing f = {.chunked = false};

	if (take_head(&rest, &f, err))
		return -1;
	if (f.chunked)
		return unchunk(answer, rest, err);
	if (f.has_length && rest.n < f.length)
		return err_set(err, ERR_INPUT, "the answer is cut");
	buf_consume(answer, answer->len - rest.n);
	if (f.has_length)
		answer->len = f.length;
	return 0;
}

static int decode_base64(const char *text, struct buf *out, struct err *err)
{
	size_t n = strlen(text), pad = 0;
	int got;

	if (!n || n % 4 || n > ATTEST_HTTP_MAX)
		return err_set(err, ERR_INPUT, "attestation_doc is not base64");
	if (buf_reserve(out, n, err))
		return -1;
	while (pad < 2 && text[n - 1 - pad] == '=')
		pad++;
	got = EVP_DecodeBlock(out->data + out->len, (const unsigned char *)text, (int)n);
	if (got < 0 || (size_t)got < pad)
		return err_set(err, ERR_INPUT, "attestation_doc is not base64");
	out->len += (size_t)got - pad;
	return 0;
}

int attest_http_document(struct buf *answer, struct buf *doc, struct err *err)
{
	_cleanup_json_ cJSON *json = NULL;
	const char *text = NULL;

	if (take_body(answer, err))
		return -1;
	if (answer->len && (answer->data[0] == 0x84 || answer->data[0] == 0xd2)) // the bare document
		return buf_add(doc, answer->data, answer->len, err);
	if (json_parse(answer->data, answer->len, ATTEST_HTTP_MAX, &json, err) ||
	    json_get_string(json, "attestation_doc", JSON_REQUIRED, &text, err))
		return err_prefix(err, "/.well-known/attestation: ");
	return decode_base64(text, doc, err);
}
