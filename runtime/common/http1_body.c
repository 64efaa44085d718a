// SPDX-License-Identifier: Apache-2.0
//
// The body decoder: a state machine a byte wide in the framing and a block wide in the content.
//
//   SIZE ──CRLF──► CHUNK ──all──► CHUNK_END ──CRLF──► SIZE …      SIZE 0 ──CRLF──► TRAILER ──empty line──► DONE
//   DATA ──length out, or EOF when the body runs to the close──► DONE
//
// Trailers are checked for form and dropped: no field that arrives after the body can then change what was decided
// before it.
#include "runtime/common/http1.h"

#include <stdio.h>

static bool is_tchar(char c)
{
	return http1_is_token(&c, 1);
}

static bool is_value_char(char c)
{
	return http1_is_value(&c, 1);
}

void http1_decoder_init(struct http1_decoder *d, const struct http1_head *head)
{
	*d = (struct http1_decoder){.body = head->body, .left = head->length};
	switch (head->body) {
	case HTTP1_NONE:
		d->state = HTTP1_S_DONE;
		break;
	case HTTP1_LENGTH:
		d->state = head->length ? HTTP1_S_DATA : HTTP1_S_DONE;
		break;
	case HTTP1_CHUNKED:
		d->state = HTTP1_S_SIZE;
		d->left = 0;
		break;
	case HTTP1_CLOSE:
		d->state = HTTP1_S_DATA;
		d->left = UINT64_MAX;
		break;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
		return (c | 0x20) - 'a' + 10;
	return -1;
}

// A byte of "1*HEXDIG *( ; extension ) CRLF". Sizes of more than 15 digits are refused, so no sum can wrap. Blanks
// between size and `;` are refused too: readers differ on them.
static int size_byte(struct http1_decoder *d, char c)
{
	int digit = hex_digit(c);

	if (++d->line > HTTP1_CHUNK_LINE_MAX)
		return -1;
	if (d->cr) {
		if (c != '\n')
			return -1;
		d->state = d->left ? HTTP1_S_CHUNK : HTTP1_S_TRAILER;
		d->cr = d->in_ext = false;
		d->line = d->digits = 0;
		d->empty_line = true;
		return 0;
	}
	if (c == '\r') {
		d->cr = true;
		return d->digits ? 0 : -1;
	}
	if (d->in_ext)
		return is_value_char(c) ? 0 : -1;
	if (c == ';' && d->digits) {
		d->in_ext = true;
		return 0;
	}
	if (digit < 0 || ++d->digits > 15)
		return -1;
	d->left = d->left << 4 | (uint64_t)digit;
	return 0;
}

// A byte of "*( name: value CRLF ) CRLF".
static int trailer_byte(struct http1_decoder *d, char c)
{
	if (++d->line > HTTP1_TRAILER_MAX)
		return -1;
	if (d->cr) {
		if (c != '\n')
			return -1;
		d->cr = false;
		if (d->empty_line)
			d->state = HTTP1_S_DONE;
		d->empty_line = true;
		return 0;
	}
	if (c == '\r') {
		d->cr = true;
		return d->empty_line || !d->field_name ? 0 : -1; // a line without a colon
	}
	if (d->empty_line) {
		d->empty_line = false;
		d->field_name = true;
		return is_tchar(c) ? 0 : -1;
	}
	if (d->field_name && c == ':') {
		d->field_name = false;
		return 0;
	}
	return (d->field_name ? is_tchar(c) : is_value_char(c)) ? 0 : -1;
}

static int chunk_end_byte(struct http1_decoder *d, char c)
{
	if (c != (d->cr ? '\n' : '\r'))
		return -1;
	if (d->cr)
		d->state = HTTP1_S_SIZE;
	d->cr = !d->cr;
	return 0;
}

// Hands out content of the current chunk or length.
static long take_content(struct http1_decoder *d, const char *p, size_t n, struct http1_span *content)
{
	size_t k = n < d->left ? n : (size_t)d->left;

	*content = (struct http1_span){p, k};
	d->total += k;
	if (d->body != HTTP1_CLOSE)
		d->left -= k;
	if (d->left == 0)
		d->state = d->body == HTTP1_CHUNKED ? HTTP1_S_CHUNK_END : HTTP1_S_DONE;
	return (long)k;
}

long http1_decode(struct http1_decoder *d, const char *p, size_t n, struct http1_span *content)
{
	size_t i;

	*content = (struct http1_span){NULL, 0};
	for (i = 0; i < n && d->state != HTTP1_S_DONE; i++) {
		int rc;

		switch (d->state) {
		case HTTP1_S_DATA:
		case HTTP1_S_CHUNK:
			return (long)i + take_content(d, p + i, n - i, content);
		case HTTP1_S_SIZE:
			rc = size_byte(d, p[i]);
			break;
		case HTTP1_S_CHUNK_END:
			rc = chunk_end_byte(d, p[i]);
			break;
		default:
			rc = trailer_byte(d, p[i]);
		}
		if (rc)
			return -1;
	}
	return (long)i;
}

bool http1_decode_eof(struct http1_decoder *d)
{
	if (d->body == HTTP1_CLOSE)
		d->state = HTTP1_S_DONE;
	return d->state == HTTP1_S_DONE;
}

size_t http1_chunk_head(char out[HTTP1_CHUNK_HEAD_MAX], size_t n)
{
	return (size_t)snprintf(out, HTTP1_CHUNK_HEAD_MAX, "%zx\r\n", n);
}

const char *http1_reason(int status)
{
	static const struct {
		int status;
		const char *phrase;
	} known[] = {{100, "Continue"},
		     {101, "Switching Protocols"},
		     {200, "OK"},
		     {204, "No Content"},
		     {400, "Bad Request"},
		     {401, "Unauthorized"},
		     {404, "Not Found"},
		     {405, "Method Not Allowed"},
		     {408, "Request Timeout"},
		     {413, "Content Too Large"},
		     {414, "URI Too Long"},
		     {417, "Expectation Failed"},
		     {421, "Misdirected Request"},
		     {431, "Request Header Fields Too Large"},
		     {500, "Internal Server Error"},
		     {501, "Not Implemented"},
		     {502, "Bad Gateway"},
		     {503, "Service Unavailable"},
		     {504, "Gateway Timeout"},
		     {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].status == status)
			return known[i].phrase;
	return "Unknown";
}
