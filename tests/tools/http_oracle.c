// SPDX-License-Identifier: Apache-2.0
//
// Our HTTP/1.1 framing against http-parser's on the same bytes: what we accept it must accept too, with the same end of
// the message and the same content; what we refuse may be more. Inputs are the seed corpus of the fuzz target (each
// file behind its first byte), a list of smuggling shapes, and mutations of both by a fixed generator.
//
// Usage: http_oracle MUTATIONS FILE…      prints how many were compared; 1 at the first disagreement, with its bytes
#include "runtime/common/http1.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 4096, SEEDS_MAX = 128 };

struct verdict {
	int ok; // 1 a whole message, 0 unfinished, -1 refused
	size_t end;
	uint64_t content;
};

struct input {
	char p[INPUT_MAX];
	size_t n;
};

static struct input seeds[SEEDS_MAX];
static size_t n_seeds;
static uint64_t random_state = 88172645463325252u;

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static struct verdict ours(const struct input *in, struct http1_head *h)
{
	struct verdict v = {0, 0, 0};
	struct http1_decoder d;
	size_t scanned = 0;
	int n = http1_parse_request(in->p, in->n, &scanned, h);

	if (n <= 0) {
		v.ok = n ? -1 : 0;
		return v;
	}
	http1_decoder_init(&d, h);
	v.end = (size_t)n;
	while (v.end < in->n && !http1_done(&d)) {
		struct http1_span c;
		long took = http1_decode(&d, in->p + v.end, in->n - v.end, &c);

		if (took < 0) {
			v.ok = -1;
			return v;
		}
		v.end += (size_t)took;
	}
	v.content = d.total;
	v.ok = http1_done(&d);
	return v;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct verdict *v = p->data;

	(void)at;
	v->content += n;
	return 0;
}

static int on_complete(http_parser *p)
{
	struct verdict *v = p->data;

	v->ok = 1;
	http_parser_pause(p, 1); // so that the end of this message is seen
	return 0;
}

static struct verdict theirs(const struct input *in, enum http_errno *why)
{
	static const http_parser_settings settings = {.on_body = on_body, .on_message_complete = on_complete};
	struct verdict v = {0, 0, 0};
	http_parser p;

	http_parser_init(&p, HTTP_REQUEST);
	p.data = &v;
	v.end = http_parser_execute(&p, &settings, in->p, in->n);
	*why = HTTP_PARSER_ERRNO(&p);
	if (*why != HPE_OK && *why != HPE_PAUSED)
		v.ok = -1;
	return v;
}

static int has_longer_name(const struct http1_head *h)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		struct http1_span name = h->fields[i].name;

		if (name.n > 17 && http1_name_is((struct http1_span){name.p, 17}, "transfer-encoding"))
			return 1;
	}
	return 0;
}

// 0 agreed or nothing to compare, 1 compared, -1 disagreement.
static int compare(const struct input *in)
{
	static struct http1_head h;
	struct verdict a = ours(in, &h), b;
	enum http_errno why;

	if (a.ok != 1 || h.upgrade)
		return 0;
	b = theirs(in, &why);
	// A list of methods and a grammar of URLs are not framing.
	if (why == HPE_INVALID_METHOD || why == HPE_INVALID_URL || why == HPE_INVALID_HOST || why == HPE_INVALID_PORT ||
	    why == HPE_INVALID_PATH || why == HPE_INVALID_QUERY_STRING || why == HPE_INVALID_CONSTANT)
		return 0;
	// It takes any name that begins with Transfer-Encoding for that field.
	if ((why == HPE_INVALID_TRANSFER_ENCODING || why == HPE_UNEXPECTED_CONTENT_LENGTH) && has_longer_name(&h))
		return 0;
	// It knows no tab as a blank (RFC 9110 5.6.3 does).
	if (b.ok < 0 && memchr(in->p, '\t', in->n))
		return 0;
	// All content is out: it minds what a trailer says. Ours are dropped whatever they say.
	if (b.ok < 0 && h.body == HTTP1_CHUNKED && a.content && a.content == b.content)
		return 0;
	// It may have paused on the message's last byte.
	if (b.ok == 1 && a.content == b.content && (a.end == b.end || a.end == b.end + 1))
		return 1;
	printf("disagreement: ours ends at %zu with %llu bytes of content, theirs (%d, %s) at %zu with %llu\n", a.end,
	       (unsigned long long)a.content, b.ok, http_errno_name(why), b.end, (unsigned long long)b.content);
	fwrite(in->p, 1, in->n, stdout);
	putchar('\n');
	return -1;
}

static void mutate(struct input *in)
{
	static const char *const bits[] = {"\r\n",
					   "\n",
					   "\r",
					   ":",
					   " ",
					   "\t",
					   ",",
					   "0",
					   "chunked",
					   "Content-Length: 3\r\n",
					   "Transfer-Encoding: chunked\r\n",
					   "\r\n\r\n",
					   ";",
					   "5",
					   "abc",
					   "HTTP/1.1",
					   "\x0b"};

	*in = seeds[rnd() % n_seeds];
	for (uint64_t i = rnd() % 3; i < 3 && in->n > 1; i++) {
		const char *bit = bits[rnd() % (sizeof(bits) / sizeof(*bits))];
		size_t at = rnd() % in->n, k = strlen(bit);

		switch (rnd() % 4) {
		case 0:
			in->p[at] = (char)rnd();
			break;
		case 1:
			memmove(in->p + at, in->p + at + 1, --in->n - at);
			break;
		default:
			if (in->n + k <= INPUT_MAX) {
				memmove(in->p + at + k, in->p + at, in->n - at);
				memcpy(in->p + at, bit, k);
				in->n += k;
			}
		}
	}
}

static void add_text(const char *s)
{
	seeds[n_seeds].n = strlen(s);
	memcpy(seeds[n_seeds++].p, s, strlen(s));
}

static void add_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f || n_seeds == SEEDS_MAX)
		exit(2);
	fgetc(f);
	seeds[n_seeds].n = fread(seeds[n_seeds].p, 1, INPUT_MAX, f);
	fclose(f);
	n_seeds++;
}

int main(int argc, char **argv)
{
	static const char *const shapes[] = {
	    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET",
	    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET",
	    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n00a;x=y\r\n0123456789\r\n0\r\nT: "
	    "v\r\n\r\n",
	    "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nrest",
	    "GET / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab"};
	static struct input in;
	long mutations = argc > 1 ? atol(argv[1]) : 0, compared = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		add_text(shapes[i]);
	for (int i = 2; i < argc; i++)
		add_file(argv[i]);
	for (long i = 0; i < mutations + (long)n_seeds; i++) {
		int rc;

		if (i < (long)n_seeds)
			in = seeds[i];
		else
			mutate(&in);
		rc = compare(&in);
		if (rc < 0)
			return 1;
		compared += rc;
	}
	printf("%ld compared\n", compared);
	return compared > mutations / 100 ? 0 : 1;
}
