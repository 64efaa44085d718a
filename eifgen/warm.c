// SPDX-License-Identifier: Apache-2.0
//
// The pieces since the last known mark wait in `pending` (at most one interval of them): bytes in a buffer, contents by
// inode. The marks of one beginning (kernel, cmdline, bootstrap ramdisk, layout) are one file of the cache:
//
//   count times: recipe (32) | bytes of the section so far (8) | registers' state (PCR_MEASURE_STATE)
//
// those that the last run went by first, then newest first; the oldest fall off the end. Marks are looked for in a row
// from the beginning, so the first that is missing makes all behind it useless: what a run has used goes to the front,
// and the distance grows with the position, that a row has an end.
//
// The recipe's words, integers big-endian; each tells its length, so that no two rows of words are one row of bytes:
//
//   "eifgen warm 4 …" NUL | registers' state        how it begins; …: layer_cache_code, by which contents were cut
//   'B' n (8) | n bytes                             made by the layout
//   'L' diff_id, 71 bytes                           a layer, when its first content comes: they are numbered from 1
//   'C' layer (4) | offset in it (8) | size (8)     a stretch of a layer's contents
//   'H' SHA-256 (32) | offset in it (8) | size (8)  a stretch of a content named by itself
//
// They are gathered before they are digested: an image has a hundred thousand of them, most of a few bytes.
#include "eifgen/warm.h"

#include "base/be.h"
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum {
	RECIPE = 32,
	INTERVAL = 4 * 1024 * 1024, // between marks, half of which a change costs: some milliseconds; …
	INTERVAL_SHARE = 1024,	    // … past 4 GiB this part of what came before: 4096 marks reach to 80 GiB
	STRETCH = 2 * 1024 * 1024,  // of one content piece, so that marks lie within large files too
	READ = 128 * 1024,
	WORDS = 32 * 1024, // of the recipe, not digested yet
	// stored bytes of a topmost layer whose contents are digested each time: 0.1 s or so
	OWN_MAX = 64 * 1024 * 1024,
	MARK = RECIPE + 8 + PCR_MEASURE_STATE,
	MARKS_MAX = 4096,
};

struct piece {
	const struct tree *tree; // NULL: bytes
	const struct inode *inode;
	uint64_t offset; // in the content, or in the buffer of bytes
	uint64_t size;
};

struct warm {
	struct layer_cache *cache;
	const struct image *image;
	struct eif_writer *writer;
	EVP_MD_CTX *recipe, *copy;
	uint8_t *words;
	size_t gathered;
	uint32_t *numbers, numbered; // of each layer, its number in the recipe, 0 before it has one
	char name[2 * RECIPE + 8];
	struct buf known;	     // marks kept from earlier
	const uint8_t **index;	     // all of them, in order of their recipes
	bool *used;		     // of each known mark, whether this run went by it
	const uint8_t *last;	     // the last known mark, within `known`; NULL: none yet
	uint8_t **fresh;	     // marks made by this run; the lanes fill them in when they get there
	size_t fresh_count, fresh_cap;
	bool hashing;
	uint64_t position, marked; // bytes of the section so far; where the last mark lies
	uint64_t skipped;
	atomic_uint_fast64_t *watch_hashed, *watch_known; // NULL: nobody watches
	struct piece *pending;
	size_t count, cap;
	struct buf bytes;
	uint8_t *read;
};

// ---- the recipe ----------------------------------------------------------------------------------------------------

static int recipe_flush(struct warm *x, struct err *err)
{
	size_t n = x->gathered;

	x->gathered = 0;
	return EVP_DigestUpdate(x->recipe, x->words, n) == 1 ? 0 : err_nomem(err);
}

static int recipe_add(struct warm *x, const void *p, size_t n, struct err *err)
{
	if (n > WORDS - x->gathered && recipe_flush(x, err))
		return -1;
	if (n > WORDS)
		return EVP_DigestUpdate(x->recipe, p, n) == 1 ? 0 : err_nomem(err);
	memcpy(x->words + x->gathered, p, n);
	x->gathered += n;
	return 0;
}

// The digest of what the recipe says so far.
static int recipe_digest(struct warm *x, uint8_t out[RECIPE], struct err *err)
{
	if (recipe_flush(x, err))
		return -1;
	return EVP_MD_CTX_copy_ex(x->copy, x->recipe) == 1 && EVP_DigestFinal_ex(x->copy, out, NULL) == 1
		       ? 0
		       : err_nomem(err);
}

