// SPDX-License-Identifier: Apache-2.0
//
// Sections in the order of AWS's writer: kernel, cmdline, metadata, bootstrap ramdisk, application ramdisk, signature.
// Every byte of a section goes through `section_write`, which feeds the EIF writer and, if asked, a SHA-384 of the
// section for the record.
//
// The sections before the application ramdisk, its head, need no layer: a thread writes them while the layers are read.
// It is joined before anything else touches the writer, so the order of the bytes is that of one thread.
//
// The application ramdisk is the last section but for a signature, which depends on the bytes before it. So without one
// the header is foreseen (foresee.h) and the file digested as it is written; a signed file is read when it is complete.
#include "eifgen/build.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"
#include "eifgen/entries.h"
#include "eifgen/foresee.h"
#include "eifgen/sbom.h"
#include "eifgen/warm.h"
#include "epoch/epoch.h"
#include "layerfs/digest.h"
#include "layerfs/layer_cache.h"
#include "layerfs/spool.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

CLEANUP_DEFINE(struct tree, tree_free, tree_free)

struct pass {
	struct eif_writer *writer;
	EVP_MD_CTX *digest; // of the open section; NULL if not wanted
	bool measure_only;
	struct build_progress *progress;
	struct digester *listing_digest; // NULL if not wanted
	struct entries_watch *listing;	 // into listing_digest
	bool digest_off; // the open section's digest comes out of the registers
	struct build_output *result;
	uint64_t start; // of the open section's data in the file
};

const char *build_section_name(enum eif_section_type type)
{
	static const char *const names[] = {"invalid", "kernel", "cmdline", "ramdisk", "signature", "metadata"};

	return type <= EIF_SECTION_METADATA ? names[type] : "unknown";
}

void build_output_clear(struct build_output *o)
{
	scan_free(o->scrubbed);
	o->scrubbed = NULL;
}

int build_tree(struct build_input *in, struct build_output *result, struct tree **out, struct err *err)
{
	_cleanup_(tree_freep) struct tree *tree = NULL;

	in->layers.policy = in->layout.id == LAYOUT_NITRO_CLI ? TREE_REPLACE_SYMLINK : TREE_WRITE_THROUGH;
	if (layers_merge(in->image, &in->layers, &tree, err))
		return -1;
	if (in->scrub && (scan_scrub(tree, in->scrub, &result->scrubbed, err) || tree_sort(tree, err)))
		return -1;
	if (in->overlay && (in->overlay(in->overlay_ctx, tree, &in->config, err) || tree_sort(tree, err)))
		return -1;
	*out = steal_ptr(&tree);
	return 0;
}

// What the image brings, before a layout adds to it.
static int list_packages(const struct build_input *in, struct tree *tree, struct err *err)
{
	_cleanup_(sbom_freep) struct sbom *s = NULL;
	const char *manifest = image_manifest_digest(in->image);
	struct sbom_document doc = {.image_name = in->metadata.image_name,
				    .image_digest = *manifest ? manifest : image_config_digest(in->image),
				    .epoch = in->layout.epoch,
				    .tool_version = EIFGEN_VERSION};

	if (!in->sbom)
		return 0;
	if (sbom_read(tree, &s, err) || sbom_write_spdx(s, &doc, in->sbom, err))
		return err_prefix(err, "package list: ");
	return 0;
}

// ---- sections ------------------------------------------------------------------------------------------------------

static int section_write(void *ctx, const void *p, size_t n, struct err *err)
{
	struct pass *x = ctx;

	if (x->progress)
		atomic_fetch_add_explicit(&x->progress->done[1], n, memory_order_relaxed);
	if (x->digest && !x->digest_off && EVP_DigestUpdate(x->digest, p, n) != 1)
		return err_set(err, ERR_MEMORY, "SHA-384 failed");
	return eif_writer_write(x->writer, p, n, err);
}

static struct sink section_sink(struct pass *x)
{
	return (struct sink){section_write, x};
}

static int section_begin(struct pass *x, enum eif_section_type type, struct err *err)
{
	struct build_section *s = &x->result->sections[x->result->section_count];

	if (eif_writer_section(x->writer, type, err))
		return -1;
	if (x->digest && EVP_DigestInit_ex(x->digest, EVP_sha384(), NULL) != 1)
		return err_set(err, ERR_MEMORY, "SHA-384 failed");
	s->type = type;
	s->offset = eif_writer_size(x->writer) - EIF_SECTION_HEADER_SIZE;
	x->start = eif_writer_size(x->writer);
	return 0;
}

