// SPDX-License-Identifier: Apache-2.0
//
// A diff for people and for programs. The text groups entries by cause, since one cause with its remedy usually explains
// hundreds of entries; the JSON lists entries in path order. Both are written straight into a buffer: a diff of two
// images without one common timestamp has an entry for every file.
#include "eifgen/diff.h"
#include "eifgen/diff_json.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const int registers[] = {0, 1, 2, 8};
enum { REGISTERS = 4 };

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

static const char *pcr_state(const struct diff *d, int r)
{
	const char *a = d->a->pcr[r], *b = d->b->pcr[r];

	if (!a && !b)
		return r == 8 ? "unsigned" : "unknown";
	if (!a || !b)
		return r == 8 ? "one side" : "unknown";
	return strcmp(a, b) ? "differs" : "same";
}

// ---- text ----------------------------------------------------------------------------------------------------------

struct text {
	struct buf *out;
	struct err *err;
	bool failed; // the first failure is in *err; the rest is skipped
};

__attribute__((format(printf, 2, 3))) static void say(struct text *t, const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	int n;

	if (t->failed)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	t->failed = n < 0 || buf_add(t->out, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1, t->err);
}

static void say_word(void *ctx, const char *word)
{
	say(ctx, " %s", word);
}

// "mode 0644 -> 0600, mtime 1 -> 2": the values behind the words.
static void say_values(struct text *t, const struct diff_entry *e)
{
	const struct newc_header *a = &e->a->h, *b = &e->b->h;

	if (e->what & DIFF_MODE)
		say(t, "  mode %04o -> %04o", a->mode & 07777, b->mode & 07777);
	if (e->what & DIFF_OWNER)
		say(t, "  owner %u:%u -> %u:%u", a->uid, a->gid, b->uid, b->gid);
	if (e->what & DIFF_MTIME)
		say(t, "  mtime %u -> %u", a->mtime, b->mtime);
	if (e->what & DIFF_SIZE)
		say(t, "  size %u -> %u", a->filesize, b->filesize);
}

static void say_entry(struct text *t, const struct diff *d, const struct diff_entry *e)
{
	const struct listing_entry *any = e->b ? e->b : e->a;
	const struct diff_side *side = e->b ? d->b : d->a;
	char q[1024];

	say(t, "    %c %s ", !e->a ? '+' : !e->b ? '-' : '~', err_quote(any->path, any->path_len, q, sizeof(q)));
	diff_what_words(e->what & ~(unsigned)DIFF_INO, say_word, t);
	if (e->a && e->b)
		say_values(t, e);
	if (any->layer >= 0 && (size_t)any->layer < side->layer_count)
		say(t, "  (layer %d, %.19s)", any->layer + 1, side->layers[any->layer]);
	say(t, "\n");
}

static void say_moves(struct text *t, unsigned moves)
{
	static const char *const names[REGISTERS] = {"PCR0", "PCR1", "PCR2", "PCR8"};

	for (int i = 0; i < REGISTERS; i++)
		if (moves & (1U << i))
			say(t, " %s", names[i]);
}

static void say_parts(struct text *t, const struct diff *d)
{
	for (size_t i = 0; i < d->part_count; i++) {
		const struct diff_part *p = &d->parts[i];

		say(t, "\n%s: %s\n    A: %.300s\n    B: %.300s\n", p->name, p->cause.text, p->a, p->b);
		say(t, "    moves:");
		say_moves(t, p->moves);
		say(t, "%s\n    remedy: %s\n", p->moves ? "" : " nothing", p->cause.remedy);
	}
}

static void say_causes(struct text *t, const struct diff *d, bool *done)
{
	for (size_t i = 0; i < d->entry_count; i++) {
		const struct cause *c = &d->entries[i].cause;
		unsigned moves = 0;
		size_t n = 0;

		if (done[i])
			continue;
		for (size_t k = i; k < d->entry_count; k++) {
			if (!strcmp(d->entries[k].cause.id, c->id)) {
				n++;
				moves |= diff_entry_moves(&d->entries[k]);
			}
		}
		say(t, "\n%s (%zu): %s\n    moves:", c->id, n, c->text);
		say_moves(t, moves);
		say(t, "\n    remedy: %s\n", c->remedy);
		for (size_t k = i; k < d->entry_count; k++) {
			if (!strcmp(d->entries[k].cause.id, c->id)) {
				done[k] = true;
				say_entry(t, d, &d->entries[k]);
			}
		}
	}
}