// The recipe's first words, and the name of the file of marks.
static int begin_recipe(struct warm *x, struct err *err)
{
	static const char form[] = "eifgen warm 4 ";
	const char *code = layer_cache_code(x->cache);
	uint8_t state[PCR_MEASURE_STATE], sha[RECIPE];
	char hex[2 * RECIPE + 1];

	if (EVP_DigestInit_ex(x->recipe, EVP_sha256(), NULL) != 1)
		return err_nomem(err);
	if (eif_writer_save(x->writer, state, err) || recipe_add(x, form, sizeof(form) - 1, err) ||
	    recipe_add(x, code, strlen(code) + 1, err) ||
	    recipe_add(x, state, sizeof(state), err) || recipe_digest(x, sha, err))
		return -1;
	snprintf(x->name, sizeof(x->name), "%s.marks", hex_encode(sha, RECIPE, hex));
	return 0;
}

static int compare_marks(const void *va, const void *vb)
{
	return memcmp(*(const uint8_t *const *)va, *(const uint8_t *const *)vb, RECIPE);
}

static int make_index(struct warm *x, struct err *err)
{
	size_t n = x->known.len / MARK;

	x->index = mem_zalloc(n, sizeof(*x->index), err);
	x->used = x->index ? mem_zalloc(n, sizeof(*x->used), err) : NULL;
	if (!x->used)
		return -1;
	for (size_t i = 0; i < n; i++)
		x->index[i] = x->known.data + i * MARK;
	qsort(x->index, n, sizeof(*x->index), compare_marks);
	return 0;
}

int warm_new(struct layer_cache *cache, const struct image *image, struct eif_writer *w, struct warm **out,
	     struct err *err)
{
	struct warm *x = mem_zalloc(1, sizeof(*x), err);

	if (!x)
		return -1;
	x->cache = cache;
	x->image = image;
	x->writer = w;
	x->recipe = EVP_MD_CTX_new();
	x->copy = EVP_MD_CTX_new();
	x->read = mem_alloc(READ, err);
	x->words = mem_alloc(WORDS, err);
	x->numbers = mem_zalloc(image_layer_count(image), sizeof(*x->numbers), err);
	if (!x->recipe || !x->copy || !x->read || !x->words || !x->numbers || begin_recipe(x, err) ||
	    layer_cache_get(cache, x->name, (size_t)MARKS_MAX * MARK + 1024, &x->known, err) < 0) {
		if (!x->recipe || !x->copy)
			err_nomem(err);
		warm_free(x);
		return -1;
	}
	x->known.len -= x->known.len % MARK;
	x->hashing = x->known.len == 0;
	if (make_index(x, err)) {
		warm_free(x);
		return -1;
	}
	*out = x;
	return 0;
}

void warm_free(struct warm *x)
{
	if (!x)
		return;
	if (x->fresh_count)
		eif_writer_settle(x->writer, NULL);
	for (size_t i = 0; i < x->fresh_count; i++)
		free(x->fresh[i]);
	free(x->fresh);
	free(x->index);
	free(x->used);
	EVP_MD_CTX_free(x->recipe);
	EVP_MD_CTX_free(x->copy);
	buf_free(&x->known);
	buf_free(&x->bytes);
	free(x->pending);
	free(x->read);
	free(x->words);
	free(x->numbers);
	free(x);
}

uint64_t warm_skipped(const struct warm *x)
{
	return x->skipped;
}

void warm_watch(struct warm *x, atomic_uint_fast64_t *hashed, atomic_uint_fast64_t *known)
{
	x->watch_hashed = hashed;
	x->watch_known = known;
}

static void tell_hashed(const struct warm *x, uint64_t n)
{
	if (x->watch_hashed)
		atomic_fetch_add_explicit(x->watch_hashed, n, memory_order_relaxed);
}

// ---- from names back to bytes --------------------------------------------------------------------------------------

static int hash_content(struct warm *x, const struct piece *p, struct err *err)
{
	uint64_t done = 0;

	while (done < p->size) {
		size_t n;
		void *to = eif_writer_room(x->writer, &n, err);
		ssize_t got;

		if (!to)
			return -1;
		if (n > p->size - done)
			n = (size_t)(p->size - done);
		got = tree_content_read(p->tree, p->inode, p->offset + done, to, n, err);
		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_IO, "content ends early");
		if (eif_writer_filled(x->writer, (size_t)got, err))
			return -1;
		done += (uint64_t)got;
	}
	return 0;
}

static int hash_piece(struct warm *x, const struct piece *p, struct err *err)
{
	tell_hashed(x, p->size);
	if (p->tree)
		return hash_content(x, p, err);
	return eif_writer_write(x->writer, x->bytes.data + p->offset, (size_t)p->size, err);
}