static int section_end(struct pass *x, struct err *err)
{
	struct build_section *s = &x->result->sections[x->result->section_count++];

	s->size = eif_writer_size(x->writer) - x->start;
	if (x->digest && EVP_DigestFinal_ex(x->digest, s->sha384, NULL) != 1)
		return err_set(err, ERR_MEMORY, "SHA-384 failed");
	return 0;
}

static int section_bytes(struct pass *x, enum eif_section_type type, const void *p, size_t n, struct err *err)
{
	return section_begin(x, type, err) || section_write(x, p, n, err) || section_end(x, err) ? -1 : 0;
}

static int write_metadata(struct pass *x, struct build_input *in, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	char time[21];

	in->metadata.build_time = epoch_rfc3339(in->layout.epoch, time);
	in->metadata.operating_system = in->platform->os;
	in->metadata.kernel_version = in->platform->kernel_version;
	if (eif_metadata_write(&in->metadata, &text, err))
		return err_prefix(err, "metadata: ");
	return section_bytes(x, EIF_SECTION_METADATA, text.data, text.len, err);
}

static const struct newc_watch *watch(const struct pass *x)
{
	return x->listing ? entries_watch_told(x->listing) : NULL;
}

static int write_bootstrap(struct pass *x, const struct build_input *in, struct err *err)
{
	_cleanup_free_ struct layout_file *modules = NULL;
	struct layout_options opt = in->layout;
	struct layout_bootstrap b;

	opt.watch = watch(x);
	if (platform_bootstrap(in->platform, &b, &modules, err) || section_begin(x, EIF_SECTION_RAMDISK, err))
		return -1;
	if (layout_write_bootstrap(&opt, &b, section_sink(x), err))
		return err_prefix(err, "bootstrap ramdisk: ");
	return section_end(x, err);
}

CLEANUP_DEFINE(struct warm, warm_free, warm_free)

// As far as an earlier run measured the same, nothing is read (warm.h).
static int measure_app_warm(struct pass *x, struct build_input *in, struct layout_app *app, struct err *err)
{
	_cleanup_(warm_freep) struct warm *warm = NULL;
	struct layout_options opt = in->layout;

	if (warm_new(in->layers.cache, in->image, x->writer, &warm, err))
		return -1;
	if (x->progress)
		warm_watch(warm, &x->progress->done[1], &x->progress->known[1]);
	opt.content = warm_content;
	opt.content_ctx = warm;
	if (layout_write_app(&opt, app, warm_sink(warm), err) || warm_finish(warm, err))
		return -1;
	x->result->skipped = warm_skipped(warm);
	return 0;
}

static int foresee_header(struct pass *x, const struct build_input *in, struct layout_app *app, struct err *err)
{
	struct foresight f;

	if (x->measure_only || !in->want_digest || in->sign)
		return 0;
	if (foresee_app(&in->layout, app, &f, err))
		return -1;
	return f.known ? eif_writer_foresee(x->writer, f.size, f.crc, err) : 0;
}

static int write_app(struct pass *x, struct build_input *in, struct tree *tree, struct err *err)
{
	struct layout_app app = {tree, &in->config, in->cmd_override};
	struct layout_options opt = in->layout;
	bool warm = in->layers.cache && x->measure_only;

	if (!warm) {
		tree_content_expect(tree);
		opt.drop = true;
	}
	opt.watch = watch(x);
	if (section_begin(x, EIF_SECTION_RAMDISK, err) || foresee_header(x, in, &app, err))
		return -1;
	x->digest_off = true;
	if (warm ? measure_app_warm(x, in, &app, err) : layout_write_app(&opt, &app, section_sink(x), err))
		return -1;
	x->digest_off = false;
	return section_end(x, err);
}

// The application ramdisk is the whole of PCR2's data: its digest is there already, and is not computed twice.
static int measure(struct pass *x, struct err *err)
{
	struct build_section *app = &x->result->sections[x->result->section_count - 1];

	if (eif_writer_measure(x->writer, &x->result->pcrs, err))
		return -1;
	if (x->digest)
		memcpy(app->sha384, eif_writer_ramdisk2_sha384(x->writer), SHA384_SIZE);
	return 0;
}

