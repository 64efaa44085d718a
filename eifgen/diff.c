// SPDX-License-Identifier: Apache-2.0
//
// The comparison itself. Entries: a merge join over both listings' path order. Order: the entries that both sides have,
// taken in A's order, give a sequence of places in B; those outside its longest increasing subsequence were moved.
// Inode numbers follow from what comes before, so an entry that differs by nothing else is only counted.
#include "eifgen/diff.h"

#include "base/io.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	COMPARE_BLOCK = 256 * 1024,
	// to judge hard links: every name reads the bytes anew, and they may be a million names
	LINKED_READ_MAX = 1 << 30,
};

// What each fact moves, and what it means when it differs. Facts of a side that are not here are compared silently
// by nobody: every name given to diff_side_add_fact stands in this table.
static const struct {
	const char *name;
	unsigned moves;
	struct cause cause;
} fact_table[] = {
    {"kernel",
     DIFF_PCR0 | DIFF_PCR1,
     {"kernel", "the kernel differs", "build both with the same --blobs (or --kernel)"}},
    {"cmdline",
     DIFF_PCR0 | DIFF_PCR1,
     {"cmdline", "the kernel command line differs", "build both with the same --cmdline"}},
    {"init", DIFF_PCR0 | DIFF_PCR1, {"platform", "init differs", "build both with the same --init: pin it by digest"}},
    {"nsm", DIFF_PCR0 | DIFF_PCR1, {"platform", "nsm.ko differs", "build both with the same --nsm"}},
    {"modules", DIFF_PCR0 | DIFF_PCR1, {"platform", "kernel modules differ", "build both with the same --module"}},
    {"ramdisks", DIFF_PCR0 | DIFF_PCR1 | DIFF_PCR2, {"ramdisks", "the number of ramdisks differs", "use one layout"}},
    {"layout",
     DIFF_PCR0 | DIFF_PCR1 | DIFF_PCR2,
     {"layout", "the layout or its version differs", "build both with the same --layout and eifgen version"}},
    {"epoch",
     DIFF_PCR0 | DIFF_PCR1 | DIFF_PCR2,
     {"epoch", "the epoch differs, and with it every time", "give both the same --epoch"}},
    {"mtime", DIFF_PCR0 | DIFF_PCR2, {"epoch", "the mtime policy differs", "give both the same --mtime"}},
    {"image-config", 0, {"image", "the images' configs differ", "see the entries: only what enters a ramdisk counts"}},
    {"image-layers", 0, {"image", "the images' layers differ", "see the entries: only what enters a ramdisk counts"}},
    {"cage",
     DIFF_PCR0 | DIFF_PCR2,
     {"cage", "the cage overlay differs", "pin the runtime bundle by digest in cage.json"}},
    {"scrub", DIFF_PCR0 | DIFF_PCR2, {"scrub", "the scrubbed rules differ", "give both the same --scrub"}},
    {"overrides",
     DIFF_PCR0 | DIFF_PCR2,
     {"overrides", "--cmd, --env, --user or --workdir differ", "give both the same overrides"}},
    {"ramdisk-1",
     DIFF_PCR0 | DIFF_PCR1,
     {"ramdisk", "the bootstrap ramdisk differs", "compare the EIFs themselves to see which entry"}},
    {"ramdisk-2",
     DIFF_PCR0 | DIFF_PCR2,
     {"ramdisk", "the application ramdisk differs", "compare the EIFs or images themselves to see which entry"}},
    {"certificate", DIFF_PCR8, {"certificate", "the signing certificate differs", "sign both with one certificate"}},
    {"metadata", 0, {"metadata", "the metadata section differs (never measured)", "none needed for the PCRs"}},
    {"arch", 0, {"arch", "the architecture flag differs (never measured)", "build both for one --arch"}},
    {"signed",
     DIFF_PCR8,
     {"signature", "one is signed, the other is not, and has a PCR8 of zeros", "sign both, or neither"}},
};

// ---- facts ---------------------------------------------------------------------------------------------------------

const char *diff_side_fact(const struct diff_side *s, const char *name)
{
	for (size_t i = 0; i < s->fact_count; i++)
		if (!strcmp(s->facts[i].name, name))
			return s->facts[i].value;
	return NULL;
}

