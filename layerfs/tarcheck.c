// SPDX-License-Identifier: Apache-2.0
//
// A push parser over 512-byte blocks:
//
//   HEADER ─ regular ──► SKIP (data, padding) ─► HEADER      zero block ─► ZERO ─ zero block ─► END
//     │ x g L K ──► BODY ───────────────────────► HEADER
//     │ S, more ──► OLD_SPARSE (map blocks) ────► SKIP
//     └ pax 1.0 ──► MAP (map in the data) ──────► SKIP
//
// What stands in a header block is tarheader's; here is what may follow on what, and what an entry comes to.
// Data is never looked at (but for a 1.0 map), so a megabyte of it costs one addition.
#include "layerfs/tarcheck.h"

#include "base/checked.h"
#include "base/mem.h"
#include "layerfs/tarpax.h"

#include <string.h>

enum {
	BLOCK = TAR_BLOCK,
	BODY_MAX = 1024 * 1024, // of an extended header: what Go reads at most
	SPARSE_HEADER_PIECES = 4,
	SPARSE_BLOCK_PIECES = 21,
	MAP_DIGITS = 20,
	NAME_SHOWN = 600, // bytes of a name in a message
};
static const uint64_t USTAR_SIZE_MAX = UINT64_C(1) << 33; // what eleven octal digits hold

enum state { HEADER, BODY, SKIP, OLD_SPARSE, MAP, ZERO, END };

struct queued { // strings are offsets into text
	struct tar_entry e;
	size_t name_at, link_at;
};

struct tarcheck {
	enum state state;
	uint8_t block[BLOCK];
	size_t have;	   // bytes of block that are there
	uint64_t offset;   // of the next byte to be fed
	uint64_t skip;	   // SKIP: data and padding to pass over; BODY: bytes of blocks still to come
	size_t padding;	   // SKIP: how much of it is padding
	uint64_t path_max;
	char body_type;	   // BODY
	uint64_t body_len; // BODY: without padding
	struct buf body;
	struct pax pax;
	struct buf long_name, long_link; // GNU L and K
	bool has_name, has_link;
	struct tar_entry current; // while its sparse map is read; its names stay in body, pax or the long names
	uint64_t data_size;	  // of current, as stored
	uint64_t map_count, map_seen, map_bytes, map_number; // MAP
	unsigned map_digits;
	bool map_has_count;
	struct queued *queue;
	size_t head, count, cap;
	struct buf text;
};

struct tarcheck *tarcheck_new(uint64_t path_max, struct err *err)
{
	struct tarcheck *t = mem_zalloc(1, sizeof(*t), err);

	if (!t)
		return NULL;
	t->path_max = path_max;
	pax_init(&t->pax);
	return t;
}

void tarcheck_free(struct tarcheck *t)
{
	if (!t)
		return;
	pax_clear(&t->pax);
	buf_free(&t->body);
	buf_free(&t->long_name);
	buf_free(&t->long_link);
	buf_free(&t->text);
	free(t->queue);
	free(t);
}

// ---- the queue -----------------------------------------------------------------------------------------------------

static int text_add(struct tarcheck *t, const char *p, size_t n, size_t *at, struct err *err)
{
	*at = t->text.len;
	return buf_add(&t->text, p, n, err) || buf_add_byte(&t->text, 0, err) ? -1 : 0;
}

static int push(struct tarcheck *t, const struct tar_entry *e, struct err *err)
{
	struct queued q = {.e = *e};

	if (e->name_len > t->path_max || e->link_len > t->path_max)
		return err_set(err, ERR_LIMIT, "a path of %zu bytes is over the limit of %llu (--max-path)",
			       e->name_len > e->link_len ? e->name_len : e->link_len, (unsigned long long)t->path_max);
	if (mem_grow(&t->queue, &t->cap, t->count, sizeof(*t->queue), err) ||
	    text_add(t, e->name, e->name_len, &q.name_at, err) || text_add(t, e->link, e->link_len, &q.link_at, err))
		return -1;
	t->queue[t->count++] = q;
	return 0;
}