// From here on everything is hashed: go to the last known state, and do what was put off since.
static int start_hashing(struct warm *x, struct err *err)
{
	if (x->last) {
		x->skipped = get_be64(x->last + RECIPE);
		if (eif_writer_resume(x->writer, x->last + RECIPE + 8, x->skipped, err))
			return -1;
	}
	x->hashing = true;
	for (size_t i = 0; i < x->count; i++) {
		if (hash_piece(x, &x->pending[i], err))
			return -1;
	}
	x->count = 0;
	x->bytes.len = 0;
	return 0;
}

// ---- marks ---------------------------------------------------------------------------------------------------------

static const uint8_t *find_mark(const struct warm *x, const uint8_t recipe[RECIPE])
{
	const uint8_t **found = bsearch(&recipe, x->index, x->known.len / MARK, sizeof(*x->index), compare_marks);

	return found && get_be64(*found + RECIPE) == x->position ? *found : NULL;
}

static int keep_mark(struct warm *x, const uint8_t recipe[RECIPE], struct err *err)
{
	uint8_t *mark;

	if (mem_grow(&x->fresh, &x->fresh_cap, x->fresh_count, sizeof(*x->fresh), err))
		return -1;
	mark = mem_alloc(MARK, err);
	if (!mark)
		return -1;
	x->fresh[x->fresh_count++] = mark;
	memcpy(mark, recipe, RECIPE);
	put_be64(mark + RECIPE, x->position);
	return eif_writer_mark(x->writer, mark + RECIPE + 8, err);
}

static int mark_here(struct warm *x, struct err *err)
{
	uint8_t recipe[RECIPE];
	const uint8_t *known;

	x->marked = x->position;
	if (recipe_digest(x, recipe, err))
		return -1;
	known = x->hashing ? NULL : find_mark(x, recipe);
	if (known) {
		if (x->watch_known)
			atomic_store_explicit(x->watch_known, x->position, memory_order_relaxed);
		x->last = known;
		x->used[(size_t)(known - x->known.data) / MARK] = true;
		x->count = 0;
		x->bytes.len = 0;
		return 0;
	}
	if (!x->hashing && start_hashing(x, err))
		return -1;
	return keep_mark(x, recipe, err);
}

static int maybe_mark(struct warm *x, struct err *err)
{
	uint64_t interval = x->marked / INTERVAL_SHARE;

	return x->position - x->marked < (interval > INTERVAL ? interval : INTERVAL) ? 0 : mark_here(x, err);
}

// ---- pieces --------------------------------------------------------------------------------------------------------

static int put_off(struct warm *x, struct piece p, struct err *err)
{
	struct piece *before = x->count ? &x->pending[x->count - 1] : NULL;

	if (before && !before->tree && !p.tree) { // bytes behind bytes
		before->size += p.size;
		return 0;
	}
	if (mem_grow(&x->pending, &x->cap, x->count, sizeof(*x->pending), err))
		return -1;
	x->pending[x->count++] = p;
	return 0;
}

static int take_bytes(void *ctx, const void *p, size_t n, struct err *err)
{
	struct warm *x = ctx;
	uint8_t tag[9] = {'B'};

	if (!n)
		return 0;
	put_be64(tag + 1, n);
	if (recipe_add(x, tag, sizeof(tag), err) || recipe_add(x, p, n, err))
		return -1;
	if (x->hashing) {
		tell_hashed(x, n);
		if (eif_writer_write(x->writer, p, n, err))
			return -1;
	} else {
		struct piece piece = {.offset = x->bytes.len, .size = n};

		if (buf_add(&x->bytes, p, n, err) || put_off(x, piece, err))
			return -1;
	}
	x->position += n;
	return maybe_mark(x, err);
}

struct sink warm_sink(struct warm *x)
{
	return (struct sink){take_bytes, x};
}

// What stands for a content in the recipe: a word without offset and size.
struct name {
	uint8_t text[1 + RECIPE];
	size_t len;
	uint64_t origin; // where in what is named the content begins
};

static int take_stretch(struct warm *x, const struct piece *p, const struct name *name, struct err *err)
{
	uint8_t word[sizeof(name->text) + 16];

	memcpy(word, name->text, name->len);
	put_be64(word + name->len, name->origin + p->offset);
	put_be64(word + name->len + 8, p->size);
	if (recipe_add(x, word, name->len + 16, err) || (x->hashing ? hash_piece(x, p, err) : put_off(x, *p, err)))
		return -1;
	x->position += p->size;
	return maybe_mark(x, err);
}

