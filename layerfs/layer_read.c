// SPDX-License-Identifier: Apache-2.0
//
// The bytes of one layer, each seen once:
//
//   stored ─► sha256, size ─► inflate ─► sha256 (diff_id) ─► tar check ─► libarchive ─► content to the spool
//                                                                │            │
//                                                                └─ compared ─┴─► entry lists
//
// libarchive reads; the tar check says what Go's readers would have seen; where the two disagree the layer is refused.
// Names, numbers and times are taken from the check: libarchive passes names through the locale, and where one is no
// UTF-8 its copy may be spoilt. When anything goes wrong the rest of the blob is still digested, so that a damaged blob
// is called that, and not a bad tar.
#include "layerfs/layer_read.h"

#include "base/cleanup.h"
#include "base/fanout.h"
#include "base/mem.h"
#include "layerfs/crc.h"
#include "layerfs/digest.h"
#include "layerfs/path_clean.h"
#include "layerfs/tarcheck.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { CHUNK = 256 * 1024, CHUNKS = 4, QUOTE = 400, ID_MAX_SHOWN = 32 };
static const uint64_t ID_LIMIT = UINT32_MAX - 1; // 2^32-1 means "no id" to the kernel
static const char WH[] = ".wh.", WH_META[] = ".wh..wh.", WH_OPAQUE[] = ".wh..wh..opq", WH_LINKS[] = ".wh..wh.plnk/";
enum { WH_LEN = sizeof(WH) - 1 };

struct reader {
	const struct image_layer *what;
	struct byte_source from;
	struct digester *blob_md, *diff_md;
	uint64_t stored, expanded;
	struct inflate *inflate;
	struct tarcheck *check;
	struct archive *archive;
	struct spool *spool;
	unsigned file;
	struct layer_budget *budget;
	const atomic_bool *stop;
	struct layer_content content;
	struct buf path, target, other; // scratch: cleaned names
	struct err *err;		// for libarchive's callback; filled by it
	bool failed;			// … and then this is set
	struct fanout *chunks; // of inflated bytes: diff_id runs behind on them
	uint8_t *chunk;	       // of `chunks`: the one that libarchive reads
};

// ---- the stream ----------------------------------------------------------------------------------------------------

static int digest_match(struct digester *d, const char *want, const char *what, struct err *err)
{
	char text[DIGEST_TEXT_MAX];

	if (digester_end(d, text, err))
		return -1;
	if (strcmp(text, want))
		return err_set(err, ERR_MISMATCH, "%s is %s, not %s", what, text, want);
	return 0;
}

static ssize_t read_stored(void *ctx, void *p, size_t n, struct err *err)
{
	struct reader *r = ctx;
	ssize_t got;

	if (r->stop && atomic_load_explicit(r->stop, memory_order_relaxed))
		return err_set(err, ERR_IO, "stopped");
	got = r->from.read(r->from.ctx, p, n, err);
	if (got <= 0)
		return got;
	r->stored += (uint64_t)got;
	if (r->budget->stored)
		atomic_fetch_add_explicit(r->budget->stored, (uint64_t)got, memory_order_relaxed);
	if (r->stored > r->what->size)
		return err_set(err, ERR_MISMATCH, "the blob is longer than the %llu bytes of its descriptor",
			       (unsigned long long)r->what->size);
	return digester_add(r->blob_md, p, (size_t)got, err) ? -1 : got;
}

static int spend(struct layer_budget *b, atomic_uint_fast64_t *used, uint64_t n, uint64_t limit, const char *what,
		 const char *option, struct err *err)
{
	if (n <= limit && atomic_fetch_add(used, n) + n <= limit)
		return 0;
	atomic_store(&b->spent, true);
	return err_set(err, ERR_LIMIT, "the image's layers hold more than %llu %s (%s)", (unsigned long long)limit,
		       what, option);
}

static int spend_bytes(struct reader *r, uint64_t n, struct err *err)
{
	return spend(r->budget, &r->budget->expanded, n, r->budget->limits->expanded, "bytes", "--max-expanded", err);
}

static int digest_chunk(void *ctx, const void *p, size_t n, struct err *err)
{
	struct reader *r = ctx;

	return digester_add(r->diff_md, p, n, err);
}

// What libarchive would miss at the end, though it is nothing: the layer's digest does not know of it.
static ssize_t fill_last_block(struct reader *r, struct err *err)
{
	size_t n = tarcheck_missing(r->check);

	memset(r->chunk, 0, n);
	return tarcheck_feed(r->check, r->chunk, n, err) ? -1 : (ssize_t)n;
}

