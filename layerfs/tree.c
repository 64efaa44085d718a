// SPDX-License-Identifier: Apache-2.0
//
// Names over inodes: memory, lookup, additions, walking, content. How layers change the tree is merge.c's business, how
// paths find their way through symlinks tree_resolve.c's, the order of names tree_order.c's.
//
// A million entries are ordinary here: nothing below costs more than its own size, and a node with its inode takes some
// 150 bytes, name and hash slot included.
#include "layerfs/tree_priv.h"

#include "base/checked.h"
#include "base/mem.h"
#include "layerfs/crc.h"

#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

enum {
	CHUNK_MIN = 16 * 1024,
	CHUNK_MAX = 1024 * 1024,
	SLOTS_MIN = 64,
	SLOTS_SPARE = 2, // slots a node, at least: that a name is not there shows after two or three looks
};
static const uint64_t IN_MEMORY = UINT64_C(0xffff) << 48; // content: an index into blobs instead of a spool reference

struct arena_chunk {
	struct arena_chunk *older;
	_Alignas(16) uint8_t data[];
};

// ---- memory --------------------------------------------------------------------------------------------------------

void *tree_alloc(struct tree *tree, size_t n, struct err *err)
{
	struct arena *a = &tree->arena;
	struct arena_chunk *c;
	size_t cap;
	void *p;

	if (ckd_add(&n, n, (size_t)7)) {
		err_nomem(err);
		return NULL;
	}
	n &= ~(size_t)7;
	if (!a->chunks || n > a->cap - a->used) {
		cap = a->cap * 2 < CHUNK_MIN ? CHUNK_MIN : a->cap * 2 > CHUNK_MAX ? CHUNK_MAX : a->cap * 2;
		if (cap < n)
			cap = n;
		c = mem_alloc(sizeof(*c) + cap, err);
		if (!c)
			return NULL;
		c->older = a->chunks;
		*a = (struct arena){c, 0, cap};
	}
	p = a->chunks->data + a->used;
	a->used += n;
	return memset(p, 0, n);
}

struct inode *tree_inode_new(struct tree *tree, uint32_t mode, struct err *err)
{
	struct inode *ino = tree->free_inodes;

	if (ino) {
		tree->free_inodes = (struct inode *)(void *)(uintptr_t)ino->target;
		memset(ino, 0, sizeof(*ino));
	} else {
		ino = tree_alloc(tree, sizeof(*ino), err);
		if (!ino)
			return NULL;
	}
	ino->mode = mode;
	ino->layer = TREE_NO_LAYER;
	return ino;
}

static void inode_unname(struct tree *tree, struct inode *ino)
{
	tree->gone += S_ISDIR(ino->mode);
	if (--ino->names)
		return;
	ino->target = (const char *)tree->free_inodes;
	tree->free_inodes = ino;
}

struct tree *tree_new(enum tree_symlink_policy policy, struct err *err)
{
	struct tree *tree = mem_zalloc(1, sizeof(*tree), err);

	if (!tree)
		return NULL;
	tree->policy = policy;
	// Only the table's inner order depends on the key, and nobody sees that; without randomness any key will do.
	if (getrandom(tree->hash_key, sizeof(tree->hash_key), GRND_NONBLOCK) < 0)
		tree->hash_key[0] = (uintptr_t)tree;
	tree->root = tree_reserve(tree, 0, err) ? NULL : tree_alloc(tree, sizeof(*tree->root), err);
	if (tree->root) {
		tree->root->name = "";
		tree->root->inode = tree_inode_new(tree, S_IFDIR | 0755, err);
	}
	if (!tree->root || !tree->root->inode) {
		tree_free(tree);
		return NULL;
	}
	tree->root->inode->names = 1;
	tree->root->inode->implied = true;
	return tree;
}

void tree_free(struct tree *tree)
{
	struct arena_chunk *c, *older;

	if (!tree)
		return;
	for (c = tree->arena.chunks; c; c = older) {
		older = c->older;
		free(c);
	}
	for (size_t i = 0; i < tree->blob_count; i++)
		free(tree->blobs[i].data);
	free(tree->blobs);
	free(tree->tags);
	free(tree->slots);
	free(tree->layer_bases);
	spool_free(tree->spool);
	free(tree);
}

struct node *tree_root(const struct tree *tree)
{
	return tree->root;
}

bool tree_root_listed(const struct tree *tree)
{
	return tree->root_listed;
}

uint64_t tree_node_count(const struct tree *tree)
{
	return tree->live + 1;
}

// ---- the hash table ------------------------------------------------------------------------------------------------

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

