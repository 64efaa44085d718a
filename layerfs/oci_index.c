// SPDX-License-Identifier: Apache-2.0
//
// Choosing one manifest from an image index (image-spec 1.1, image-index.md).
//
// All indexes below the first are read breadth-first, each once (a worklist without duplicates makes cycles and
// bombs of shared sub-indexes harmless), and every manifest whose platform fits or is not said becomes a candidate,
// once a digest. Then, in this order of preference, exactly one must remain:
//   1. platform said, variant as wanted (none wanted: none, or the architecture's plain one)
//   2. platform said, any variant, if none was wanted
//   3. platform not said
// Several at the best level are an error that lists them, so the choice never hangs on the order of the index.
#include "layerfs/image_parts.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
	ENTRIES_MAX = 4096, // descriptors looked at in all; the largest published indexes hold about 20
	LISTED_MAX = 8,	    // candidates that a message names
};

struct pending_index {
	struct descriptor d;
	uint64_t depth;
};

struct chooser {
	const struct choice *want;
	struct descriptor *found; // candidates
	size_t found_count, found_cap;
	struct pending_index *queue;
	size_t queue_count, queue_cap;
	size_t entries;
	bool schema1;	       // one was met
	char others[512];      // what was passed over, for the message
};

// ---- platforms -----------------------------------------------------------------------------------------------------
static size_t os_arch_length(const char *platform)
{
	const char *slash = strchr(platform, '/');

	return slash ? (size_t)(strchrnul(slash + 1, '/') - platform) : strlen(platform);
}

static const char *variant_of(const char *platform)
{
	const char *v = platform + os_arch_length(platform);

	return *v ? v + 1 : "";
}

// The variant that an architecture means when none is said.
static const char *plain_variant(const char *platform)
{
	if (!strncmp(platform, "linux/arm64", 11))
		return "v8";
	if (!strncmp(platform, "linux/amd64", 11))
		return "v1";
	return "";
}

// 0: does not fit; 1: platform not said; 2: fits but for a variant that nobody asked for; 3: fits.
static int platform_rank(const char *have, const char *want)
{
	size_t n = os_arch_length(want);
	const char *hv, *wv;

	if (!*have)
		return 1;
	if (os_arch_length(have) != n || memcmp(have, want, n))
		return 0;
	hv = *variant_of(have) ? variant_of(have) : plain_variant(have);
	wv = *variant_of(want) ? variant_of(want) : plain_variant(want);
	if (!strcmp(hv, wv))
		return 3;
	return *variant_of(want) ? 0 : 2;
}

// A platform may choose among an index's variants, but not another machine than the image is wanted for.
static int check_asked(const char *platform, const char *arch, struct err *err)
{
	size_t n = os_arch_length(platform);
	char q[128];

	if (n > 6 && !strncmp(platform, "linux/", 6) && strlen(arch) == n - 6 && !memcmp(platform + 6, arch, n - 6))
		return 0;
	return err_set(err, ERR_USAGE, "platform %s is another machine than linux/%s, which is wanted (--arch)",
		       err_quote(platform, strlen(platform), q, sizeof(q)), arch);
}

int choice_set_platform(struct choice *choice, const struct image_options *opt, struct err *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_./-";
	const char *p = opt->platform, *slash;
	char q[128];
	int n;

	n = p ? snprintf(choice->platform, PLATFORM_MAX, "%s", p) :
		snprintf(choice->platform, PLATFORM_MAX, "linux/%s", opt->arch);
	slash = strchr(choice->platform, '/');
	if (n < 0 || n >= PLATFORM_MAX || choice->platform[strspn(choice->platform, allowed)] || !slash ||
	    slash == choice->platform || os_arch_length(choice->platform) == (size_t)(slash - choice->platform) + 1 ||
	    strchr(variant_of(choice->platform), '/') || choice->platform[n - 1] == '/')
		return err_set(err, ERR_USAGE, "%s is no platform (os/arch or os/arch/variant)",
			       err_quote(p ? p : opt->arch, strlen(p ? p : opt->arch), q, sizeof(q)));
	return p ? check_asked(choice->platform, opt->arch, err) : 0;
}

// ---- messages ------------------------------------------------------------------------------------------------------
static void add_text(char *list, size_t cap, const char *text)
{
	size_t len = strlen(list);

	if (strstr(list, text))
		return;
	if (len + strlen(text) + 8 < cap)
		snprintf(list + len, cap - len, "%s%s", len ? ", " : "", text);
	else if (len + 6 < cap && (len < 3 || strcmp(list + len - 3, "...")))
		snprintf(list + len, cap - len, ", ...");
}

// What a person may pick by: the name in quotes, the platform, or the digest.
static const char *label(const struct descriptor *d, bool by_name, char *out, size_t cap)
{
	const char *text = by_name ? d->ref_name : d->platform;

	if (*text)
		return err_quote(text, strlen(text), out, cap);
	return d->digest;
}

static void passed_over(struct chooser *c, const struct descriptor *d, bool by_name)
{
	char q[128];

	add_text(c->others, sizeof(c->others), label(d, by_name, q, sizeof(q)));
}

// ---- gathering -----------------------------------------------------------------------------------------------------
static int add_candidate(struct chooser *c, const struct descriptor *d, struct err *err)
{
	for (size_t i = 0; i < c->found_count; i++) {
		if (strcmp(c->found[i].digest, d->digest))
			continue;
		// The same image listed again: its best description counts, whichever came first.
		if (platform_rank(d->platform, c->want->platform) >
		    platform_rank(c->found[i].platform, c->want->platform))
			memcpy(c->found[i].platform, d->platform, PLATFORM_MAX);
		if (c->found[i].size != d->size || c->found[i].media != d->media)
			return err_set(err, ERR_INPUT, "image index: %s is described in two ways", d->digest);
		return 0;
	}
	if (mem_grow(&c->found, &c->found_cap, c->found_count, sizeof(*c->found), err))
		return -1;
	c->found[c->found_count++] = *d;
	return 0;
}