// Drops what was taken.
static void compact(struct tarcheck *t)
{
	size_t gone;

	if (!t->head)
		return;
	gone = t->head < t->count ? t->queue[t->head].name_at : t->text.len;
	memmove(t->queue, t->queue + t->head, (t->count - t->head) * sizeof(*t->queue));
	t->count -= t->head;
	t->head = 0;
	for (size_t i = 0; i < t->count; i++) {
		t->queue[i].name_at -= gone;
		t->queue[i].link_at -= gone;
	}
	buf_consume(&t->text, gone);
}

int tarcheck_next(struct tarcheck *t, struct tar_entry *e)
{
	const struct queued *q;

	if (t->head == t->count)
		return 0;
	q = &t->queue[t->head++];
	*e = q->e;
	e->name = (const char *)t->text.data + q->name_at;
	e->link = (const char *)t->text.data + q->link_at;
	return 1;
}

// ---- x, g, L, K ----------------------------------------------------------------------------------------------------

static uint64_t padded(uint64_t n)
{
	return (n + BLOCK - 1) & ~(uint64_t)(BLOCK - 1);
}

static void forget_extended(struct tarcheck *t)
{
	if (t->pax.present)
		pax_clear(&t->pax);
	t->has_name = t->has_link = false;
	t->long_name.len = t->long_link.len = 0;
}

static bool extended_waits(const struct tarcheck *t)
{
	return t->pax.present || t->has_name || t->has_link;
}

static int begin_body(struct tarcheck *t, const struct tar_entry *e, struct err *err)
{
	char type = e->type;
	bool twice = type == 'x'   ? extended_waits(t)
		     : type == 'L' ? t->has_name || t->pax.present
		     : type == 'K' ? t->has_link || t->pax.present
				   : extended_waits(t);

	if (twice)
		return err_set(err, ERR_INPUT, "an extended header '%c' behind another that it may contradict", type);
	if (e->size > BODY_MAX)
		return err_set(err, ERR_LIMIT, "an extended header of %llu bytes, over %d",
			       (unsigned long long)e->size, BODY_MAX);
	if (type == 'g' && push(t, e, err)) // while e's name still stands in the body buffer
		return -1;
	t->body.len = 0;
	t->body_type = type;
	t->body_len = e->size;
	t->skip = padded(e->size);
	t->state = t->skip ? BODY : HEADER;
	if (!t->skip && type != 'g')
		return err_set(err, ERR_INPUT, "an empty extended header '%c'", type);
	return 0;
}

static int gnu_name(bool *has, struct buf *to, const struct buf *body, size_t len, struct err *err)
{
	size_t name = strnlen((const char *)body->data, len);

	if (!name || !tar_all_zero(body->data + name, len - name))
		return err_set(err, ERR_INPUT, "a long name that is empty or has bytes behind its NUL");
	*has = true;
	return buf_add(to, body->data, name, err);
}

static int end_body(struct tarcheck *t, struct err *err)
{
	const char *text = (const char *)t->body.data;
	size_t n = (size_t)t->body_len;

	t->state = HEADER;
	switch (t->body_type) {
	case 'x':
		return pax_parse(&t->pax, text, n, err);
	case 'g':
		return pax_parse_global(text, n, err);
	case 'L':
		return gnu_name(&t->has_name, &t->long_name, &t->body, n, err);
	default:
		return gnu_name(&t->has_link, &t->long_link, &t->body, n, err);
	}
}

// ---- entries -------------------------------------------------------------------------------------------------------

// Names that extended headers gave take the place of the header's own.
static void apply_names(const struct tarcheck *t, struct tar_entry *e)
{
	const struct buf *name = t->pax.has_path ? &t->pax.path : t->has_name ? &t->long_name : NULL;
	const struct buf *link = t->pax.has_link ? &t->pax.link : t->has_link ? &t->long_link : NULL;

	if (name) {
		e->name = (const char *)name->data;
		e->name_len = name->len;
	}
	if (link) {
		e->link = (const char *)link->data;
		e->link_len = link->len;
	}
}

