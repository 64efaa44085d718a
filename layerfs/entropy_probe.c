// SPDX-License-Identifier: Apache-2.0
//
// Looking into files for the stamps that their formats carry. Nothing here trusts a length found in a file beyond the
// file's own size, and every walk has a bound.
#include "layerfs/entropy_probe.h"

#include "base/be.h"
#include "base/buf.h"

#include <string.h>

enum {
	// of a text file; a shadow file or an apk database is far smaller, or the rest tells no more
	PROBE_TEXT_MAX = 1 << 20,
	PYC_FLAGS_FROM = 3390, // magic of the first 3.7
	PYC_PYTHON_2 = 20121,
	PROBE_MEMBERS_MAX = 256,  // of an archive: if so many carry no time, the rest will not either
};

// Exactly n bytes at off: 1, or 0 if the file is shorter, or -1.
static int read_at(const struct entropy_file *f, uint64_t off, void *p, size_t n, struct err *err)
{
	size_t got = 0;

	if (off > f->size || f->size - off < n)
		return 0;
	while (got < n) {
		ssize_t r = f->read(f->ctx, off + got, (char *)p + got, n - got, err);

		if (r < 0)
			return -1;
		if (r == 0)
			return 0;
		got += (size_t)r;
	}
	return 1;
}

static int read_text(const struct entropy_file *f, struct buf *out, struct err *err)
{
	size_t n = f->size < PROBE_TEXT_MAX ? (size_t)f->size : PROBE_TEXT_MAX;
	int r;

	if (buf_reserve(out, n + 1, err))
		return -1;
	r = read_at(f, 0, out->data, n, err);
	if (r < 0)
		return -1;
	out->len = r ? n : 0;
	return buf_cstr(out, err) ? 0 : -1;
}

int entropy_probe_not_empty(const struct entropy_file *f, struct err *err)
{
	(void)err;
	return f->size > 0;
}

// systemd writes "uninitialized" into images that make their id when they start.
int entropy_probe_machine_id(const struct entropy_file *f, struct err *err)
{
	static const char none[] = "uninitialized\n";
	char text[sizeof(none)] = "";
	size_t n = f->size < sizeof(none) - 1 ? (size_t)f->size : sizeof(none) - 1;

	if (!f->size)
		return 0;
	if (read_at(f, 0, text, n, err) < 0)
		return -1;
	return f->size >= sizeof(none) || n < sizeof(none) - 2 || memcmp(text, none, n) != 0;
}

// Of hosts(5) and hostname(5): what images bring that know nothing of the machine they were built on.
static bool is_everybodys(const char *word, size_t n)
{
	static const char *const words[] = {
		"127.0.0.1", "::1", "fe00::", "fe00::0", "ff00::", "ff00::0", "ff02::1", "ff02::2", "ff02::3", "localhost",
		"localhost.localdomain", "localhost4", "localhost4.localdomain4", "localhost6", "localhost6.localdomain6",
		"ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes", "ip6-allrouters",
		"ip6-allhosts", NULL};

	for (const char *const *w = words; *w; w++)
		if (strlen(*w) == n && !memcmp(*w, word, n))
			return true;
	return false;
}

int entropy_probe_host_names(const struct entropy_file *f, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (read_text(f, &text, err))
		return -1;
	for (const char *p = (const char *)text.data; *(p += strspn(p, " \t\r\n"));) {
		size_t n = *p == '#' ? strcspn(p, "\n") : strcspn(p, " \t\r\n#");

		if (*p != '#' && !is_everybodys(p, n))
			return 1;
		p += n;
	}
	return 0;
}

// magic u16 CR LF, flags u32 (bit 0: hash-based), then source mtime u32 and source size u32 if flags are 0. Before 3.7
// there were no flags; Python 2's magic is 20121 or more, 3.0's 3000.
bool entropy_pyc_stamp(const uint8_t *head, size_t *off, size_t *n)
{
	bool flags = get_le16(head) >= PYC_FLAGS_FROM && get_le16(head) < PYC_PYTHON_2;

	*off = flags ? 8 : 4;
	*n = flags ? 8 : 4;
	return head[2] == 0x0d && head[3] == 0x0a && !(flags && get_le32(head + 4));
}