// Content that no layer brought has no name but itself.
static int take_memory(struct warm *x, const struct tree *tree, const struct inode *inode, struct err *err)
{
	uint64_t off = 0;

	while (off < inode->size) {
		ssize_t got = tree_content_read(tree, inode, off, x->read, READ, err);

		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_IO, "content ends early");
		if (take_bytes(x, x->read, (size_t)got, err))
			return -1;
		off += (uint64_t)got;
	}
	return 0;
}

static int name_by_digest(struct warm *x, const struct tree *tree, const struct inode *inode, struct name *out,
			  struct err *err)
{
	*out = (struct name){.text = {'H'}, .len = 1 + RECIPE};
	if (EVP_DigestInit_ex(x->copy, EVP_sha256(), NULL) != 1)
		return err_nomem(err);
	for (uint64_t off = 0; off < inode->size;) {
		ssize_t got = tree_content_read(tree, inode, off, x->read, READ, err);

		if (got <= 0)
			return got < 0 ? -1 : err_set(err, ERR_IO, "content ends early");
		if (EVP_DigestUpdate(x->copy, x->read, (size_t)got) != 1)
			return err_nomem(err);
		off += (uint64_t)got;
	}
	return EVP_DigestFinal_ex(x->copy, out->text + 1, NULL) == 1 ? 0 : err_nomem(err);
}

static int name_by_layer(struct warm *x, size_t layer, uint64_t origin, struct name *out, struct err *err)
{
	if (!x->numbers[layer]) {
		if (recipe_add(x, "L", 1, err) ||
		    recipe_add(x, image_layer(x->image, layer)->diff_id, DIGEST_TEXT_MAX - 1, err))
			return -1;
		x->numbers[layer] = ++x->numbered;
	}
	*out = (struct name){.text = {'C'}, .len = 5, .origin = origin};
	put_be32(out->text + 1, x->numbers[layer]);
	return 0;
}

static int name_content(struct warm *x, const struct tree *tree, const struct inode *inode, size_t layer,
			uint64_t origin, struct name *out, struct err *err)
{
	if (layer + 1 == image_layer_count(x->image) && image_layer(x->image, layer)->size <= OWN_MAX)
		return name_by_digest(x, tree, inode, out, err);
	return name_by_layer(x, layer, origin, out, err);
}

int warm_content(void *ctx, const struct tree *tree, const struct inode *inode, struct err *err)
{
	struct warm *x = ctx;
	struct name name;
	uint64_t origin;
	size_t layer;

	if (!tree_content_origin(tree, inode, &layer, &origin))
		return take_memory(x, tree, inode, err);
	if (name_content(x, tree, inode, layer, origin, &name, err))
		return -1;
	for (uint64_t off = 0; off < inode->size; off += STRETCH) {
		struct piece p = {tree, inode, off, inode->size - off < STRETCH ? inode->size - off : STRETCH};

		if (take_stretch(x, &p, &name, err))
			return -1;
	}
	return 0;
}

// Appends the known marks that were used, or were not.
static int add_known(const struct warm *x, bool used, struct buf *all, struct err *err)
{
	for (size_t i = 0; i < x->known.len / MARK && all->len < (size_t)MARKS_MAX * MARK; i++) {
		if (x->used[i] == used && buf_add(all, x->known.data + i * MARK, MARK, err))
			return -1;
	}
	return 0;
}

// Whether what this run went by is about to fall off.
static bool is_falling(const struct warm *x)
{
	for (size_t i = MARKS_MAX / 4 * 3; i < x->known.len / MARK; i++) {
		if (x->used[i])
			return true;
	}
	return false;
}

// What this run went by and what it made, then as many of the others as there is room for.
static int keep_marks(struct warm *x, struct err *err)
{
	_cleanup_buf_ struct buf all = BUF_INIT(0);

	if (!x->fresh_count && !is_falling(x))
		return 0;
	if (x->fresh_count && eif_writer_settle(x->writer, err))
		return -1;
	if (add_known(x, true, &all, err))
		return -1;
	for (size_t i = 0; i < x->fresh_count && all.len < (size_t)MARKS_MAX * MARK; i++) {
		if (buf_add(&all, x->fresh[i], MARK, err))
			return -1;
	}
	if (add_known(x, false, &all, err))
		return -1;
	layer_cache_put(x->cache, x->name, all.data, all.len);
	return 0;
}

// The end is a mark, too: an image that has not changed is not hashed at all.
int warm_finish(struct warm *x, struct err *err)
{
	if (x->position > x->marked && mark_here(x, err))
		return -1;
	if (!x->hashing && start_hashing(x, err))
		return -1;
	return keep_marks(x, err);
}