static int apply_pax(const struct tarcheck *t, struct tar_entry *e, struct err *err)
{
	const struct pax *p = &t->pax;

	if (p->has_size && p->size != e->size && p->size < USTAR_SIZE_MAX)
		return err_set(err, ERR_INPUT, "size %llu in its header, %llu in its pax record",
			       (unsigned long long)e->size, (unsigned long long)p->size);
	e->size = p->has_size ? p->size : e->size;
	e->uid = p->has_uid ? p->uid : e->uid;
	e->gid = p->has_gid ? p->gid : e->gid;
	if (p->has_mtime) {
		e->mtime = p->mtime;
		e->mtime_nsec = p->mtime_nsec;
	}
	e->has_xattr = p->has_xattr;
	e->has_capability = p->has_capability;
	return 0;
}

// The entry is known: out it goes; its data is passed over.
static int entry_done(struct tarcheck *t, struct tar_entry *e, uint64_t data, struct err *err)
{
	if (data > INT64_MAX - BLOCK)
		return err_set(err, ERR_INPUT, "size %llu", (unsigned long long)data);
	if (!e->name_len)
		return err_set(err, ERR_INPUT, "an entry without a name");
	if ((e->type == '1' || e->type == '2') && !e->link_len)
		return err_set(err, ERR_INPUT, "a link to nothing");
	if (e->type != '1' && e->type != '2') // some writers leave a name there; nobody reads it
		e->link_len = 0;
	if (push(t, e, err))
		return -1;
	forget_extended(t);
	t->skip = padded(data);
	t->padding = (size_t)(t->skip - data);
	t->state = t->skip ? SKIP : HEADER;
	return 0;
}

// The map is complete: offsets and lengths in pairs, inside the file, as long as the data.
static int sparse_done(struct tarcheck *t, uint64_t data, struct err *err)
{
	struct pax *p = &t->pax;

	if (p->sparse_numbers % 2 || p->sparse_end > t->current.size || p->sparse_data != data)
		return err_set(err, ERR_INPUT, "a sparse map that does not fit its data");
	t->current.sparse = true;
	if (p->has_sparse_name) {
		t->current.name = (const char *)p->sparse_name.data;
		t->current.name_len = p->sparse_name.len;
	}
	return entry_done(t, &t->current, data, err);
}

static int sparse_pieces(struct tarcheck *t, const uint8_t *at, unsigned count, uint8_t extended, struct err *err)
{
	for (unsigned i = 0; i < count; i++, at += 24) {
		int64_t off, len;

		if (!at[0]) {
			if (!tar_all_zero(at, (size_t)(count - i) * 24) || extended)
				return err_set(err, ERR_INPUT, "a sparse map goes on behind its end");
			break;
		}
		if (tar_number(at, 12, &off, err) || tar_number(at + 12, 12, &len, err))
			return -1;
		if (off < 0 || len < 0)
			return err_set(err, ERR_INPUT, "a sparse map with a negative number");
		if (pax_sparse_number(&t->pax, (uint64_t)off, err) || pax_sparse_number(&t->pax, (uint64_t)len, err))
			return -1;
	}
	if (extended > 1)
		return err_set(err, ERR_INPUT, "a sparse map neither ends nor goes on");
	t->state = OLD_SPARSE;
	return extended ? 0 : sparse_done(t, t->data_size, err);
}

static int old_sparse(struct tarcheck *t, struct err *err)
{
	const uint8_t *b = t->block;

	t->data_size = t->current.size;
	t->current.type = '0';
	t->current.link_len = 0;
	if (t->pax.has_sparse)
		return err_set(err, ERR_INPUT, "sparse twice over");
	t->pax.present = true; // its map fields are in use
	if (tar_field_number(b, 483, 12, "real size", &t->current.size, err))
		return -1;
	return sparse_pieces(t, b + 386, SPARSE_HEADER_PIECES, b[482], err);
}

