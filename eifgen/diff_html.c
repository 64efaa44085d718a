// SPDX-License-Identifier: Apache-2.0
//
// The page: a fixed template (diff_page.html, linked in whole) with the diff's JSON in the place of a mark. No network,
// no library: it opens from disk. Small files are embedded as base64 on either side, so that the page can show them
// next to each other; the sum is bounded, so a page of 70 000 entries stays some tens of megabytes at the most.
#include "eifgen/diff.h"
#include "eifgen/diff_json.h"

#include "base/io.h"
#include "base/utf8.h"

#include <string.h>
#include <sys/stat.h>

enum {
	SHOW_FILE_MAX = 8 * 1024,	  // of one version of one file
	SHOW_TOTAL_MAX = 4 * 1024 * 1024, // of all
};

#define MARK "@DIFF@"

__asm__(".section .rodata\n"
	".globl eifgen_diff_page\neifgen_diff_page:\n.incbin \"eifgen/diff_page.html\"\n.byte 0\n"
	".previous\n");
extern const char eifgen_diff_page[]; // NUL-terminated

int diff_json_bytes(const char *key, const char *p, size_t n, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	bool stray = false;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_next(p + i, n - i, NULL);

		if (len ? buf_add(&text, p + i, len, err) : buf_add_str(&text, "\xef\xbf\xbd", err))
			return -1;
		stray |= !len;
		i += len ? len : 1;
	}
	if (!buf_cstr(&text, err) || buf_printf(out, err, "\"%s\":", key) ||
	    json_add_quoted(out, (const char *)text.data, err))
		return -1;
	if (!stray)
		return 0;
	if (buf_printf(out, err, ",\"%sHex\":\"", key))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (buf_printf(out, err, "%02x", (unsigned char)p[i]))
			return -1;
	return buf_add_str(out, "\"", err);
}

static int add_base64(const uint8_t *p, size_t n, struct buf *out, struct err *err)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);
		char q[4] = {digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=',
			     i + 2 < n ? digits[v & 63] : '='};

		if (buf_add(out, q, 4, err))
			return -1;
	}
	return 0;
}

static int add_content(const char *key, int fd, const struct listing_entry *e, size_t *total, struct buf *out,
		       struct err *err)
{
	uint8_t bytes[SHOW_FILE_MAX];

	if (!e || !S_ISREG(e->h.mode) || e->h.filesize > SHOW_FILE_MAX || *total + e->h.filesize > SHOW_TOTAL_MAX)
		return 0;
	*total += e->h.filesize;
	if (io_pread_full(fd, bytes, e->h.filesize, e->data_offset, err) || buf_printf(out, err, ",\"%s\":\"", key) ||
	    add_base64(bytes, e->h.filesize, out, err))
		return -1;
	return buf_add_str(out, "\"", err);
}

// The diff's JSON with contents; `<` becomes \u003c, so that no name can end the script element.
static int page_json(const struct diff *d, struct buf *out, struct err *err)
{
	_cleanup_buf_ struct buf json = BUF_INIT(0);
	size_t total = 0;

	if (diff_json_head(d, &json, err))
		return -1;
	for (size_t i = 0; i < d->entry_count; i++) {
		const struct diff_entry *e = &d->entries[i];
		bool content = e->what & (DIFF_CONTENT | DIFF_SIZE | DIFF_ADDED | DIFF_REMOVED | DIFF_TARGET);

		if ((i && buf_add_str(&json, ",", err)) || diff_json_entry(d, e, &json, err))
			return -1;
		if (content && (add_content("ContentA", d->a->ramdisks[e->ramdisk]->fd, e->a, &total, &json, err) ||
				add_content("ContentB", d->b->ramdisks[e->ramdisk]->fd, e->b, &total, &json, err)))
			return -1;
		if (buf_add_str(&json, "}", err))
			return -1;
	}
	if (buf_add_str(&json, "]}", err))
		return -1;
	for (size_t i = 0; i < json.len; i++)
		if (json.data[i] == '<' ? buf_add_str(out, "\\u003c", err) : buf_add_byte(out, json.data[i], err))
			return -1;
	return 0;
}

int diff_print_html(const struct diff *d, struct buf *out, struct err *err)
{
	const char *mark = strstr(eifgen_diff_page, MARK);

	if (buf_add(out, eifgen_diff_page, (size_t)(mark - eifgen_diff_page), err) || page_json(d, out, err))
		return -1;
	return buf_add_str(out, mark + strlen(MARK), err);
}
