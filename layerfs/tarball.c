// SPDX-License-Identifier: Apache-2.0
//
// The index of a tar file (POSIX.1-1988 ustar, pax 2001, GNU long names):
//
//   512-byte header: name 100 mode 8 uid 8 gid 8 size 12 mtime 12 chksum 8 type 1 linkname 100 magic 6 version 2
//                    uname 32 gname 32 devmajor 8 devminor 8 prefix 155;  data, NUL padding to 512;  …  two zero blocks
//
// One pass over the headers notes each member's name, type, link target and data range; nothing is unpacked. Names
// are stored without leading `./` and `/` and never touch a file system, so `..` in them can do no harm. Lookups
// compare whole names; a file written twice is refused when asked for, because readers disagree on which one counts.
#include "layerfs/tarball.h"

#include "base/checked.h"
#include "base/io.h"
#include "base/mem.h"
#include "layerfs/inflate.h"
#include "layerfs/spool.h"

#include <string.h>

enum {
	BLOCK = 512,
	MEMBERS_MAX = 1 << 16,	 // docker save writes 3 a layer and image; a thousand images would fit
	EXTENSION_MAX = 1 << 16, // bytes of one pax record set or long name
	LINKS_MAX = 8,		 // from name to file
	NAME_MAX_ = 4096,
	PIECE = 128 << 10,
	QUOTE_MAX = 300,
};

struct member {
	char *name, *link; // link: target of a symlink (relative to the member) or hard link (from the root), else NULL
	char type;
	uint64_t off, size;
};

struct tarball {
	int fd;
	uint64_t file_size;
	struct member *members;
	size_t count, cap;
};

// What extension headers said about the next member; owned.
struct pending {
	char *name, *link;
	uint64_t size;
	bool has_size;
};

static void pending_clear(struct pending *p)
{
	free(p->name);
	free(p->link);
	memset(p, 0, sizeof(*p));
}

static int bad_tar(uint64_t off, const char *what, struct err *err)
{
	return err_set(err, ERR_INPUT, "tar, byte %llu: %s", (unsigned long long)off, what);
}

// ---- header fields -------------------------------------------------------------------------------------------------
// Octal digits between spaces or NULs, or GNU's base-256 with the top bit set.
static int parse_number(const uint8_t *p, size_t n, uint64_t *out)
{
	uint64_t v = 0;
	size_t i = 0;

	if (*p & 0x80) {
		v = *p & 0x7f;
		for (i = 1; i < n; i++) {
			if (v >> 55)
				return -1;
			v = v << 8 | p[i];
		}
		*out = v;
		return 0;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 60)
			return -1;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	for (; i < n; i++)
		if (p[i] != ' ' && p[i] != '\0')
			return -1;
	*out = v;
	return 0;
}

static bool checksum_ok(const uint8_t *h)
{
	uint64_t want, sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return !parse_number(h + 148, 8, &want) && sum == want;
}

static bool is_zero(const uint8_t *h)
{
	return !*h && !memcmp(h, h + 1, BLOCK - 1);
}

static char *dup_field(const uint8_t *p, size_t n, struct err *err)
{
	return mem_dup(p, strnlen((const char *)p, n), err);
}

static char *header_name(const uint8_t *h, struct err *err)
{
	size_t n = strnlen((const char *)h + 345, 155);

	if (memcmp(h + 257, "ustar\0", 6) || !n) // GNU's magic has no prefix field
		return dup_field(h, 100, err);
	return mem_printf(err, "%.*s/%.*s", (int)n, (const char *)h + 345, (int)strnlen((const char *)h, 100),
			  (const char *)h);
}

// ---- extension headers ---------------------------------------------------------------------------------------------
static int set_text(char **field, const char *from, size_t n, uint64_t off, struct err *err)
{
	if (memchr(from, '\0', n) || n >= NAME_MAX_)
		return bad_tar(off, "a name with a NUL in it, or longer than 4095 bytes", err);
	free(*field);
	*field = mem_dup(from, n, err);
	return *field ? 0 : -1;
}

