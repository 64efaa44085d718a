// SPDX-License-Identifier: Apache-2.0
//
// One pre-order walk. A finding is kept for each file that a rule names; times and implied parents are summed up into
// one finding each, since they speak of thousands of entries alike.
#include "eifgen/scan.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	DATE_TEXT_MAX = 256 * 1024, // of a file that is searched for the build's date: such files are small
	DATE_LEN = 10,		    // YYYY-MM-DD
	PATH_CAP = 65536,	    // above every cap on path length that --max-path admits into a tree
};

struct tree_file {
	const struct tree *tree;
	const struct inode *inode;
};

static ssize_t read_tree_file(void *ctx, uint64_t off, void *p, size_t n, struct err *err)
{
	const struct tree_file *f = ctx;

	return tree_content_read(f->tree, f->inode, off, p, n, err);
}

static int add(struct scan *s, const char *path, size_t len, const struct scan_finding *f, struct err *err)
{
	if (mem_grow(&s->findings, &s->cap, s->count, sizeof(*s->findings), err))
		return -1;
	s->findings[s->count] = *f;
	s->findings[s->count].path = mem_dup(path, len, err);
	if (!s->findings[s->count].path)
		return -1;
	s->count++;
	return 0;
}

static struct scan_finding of_rule(const struct entropy_rule *r, const struct inode *inode)
{
	return (struct scan_finding){
		.id = r->id,
		.cause = r->cause,
		.remedy = r->remedy,
		.severity = r->severity,
		.layer = inode->layer,
		.size = inode->size,
		.count = 1,
	};
}

// 1 if the file is a text that holds the ten characters of `date`.
static int holds_date(const struct entropy_file *f, const char *date, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	if (f->size < DATE_LEN || f->size > DATE_TEXT_MAX)
		return 0;
	text = mem_alloc((size_t)f->size, err);
	if (!text)
		return -1;
	while (len < f->size) {
		ssize_t r = f->read(f->ctx, len, text + len, (size_t)f->size - len, err);

		if (r < 0)
			return -1;
		if (r == 0)
			break;
		len += (size_t)r;
	}
	return !memchr(text, '\0', len) && memmem(text, len, date, DATE_LEN) != NULL;
}

struct walk {
	const struct tree *tree;
	const struct scan_options *opt;
	struct scan *scan;
	uint64_t implied, times; // entries that the findings about the whole speak for
	char first_implied[256];
	const char *date; // NULL: none to look for
};

static int look_at(struct walk *w, const struct node *n, const char *path, size_t len, struct err *err)
{
	struct tree_file tf = {w->tree, n->inode};
	struct entropy_file f = {read_tree_file, &tf, n->inode->size};
	const struct entropy_rule *rule = NULL;
	struct scan_finding found;
	int r;

	if (n->inode->implied || n->inode->implied_above) {
		if (!w->implied++)
			err_quote(path, len, w->first_implied, sizeof(w->first_implied));
	}
	w->times += n->inode->layer >= 0;
	if (!S_ISREG(n->inode->mode))
		return 0;
	r = entropy_match(path, &f, &rule, err);
	if (r > 0) {
		found = of_rule(rule, n->inode);
		return add(w->scan, path, len, &found, err);
	}
	r = r ? r : w->date ? holds_date(&f, w->date, err) : 0;
	if (r <= 0)
		return r;
	found = (struct scan_finding){
		.id = "build-date",
		.cause = "a text that holds the day on which the image was built",
		.remedy = "let the program that writes it honour SOURCE_DATE_EPOCH, or delete the file",
		.severity = ENTROPY_MEDIUM,
		.layer = n->inode->layer,
		.size = n->inode->size,
		.count = 1,
	};
	return add(w->scan, path, len, &found, err);
}

// What speaks of the tree as a whole: only where the layout measures it.
static int look_at_whole(struct walk *w, struct err *err)
{
	const bool as_they_are = w->opt->layout == LAYOUT_NITRO_CLI,
		   clamped = !as_they_are && w->opt->mtime == MTIME_CLAMP;
	struct scan_finding f = {.layer = TREE_NO_LAYER, .severity = ENTROPY_HIGH};

	if ((as_they_are || clamped) && w->times) {
		f.id = "file-times";
		f.cause = as_they_are ? "every entry is measured with the time that the build gave it"
				      : "entries older than the epoch are measured with their own time";
		f.remedy = as_they_are
			       ? "--layout canonical, or BuildKit's rewrite-timestamp=true with SOURCE_DATE_EPOCH"
			       : "--mtime set";
		f.count = w->times;
		f.severity = as_they_are ? ENTROPY_HIGH : ENTROPY_MEDIUM;
		if (add(w->scan, "", 0, &f, err))
			return -1;
	}
	if (as_they_are && w->implied) {
		f.id = "implied-parents";
		f.cause = "directories that no layer lists get the time of `docker load`";
		f.remedy = "--layout canonical, or list them in a layer (RUN mkdir, COPY of the directory)";
		f.count = w->implied;
		f.severity = ENTROPY_HIGH;
		return add(w->scan, w->first_implied, strlen(w->first_implied), &f, err);
	}
	return 0;
}