static int pax_sparse(struct tarcheck *t, enum pax_sparse form, struct err *err)
{
	t->data_size = t->current.size;
	t->current.size = t->pax.sparse_size;
	t->current.link_len = 0;
	if (form == PAX_SPARSE_0)
		return sparse_done(t, t->data_size, err);
	t->map_has_count = false;
	t->map_count = t->map_seen = t->map_bytes = t->map_number = 0;
	t->map_digits = 0;
	t->state = MAP;
	return 0;
}

static int map_number_done(struct tarcheck *t, struct err *err)
{
	if (!t->map_digits)
		return err_set(err, ERR_INPUT, "an empty number in a sparse map");
	if (!t->map_has_count) {
		t->map_has_count = true;
		t->map_count = t->map_number;
		if (t->map_count > t->data_size) // each piece takes four bytes of map at least
			return err_set(err, ERR_INPUT, "a sparse map longer than its data");
	} else {
		t->map_seen++;
		if (pax_sparse_number(&t->pax, t->map_number, err))
			return -1;
	}
	t->map_number = 0;
	t->map_digits = 0;
	return 0;
}

// One block of a 1.0 map: numbers, each with LF; the count first; NULs fill the last block.
static int map_block(struct tarcheck *t, struct err *err)
{
	size_t i = 0;

	if (padded(t->data_size) - t->map_bytes < BLOCK)
		return err_set(err, ERR_INPUT, "a sparse map longer than its data");
	t->map_bytes += BLOCK;
	for (; i < BLOCK && !(t->map_has_count && t->map_seen == t->map_count * 2); i++) {
		uint8_t c = t->block[i];

		if (c == '\n') {
			if (map_number_done(t, err))
				return -1;
			continue;
		}
		if (c < '0' || c > '9' || ++t->map_digits > MAP_DIGITS || ckd_mul(&t->map_number, t->map_number, 10u) ||
		    ckd_add(&t->map_number, t->map_number, (unsigned)(c - '0')))
			return err_set(err, ERR_INPUT, "a sparse map with a bad number");
	}
	if (!t->map_has_count || t->map_seen < t->map_count * 2)
		return 0;
	if (!tar_all_zero(t->block + i, BLOCK - i) || t->map_bytes > t->data_size)
		return err_set(err, ERR_INPUT, "bytes behind a sparse map");
	return sparse_done(t, t->data_size - t->map_bytes, err);
}

static int check_kind(const struct tar_entry *e, struct err *err)
{
	if (e->type >= '1' && e->type <= '6' && e->size)
		return err_set(err, ERR_INPUT, "a size on an entry of type '%c'", e->type);
	return 0;
}

static int entry_begin(struct tarcheck *t, enum tar_format f, struct tar_entry *e, struct err *err)
{
	enum pax_sparse form;

	apply_names(t, e);
	if (t->pax.present && apply_pax(t, e, err))
		return -1;
	if (!e->type) // the oldest form of a directory is a file whose name ends in a slash
		e->type = e->name_len && e->name[e->name_len - 1] == '/' ? '5' : '0';
	if (check_kind(e, err) || pax_sparse_form(&t->pax, &form, err))
		return -1;
	t->current = *e;
	if (e->type == 'S')
		return f == TAR_GNU ? old_sparse(t, err) : err_set(err, ERR_INPUT, "type 'S' without GNU's magic");
	if (form != PAX_SPARSE_NONE && e->type != '0' && e->type != '7')
		return err_set(err, ERR_INPUT, "pax sparse records on an entry of type '%c'", e->type);
	if (e->type == '7')
		t->current.type = '0';
	return form != PAX_SPARSE_NONE ? pax_sparse(t, form, err) : entry_done(t, &t->current, t->current.size, err);
}