int diff_print_text(const struct diff *d, struct buf *out, struct err *err)
{
	struct text t = {out, err, false};
	_cleanup_free_ bool *done = mem_zalloc(d->entry_count, sizeof(*done), err);

	if (!done)
		return -1;
	say(&t, "A: %s\nB: %s\n\n", d->a->name, d->b->name);
	for (int i = 0; i < REGISTERS; i++) {
		const char *a = d->a->pcr[registers[i]], *b = d->b->pcr[registers[i]];

		say(&t, "PCR%d  %-8s  %.16s%s%.16s\n", registers[i], pcr_state(d, registers[i]), a ? a : "",
		    a && b && strcmp(a, b) ? " -> " : "", a && b && !strcmp(a, b) ? "" : b ? b : "");
	}
	say_parts(&t, d);
	say_causes(&t, d, done);
	if (d->renumbered)
		say(&t, "\n%llu entries differ only by inode number (it follows from what comes before them).\n",
		    (unsigned long long)d->renumbered);
	if (!d->looked_inside)
		say(&t, "\nThe ramdisks were not at hand on both sides: only what the records say was compared.\n");
	say(&t, diff_same(d) ? "\nNothing measured differs.\n" : "\nThey differ.\n");
	return t.failed ? -1 : 0;
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

static int json_attributes(const struct diff_side *s, const struct listing_entry *e, struct buf *out, struct err *err)
{
	if (!e)
		return buf_add_str(out, "null", err);
	if (buf_printf(out, err, "{\"Mode\":\"%06o\",\"Uid\":%u,\"Gid\":%u,\"Mtime\":%u,\"Size\":%u,\"Links\":%u,\"Order\":%u",
		       e->h.mode, e->h.uid, e->h.gid, e->h.mtime, e->h.filesize, e->h.nlink, e->order))
		return -1;
	if (e->layer >= 0 && (size_t)e->layer < s->layer_count &&
	    buf_printf(out, err, ",\"Layer\":\"%s\"", s->layers[e->layer]))
		return -1;
	return buf_add_str(out, "}", err);
}

struct word_list {
	struct buf *out;
	struct err *err;
	bool first, failed;
};

static void json_word(void *ctx, const char *word)
{
	struct word_list *l = ctx;

	if (!l->failed)
		l->failed = buf_printf(l->out, l->err, "%s\"%s\"", l->first ? "" : ",", word) != 0;
	l->first = false;
}

static int json_moves(unsigned moves, struct buf *out, struct err *err)
{
	bool first = true;

	if (buf_add_str(out, "[", err))
		return -1;
	for (int i = 0; i < REGISTERS; i++) {
		if (!(moves & (1U << i)))
			continue;
		if (buf_printf(out, err, "%s\"PCR%d\"", first ? "" : ",", registers[i]))
			return -1;
		first = false;
	}
	return buf_add_str(out, "]", err);
}

static int json_cause(const struct cause *c, unsigned moves, struct buf *out, struct err *err)
{
	if (buf_printf(out, err, ",\"Cause\":\"%s\",\"Text\":", c->id) || json_add_quoted(out, c->text, err) ||
	    buf_add_str(out, ",\"Remedy\":", err) || json_add_quoted(out, c->remedy, err) ||
	    buf_add_str(out, ",\"Moves\":", err))
		return -1;
	return json_moves(moves, out, err);
}

int diff_json_entry(const struct diff *d, const struct diff_entry *e, struct buf *out, struct err *err)
{
	const struct listing_entry *any = e->b ? e->b : e->a;
	struct word_list words = {out, err, true, false};

	if (buf_printf(out, err, "{\"Ramdisk\":%u,", e->ramdisk + 1) ||
	    diff_json_bytes("Path", any->path, any->path_len, out, err) || buf_add_str(out, ",\"What\":[", err))
		return -1;
	diff_what_words(e->what, json_word, &words);
	if (words.failed || buf_add_str(out, "],\"A\":", err) || json_attributes(d->a, e->a, out, err) ||
	    buf_add_str(out, ",\"B\":", err) || json_attributes(d->b, e->b, out, err))
		return -1;
	return json_cause(&e->cause, diff_entry_moves(e), out, err);
}

static int json_side(const struct diff_side *s, struct buf *out, struct err *err)
{
	static const char *const kinds[] = {"eif", "record", "image"};

	if (buf_printf(out, err, "{\"Kind\":\"%s\",", kinds[s->kind]) ||
	    diff_json_bytes("Name", s->name, strlen(s->name), out, err))
		return -1;
	for (int i = 0; i < REGISTERS; i++)
		if (s->pcr[registers[i]] && buf_printf(out, err, ",\"PCR%d\":\"%s\"", registers[i], s->pcr[registers[i]]))
			return -1;
	return buf_add_str(out, "}", err);
}

static int json_parts(const struct diff *d, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < d->part_count; i++) {
		const struct diff_part *p = &d->parts[i];

		if (buf_printf(out, err, "%s{\"Part\":\"%s\",", i ? "," : "", p->name) ||
		    diff_json_bytes("A", p->a, strlen(p->a), out, err) || buf_add_str(out, ",", err) ||
		    diff_json_bytes("B", p->b, strlen(p->b), out, err) || json_cause(&p->cause, p->moves, out, err) ||
		    buf_add_str(out, "}", err))
			return -1;
	}
	return 0;
}

int diff_json_head(const struct diff *d, struct buf *out, struct err *err)
{
	if (buf_printf(out, err, "{\"Same\":%s,\"A\":", diff_same(d) ? "true" : "false") || json_side(d->a, out, err) ||
	    buf_add_str(out, ",\"B\":", err) || json_side(d->b, out, err) || buf_add_str(out, ",\"PCRs\":{", err))
		return -1;
	for (int i = 0; i < REGISTERS; i++)
		if (buf_printf(out, err, "%s\"PCR%d\":\"%s\"", i ? "," : "", registers[i], pcr_state(d, registers[i])))
			return -1;
	if (buf_printf(out, err, "},\"LookedInside\":%s,\"Renumbered\":%llu,\"Parts\":[", d->looked_inside ? "true" : "false",
		       (unsigned long long)d->renumbered) ||
	    json_parts(d, out, err))
		return -1;
	return buf_add_str(out, "],\"Entries\":[", err);
}

int diff_print_json(const struct diff *d, struct buf *out, struct err *err)
{
	if (diff_json_head(d, out, err))
		return -1;
	for (size_t i = 0; i < d->entry_count; i++)
		if ((i && buf_add_str(out, ",", err)) || diff_json_entry(d, &d->entries[i], out, err) ||
		    buf_add_str(out, "}", err))
			return -1;
	return buf_add_str(out, "]}\n", err);
}
