// SPDX-License-Identifier: Apache-2.0
//
// Entries of the warm cache as somebody else would forge them. The input is the file of a layer, as layer_cache.h draws
// it; its sums and its digest are made right, so that nothing but the bounds stands between it and the merge. What
// comes of it is read and held against the tree's invariants. An input of 'M' and the size of a measurement's state is
// such a state, as the files of marks hold them.
#include "base/be.h"
#include "base/hex.h"
#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/layer_cache.h"
#include "layerfs/layers.h"
#include "pcr/pcr.h"
#include "tests/fuzz/tree_check.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <unistd.h>

enum { SHA = 32, FIELDS = 11, FOOTER = 8 + 8 * FIELDS, CONTENT = 0, SUMS = 1, STORED = 7 };

static char dir[] = "/tmp/eifgen-fuzz-XXXXXX", path[200];
static uint8_t seed[SHA];
static struct layer_cache *cache;
static struct spool_summer *summer;
static struct image_layer layer;

static const struct image_layer *what(void *ctx, size_t i)
{
	(void)ctx, (void)i;
	return &layer;
}

static int no_blob(void *ctx, size_t i, struct byte_source *out, struct err *err)
{
	(void)ctx, (void)i, (void)out;
	return err_set(err, ERR_INPUT, "the cache did not take it");
}

static void no_close(void *ctx, struct byte_source *s)
{
	(void)ctx, (void)s;
}

static void tidy(void)
{
	layer_cache_free(cache);
	spool_summer_free(summer);
	unlink(path);
	rmdir(dir);
}

// A cache of our own, and the name that it gives the one layer.
static void begin(void)
{
	char text[1000], hex[2 * SHA + 1];
	int n;

	if (!mkdtemp(dir) || layer_cache_open(dir, 0, &cache, NULL) || !(summer = spool_summer_new(NULL)) ||
	    digest_of("", 0, layer.digest, NULL) || digest_of("", 0, layer.diff_id, NULL))
		abort();
	n = snprintf(text, sizeof(text), "%s %s %s %d", layer_cache_code(cache), layer.digest, layer.diff_id, 0);
	if (EVP_Digest(text, (size_t)n, seed, NULL, EVP_sha256(), NULL) != 1)
		abort();
	snprintf(path, sizeof(path), "%s/%s.layer", dir, hex_encode(seed, SHA, hex));
	atexit(tidy);
}

// The file again, with sums and digest that hold.
static void forge(uint8_t *p, size_t size)
{
	uint8_t *footer = p + size - SHA - FOOTER;
	uint64_t content = get_be64(footer + 8 + 8 * CONTENT), sums = get_be64(footer + 8 + 8 * SUMS);
	size_t rest = size - SHA - FOOTER;

	layer.size = get_be64(footer + 8 + 8 * STORED);
	if (content > rest || sums > rest - content)
		return; // refused in any case
	for (uint64_t at = 0; at < content && (at / SPOOL_PIECE + 1) * SPOOL_SUM <= sums; at += SPOOL_PIECE) {
		size_t n = content - at < SPOOL_PIECE ? (size_t)(content - at) : SPOOL_PIECE;

		if (spool_piece_sum(summer, seed, at / SPOOL_PIECE, p + at, n,
				    p + content + at / SPOOL_PIECE * SPOOL_SUM, NULL))
			abort();
	}
	if (EVP_Digest(p + content, size - SHA - content, p + size - SHA, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

static void put(const uint8_t *data, size_t size)
{
	uint8_t *copy = mem_dup(data, size, NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (!copy || fd < 0)
		abort();
	if (size >= FOOTER + SHA)
		forge(copy, size);
	if (write(fd, copy, size) != (ssize_t)size)
		abort();
	close(fd);
	free(copy);
}

static void load_state(const uint8_t *state)
{
	static const uint8_t more[300];
	struct pcr_measure *m = pcr_measure_new(NULL);
	struct pcr_values v;

	if (!m)
		abort();
	if (!pcr_measure_load(m, state, NULL) && !pcr_measure_update(m, more, sizeof(more), NULL))
		(void)pcr_measure_final(m, &v, NULL);
	pcr_measure_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct limits limits = limits_default;
	struct layer_options opt = {.limits = &limits, .threads = 1, .tmpdir = "/tmp"};
	struct layer_set set = {1, NULL, what, no_blob, no_close};
	struct err err = ERR_INIT;
	struct tree *t = NULL;

	if (!cache)
		begin();
	if (size == 1 + PCR_MEASURE_STATE && data[0] == 'M')
		load_state(data + 1);
	opt.cache = cache;
	limits.expanded = 64 * 1024 * 1024;
	put(data, size);
	if (!layer_set_merge(&set, &opt, &t, &err))
		tree_check(t);
	tree_free(t);
	return 0;
}
