// SPDX-License-Identifier: Apache-2.0
//
// The page: a fixed template (diff_page.html, linked in whole) with the diff's JSON in the place of a mark. No network,
// no library: it opens from disk. Small files are embedded as base64 on either side, so that the page can show them
// next to each other; the sum is bounded, so a page of 70 000 entries stays some tens of megabytes at the most.
#include "eifgen/diff_json.h"

#include "base/io.h"

#include <string.h>
#include <sys/stat.h>

enum {
	SHOW_FILE_MAX = 8 * 1024,	  // of one version of one file
	SHOW_TOTAL_MAX = 4 * 1024 * 1024, // of all
	BASE64_MAX = SHOW_FILE_MAX / 3 * 4 + 8,
};

#define MARK "@DIFF@"

__asm__(".section .rodata\n"
	".globl eifgen_diff_page\neifgen_diff_page:\n.incbin \"eifgen/diff_page.html\"\n.byte 0\n"
	".previous\n");
extern const char eifgen_diff_page[]; // NUL-terminated

static void base64(const uint8_t *p, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v =
		    (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

		*out++ = digits[v >> 18];
		*out++ = digits[v >> 12 & 63];
		*out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*out++ = i + 2 < n ? digits[v & 63] : '=';
	}
	*out = '\0';
}

struct page {
	const struct diff *d;
	size_t shown; // bytes embedded so far
};

static int put_content(struct page *page, const char *key, const struct listing *l, const struct listing_entry *e,
		       struct jout *o, struct err *err)
{
	uint8_t bytes[SHOW_FILE_MAX];
	char text[BASE64_MAX];

	e = e ? e->data : NULL;
	if (!e || !S_ISREG(e->h.mode) || e->h.filesize > SHOW_FILE_MAX || page->shown + e->h.filesize > SHOW_TOTAL_MAX)
		return 0;
	page->shown += e->h.filesize;
	if (io_pread_full(l->fd, bytes, e->h.filesize, e->data_offset, err))
		return -1;
	base64(bytes, e->h.filesize, text);
	jout_str(o, key, text);
	return 0;
}

static int put_contents(void *ctx, const struct diff_entry *e, struct jout *o, struct err *err)
{
	struct page *page = ctx;

	if (!(e->what & (DIFF_CONTENT | DIFF_ADDED | DIFF_REMOVED)))
		return 0;
	return put_content(page, "ContentA", page->d->a->ramdisks[e->ramdisk], e->a, o, err) ||
			       put_content(page, "ContentB", page->d->b->ramdisks[e->ramdisk], e->b, o, err)
		       ? -1
		       : 0;
}

int diff_print_html(const struct diff *d, struct buf *out, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	const char *mark = strstr(eifgen_diff_page, MARK), *json;
	struct page page = {d, 0};

	if (diff_put_json(d, &o, put_contents, &page, err))
		return -1;
	json = jout_text(&o, err);
	if (!json || buf_add(out, eifgen_diff_page, (size_t)(mark - eifgen_diff_page), err))
		return -1;
	// `<` becomes \u003c, so that no name can end the script element.
	for (; *json; json++)
		if (*json == '<' ? buf_add_str(out, "\\u003c", err) : buf_add_byte(out, (uint8_t)*json, err))
			return -1;
	return buf_add_str(out, mark + strlen(MARK), err);
}