int entropy_probe_pyc_stamp(const struct entropy_file *f, struct err *err)
{
	uint8_t h[ENTROPY_PYC_HEAD];
	size_t off, n;
	int r = read_at(f, 0, h, sizeof(h), err);

	return r <= 0 ? r : entropy_pyc_stamp(h, &off, &n) && get_le32(h + off) != 0;
}

int entropy_probe_gzip_time(const struct entropy_file *f, struct err *err)
{
	uint8_t h[10];
	int r = read_at(f, 0, h, sizeof(h), err);

	if (r <= 0)
		return r;
	return h[0] == 0x1f && h[1] == 0x8b && get_le32(h + 4) != 0;
}

// "!<arch>\n", then members: name[16] date[12] uid[6] gid[6] mode[8] size[10] "`\n", data, padding to 2.
int entropy_probe_ar_times(const struct entropy_file *f, struct err *err)
{
	char magic[8], h[60];
	uint64_t off = 8;
	int r = read_at(f, 0, magic, sizeof(magic), err);

	if (r <= 0 || memcmp(magic, "!<arch>\n", 8))
		return r < 0 ? -1 : 0;
	for (int i = 0; i < PROBE_MEMBERS_MAX; i++) {
		uint64_t size = 0;

		r = read_at(f, off, h, sizeof(h), err);
		if (r <= 0 || h[58] != '`')
			return r < 0 ? -1 : 0;
		if (h[16] != '0' && h[16] != ' ')
			return 1;
		for (int k = 48; k < 58 && h[k] >= '0' && h[k] <= '9'; k++)
			size = size * 10 + (uint64_t)(h[k] - '0');
		off += sizeof(h) + size + (size & 1);
	}
	return 0;
}

// Local header: "PK\3\4", version u16, flags u16, method u16, time u16, date u16, …, compressed u32 at 18, name u16 at
// 26, extra u16 at 28. Members whose size is in a data descriptor (flag bit 3) end the walk: the first one told enough.
int entropy_probe_zip_times(const struct entropy_file *f, struct err *err)
{
	uint8_t h[30];
	uint64_t off = 0;

	for (int i = 0; i < PROBE_MEMBERS_MAX; i++) {
		int r = read_at(f, off, h, sizeof(h), err);

		if (r <= 0 || memcmp(h, "PK\3\4", 4))
			return r < 0 ? -1 : 0;
		if (get_le16(h + 10) != 0 || get_le16(h + 12) != 0x21) // 0x21: 1980-01-01
			return 1;
		if (get_le16(h + 6) & 8)
			return 0;
		off += sizeof(h) + get_le32(h + 18) + (uint64_t)get_le16(h + 26) + get_le16(h + 28);
	}
	return 0;
}

int entropy_probe_shadow_date(const struct entropy_file *f, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (read_text(f, &text, err))
		return -1;
	for (const char *line = (const char *)text.data; *line;) {
		const char *end = strchrnul(line, '\n');
		const char *a = memchr(line, ':', (size_t)(end - line));
		const char *b = a ? memchr(a + 1, ':', (size_t)(end - a - 1)) : NULL;

		if (b && strspn(b + 1, "0123456789") >= 4)
			return 1;
		line = *end ? end + 1 : end;
	}
	return 0;
}

int entropy_probe_apk_virtual(const struct entropy_file *f, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (read_text(f, &text, err))
		return -1;
	for (const char *p = (const char *)text.data; (p = strstr(p, "\nV:")); p += 3) {
		size_t digits = strspn(p + 3, "0123456789");

		if (digits >= 8 && strspn(p + 3 + digits, ".0123456789") <= 9 && strchr("\n.", p[3 + digits]))
			return 1;
	}
	return 0;
}

int entropy_probe_java_keystore(const struct entropy_file *f, struct err *err)
{
	uint8_t h[4];
	int r = read_at(f, 0, h, sizeof(h), err);

	if (r <= 0)
		return r;
	return get_be32(h) == 0xfeedfeedU || get_be32(h) == 0xcecececeU || (h[0] == 0x30 && h[1] >= 0x82);
}