static int unknown_type(const struct tarcheck *t, struct tar_entry *e, struct err *err)
{
	char name[NAME_SHOWN], type[16];

	apply_names(t, e);
	return err_set(err, ERR_INPUT, "entry %s: unknown entry type %s",
		       err_quote(e->name, e->name_len, name, sizeof(name)), err_quote(&e->type, 1, type, sizeof(type)));
}

static int header(struct tarcheck *t, struct err *err)
{
	struct tar_entry e = {.type = (char)t->block[156], .offset = t->offset - BLOCK};
	enum tar_format f = TAR_V7;

	if (tar_all_zero(t->block, BLOCK)) {
		t->state = ZERO;
		return extended_waits(t) ? err_set(err, ERR_INPUT, "an extended header before nothing") : 0;
	}
	// The body buffer has no other use while a header is read.
	if (tar_header_format(t->block, &f, err) || tar_header_names(t->block, f, &t->body, &e, err))
		return -1;
	if (e.type && !strchr("01234567xgLKS", e.type))
		return unknown_type(t, &e, err);
	if (tar_header_numbers(t->block, f, &e, err))
		return -1;
	if (e.type && strchr("xgLK", e.type))
		return begin_body(t, &e, err);
	return entry_begin(t, f, &e, err);
}

// ---- feeding -------------------------------------------------------------------------------------------------------

static int body_block(struct tarcheck *t, struct err *err)
{
	if (buf_add(&t->body, t->block, BLOCK, err))
		return -1;
	t->skip -= BLOCK;
	return t->skip ? 0 : end_body(t, err);
}

static int one_block(struct tarcheck *t, struct err *err)
{
	switch (t->state) {
	case HEADER:
		return header(t, err);
	case BODY:
		return body_block(t, err);
	case OLD_SPARSE:
		return sparse_pieces(t, t->block, SPARSE_BLOCK_PIECES, t->block[504], err);
	case MAP:
		return map_block(t, err);
	case ZERO:
		t->state = END;
		return tar_all_zero(t->block, BLOCK) ? 0 : err_set(err, ERR_INPUT, "a lone zero block");
	case END:
	case SKIP:
		break;
	}
	return tar_all_zero(t->block, BLOCK) ? 0 : err_set(err, ERR_INPUT, "bytes behind the archive's end");
}

static int fail(const struct tarcheck *t, struct err *err)
{
	return err_prefix(err, "tar header at byte %llu: ", (unsigned long long)(t->offset - BLOCK));
}

int tarcheck_feed(struct tarcheck *t, const void *p, size_t n, struct err *err)
{
	const uint8_t *b = p;

	compact(t);
	while (n) {
		size_t take = t->state == SKIP ? (t->skip < n ? (size_t)t->skip : n) : BLOCK - t->have;

		take = take < n ? take : n;
		if (t->state == SKIP) {
			t->skip -= take;
			t->state = t->skip ? SKIP : HEADER;
		} else {
			memcpy(t->block + t->have, b, take);
			t->have += take;
		}
		t->offset += take;
		b += take;
		n -= take;
		if (t->have == BLOCK) {
			t->have = 0;
			if (one_block(t, err))
				return fail(t, err);
		}
	}
	return 0;
}

size_t tarcheck_missing(const struct tarcheck *t)
{
	return t->state == SKIP && t->skip <= t->padding ? (size_t)t->skip : 0;
}

int tarcheck_finish(struct tarcheck *t, struct err *err)
{
	if (t->have || t->state == SKIP || t->state == BODY || t->state == OLD_SPARSE || t->state == MAP)
		return err_set(err, ERR_INPUT, "the archive ends within an entry, at byte %llu",
			       (unsigned long long)t->offset);
	if (t->state == ZERO)
		return err_set(err, ERR_INPUT, "a lone zero block at the end");
	if (extended_waits(t))
		return err_set(err, ERR_INPUT, "an extended header before nothing");
	return 0;
}