static int pax_record(struct pending *next, const char *key, size_t key_len, const char *value, size_t n, uint64_t off,
		      struct err *err)
{
	if (key_len == 4 && !memcmp(key, "path", 4))
		return set_text(&next->name, value, n, off, err);
	if (key_len == 8 && !memcmp(key, "linkpath", 8))
		return set_text(&next->link, value, n, off, err);
	if (key_len > 11 && !memcmp(key, "GNU.sparse.", 11))
		return bad_tar(off, "a sparse member", err);
	if (key_len != 4 || memcmp(key, "size", 4))
		return 0;
	next->size = 0;
	next->has_size = true;
	for (size_t i = 0; i < n; i++)
		if (value[i] < '0' || value[i] > '9' || ckd_mul(&next->size, next->size, 10u) ||
		    ckd_add(&next->size, next->size, (unsigned)(value[i] - '0')))
			return bad_tar(off, "malformed size in a pax record", err);
	return 0;
}

// "LENGTH KEY=VALUE\n" records, LENGTH counting the whole record.
static int parse_pax(struct pending *next, const char *p, size_t n, uint64_t off, struct err *err)
{
	while (n) {
		size_t len = 0, i = 0;
		const char *eq;

		for (; i < n && i < 6 && p[i] >= '0' && p[i] <= '9'; i++)
			len = len * 10 + (size_t)(p[i] - '0');
		if (!i || i >= n || p[i] != ' ' || len > n || len < i + 3 || p[len - 1] != '\n')
			return bad_tar(off, "malformed pax record", err);
		eq = memchr(p + i + 1, '=', len - i - 2);
		if (!eq)
			return bad_tar(off, "malformed pax record", err);
		if (pax_record(next, p + i + 1, (size_t)(eq - p) - i - 1, eq + 1, (size_t)(p + len - 1 - eq) - 1, off,
			       err))
			return -1;
		p += len;
		n -= len;
	}
	return 0;
}

static int read_extension(struct tarball *a, char type, uint64_t off, uint64_t size, struct pending *next,
			  struct err *err)
{
	_cleanup_free_ char *text = NULL;

	if (size > EXTENSION_MAX)
		return bad_tar(off, "extension header of more than 64 KiB", err);
	text = mem_alloc((size_t)size + 1, err);
	if (!text || io_pread_full(a->fd, text, (size_t)size, off, err))
		return -1;
	text[size] = '\0';
	switch (type) {
	case 'x':
		return parse_pax(next, text, (size_t)size, off, err);
	case 'L':
		return set_text(&next->name, text, strlen(text), off, err);
	case 'K':
		return set_text(&next->link, text, strlen(text), off, err);
	default: // 'g': defaults for all members; names and sizes there would make no sense, comments are common
		return 0;
	}
}

// ---- the pass ------------------------------------------------------------------------------------------------------
// Removes `.` components, doubled and outer slashes, in place.
static void clean_name(char *name)
{
	char *out = name;

	for (const char *s = name; *s;) {
		size_t n = strcspn(s, "/");

		if (n && !(n == 1 && *s == '.')) {
			if (out != name)
				*out++ = '/';
			memmove(out, s, n);
			out += n;
		}
		s += n;
		while (*s == '/')
			s++;
	}
	*out = '\0';
}

static int add_member(struct tarball *a, const uint8_t *h, struct pending *next, uint64_t off, uint64_t size,
		      struct err *err)
{
	struct member *m;

	if (a->count == MEMBERS_MAX)
		return err_set(err, ERR_LIMIT, "tar: more than %d members", MEMBERS_MAX);
	if (mem_grow(&a->members, &a->cap, a->count, sizeof(*a->members), err))
		return -1;
	m = &a->members[a->count++];
	*m = (struct member){steal_ptr(&next->name), steal_ptr(&next->link), h[156] ? (char)h[156] : '0', off, size};
	if (!m->name)
		m->name = header_name(h, err);
	if (!m->link && (m->type == '1' || m->type == '2'))
		m->link = dup_field(h + 157, 100, err);
	if (!m->name || (!m->link && (m->type == '1' || m->type == '2')))
		return -1;
	clean_name(m->name);
	return 0;
}