#define SIP_ROUND(v)                                                                                                   \
	do {                                                                                                           \
		v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);                                     \
		v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];                                                            \
		v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];                                                            \
		v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);                                     \
	} while (0)

// SipHash-1-3 of (parent, name) under the tree's key.
static size_t hash_name(const struct tree *tree, const struct node *parent, const char *name, size_t len)
{
	uint64_t v[4] = {
	    tree->hash_key[0] ^ UINT64_C(0x736f6d6570736575), tree->hash_key[1] ^ UINT64_C(0x646f72616e646f6d),
	    tree->hash_key[0] ^ UINT64_C(0x6c7967656e657261), tree->hash_key[1] ^ UINT64_C(0x7465646279746573)};
	uint64_t word = (uintptr_t)parent;
	size_t left = len;

	for (;;) {
		v[3] ^= word;
		SIP_ROUND(v);
		v[0] ^= word;
		if (left < 8)
			break;
		memcpy(&word, name, 8);
		name += 8;
		left -= 8;
	}
	word = (uint64_t)len << 56;
	memcpy(&word, name, left);
	v[3] ^= word;
	SIP_ROUND(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		SIP_ROUND(v);
	return (size_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

// What the table remembers of a name, and where it begins to look for it; never 0.
static uint32_t tag_of(const struct tree *tree, const struct node *parent, const char *name, size_t len)
{
	uint32_t tag = (uint32_t)hash_name(tree, parent, name, len);

	return tag ? tag : 1;
}

static inline bool same_name(const struct node *n, const struct node *parent, const char *name, size_t len)
{
	return n->parent == parent && n->name_len == len && !memcmp(n->name, name, len);
}

// The slot that holds the name, or the empty one where it would go.
static size_t slot_find(const struct tree *tree, uint32_t tag, const struct node *parent, const char *name, size_t len)
{
	size_t mask = tree->slot_count - 1, i = tag & mask;

	while (tree->tags[i] && (tree->tags[i] != tag || !same_name(tree->slots[i], parent, name, len)))
		i = (i + 1) & mask;
	return i;
}

static int slots_resize(struct tree *tree, size_t count, struct err *err)
{
	struct node **slots = mem_resize(NULL, count, sizeof(*slots), err); // looked at only behind a tag
	uint32_t *tags = slots ? mem_resize(NULL, count, sizeof(*tags), err) : NULL;

	if (!tags) {
		free(slots);
		return -1;
	}
	// Not calloc: a zero page that is read before it is written has to be exchanged in every thread's address
	// space.
	memset(tags, 0, count * sizeof(*tags));
	for (size_t i = 0; i < tree->slot_count; i++) {
		size_t to = tree->tags[i] & (count - 1);

		if (!tree->tags[i])
			continue;
		while (tags[to])
			to = (to + 1) & (count - 1);
		tags[to] = tree->tags[i];
		slots[to] = tree->slots[i];
	}
	free(tree->tags);
	free(tree->slots);
	tree->tags = tags;
	tree->slots = slots;
	tree->slot_count = count;
	return 0;
}

int tree_reserve(struct tree *tree, uint64_t more, struct err *err)
{
	size_t count = tree->slot_count ? tree->slot_count : SLOTS_MIN, want;

	if (ckd_add(&want, tree->live, more) || ckd_mul(&want, want, (size_t)SLOTS_SPARE))
		return err_nomem(err);
	while (count < want) {
		if (ckd_mul(&count, count, (size_t)2))
			return err_nomem(err);
	}
	return count == tree->slot_count ? 0 : slots_resize(tree, count, err);
}

// Empties n's slot and moves up what linear probing had pushed past it, so that no tombstones are needed.
static void slot_remove(struct tree *tree, const struct node *n)
{
	size_t mask = tree->slot_count - 1, i;
	size_t hole = slot_find(tree, tag_of(tree, n->parent, n->name, n->name_len), n->parent, n->name, n->name_len);

	tree->live--;
	for (i = (hole + 1) & mask; tree->tags[i]; i = (i + 1) & mask) {
		if (((i - tree->tags[i]) & mask) < ((i - hole) & mask))
			continue;
		tree->tags[hole] = tree->tags[i];
		tree->slots[hole] = tree->slots[i];
		hole = i;
	}
	tree->tags[hole] = 0;
}

struct node *tree_find(const struct tree *tree, const struct node *dir, const char *name, size_t len,
		       struct tree_place *place)
{
	uint32_t tag = tag_of(tree, dir, name, len);
	size_t slot = slot_find(tree, tag, dir, name, len);

	*place = (struct tree_place){slot, tag};
	return tree->tags[slot] ? tree->slots[slot] : NULL;
}

struct node *tree_child(const struct tree *tree, const struct node *dir, const char *name, size_t len)
{
	struct tree_place place;

	return tree_find(tree, dir, name, len, &place);
}

// ---- changes -------------------------------------------------------------------------------------------------------

struct node *tree_first_live(struct node *dir)
{
	while (dir->child && !dir->child->inode)
		dir->child = dir->child->next;
	return dir->child;
}

struct node *tree_next_live(const struct node *top, const struct node *n)
{
	struct node *next = tree_next(top, n);

	while (next && !next->inode) // a dead node has no children
		next = tree_next(top, next);
	return next;
}

static void drop_node(struct tree *tree, struct node *n)
{
	slot_remove(tree, n);
	inode_unname(tree, n->inode);
	n->inode = NULL;
}

// Everything below dir, deepest first; dir itself stays, without children.
void tree_drop_children(struct tree *tree, struct node *dir)
{
	struct node *n = dir, *up;

	for (;;) {
		while (n->child) // descend; each list is taken from its parent as it is entered
			n = n->child;
		if (n == dir)
			return;
		up = n->parent;
		up->child = n->next;
		if (n->inode)
			drop_node(tree, n);
		n = up;
	}
}

void tree_detach(struct tree *tree, struct node *n)
{
	tree_drop_children(tree, n);
	drop_node(tree, n);
}

static struct node *node_new(struct tree *tree, struct node *dir, const char *name, size_t len, struct err *err)
{
	struct node *n;
	char *copy;

	if (len > UINT32_MAX) {
		err_set(err, ERR_LIMIT, "a name of %zu bytes", len);
		return NULL;
	}
	n = tree_alloc(tree, sizeof(*n) + len + 1, err);
	if (!n)
		return NULL;
	copy = (char *)(n + 1);
	memcpy(copy, name, len);
	n->name = copy;
	n->name_len = (uint32_t)len;
	n->parent = dir;
	n->next = dir->child;
	return n;
}

struct node *tree_link_at(struct tree *tree, struct node *dir, const char *name, size_t len, struct tree_place place,
			  struct inode *inode, struct err *err)
{
	struct node *n = tree->tags[place.slot] ? tree->slots[place.slot] : NULL;

	inode->names++; // before the old one is let go: they may be the same
	if (n) {
		tree_drop_children(tree, n);
		inode_unname(tree, n->inode);
	} else {
		bool full = tree->live >= tree->slot_count / SLOTS_SPARE;

		n = full && tree_reserve(tree, 1, err) ? NULL : node_new(tree, dir, name, len, err);
		if (!n) {
			inode_unname(tree, inode);
			return NULL;
		}
		if (full)
			place.slot = slot_find(tree, place.tag, dir, name, len);
		tree->tags[place.slot] = place.tag;
		tree->slots[place.slot] = n;
		tree->live++;
		dir->child = n;
	}
	n->inode = inode;
	n->index = tree->stamp << NODE_STAMP_SHIFT | NODE_OWN;
	return n;
}

struct node *tree_link(struct tree *tree, struct node *dir, const char *name, size_t len, struct inode *inode,
		       struct err *err)
{
	struct tree_place place;

	tree_find(tree, dir, name, len, &place);
	return tree_link_at(tree, dir, name, len, place, inode, err);
}

static int check_add(const struct node *dir, const char *name, struct err *err)
{
	if (!S_ISDIR(dir->inode->mode))
		return err_set(err, ERR_INPUT, "\"%s\" is no directory", dir->name);
	if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return err_set(err, ERR_INPUT, "not a name: \"%s\"", name);
	return 0;
}

static struct node *add(struct tree *tree, struct node *dir, const char *name, uint32_t mode, struct err *err)
{
	struct inode *ino = tree_inode_new(tree, mode, err);

	return ino ? tree_link(tree, dir, name, strlen(name), ino, err) : NULL;
}

struct node *tree_add_dir(struct tree *tree, struct node *dir, const char *name, uint32_t perm, struct err *err)
{
	struct node *n;

	if (check_add(dir, name, err))
		return NULL;
	n = tree_child(tree, dir, name, strlen(name));
	if (!n || !S_ISDIR(n->inode->mode))
		return add(tree, dir, name, S_IFDIR | (perm & 07777), err);
	*n->inode = (struct inode){.mode = S_IFDIR | (perm & 07777), .names = 1, .layer = TREE_NO_LAYER};
	return n;
}

struct node *tree_add_file(struct tree *tree, struct node *dir, const char *name, uint32_t perm, const void *data,
			   size_t n, struct err *err)
{
	struct node *node;
	void *copy;

	if (check_add(dir, name, err) ||
	    mem_grow(&tree->blobs, &tree->blob_cap, tree->blob_count, sizeof(*tree->blobs), err))
		return NULL;
	copy = mem_dup(data, n, err);
	if (!copy)
		return NULL;
	node = add(tree, dir, name, S_IFREG | (perm & 07777), err);
	if (!node) {
		free(copy);
		return NULL;
	}
	node->inode->size = n;
	node->inode->crc = crc_add(0, data, n);
	node->inode->content = IN_MEMORY | tree->blob_count;
	tree->blobs[tree->blob_count++] = (struct tree_blob){copy, n};
	return node;
}

struct node *tree_add_symlink(struct tree *tree, struct node *dir, const char *name, const char *target,
			      struct err *err)
{
	size_t len = strlen(target);
	struct node *node;
	char *copy;

	if (check_add(dir, name, err))
		return NULL;
	copy = tree_alloc(tree, len + 1, err);
	node = copy ? add(tree, dir, name, S_IFLNK | 0777, err) : NULL;
	if (!node)
		return NULL;
	memcpy(copy, target, len);
	node->inode->target = copy;
	node->inode->size = len;
	return node;
}

int tree_remove(struct tree *tree, struct node *node, struct err *err)
{
	struct node **at;

	if (!node->parent)
		return err_set(err, ERR_INPUT, "the root cannot be removed");
	for (at = &node->parent->child; *at != node; at = &(*at)->next)
		;
	*at = node->next;
	tree_detach(tree, node);
	return 0;
}

// ---- walking and content -------------------------------------------------------------------------------------------

struct node *tree_next(const struct node *top, const struct node *n)
{
	if (n->child)
		return n->child;
	while (n != top) {
		if (n->next)
			return n->next;
		n = n->parent;
	}
	return NULL;
}

ssize_t tree_path(const struct node *n, char *out, size_t cap, struct err *err)
{
	size_t len = 0, at;
	const struct node *p;

	for (p = n; p->parent; p = p->parent)
		len += p->name_len + (p->parent->parent ? 1 : 0);
	if (len >= cap)
		return err_set(err, ERR_LIMIT, "a path of %zu bytes", len);
	out[len] = '\0';
	at = len;
	for (p = n; p->parent; p = p->parent) {
		at -= p->name_len;
		memcpy(out + at, p->name, p->name_len);
		if (at)
			out[--at] = '/';
	}
	return (ssize_t)len;
}

ssize_t tree_content_read(const struct tree *tree, const struct inode *inode, uint64_t off, void *p, size_t n,
			  struct err *err)
{
	if (!S_ISREG(inode->mode) || off >= inode->size)
		return 0;
	if (n > inode->size - off)
		n = (size_t)(inode->size - off);
	if (inode->content >= IN_MEMORY)
		memcpy(p, (const char *)tree->blobs[inode->content - IN_MEMORY].data + off, n);
	else if (spool_read(tree->spool, inode->content, off, p, n, err))
		return -1;
	return (ssize_t)n;
}

bool tree_content_origin(const struct tree *tree, const struct inode *inode, size_t *layer, uint64_t *offset)
{
	if (inode->content >= IN_MEMORY || inode->layer < 0 || !tree->layer_bases)
		return false;
	*layer = (size_t)inode->layer;
	*offset = inode->content - tree->layer_bases[inode->layer];
	return true;
}

static bool is_spooled(const struct tree *tree, const struct inode *inode)
{
	return S_ISREG(inode->mode) && inode->content < IN_MEMORY && tree->spool;
}

void tree_content_expect(struct tree *tree)
{
	bool linked = false;

	for (struct node *n = tree->root; n; n = tree_next(tree->root, n)) {
		struct inode *inode = n->inode;

		if (!is_spooled(tree, inode) || inode->mark)
			continue;
		if (inode->names > 1) { // its other names do not count
			inode->mark = 1;
			linked = true;
		}
		spool_expect(tree->spool, inode->content, inode->size);
	}
	for (struct node *n = tree->root; n && linked; n = tree_next(tree->root, n))
		n->inode->mark = 0;
}

void tree_content_drop(const struct tree *tree, const struct inode *inode)
{
	if (is_spooled(tree, inode))
		spool_drop(tree->spool, inode->content, inode->size);
}
