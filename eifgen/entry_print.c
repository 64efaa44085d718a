// SPDX-License-Identifier: Apache-2.0
//
// Entries go out one by one: what is held is one line, never the listing.
#include "eifgen/entry_print.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eifgen/json_out.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *type_name(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "dir";
	case S_IFLNK:
		return "symlink";
	case S_IFCHR:
		return "char";
	case S_IFBLK:
		return "block";
	case S_IFIFO:
		return "fifo";
	default:
		return "socket";
	}
}

// ---- one line ------------------------------------------------------------------------------------------------------

static void put_bytes(struct jout *o, const char *key, const char *hex_key, const char *p, size_t n)
{
	jout_strn(o, key, p, n);
	if (!utf8_valid(p, n))
		jout_hex(o, hex_key, p, n);
}

static void put_pair(struct jout *o, const char *key, uint32_t a, uint32_t b)
{
	char text[32];

	snprintf(text, sizeof(text), "%u:%u", a, b);
	jout_str(o, key, text);
}

static void put_entry(struct jout *o, const struct entry *e)
{
	char mode[16], mtime[24];

	snprintf(mode, sizeof(mode), "%04o", e->mode & 07777);
	snprintf(mtime, sizeof(mtime), "%lld", (long long)e->mtime);
	jout_open(o, NULL, '{');
	if (e->ramdisk)
		jout_uint(o, "ramdisk", e->ramdisk);
	put_bytes(o, "path", "path_hex", e->path, e->path_len);
	jout_str(o, "type", type_name(e->mode));
	jout_str(o, "mode", mode);
	jout_uint(o, "uid", e->uid);
	jout_uint(o, "gid", e->gid);
	jout_token(o, "mtime", mtime);
	jout_uint(o, "size", e->size);
	if (e->sha256)
		jout_str(o, "sha256", e->sha256);
	if (e->target)
		put_bytes(o, "target", "target_hex", e->target, strlen(e->target));
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		put_pair(o, "rdev", e->rdevmajor, e->rdevminor);
	jout_uint(o, "nlink", e->nlink);
	if (e->ramdisk) {
		jout_uint(o, "ino", e->ino);
		put_pair(o, "dev", e->devmajor, e->devminor);
		jout_uint(o, "offset", e->offset);
	} else {
		jout_str(o, "layer", e->layer);
	}
	if (e->hardlink)
		put_bytes(o, "hardlink", "hardlink_hex", e->hardlink, strlen(e->hardlink));
	jout_close(o, '}');
}

static int print_json(struct printer *p, const struct entry *e, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(false);
	const char *text;

	put_entry(&o, e);
	text = jout_text(&o, err);
	if (!text)
		return -1;
	if (sink_write(&p->out, p->any ? ",\n" : "\n", p->any ? 2 : 1, err) ||
	    sink_write(&p->out, text, strlen(text), err))
		return -1;
	p->any = true;
	return 0;
}

// A name as it can stand in a line: err_quote's escapes, without quotes where none is needed.
static const char *plain(const char *s, size_t n, char *out, size_t cap)
{
	err_quote(s, n, out, cap);
	if (strlen(out) == n + 2 && !memchr(s, ' ', n)) {
		memmove(out, out + 1, n);
		out[n] = 0;
	}
	return out;
}

static int print_text(struct printer *p, const struct entry *e, struct err *err)
{
	static const struct {
		uint32_t type;
		char letter;
	} letters[] = {{S_IFREG, '-'}, {S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFCHR, 'c'}, {S_IFBLK, 'b'}, {S_IFIFO, 'p'}};
	_cleanup_buf_ struct buf line = BUF_INIT(0);
	_cleanup_free_ char *quoted = mem_alloc(ENTRY_PATH_SPACE, err);
	char letter = 's';

	if (!quoted)
		return -1;
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].type == (e->mode & S_IFMT))
			letter = letters[i].letter;
	if (buf_printf(&line, err, "%c%04o %6u %6u %10lld ", letter, e->mode & 07777, e->uid, e->gid,
		       (long long)e->mtime))
		return -1;
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode) ? buf_printf(&line, err, "%7u,%4u ", e->rdevmajor, e->rdevminor)
						 : buf_printf(&line, err, "%12llu ", (unsigned long long)e->size))
		return -1;
	if (buf_add_str(&line, plain(e->path, e->path_len, quoted, ENTRY_PATH_SPACE), err))
		return -1;
	if (e->target &&
	    buf_printf(&line, err, " -> %s", plain(e->target, strlen(e->target), quoted, ENTRY_PATH_SPACE)))
		return -1;
	if (e->hardlink &&
	    buf_printf(&line, err, " link to %s", plain(e->hardlink, strlen(e->hardlink), quoted, ENTRY_PATH_SPACE)))
		return -1;
	if (e->layer && buf_printf(&line, err, "  [%.19s]", e->layer))
		return -1;
	if (buf_add_byte(&line, '\n', err))
		return -1;
	return sink_write(&p->out, line.data, line.len, err);
}

int printer_entry(struct printer *p, const struct entry *e, struct err *err)
{
	return p->form == ENTRIES_JSON ? print_json(p, e, err) : print_text(p, e, err);
}

int printer_say(struct printer *p, const char *text, struct err *err)
{
	return p->form == ENTRIES_JSON ? sink_write(&p->out, text, strlen(text), err) : 0;
}

int printer_init(struct printer *p, enum entries_form form, struct sink out, struct err *err)
{
	*p = (struct printer){.form = form, .out = out, .piece = mem_alloc(ENTRY_PIECE, err), .tail = BUF_INIT(0)};
	return p->piece ? printer_say(p, "{\"entries\":[", err) : -1;
}

void printer_clear(struct printer *p)
{
	free(p->piece);
	buf_free(&p->tail);
}

// ---- ramdisks ------------------------------------------------------------------------------------------------------

struct entry entry_of_newc(const struct printer *p, const struct newc_entry *n, uint64_t offset)
{
	const struct newc_header *h = &n->h;

	return (struct entry){.ramdisk = p->ramdisk + 1, .path = n->name, .path_len = n->name_len, .mode = h->mode,
			      .uid = h->uid, .gid = h->gid, .ino = h->ino, .nlink = h->nlink, .devmajor = h->devmajor,
			      .devminor = h->devminor, .rdevmajor = h->rdevmajor, .rdevminor = h->rdevminor,
			      .mtime = h->mtime, .size = h->filesize, .offset = offset};
}

bool entry_has_digest(const struct newc_header *h)
{
	return S_ISREG(h->mode) && (h->filesize || h->nlink < 2);
}

int printer_ramdisk_end(struct printer *p, const struct newc_header *t, uint64_t size, struct err *err)
{
	p->ramdisk++;
	return buf_printf(&p->tail, err,
			  "%s{\"ramdisk\":%u,\"size\":%llu,\"trailer\":{\"ino\":%u,\"nlink\":%u,\"dev\":\"%u:%u\"}}",
			  p->ramdisk > 1 ? ",\n" : "\n", p->ramdisk, (unsigned long long)size, t->ino, t->nlink,
			  t->devmajor, t->devminor);
}

int printer_end_eif(struct printer *p, struct err *err)
{
	if (printer_say(p, "\n],\"ramdisks\":[", err) ||
	    (p->tail.len && printer_say(p, buf_cstr(&p->tail, err), err)))
		return -1;
	return printer_say(p, "\n]}\n", err);
}
