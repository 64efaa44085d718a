// SPDX-License-Identifier: Apache-2.0
//
// A diff for programs: entries in path order, everything spelled out. Names that are no UTF-8 appear with U+FFFD for
// each stray byte, and whole as hex under the same key with `Hex` behind it.
#include "eifgen/diff_json.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

const int diff_registers[DIFF_REGISTERS] = {0, 1, 2, 8};

static const struct {
	unsigned bit;
	const char *word;
} what_words[] = {
	{DIFF_ADDED, "added"},	     {DIFF_REMOVED, "removed"}, {DIFF_TYPE, "type"},   {DIFF_MODE, "mode"},
	{DIFF_OWNER, "owner"},	     {DIFF_MTIME, "mtime"},	{DIFF_SIZE, "size"},   {DIFF_CONTENT, "content"},
	{DIFF_TARGET, "target"},     {DIFF_RDEV, "device"},	{DIFF_LINKS, "links"}, {DIFF_ORDER, "order"},
	{DIFF_INO, "inode-number"},
};

void diff_what_words(unsigned what, void (*each)(void *ctx, const char *word), void *ctx)
{
	for (size_t i = 0; i < sizeof(what_words) / sizeof(what_words[0]); i++)
		if (what & what_words[i].bit)
			each(ctx, what_words[i].word);
}

const char *diff_pcr_state(const struct diff *d, int pcr)
{
	const char *a = d->a->pcr[pcr], *b = d->b->pcr[pcr];

	if (!a && !b)
		return pcr == 8 ? "unsigned" : "unknown";
	if (!a || !b)
		return pcr == 8 ? "one side" : "unknown";
	return strcmp(a, b) ? "differs" : "same";
}

static void put_bytes(struct jout *o, const char *key, const char *hex_key, const char *p, size_t n)
{
	jout_strn(o, key, p, n);
	if (!utf8_valid(p, n))
		jout_hex(o, hex_key, p, n);
}

static void put_mode(struct jout *o, uint32_t mode)
{
	char text[12];

	snprintf(text, sizeof(text), "%06o", mode);
	jout_str(o, "Mode", text);
}

static void put_attributes(struct jout *o, const char *key, const struct diff_side *s, const struct listing_entry *e)
{
	if (!e) {
		jout_null(o, key);
		return;
	}
	jout_open(o, key, '{');
	put_mode(o, e->h.mode);
	jout_uint(o, "Uid", e->h.uid);
	jout_uint(o, "Gid", e->h.gid);
	jout_uint(o, "Mtime", e->h.mtime);
	jout_uint(o, "Size", e->data->h.filesize);
	jout_uint(o, "Links", e->h.nlink);
	jout_uint(o, "Order", e->order);
	if (e->layer >= 0 && (size_t)e->layer < s->layer_count)
		jout_str(o, "Layer", s->layers[e->layer]);
	jout_close(o, '}');
}

static void put_cause(struct jout *o, const struct cause *c, unsigned moves)
{
	jout_str(o, "Cause", c->id);
	jout_str(o, "Text", c->text);
	jout_str(o, "Remedy", c->remedy);
	jout_open(o, "Moves", '[');
	for (int i = 0; i < DIFF_REGISTERS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "PCR%d", diff_registers[i]);
		if (moves & (1U << i))
			jout_str(o, NULL, name);
	}
	jout_close(o, ']');
}

static void put_word(void *ctx, const char *word)
{
	jout_str(ctx, NULL, word);
}

static void put_entry(struct jout *o, const struct diff *d, const struct diff_entry *e)
{
	const struct listing_entry *any = e->b ? e->b : e->a;

	jout_uint(o, "Ramdisk", e->ramdisk + 1);
	put_bytes(o, "Path", "PathHex", any->path, any->path_len);
	jout_open(o, "What", '[');
	diff_what_words(e->what, put_word, o);
	jout_close(o, ']');
	put_attributes(o, "A", d->a, e->a);
	put_attributes(o, "B", d->b, e->b);
	put_cause(o, &e->cause, diff_entry_moves(e));
}

static void put_side(struct jout *o, const char *key, const struct diff_side *s)
{
	static const char *const kinds[] = {"eif", "record", "image"};

	jout_open(o, key, '{');
	jout_str(o, "Kind", kinds[s->kind]);
	put_bytes(o, "Name", "NameHex", s->name, strlen(s->name));
	for (int i = 0; i < DIFF_REGISTERS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "PCR%d", diff_registers[i]);
		if (s->pcr[diff_registers[i]])
			jout_str(o, name, s->pcr[diff_registers[i]]);
	}
	jout_close(o, '}');
}

static void put_head(struct jout *o, const struct diff *d)
{
	jout_bool(o, "Same", diff_same(d));
	put_side(o, "A", d->a);
	put_side(o, "B", d->b);
	jout_open(o, "PCRs", '{');
	for (int i = 0; i < DIFF_REGISTERS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "PCR%d", diff_registers[i]);
		jout_str(o, name, diff_pcr_state(d, diff_registers[i]));
	}
	jout_close(o, '}');
	jout_bool(o, "LookedInside", d->looked_inside);
	jout_uint(o, "Renumbered", d->renumbered);
	jout_open(o, "Parts", '[');
	for (size_t i = 0; i < d->part_count; i++) {
		const struct diff_part *p = &d->parts[i];

		jout_open(o, NULL, '{');
		jout_str(o, "Part", p->name);
		put_bytes(o, "A", "AHex", p->a, strlen(p->a));
		put_bytes(o, "B", "BHex", p->b, strlen(p->b));
		put_cause(o, &p->cause, p->moves);
		jout_close(o, '}');
	}
	jout_close(o, ']');
}

int diff_put_json(const struct diff *d, struct jout *o,
		  int (*more)(void *ctx, const struct diff_entry *e, struct jout *o, struct err *err), void *ctx,
		  struct err *err)
{
	jout_open(o, NULL, '{');
	put_head(o, d);
	jout_open(o, "Entries", '[');
	for (size_t i = 0; i < d->entry_count; i++) {
		jout_open(o, NULL, '{');
		put_entry(o, d, &d->entries[i]);
		if (more && more(ctx, &d->entries[i], o, err))
			return -1;
		jout_close(o, '}');
	}
	jout_close(o, ']');
	jout_close(o, '}');
	return 0;
}

int diff_print_json(const struct diff *d, struct buf *out, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	const char *text;

	if (diff_put_json(d, &o, NULL, NULL, err))
		return -1;
	text = jout_text(&o, err);
	return text ? buf_add_str(out, text, err) : -1;
}