// The next piece of tar into r->chunk: digested and checked. Its length, 0 at the end.
static ssize_t next_chunk(struct reader *r, struct err *err)
{
	size_t n = 0;

	r->chunk = fanout_buffer(r->chunks);
	while (n < CHUNK) {
		ssize_t got = inflate_read(r->inflate, r->chunk + n, CHUNK - n, err);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (!n)
		return fill_last_block(r, err);
	r->expanded += n;
	if (spend_bytes(r, n, err) || fanout_publish(r->chunks, n, err) ||
	    tarcheck_feed(r->check, r->chunk, n, err))
		return -1;
	return (ssize_t)n;
}

static la_ssize_t archive_wants(struct archive *a, void *ctx, const void **out)
{
	struct reader *r = ctx;
	ssize_t n = r->failed ? -1 : next_chunk(r, r->err);

	*out = r->chunk;
	if (n < 0) {
		r->failed = true;
		archive_set_error(a, EIO, "input");
	}
	return n;
}

// ---- libarchive's answer against the check's -----------------------------------------------------------------------

static int archive_fail(struct reader *r, struct err *err)
{
	const char *why = archive_error_string(r->archive);
	char q[QUOTE];

	if (r->failed)
		return -1; // the callback has said why
	if (archive_errno(r->archive) == ENOMEM)
		return err_nomem(err);
	return err_set(err, ERR_INPUT, "libarchive: %s", why ? err_quote(why, strlen(why), q, sizeof(q)) : "an error");
}

// The one warning that is fine: a name that is no UTF-8. Its bytes come from the check.
static bool warning_is_charset(const char *text)
{
	return text && strstr(text, " can't be converted from UTF-8 to current locale");
}

static bool is_ascii(const char *s, size_t n)
{
	uint8_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= (uint8_t)s[i];
	return any < 0x80;
}

// Only ASCII is compared: libarchive composes decomposed letters (NFC) on the way through the locale, and gives up on
// what is no UTF-8. The name that is used is the check's in any case.
static int same_text(struct reader *r, const char *theirs, const char *ours, size_t n, bool is_path, struct err *err)
{
	struct buf *cleaned = &r->path;

	if (!is_ascii(ours, n) || (theirs && strlen(theirs) == n && !memcmp(theirs, ours, n)))
		return 0;
	if (theirs && is_path) { // a prefix may be joined with one slash or two
		if (path_clean(theirs, strlen(theirs), &r->other, err) || path_clean(ours, n, cleaned, err))
			return -1;
		if (r->other.len == cleaned->len && !memcmp(r->other.data, cleaned->data, cleaned->len))
			return 0;
	}
	return err_set(err, ERR_INPUT, "libarchive reads another name or target here than Go");
}

static char type_seen(struct archive_entry *ae)
{
	if (archive_entry_hardlink(ae))
		return '1';
	switch (archive_entry_filetype(ae)) {
	case AE_IFREG:
		return '0';
	case AE_IFLNK:
		return '2';
	case AE_IFCHR:
		return '3';
	case AE_IFBLK:
		return '4';
	case AE_IFDIR:
		return '5';
	case AE_IFIFO:
		return '6';
	default:
		return '?';
	}
}

static int compare_numbers(struct archive_entry *ae, const struct tar_entry *e, struct err *err)
{
	const char *what = NULL;

	if (e->type == '0' && (uint64_t)archive_entry_size(ae) != e->size)
		what = "size";
	else if (e->type != '1' && (archive_entry_perm(ae) & 07777) != (e->mode & 07777))
		what = "mode";
	else if ((uint64_t)archive_entry_uid(ae) != e->uid || (uint64_t)archive_entry_gid(ae) != e->gid)
		what = "owner";
	else if ((e->type == '3' || e->type == '4') && ((uint64_t)archive_entry_rdevmajor(ae) != e->dev_major ||
							(uint64_t)archive_entry_rdevminor(ae) != e->dev_minor))
		what = "device number";
	if (what)
		return err_set(err, ERR_INPUT, "libarchive reads another %s here than Go", what);
	return 0;
}

static int compare(struct reader *r, struct archive_entry *ae, const struct tar_entry *e, struct err *err)
{
	bool unreadable_link = e->type == '1' && !is_ascii(e->link, e->link_len); // libarchive may see no link at all

	if (!unreadable_link && type_seen(ae) != e->type)
		return err_set(err, ERR_INPUT, "libarchive reads another type here than Go");
	if (same_text(r, archive_entry_pathname(ae), e->name, e->name_len, true, err))
		return -1;
	if (e->type == '1' && same_text(r, archive_entry_hardlink(ae), e->link, e->link_len, true, err))
		return -1;
	if (e->type == '2' && same_text(r, archive_entry_symlink(ae), e->link, e->link_len, false, err))
		return -1;
	return compare_numbers(ae, e, err);
}

// ---- content -------------------------------------------------------------------------------------------------------

// The content's CRC is taken on the way, while the bytes are in the processor's cache.
static int spool_content(struct reader *r, const struct tar_entry *e, uint32_t *crc, struct err *err)
{
	uint64_t at = 0;
	const void *p;
	size_t n;
	la_int64_t off;
	int rc;

	*crc = 0;
	while ((rc = archive_read_data_block(r->archive, &p, &n, &off)) == ARCHIVE_OK) {
		if (off < 0 || (uint64_t)off < at || (uint64_t)off > e->size || n > e->size - (uint64_t)off)
			return err_set(err, ERR_INPUT, "libarchive reads data past the file's end");
		if (spool_append_zeros(r->spool, r->file, (uint64_t)off - at, err) ||
		    spool_append(r->spool, r->file, p, n, err))
			return -1;
		*crc = crc_add(crc_add_zeros(*crc, (uint64_t)off - at), p, n);
		at = (uint64_t)off + n;
	}
	if (rc != ARCHIVE_EOF)
		return archive_fail(r, err);
	*crc = crc_add_zeros(*crc, e->size - at);
	return spool_append_zeros(r->spool, r->file, e->size - at, err);
}

// ---- one entry -----------------------------------------------------------------------------------------------------

static enum list_kind kind_of(char type)
{
	static const enum list_kind kinds[] = {LIST_FILE, LIST_HARDLINK, LIST_SYMLINK, LIST_CHAR,
					       LIST_BLOCK, LIST_DIR,	  LIST_FIFO};

	return type == 'g' ? LIST_GLOBAL : kinds[type - '0'];
}

// Refuses what the tree cannot hold.
static int fill(const struct tar_entry *e, struct list_entry *out, struct err *err)
{
	uint64_t id = e->uid > ID_LIMIT ? e->uid : e->gid;

	if (id > ID_LIMIT)
		return err_set(err, ERR_INPUT, "owner or group %llu is past 2^32-2", (unsigned long long)id);
	if (e->type == '3' || e->type == '4') {
		if (e->dev_major > UINT32_MAX || e->dev_minor > UINT32_MAX)
			return err_set(err, ERR_INPUT, "a device number past 32 bits");
		out->dev_major = (uint32_t)e->dev_major;
		out->dev_minor = (uint32_t)e->dev_minor;
	}
	out->kind = kind_of(e->type);
	out->perm = (uint32_t)(e->mode & 07777);
	out->uid = (uint32_t)e->uid;
	out->gid = (uint32_t)e->gid;
	out->mtime = e->mtime;
	out->mtime_nsec = e->mtime_nsec;
	out->size = e->type == '0' ? e->size : 0;
	out->has_xattr = e->has_xattr;
	out->has_capability = e->has_capability;
	return 0;
}

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

// 1: `le` is a whiteout or an opaque marker now; 2: to be passed over (AUFS's own files); 0: an ordinary entry.
static int whiteout(struct reader *r, struct list_entry *le, struct err *err)
{
	char *path = (char *)r->path.data, *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	if (begins(path, WH_META) && strcmp(path, WH_OPAQUE)) {
		le->kind = LIST_AUFS_LINK;
		le->path = base;
		le->path_len = strlen(base);
		return begins(path, WH_LINKS) && base == path + sizeof(WH_LINKS) - 1 ? 0 : 2;
	}
	if (begins(path, WH) ? base != path : strstr(path, "/.wh.") && strstr(path, "/.wh.") + 1 != base)
		return err_set(err, ERR_INPUT, "a whiteout's name used for a directory");
	if (!begins(base, WH))
		return 0;
	le->path = path;
	if (!strcmp(base, WH_OPAQUE)) {
		le->kind = LIST_OPAQUE;
		le->path_len = base > path ? (size_t)(base - path) - 1 : 0;
		path[le->path_len] = '\0';
		return 1;
	}
	le->kind = LIST_WHITEOUT;
	if (!base[WH_LEN] || !strcmp(base + WH_LEN, ".") || !strcmp(base + WH_LEN, ".."))
		return err_set(err, ERR_INPUT, "a whiteout of nothing");
	memmove(base, base + WH_LEN, strlen(base + WH_LEN) + 1);
	le->path_len = strlen(path);
	return 1;
}

static int list_targets(struct reader *r, const struct tar_entry *e, struct list_entry *le, struct err *err)
{
	le->target = e->link;
	le->target_len = e->link_len;
	if (le->kind != LIST_HARDLINK)
		return 0;
	if (path_clean(e->link, e->link_len, &r->target, err))
		return err_prefix(err, "hard link: ");
	le->target = (const char *)r->target.data;
	le->target_len = r->target.len;
	return 0;
}

// What limits are held against, for a cache to hold other runs' limits against.
static void note_entry(struct layer_content *c, const struct tar_entry *e)
{
	c->listed++;
	c->holes += e->sparse ? e->size : 0;
	c->path = e->name_len > c->path ? e->name_len : c->path;
	c->path = e->link_len > c->path ? e->link_len : c->path;
}

static int take_entry(struct reader *r, const struct tar_entry *e, struct err *err)
{
	struct list_entry le = {.target = ""};
	struct layer_budget *b = r->budget;
	int wh;

	note_entry(&r->content, e);
	if (spend(b, &b->entries, 1, b->limits->entries, "entries", "--max-entries", err) || fill(e, &le, err) ||
	    path_clean(e->name, e->name_len, &r->path, err))
		return -1;
	le.path = (const char *)r->path.data;
	le.path_len = r->path.len;
	if (e->type == 'g') {
		if (memchr(le.path, '/', le.path_len) || begins(le.path, WH))
			return err_set(err, ERR_INPUT, "a global header with the name of an entry");
		return entry_list_add(r->content.entries, &le, err);
	}
	wh = whiteout(r, &le, err);
	if (wh < 0 || wh == 2)
		return wh < 0 ? -1 : 0;
	if (wh == 1)
		return entry_list_add(r->content.removals, &le, err);
	if (le.kind == LIST_AUFS_LINK && e->type != '0')
		return 0;
	if (list_targets(r, e, &le, err))
		return -1;
	if (e->type == '0') {
		le.content = spool_position(r->spool, r->file);
		if (spool_content(r, e, &le.crc, err))
			return -1;
	}
	return entry_list_add(r->content.entries, &le, err);
}

static int name_entry(const struct tar_entry *e, struct err *err)
{
	char q[QUOTE];

	return err_prefix(err, "entry %s: ", err_quote(e->name, e->name_len, q, sizeof(q)));
}

// ---- the layer -----------------------------------------------------------------------------------------------------

// The check's next real entry; global headers on the way are listed.
static int next_checked(struct reader *r, struct tar_entry *e, struct err *err)
{
	while (tarcheck_next(r->check, e)) {
		if (e->type != 'g')
			return 1;
		if (take_entry(r, e, err))
			return name_entry(e, err);
	}
	return 0;
}

static int one_entry(struct reader *r, struct archive_entry *ae, int rc, struct err *err)
{
	bool charset = rc == ARCHIVE_WARN && warning_is_charset(archive_error_string(r->archive));
	struct tar_entry e;
	int found = next_checked(r, &e, err);

	if (found <= 0)
		return found < 0 ? -1 : err_set(err, ERR_INPUT, "libarchive reads an entry where Go reads none");
	if (rc == ARCHIVE_WARN && !charset)
		archive_fail(r, err);
	else if (!compare(r, ae, &e, err) &&
		 // holes are not in the stream, and are spooled all the same
		 !(e.sparse && spend_bytes(r, e.size, err)) &&
		 !take_entry(r, &e, err))
		return 0;
	return r->failed ? -1 : name_entry(&e, err);
}

static int read_entries(struct reader *r, struct err *err)
{
	struct archive_entry *ae;
	struct tar_entry extra;
	int rc;

	while ((rc = archive_read_next_header(r->archive, &ae)) == ARCHIVE_OK || rc == ARCHIVE_WARN) {
		if (one_entry(r, ae, rc, err))
			return -1;
	}
	if (rc != ARCHIVE_EOF)
		return archive_fail(r, err);
	for (;;) { // what stands behind the end still counts for digest and check
		int found = next_checked(r, &extra, err);
		ssize_t n = found ? -1 : next_chunk(r, err);

		if (found > 0) {
			err_set(err, ERR_INPUT, "Go reads an entry where libarchive reads none");
			return name_entry(&extra, err);
		}
		if (n <= 0)
			return n < 0 ? -1 : tarcheck_finish(r->check, err);
	}
}

static int open_archive(struct reader *r, struct err *err)
{
	r->archive = archive_read_new();
	if (!r->archive)
		return err_nomem(err);
	if (archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(r->archive) != ARCHIVE_OK ||
	    archive_read_open(r->archive, r, NULL, archive_wants, NULL) != ARCHIVE_OK)
		return archive_fail(r, err);
	return 0;
}

// libarchive turns names into the locale's charset and back: it shall be UTF-8, whatever the caller runs in.
static int read_in_utf8(struct reader *r, struct err *err)
{
	locale_t utf8 = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0), before;
	int rc;

	if (!utf8)
		return err_sys(err, errno, "load the locale C.UTF-8");
	before = uselocale(utf8);
	rc = open_archive(r, err) || read_entries(r, err) ? -1 : 0;
	archive_read_free(r->archive);
	uselocale(before);
	freelocale(utf8);
	return rc;
}

