// SPDX-License-Identifier: Apache-2.0
//
// A diff for people. Entries are grouped by cause, since one cause with its remedy usually explains hundreds of them.
#include "eifgen/diff_json.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
		say(t, "  size %u -> %u", e->a->data->h.filesize, e->b->data->h.filesize);
}

// "layer 2, sha256:0123456789ab", or "" where it is not known.
static void name_layer(const struct diff_side *side, const struct listing_entry *e, char *out, size_t cap)
{
	if (e && e->layer >= 0 && (size_t)e->layer < side->layer_count)
		snprintf(out, cap, "layer %d, %.19s", e->layer + 1, side->layers[e->layer]);
}

static void say_entry(struct text *t, const struct diff *d, const struct diff_entry *e)
{
	const struct listing_entry *any = e->b ? e->b : e->a;
	char q[1024], a[64] = "", b[64] = "";

	say(t, "    %c %s ", !e->a ? '+' : !e->b ? '-' : '~', err_quote(any->path, any->path_len, q, sizeof(q)));
	diff_what_words(e->what & ~(unsigned)DIFF_INO, say_word, t);
	if (e->a && e->b)
		say_values(t, e);
	name_layer(d->a, e->a, a, sizeof(a));
	name_layer(d->b, e->b, b, sizeof(b));
	if (*a || *b)
		say(t, "  (%s%s%s)", a, *a && *b && strcmp(a, b) ? " -> " : "", strcmp(a, b) ? b : "");
	say(t, "\n");
}

static void say_moves(struct text *t, unsigned moves)
{
	for (int i = 0; i < DIFF_REGISTERS; i++)
		if (moves & (1U << i))
			say(t, " PCR%d", diff_registers[i]);
}

// A command line or metadata are the file's own words: quoted, they cannot speak to a terminal.
static void say_value(struct text *t, const char *name, const char *value)
{
	char q[320];

	say(t, "    %s: %s\n", name, err_quote(value, strlen(value), q, sizeof(q)));
}

static void say_parts(struct text *t, const struct diff *d)
{
	for (size_t i = 0; i < d->part_count; i++) {
		const struct diff_part *p = &d->parts[i];

		say(t, "\n%s: %s\n", p->name, p->cause.text);
		say_value(t, "A", p->a);
		say_value(t, "B", p->b);
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
	for (int i = 0; i < DIFF_REGISTERS; i++) {
		const char *a = d->a->pcr[diff_registers[i]], *b = d->b->pcr[diff_registers[i]];

		say(&t, "PCR%d  %-8s  %.16s%s%.16s\n", diff_registers[i], diff_pcr_state(d, diff_registers[i]),
		    a ? a : "", a && b && strcmp(a, b) ? " -> " : "",
		    a && b && !strcmp(a, b) ? ""
		    : b                     ? b
					    : "");
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