static int write_signature(struct pass *x, const struct build_input *in, struct err *err)
{
	_cleanup_buf_ struct buf section = BUF_INIT(0);

	if (!in->sign)
		return 0;
	if (in->sign(in->sign_ctx, &x->result->pcrs, &section, err))
		return err_prefix(err, "signature: ");
	if (section.len == 0) // a prediction: the certificate is known, the key is not
		return 0;
	return section_bytes(x, EIF_SECTION_SIGNATURE, section.data, section.len, err);
}

// The first of what PCR0 measures: its digest, like the application ramdisk's, is a register's already.
static int write_kernel(struct pass *x, struct platform *p, bool pin, struct err *err)
{
	x->digest_off = true;
	if (section_begin(x, EIF_SECTION_KERNEL, err) || platform_kernel_pass(p, section_sink(x), pin, err) ||
	    section_end(x, err))
		return -1;
	x->digest_off = false;
	return x->digest ? eif_writer_sha384_so_far(x->writer, x->result->sections[0].sha384, err) : 0;
}

static int write_head(struct pass *x, struct build_input *in, struct err *err)
{
	struct platform *p = in->platform;

	return write_kernel(x, p, in->want_sections, err) ||
			       section_bytes(x, EIF_SECTION_CMDLINE, p->cmdline, strlen(p->cmdline), err) ||
			       write_metadata(x, in, err) || write_bootstrap(x, in, err)
		       ? -1
		       : 0;
}

static int finish_digests(struct pass *x, struct err *err)
{
	if (!eif_writer_digest(x->writer, x->result->digest))
		*x->result->digest = '\0';
	if (!x->listing)
		return 0;
	return entries_watch_end(x->listing, err) || digester_end(x->listing_digest, x->result->listing, err) ? -1 : 0;
}

static int write_rest(struct pass *x, struct build_input *in, struct tree *tree, struct err *err)
{
	if (write_app(x, in, tree, err) || measure(x, err) || write_signature(x, in, err) ||
	    eif_writer_finish(x->writer, err) || finish_digests(x, err))
		return -1;
	x->result->size = eif_writer_size(x->writer);
	return 0;
}

struct head {
	struct pass *pass;
	struct build_input *in;
	struct err err;
	int rc;
	bool beside;
	pthread_t thread;
};

static void *run_head(void *ctx)
{
	struct head *h = ctx;

	base_delay();
	h->rc = write_head(h->pass, h->in, &h->err);
	return NULL;
}

static void start_head(struct head *h)
{
	if (h->in->layers.threads != 1)
		h->beside = !pthread_create(&h->thread, NULL, run_head, h);
}

// After the layers: what they had to say comes first, as if the head had come behind them.
static int finish_head(struct head *h, bool wanted, struct err *err)
{
	if (h->beside)
		pthread_join(h->thread, NULL);
	else if (wanted)
		run_head(h);
	if (wanted && h->rc)
		*err = h->err;
	return wanted ? h->rc : -1;
}

static void watch_layers(struct build_input *in)
{
	uint64_t total = 0;

	if (!in->progress)
		return;
	for (size_t i = 0; i < image_layer_count(in->image); i++)
		total += image_layer(in->image, i)->size;
	in->layers.stored = &in->progress->done[0];
	in->layers.known = &in->progress->known[0];
	for (int i = 0; i < 2; i++) {
		atomic_store(&in->progress->done[i], 0);
		atomic_store(&in->progress->known[i], 0);
	}
	atomic_store(&in->progress->total[0], total);
	atomic_store(&in->progress->stage, 0);
}

// The ramdisk's size is not known before it is written; contents and a header an entry come close.
static void watch_ramdisk(const struct build_input *in, const struct tree *tree)
{
	enum { HEADER_ABOUT = 160 };
	uint64_t total = 0;

	if (!in->progress)
		return;
	for (const struct node *n = tree_root(tree); n; n = tree_next(tree_root(tree), n))
		total += HEADER_ABOUT + (n->inode->target ? 0 : n->inode->size);
	atomic_store(&in->progress->total[1], total + in->platform->kernel.size);
	atomic_store(&in->progress->stage, 1);
}