// Whatever went wrong before: if the blob is not what it should be, that is the error. Returns 0 if it is.
static int check_blob(struct reader *r, struct err *err)
{
	ssize_t n;

	r->chunk = fanout_buffer(r->chunks); // only as room
	while ((n = read_stored(r, r->chunk, CHUNK, err)) > 0)
		;
	if (n < 0)
		return -1;
	if (r->stored != r->what->size)
		return err_set(err, ERR_MISMATCH, "the blob has %llu bytes, its descriptor says %llu",
			       (unsigned long long)r->stored, (unsigned long long)r->what->size);
	return digest_match(r->blob_md, r->what->digest, "the blob's digest", err);
}

static int reader_setup(struct reader *r, bool threads, struct err *err)
{
	r->chunks = fanout_new(threads ? CHUNKS : 2, CHUNK, threads, err); // one helper
	r->check = r->chunks ? tarcheck_new(r->budget->limits->path, err) : NULL;
	r->content.base = spool_position(r->spool, r->file);
	r->content.entries = r->check ? entry_list_new(r->content.base, err) : NULL;
	r->content.removals = r->content.entries ? entry_list_new(0, err) : NULL;
	if (!r->content.removals ||
	    inflate_new(r->what->compression, INFLATE_BEST, (struct byte_source){read_stored, r}, &r->inflate, err))
		return -1;
	r->blob_md = digester_new(err);
	r->diff_md = r->blob_md ? digester_new(err) : NULL;
	return r->diff_md ? fanout_add(r->chunks, digest_chunk, r, err) : -1;
}