// One header at *off, which moves behind the member's data. 1: a member or extension; 0: the zero block; -1.
static int read_member(struct tarball *a, uint64_t *off, struct pending *next, struct err *err)
{
	uint8_t h[BLOCK];
	uint64_t size, end;
	bool extension;

	if (a->file_size - *off < BLOCK)
		return bad_tar(*off, "the archive ends early", err);
	if (io_pread_full(a->fd, h, BLOCK, *off, err))
		return -1;
	if (is_zero(h))
		return 0;
	if (!checksum_ok(h) || parse_number(h + 124, 12, &size))
		return bad_tar(*off, "no tar header", err);
	extension = h[156] && strchr("xgLK", h[156]);
	if (!extension && next->has_size)
		size = next->size;
	if (h[156] && strchr("123456", h[156])) // links and nodes have no data, whatever size they claim
		size = 0;
	*off += BLOCK;
	if (ckd_add(&end, *off, size) || end > a->file_size)
		return bad_tar(*off, "a member is longer than the file", err);
	if (extension) {
		if (read_extension(a, (char)h[156], *off, size, next, err))
			return -1;
	} else {
		if (h[156] == 'S')
			return bad_tar(*off, "a sparse member", err);
		if (add_member(a, h, next, *off, size, err))
			return -1;
		pending_clear(next);
	}
	end = (end + BLOCK - 1) / BLOCK * BLOCK; // no wrap: end is at most a file's size
	*off = end < a->file_size ? end : a->file_size;
	return 1;
}

static int index_members(struct tarball *a, struct err *err)
{
	_cleanup_(pending_clear) struct pending next = {0};
	uint64_t off = 0;
	int r;

	do {
		r = read_member(a, &off, &next, err);
	} while (r > 0);
	if (!r && !a->count)
		return err_set(err, ERR_INPUT, "an empty tar");
	return r;
}

// ---- compressed archives -------------------------------------------------------------------------------------------
struct file_from_start {
	int fd;
	uint64_t off;
};

static ssize_t read_file(void *ctx, void *p, size_t n, struct err *err)
{
	struct file_from_start *f = ctx;
	ssize_t r = io_pread(f->fd, p, n, f->off, err);

	if (r > 0)
		f->off += (uint64_t)r;
	return r;
}

static int inflate_into(struct inflate *z, int fd, const char *dir, uint64_t max, struct err *err)
{
	_cleanup_free_ uint8_t *piece = mem_alloc(PIECE, err);
	uint64_t total = 0;
	ssize_t n;

	if (!piece)
		return -1;
	while ((n = inflate_read(z, piece, PIECE, err)) > 0) {
		total += (uint64_t)n;
		if (total > max)
			return err_set(err, ERR_LIMIT, "it inflates to more than %llu bytes (--max-expanded)",
				       (unsigned long long)max);
		if (io_write(fd, piece, (size_t)n, err))
			return io_fail_temporary(dir, err);
	}
	return (int)n;
}

// If the file is gzip or zstd, a->fd becomes an unnamed file with what it inflates to.
static int inflate_if_compressed(struct tarball *a, const struct limits *limits, const char *tmpdir, struct err *err)
{
	static const char *const foreign[] = {"\xfd" "7zXZ", "BZh"};
	struct file_from_start from = {a->fd, 0};
	enum image_compression kind = IMAGE_PLAIN;
	struct inflate *z = NULL;
	char magic[8] = "";
	int plain, rc;

	if (io_pread(a->fd, magic, 6, 0, err) < 0)
		return -1;
	if (!memcmp(magic, "\x1f\x8b", 2))
		kind = IMAGE_GZIP;
	else if (!memcmp(magic, "\x28\xb5\x2f\xfd", 4))
		kind = IMAGE_ZSTD;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		if (!strncmp(magic, foreign[i], strlen(foreign[i])))
			return err_set(err, ERR_UNSUPPORTED, "compressed by xz or bzip2: decompress it first");
	if (kind == IMAGE_PLAIN)
		return 0;
	plain = spool_open_unnamed(tmpdir, err);
	if (plain < 0)
		return -1;
	rc = inflate_new(kind, INFLATE_BEST, (struct byte_source){read_file, &from}, &z, err);
	if (!rc)
		rc = inflate_into(z, plain, tmpdir, limits->expanded, err);
	inflate_free(z);
	cleanup_closep(&a->fd);
	a->fd = plain;
	return rc;
}