static int write_listing(void *ctx, const void *p, size_t n, struct err *err)
{
	return digester_add(ctx, p, n, err);
}

static int open_listing(struct pass *x, struct err *err)
{
	x->listing_digest = digester_new(err);
	if (!x->listing_digest)
		return -1;
	return entries_watch_new((struct sink){write_listing, x->listing_digest}, &x->listing, err);
}

static int open_pass(struct pass *x, const struct build_input *in, int fd, struct err *err)
{
	if (in->want_listing && fd >= 0 && open_listing(x, err))
		return -1;
	if (in->want_sections && !(x->digest = EVP_MD_CTX_new()))
		return err_nomem(err);
	x->writer = eif_writer_new(fd, in->platform->arch, err);
	if (!x->writer)
		return -1;
	return in->layers.threads == 1 ? 0 : eif_writer_use_threads(x->writer, in->layers.threads, err);
}

static void close_pass(struct pass *x)
{
	eif_writer_free(x->writer);
	EVP_MD_CTX_free(x->digest);
	entries_watch_free(x->listing);
	digester_free(x->listing_digest);
}

static int build_once(struct build_input *in, int fd, struct build_output *result, struct err *err)
{
	_cleanup_(tree_freep) struct tree *tree = NULL;
	_cleanup_(close_pass) struct pass x = {.result = result, .measure_only = fd < 0, .progress = in->progress};
	struct head head = {.pass = &x, .in = in, .err = ERR_INIT};
	bool merged;

	if (open_pass(&x, in, fd, err))
		return -1;
	watch_layers(in);
	start_head(&head);
	merged = !build_tree(in, result, &tree, err) && !list_packages(in, tree, err);
	if (finish_head(&head, merged, err))
		return -1;
	watch_ramdisk(in, tree);
	return write_rest(&x, in, tree, err);
}

// What is written to no output is a file in the directory of temporary ones.
static bool cache_gave_way(struct build_input *in, int fd)
{
	_cleanup_close_ int temporary = fd < 0 ? spool_open_unnamed(in->layers.tmpdir, NULL) : -1;

	return layer_cache_yield(in->layers.cache, fd < 0 ? temporary : fd) == LAYER_CACHE_GAVE;
}

// Worth another try: what was wrong in the cache is gone, or what it took of the disk that is full. The spool has seen
// to its own.
static bool cache_was_to_blame(struct build_input *in, int fd, const struct err *why, bool *gave_way)
{
	struct layer_cache *c = in->layers.cache;

	if (!c || layer_cache_was_damaged(c))
		return c != NULL;
	if (*gave_way || (why->errnum != ENOSPC && why->errnum != EDQUOT))
		return false;
	*gave_way = true;
	return cache_gave_way(in, fd);
}

int build_retry(struct build_input *in, struct build_output *result, build_try *once, void *ctx, int fd, struct err *err)
{
	enum { TRIES = 8 }; // damage in that many entries is a broken disk: then the cache is left alone
	const struct image_config config = in->config;
	bool gave_way = false;

	for (int i = 1;; i++) {
		struct err why = ERR_INIT;

		if (!once(ctx, &why))
			return 0;
		if (!cache_was_to_blame(in, fd, &why, &gave_way)) {
			*err = why;
			return -1;
		}
		build_output_clear(result);
		*result = (struct build_output){.scrubbed = NULL};
		in->config = config;
		if (in->restart)
			in->restart(in->restart_ctx);
		if (i == TRIES)
			in->layers.cache = NULL;
	}
}

struct build {
	struct build_input *in;
	int fd;
	struct build_output *result;
	bool tried;
};

static int build_try_once(void *ctx, struct err *err)
{
	struct build *b = ctx;

	if (b->tried && b->in->sbom)
		b->in->sbom->len = 0;
	if (b->tried && b->fd >= 0 && ftruncate(b->fd, 0))
		return err_sys(err, errno, "empty the output to write it again without what the cache had");
	b->tried = true;
	return build_once(b->in, b->fd, b->result, err);
}

int build_eif(struct build_input *in, int fd, struct build_output *result, struct err *err)
{
	struct build b = {in, fd, result, false};

	return build_retry(in, result, build_try_once, &b, fd, err);
}