static void reader_clear(struct reader *r)
{
	fanout_free(r->chunks); // its thread uses what follows
	layer_content_clear(&r->content);
	inflate_free(r->inflate);
	tarcheck_free(r->check);
	digester_free(r->blob_md);
	digester_free(r->diff_md);
	buf_free(&r->path);
	buf_free(&r->target);
	buf_free(&r->other);
}

void layer_content_clear(struct layer_content *c)
{
	entry_list_free(c->entries);
	entry_list_free(c->removals);
	*c = (struct layer_content){.entries = NULL};
}

static int read_and_check(struct reader *r, struct err *err)
{
	struct err blob = ERR_INIT;

	if (read_in_utf8(r, err)) {
		if (err->class != ERR_MEMORY && err->class != ERR_IO && err->class != ERR_MISMATCH &&
		    check_blob(r, &blob) && blob.class == ERR_MISMATCH)
			*err = blob;
		return -1;
	}
	if (check_blob(r, err) || fanout_drain(r->chunks, err) ||
	    digest_match(r->diff_md, r->what->diff_id, "the uncompressed layer's digest", err))
		return -1;
	return spool_flush(r->spool, r->file, err);
}

int layer_read(const struct image_layer *what, struct byte_source from, struct spool *spool, unsigned file,
	       struct layer_budget *budget, const atomic_bool *stop, bool threads, struct layer_content *out,
	       struct err *err)
{
	struct reader r = {.what = what, .from = from, .spool = spool, .file = file, .budget = budget, .stop = stop};
	struct err why = ERR_INIT;
	int rc;

	r.err = &why;
	rc = reader_setup(&r, threads, &why) || read_and_check(&r, &why) ? -1 : 0;
	if (rc) {
		*err = why;
	} else {
		r.content.stored = r.stored;
		r.content.expanded = r.expanded;
		r.content.content = spool_position(spool, file) - r.content.base;
		*out = r.content;
		r.content = (struct layer_content){.entries = NULL};
	}
	reader_clear(&r);
	return rc;
}