int tarball_open_fd(int fd, const struct limits *limits, const char *tmpdir, struct tarball **out, struct err *err)
{
	_cleanup_tarball_ struct tarball *a = mem_zalloc(1, sizeof(*a), err);

	if (!a) {
		cleanup_closep(&fd);
		return -1;
	}
	a->fd = fd;
	if (inflate_if_compressed(a, limits, tmpdir, err) || io_file_size(a->fd, &a->file_size, err) ||
	    index_members(a, err))
		return -1;
	*out = steal_ptr(&a);
	return 0;
}

int tarball_open(const char *path, const struct limits *limits, const char *tmpdir, struct tarball **out,
		 struct err *err)
{
	int fd = io_open(path, err);
	char q[QUOTE_MAX];

	if (fd < 0)
		return -1;
	if (tarball_open_fd(fd, limits, tmpdir, out, err))
		return err_prefix(err, "%s: ", err_quote(path, strlen(path), q, sizeof(q)));
	return 0;
}

void tarball_free(struct tarball *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++) {
		free(a->members[i].name);
		free(a->members[i].link);
	}
	free(a->members);
	cleanup_closep(&a->fd);
	free(a);
}

int tarball_fd(const struct tarball *a)
{
	return a->fd;
}

// ---- lookup --------------------------------------------------------------------------------------------------------
static const struct member *lookup(const struct tarball *a, const char *name, bool *twice)
{
	const struct member *found = NULL;

	*twice = false;
	for (size_t i = 0; i < a->count; i++) {
		if (a->members[i].type == '5' || strcmp(a->members[i].name, name))
			continue;
		*twice = found != NULL;
		found = &a->members[i];
	}
	return found;
}

bool tarball_has(const struct tarball *a, const char *name)
{
	bool twice;

	return lookup(a, name, &twice) != NULL;
}

// The name that link m means: a hard link's is from the root, a symlink's from m's directory, `..` taken back by name.
static int link_name(const struct member *m, char out[NAME_MAX_], struct err *err)
{
	const char *slash = strrchr(m->name, '/');
	size_t len = m->type == '2' && *m->link != '/' && slash ? (size_t)(slash - m->name) : 0;

	if (len >= NAME_MAX_)
		return err_set(err, ERR_INPUT, "tar: link too long");
	memcpy(out, m->name, len);
	for (const char *s = m->link; *s;) {
		size_t n = strcspn(s, "/");

		if (n == 2 && s[0] == '.' && s[1] == '.') {
			while (len && out[--len] != '/')
				;
		} else if (n && !(n == 1 && *s == '.')) {
			if (len + 1 + n + 1 > NAME_MAX_)
				return err_set(err, ERR_INPUT, "tar: link too long");
			if (len)
				out[len++] = '/';
			memcpy(out + len, s, n);
			len += n;
		}
		s += n;
		while (*s == '/')
			s++;
	}
	out[len] = '\0';
	return 0;
}

int tarball_find(const struct tarball *a, const char *name, uint64_t *off, uint64_t *size, struct err *err)
{
	char at[NAME_MAX_], q[QUOTE_MAX];
	const struct member *m;
	bool twice;

	err_quote(name, strlen(name), q, sizeof(q));
	if (strlen(name) >= sizeof(at))
		return err_set(err, ERR_INPUT, "the archive's member %s: name too long", q);
	strcpy(at, name);
	clean_name(at);
	for (int links = 0; links <= LINKS_MAX; links++) {
		m = lookup(a, at, &twice);
		if (!m)
			return err_set(err, ERR_INPUT, "the archive holds no member %s", q);
		if (twice)
			return err_set(err, ERR_INPUT, "the archive holds the member %s twice", q);
		if (m->type == '0' || m->type == '7') {
			*off = m->off;
			*size = m->size;
			return 0;
		}
		if (!m->link)
			return err_set(err, ERR_INPUT, "the archive's member %s is no file", q);
		if (link_name(m, at, err))
			return -1;
	}
	return err_set(err, ERR_INPUT, "the archive's member %s: more than %d links", q, LINKS_MAX);
}