int diff_side_add_fact(struct diff_side *s, const char *name, const char *value, struct err *err)
{
	if (s->fact_count == DIFF_FACTS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d facts", DIFF_FACTS_MAX);
	s->facts[s->fact_count].value = mem_strdup(value, err);
	if (!s->facts[s->fact_count].value)
		return -1;
	s->facts[s->fact_count++].name = name;
	return 0;
}

static int add_part(struct diff *d, const char *name, const char *a, const char *b, const struct cause *cause,
		    unsigned moves, struct err *err)
{
	struct diff_part *p;

	if (mem_grow(&d->parts, &d->part_cap, d->part_count, sizeof(*d->parts), err))
		return -1;
	p = &d->parts[d->part_count];
	*p = (struct diff_part){.name = name, .cause = *cause, .moves = moves};
	p->a = mem_strdup(a, err);
	p->b = mem_strdup(b, err);
	d->part_count++; // counted first, so that diff_free frees what is there
	return p->a && p->b ? 0 : -1;
}

static int compare_facts(struct diff *d, struct err *err)
{
	for (size_t i = 0; i < sizeof(fact_table) / sizeof(fact_table[0]); i++) {
		const char *a = diff_side_fact(d->a, fact_table[i].name), *b = diff_side_fact(d->b, fact_table[i].name);

		// With the entries at hand, "the ramdisk differs" says nothing more.
		if (!a || !b || !strcmp(a, b) || (d->looked_inside && !strncmp(fact_table[i].name, "ramdisk-", 8)))
			continue;
		if (add_part(d, fact_table[i].name, a, b, &fact_table[i].cause, fact_table[i].moves, err))
			return -1;
	}
	return 0;
}

// ---- one pair of entries -------------------------------------------------------------------------------------------

struct entry_bytes {
	int fd;
	const struct listing_entry *e; // that carries the bytes
};

static ssize_t read_entry(void *ctx, uint64_t off, void *p, size_t n, struct err *err)
{
	const struct entry_bytes *b = ctx;

	if (off >= b->e->h.filesize)
		return 0;
	if (n > b->e->h.filesize - off)
		n = (size_t)(b->e->h.filesize - off);
	return io_pread(b->fd, p, n, b->e->data_offset + off, err);
}

static bool is_file(const struct listing_entry *e)
{
	return e && S_ISREG(e->h.mode);
}

// Names of one inode share its bytes: those are read once, however many names there are.
static int linked_equal(struct listing *la, const struct listing_entry *a, struct listing *lb,
			const struct listing_entry *b, bool *equal, struct err *err)
{
	const char *x, *y;

	*equal = a->data->h.filesize == b->data->h.filesize;
	if (!*equal || !a->data->h.filesize)
		return 0;
	x = listing_digest(la, a, err);
	y = x ? listing_digest(lb, b, err) : NULL;
	if (!y)
		return -1;
	*equal = !strcmp(x, y);
	return 0;
}

static int bytes_equal(struct listing *la, const struct listing_entry *a, struct listing *lb,
		       const struct listing_entry *b, uint8_t *blocks, bool *equal, struct err *err)
{
	if (a->data != a || b->data != b)
		return linked_equal(la, a, lb, b, equal, err);
	*equal = a->h.filesize == b->h.filesize;
	for (uint64_t off = 0; *equal && off < a->h.filesize;) {
		size_t n = a->h.filesize - off < COMPARE_BLOCK ? (size_t)(a->h.filesize - off) : COMPARE_BLOCK;

		if (io_pread_full(la->fd, blocks, n, a->data_offset + off, err) ||
		    io_pread_full(lb->fd, blocks + COMPARE_BLOCK, n, b->data_offset + off, err))
			return -1;
		*equal = !memcmp(blocks, blocks + COMPARE_BLOCK, n);
		off += n;
	}
	return 0;
}

static unsigned attributes_differ(const struct newc_header *a, const struct newc_header *b)
{
	unsigned what = 0;

	if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
		return DIFF_TYPE;
	if (a->mode != b->mode)
		what |= DIFF_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		what |= DIFF_OWNER;
	if (a->mtime != b->mtime)
		what |= DIFF_MTIME;
	if (a->rdevmajor != b->rdevmajor || a->rdevminor != b->rdevminor)
		what |= DIFF_RDEV;
	if (a->nlink != b->nlink)
		what |= DIFF_LINKS;
	if (a->ino != b->ino)
		what |= DIFF_INO;
	return what;
}

// Entries of the two sides paired by path, with what is needed to judge them.
struct join {
	struct diff *d;
	struct listing *la, *lb;
	unsigned ramdisk;
	uint64_t linked_left; // bytes that may still be read to judge names whose bytes are another's
	uint8_t *blocks;     // two of COMPARE_BLOCK
	uint32_t *place_in_b; // by A's order: B's order + 1 of the same path, 0 if B lacks it
	bool *moved;	     // by A's order
};

// Whether the bytes behind two names are read to judge them: always if they are the names' own.
static bool may_read(struct join *j, const struct listing_entry *a, const struct listing_entry *b)
{
	uint64_t n = (a ? a->data->h.filesize : 0) + (uint64_t)(b ? b->data->h.filesize : 0);

	if ((!a || a->data == a) && (!b || b->data == b))
		return true;
	if (n > j->linked_left)
		return false;
	j->linked_left -= n;
	return true;
}

static int judge(struct join *j, const struct listing_entry *a, const struct listing_entry *b, unsigned what,
		 struct cause *cause, struct err *err)
{
	struct entry_bytes ba = {j->la->fd, a ? a->data : NULL}, bb = {j->lb->fd, b ? b->data : NULL};
	struct entropy_file fa = {read_entry, &ba, a ? a->data->h.filesize : 0};
	struct entropy_file fb = {read_entry, &bb, b ? b->data->h.filesize : 0};
	const char *path = a ? a->path : b->path;
	bool read;

	if (j->ramdisk == 0 && (what & ~(unsigned)(DIFF_MTIME | DIFF_INO))) {
		*cause = (struct cause){"platform", "a platform file differs (init, nsm.ko or a module)",
					"build both with the same --blobs: pin them by digest"};
		return 0;
	}
	if (j->ramdisk > 0 && strncmp(path, "rootfs", 6) && (what & (DIFF_CONTENT | DIFF_ADDED | DIFF_REMOVED))) {
		*cause = (struct cause){"image-config", "the image's ENTRYPOINT, CMD, ENV, USER or WORKDIR differs",
					"compare the image configs; pin the base image by digest"};
		return 0;
	}
	if (!strncmp(path, "rootfs/", 7))
		path += 7;
	read = may_read(j, a, b);
	return cause_judge(path, what, read && is_file(a) ? &fa : NULL, read && is_file(b) ? &fb : NULL, cause, err);
}

static int add_entry(struct join *j, const struct listing_entry *a, const struct listing_entry *b, unsigned what,
		     struct err *err)
{
	struct diff *d = j->d;
	struct diff_entry *e;

	if (what == DIFF_INO) {
		d->renumbered++;
		return 0;
	}
	if (mem_grow(&d->entries, &d->entry_cap, d->entry_count, sizeof(*d->entries), err))
		return -1;
	e = &d->entries[d->entry_count];
	*e = (struct diff_entry){.a = a, .b = b, .ramdisk = j->ramdisk, .what = what};
	if (judge(j, a, b, what, &e->cause, err))
		return err_prefix(err, "entry \"%s\": ", a ? a->path : b->path);
	d->entry_count++;
	return 0;
}

static int compare_pair(struct join *j, const struct listing_entry *a, const struct listing_entry *b,
			struct err *err)
{
	unsigned what = attributes_differ(&a->h, &b->h);
	bool equal = true;

	if (!(what & DIFF_TYPE) && bytes_equal(j->la, a, j->lb, b, j->blocks, &equal, err))
		return -1;
	if (!equal && S_ISLNK(a->h.mode))
		what |= DIFF_TARGET;
	else if (!equal)
		what |= DIFF_CONTENT | (a->data->h.filesize != b->data->h.filesize ? DIFF_SIZE : 0);
	else if (S_ISREG(a->h.mode) && a->h.filesize != b->h.filesize)
		what |= DIFF_LINKS; // one file under other names: another of them carries the bytes
	if (j->moved[a->order])
		what |= DIFF_ORDER;
	return what ? add_entry(j, a, b, what, err) : 0;
}

// ---- order ---------------------------------------------------------------------------------------------------------

// Patience sorting over place_in_b: tails[k] is the A-order of the smallest tail of an increasing run of length k + 1,
// prev links each element to the one before it in its run. What is left off the longest run has moved.
static int find_moved(struct join *j, struct err *err)
{
	size_t n = j->la->count, len = 0;
	_cleanup_free_ uint32_t *tails = mem_zalloc(n, sizeof(*tails), err);
	_cleanup_free_ uint32_t *prev = mem_zalloc(n, sizeof(*prev), err);

	if (!tails || !prev)
		return -1;
	for (size_t i = 0; i < n; i++) {
		uint32_t v = j->place_in_b[i];
		size_t lo = 0, hi = len;

		if (!v)
			continue;
		while (lo < hi) {
			size_t mid = lo + (hi - lo) / 2;

			if (j->place_in_b[tails[mid]] < v)
				lo = mid + 1;
			else
				hi = mid;
		}
		prev[i] = lo ? tails[lo - 1] : UINT32_MAX;
		tails[lo] = (uint32_t)i;
		if (lo == len)
			len++;
		j->moved[i] = true;
	}
	for (uint32_t i = len ? tails[len - 1] : UINT32_MAX; i != UINT32_MAX; i = prev[i])
		j->moved[i] = false;
	return 0;
}

// ---- one pair of ramdisks ------------------------------------------------------------------------------------------

// Calls back for every path of either side, in path order; returns -1 as soon as `each` does.
static int join_paths(struct join *j,
		      int (*each)(struct join *j, const struct listing_entry *a, const struct listing_entry *b,
				  struct err *err),
		      struct err *err)
{
	size_t i = 0, k = 0;

	while (i < j->la->count || k < j->lb->count) {
		const struct listing_entry *a = i < j->la->count ? j->la->by_path[i] : NULL;
		const struct listing_entry *b = k < j->lb->count ? j->lb->by_path[k] : NULL;
		int c = !a ? 1 : !b ? -1 : listing_compare(a, b);

		if (each(j, c <= 0 ? a : NULL, c >= 0 ? b : NULL, err))
			return -1;
		i += c <= 0;
		k += c >= 0;
	}
	return 0;
}

static int note_place(struct join *j, const struct listing_entry *a, const struct listing_entry *b, struct err *err)
{
	(void)err;
	if (a && b)
		j->place_in_b[a->order] = b->order + 1;
	return 0;
}

static int compare_entry(struct join *j, const struct listing_entry *a, const struct listing_entry *b, struct err *err)
{
	if (a && b)
		return compare_pair(j, a, b, err);
	return add_entry(j, a, b, a ? DIFF_REMOVED : DIFF_ADDED, err);
}

static int compare_ramdisks(struct diff *d, unsigned index, struct err *err)
{
	_cleanup_free_ uint8_t *blocks = mem_alloc((size_t)2 * COMPARE_BLOCK, err);
	struct join j = {d, d->a->ramdisks[index], d->b->ramdisks[index], index, LINKED_READ_MAX, blocks, NULL, NULL};
	_cleanup_free_ uint32_t *places = mem_zalloc(j.la->count, sizeof(*places), err);
	_cleanup_free_ bool *moved = mem_zalloc(j.la->count, sizeof(*moved), err);

	if (!blocks || !places || !moved)
		return -1;
	j.place_in_b = places;
	j.moved = moved;
	if (join_paths(&j, note_place, err) || find_moved(&j, err))
		return -1;
	return join_paths(&j, compare_entry, err);
}

int diff_sides(const struct diff_side *a, const struct diff_side *b, struct diff **out, struct err *err)
{
	_cleanup_(diff_freep) struct diff *d = mem_zalloc(1, sizeof(*d), err);
	size_t n = a->ramdisk_count < b->ramdisk_count ? a->ramdisk_count : b->ramdisk_count;

	if (!d)
		return -1;
	d->a = a;
	d->b = b;
	for (size_t i = 0; i < n; i++) {
		if (!a->ramdisks[i] || !b->ramdisks[i])
			continue;
		d->looked_inside = true;
		if (compare_ramdisks(d, (unsigned)i, err))
			return err_prefix(err, "ramdisk %zu: ", i + 1);
	}
	if (compare_facts(d, err))
		return -1;
	*out = steal_ptr(&d);
	return 0;
}

unsigned diff_entry_moves(const struct diff_entry *e)
{
	return DIFF_PCR0 | (e->ramdisk ? DIFF_PCR2 : DIFF_PCR1);
}

bool diff_same(const struct diff *d)
{
	static const int used[] = {0, 1, 2, 8};

	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		const char *a = d->a->pcr[used[i]], *b = d->b->pcr[used[i]];

		if (a && b && strcmp(a, b))
			return false;
	}
	for (size_t i = 0; i < d->part_count; i++)
		if (d->parts[i].moves)
			return false;
	return d->entry_count == 0 && d->renumbered == 0;
}

void diff_free(struct diff *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->part_count; i++) {
		free(d->parts[i].a);
		free(d->parts[i].b);
	}
	free(d->parts);
	free(d->entries);
	free(d);
}

void diff_side_free(struct diff_side *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->fact_count; i++)
		free(s->facts[i].value);
	for (size_t i = 0; i < 9; i++)
		free(s->pcr[i]);
	for (size_t i = 0; i < s->ramdisk_count; i++)
		listing_free(s->ramdisks[i]);
	for (size_t i = 0; i < s->layer_count; i++)
		free(s->layers[i]);
	free(s->layers);
	free(s->name);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}