static int add_index(struct chooser *c, const struct descriptor *d, uint64_t depth, struct err *err)
{
	for (size_t i = 0; i < c->queue_count; i++)
		if (!strcmp(c->queue[i].d.digest, d->digest))
			return 0;
	if (depth > c->want->limits->index_depth)
		return err_set(err, ERR_LIMIT, "image index: nested more than %llu deep",
			       (unsigned long long)c->want->limits->index_depth);
	if (mem_grow(&c->queue, &c->queue_cap, c->queue_count, sizeof(*c->queue), err))
		return -1;
	c->queue[c->queue_count++] = (struct pending_index){*d, depth};
	return 0;
}

static int add_entry(struct chooser *c, const struct descriptor *d, uint64_t depth, struct err *err)
{
	if (depth == 1 && c->want->name && strcmp(d->ref_name, c->want->name)) {
		passed_over(c, d, true);
		return 0;
	}
	if (d->media == MEDIA_SCHEMA1)
		c->schema1 = true;
	if (d->artifact || (d->media != MEDIA_INDEX && d->media != MEDIA_MANIFEST))
		return 0; // signatures, attestations, artifacts: not images (image-index.md: ignore unknown types)
	if (!platform_rank(d->platform, c->want->platform)) {
		passed_over(c, d, false);
		return 0;
	}
	return d->media == MEDIA_INDEX ? add_index(c, d, depth, err) : add_candidate(c, d, err);
}

static int add_entries(struct chooser *c, const cJSON *index, uint64_t depth, struct err *err)
{
	const cJSON *list, *v;
	size_t i = 0;

	if (json_get_array(index, "manifests", JSON_REQUIRED, &list, err))
		return err_prefix(err, "image index: ");
	cJSON_ArrayForEach(v, list) {
		struct descriptor d;

		if (++c->entries > ENTRIES_MAX)
			return err_set(err, ERR_LIMIT, "image index: more than %d entries", ENTRIES_MAX);
		if (descriptor_parse(v, &d, err))
			return err_prefix(err, "image index: manifests[%zu]: ", i);
		if (add_entry(c, &d, depth, err))
			return -1;
		i++;
	}
	return 0;
}

static int gather(struct chooser *c, struct source *src, const cJSON *index, struct err *err)
{
	if (add_entries(c, index, 1, err))
		return -1;
	for (size_t i = 0; i < c->queue_count; i++) {
		struct pending_index next = c->queue[i]; // a copy: the queue may move while entries are added
		_cleanup_json_ cJSON *inner = NULL;

		if (blob_read_json(src, &next.d, c->want->limits->manifest, &inner, err))
			return -1;
		if (document_check(inner, MEDIA_INDEX, err) || add_entries(c, inner, next.depth + 1, err))
			return err_prefix(err, "blob %s: ", next.d.digest);
	}
	return 0;
}

// ---- deciding ------------------------------------------------------------------------------------------------------
static int none_fits(const struct chooser *c, struct err *err)
{
	char q[300];

	if (c->schema1)
		return err_set(err, ERR_UNSUPPORTED,
			       "a Docker manifest of schema 1; convert it with skopeo copy --format oci");
	if (c->want->name && !c->found_count && !c->queue_count)
		return err_set(err, ERR_INPUT, "no image named %s for %s; there are: %s",
			       err_quote(c->want->name, strlen(c->want->name), q, sizeof(q)), c->want->platform,
			       *c->others ? c->others : "none");
	return err_set(err, ERR_INPUT, "no image for %s; there are: %s", c->want->platform,
		       *c->others ? c->others : "none");
}

static int by_label(const void *a, const void *b)
{
	const struct descriptor *x = a, *y = b;
	int r = strcmp(x->ref_name, y->ref_name);

	return r ? r : strcmp(x->digest, y->digest);
}

static int several_fit(struct chooser *c, int rank, struct err *err)
{
	char list[600] = "", q[128];
	size_t named = 0;

	qsort(c->found, c->found_count, sizeof(*c->found), by_label);
	for (size_t i = 0; i < c->found_count && named < LISTED_MAX; i++) {
		if (platform_rank(c->found[i].platform, c->want->platform) != rank)
			continue;
		add_text(list, sizeof(list), label(&c->found[i], *c->found[i].ref_name != '\0', q, sizeof(q)));
		named++;
	}
	return err_set(err, ERR_INPUT, "several images fit %s: %s; name one", c->want->platform, list);
}

static int decide(struct chooser *c, struct descriptor *out, struct err *err)
{
	size_t count[4] = {0}, best[4] = {0};

	for (size_t i = 0; i < c->found_count; i++) {
		int r = platform_rank(c->found[i].platform, c->want->platform);

		count[r]++;
		best[r] = i;
	}
	for (int r = 3; r >= 1; r--) {
		if (count[r] > 1)
			return several_fit(c, r, err);
		if (count[r] == 1) {
			*out = c->found[best[r]];
			return 0;
		}
	}
	return none_fits(c, err);
}

int index_choose(struct source *src, const cJSON *index, const struct choice *choice, struct descriptor *out,
		 struct err *err)
{
	struct chooser c = {.want = choice};
	int rc = gather(&c, src, index, err) || decide(&c, out, err) ? -1 : 0;

	free(c.found);
	free(c.queue);
	return rc;
}