int scan_tree(const struct tree *tree, const struct scan_options *opt, struct scan **out, struct err *err)
{
	_cleanup_(scan_freep) struct scan *s = mem_zalloc(1, sizeof(*s), err);
	_cleanup_free_ char *path = s ? mem_alloc(PATH_CAP, err) : NULL;
	struct walk w = {.tree = tree, .opt = opt, .scan = s};
	const struct node *top = tree_root(tree);

	if (!path)
		return -1;
	// Builders set `created` to now, or to a fixed epoch: a date before this project's default epoch tells nothing.
	if (opt->created && strlen(opt->created) >= DATE_LEN && strncmp(opt->created, "1980-01-02", DATE_LEN) > 0)
		w.date = opt->created;
	for (const struct node *n = tree_next(top, top); n; n = tree_next(top, n)) {
		ssize_t len = tree_path(n, path, PATH_CAP, err);

		if (len < 0 || look_at(&w, n, path, (size_t)len, err))
			return -1;
	}
	if (look_at_whole(&w, err))
		return -1;
	*out = steal_ptr(&s);
	return 0;
}

// ---- scrubbing -----------------------------------------------------------------------------------------------------

struct victims {
	struct node **nodes;
	size_t count, cap;
};

// First all victims are found, then the tree is changed: a walk over a changing tree would be lost.
static int find_victims(struct tree *tree, uint64_t rules, char *path, struct victims *v, struct scan *done,
			struct err *err)
{
	struct node *top = tree_root(tree);

	for (struct node *n = tree_next(top, top); n; n = tree_next(top, n)) {
		struct tree_file tf = {tree, n->inode};
		struct entropy_file f = {read_tree_file, &tf, n->inode->size};
		const struct entropy_rule *rule = NULL;
		struct scan_finding found;
		ssize_t len;
		int r;

		if (!S_ISREG(n->inode->mode))
			continue;
		len = tree_path(n, path, PATH_CAP, err);
		r = len < 0 ? -1 : entropy_match(path, &f, &rule, err);
		if (r < 0)
			return -1;
		if (!r || !(rules >> (rule - entropy_rules) & 1))
			continue;
		found = of_rule(rule, n->inode);
		if (mem_grow(&v->nodes, &v->cap, v->count, sizeof(*v->nodes), err) ||
		    add(done, path, (size_t)len, &found, err))
			return -1;
		v->nodes[v->count++] = n;
	}
	return 0;
}

// The file stays, empty, with its owner and mode; a name of a hard-linked file is cut off from the others first.
static int empty_file(struct tree *tree, struct node *n, struct err *err)
{
	struct inode was = *n->inode;
	struct node *fresh = tree_add_file(tree, n->parent, n->name, was.mode & 07777, "", 0, err);

	if (!fresh)
		return -1;
	fresh->inode->uid = was.uid;
	fresh->inode->gid = was.gid;
	fresh->inode->mtime = was.mtime;
	fresh->inode->layer = was.layer;
	return 0;
}

int scan_scrub(struct tree *tree, uint64_t rules, struct scan **done, struct err *err)
{
	_cleanup_(scan_freep) struct scan *s = mem_zalloc(1, sizeof(*s), err);
	_cleanup_free_ char *path = s ? mem_alloc(PATH_CAP, err) : NULL;
	struct victims v = {NULL, 0, 0};
	int rc;

	if (!path)
		return -1;
	rc = find_victims(tree, rules, path, &v, s, err);
	for (size_t i = 0; !rc && i < v.count; i++) {
		const struct entropy_rule *rule = entropy_rule_by_id(s->findings[i].id, strlen(s->findings[i].id));

		rc =
		    rule->scrub == SCRUB_EMPTY ? empty_file(tree, v.nodes[i], err) : tree_remove(tree, v.nodes[i], err);
	}
	free(v.nodes);
	if (rc)
		return -1;
	*done = steal_ptr(&s);
	return 0;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->findings[i].path);
	free(s->findings);
	free(s);
}
