// SPDX-License-Identifier: Apache-2.0
//
// Both ramdisks go one behind the other into one unlinked file, through a tee that measures them; then they are listed
// like those of an EIF. The merged tree is still there and tells each entry's layer.
#include "eifgen/cmd/diff_image.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/diff_load.h"
#include "eifgen/record.h"
#include "layerfs/spool.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct tee {
	int fd;
	const char *dir; // that it is in
	uint64_t written;
	struct pcr_measure *measure;
};

static int tee_write(void *ctx, const void *p, size_t n, struct err *err)
{
	struct tee *t = ctx;

	if (io_write(t->fd, p, n, err))
		return io_fail_temporary(t->dir, err);
	if (pcr_measure_update(t->measure, p, n, err))
		return -1;
	t->written += n;
	return 0;
}

static int tee_measure(void *ctx, const void *p, size_t n, struct err *err)
{
	struct tee *t = ctx;

	return pcr_measure_update(t->measure, p, n, err);
}

static int measure_kernel(struct tee *t, struct platform *p, struct err *err)
{
	if (!p)
		// an empty first ramdisk: PCR2 does not see it
		return pcr_measure_section(t->measure, PCR_RAMDISK, err);
	if (pcr_measure_section(t->measure, PCR_KERNEL_CMDLINE, err) ||
	    platform_kernel_pass(p, (struct sink){tee_measure, t}, false, err) ||
	    pcr_measure_section(t->measure, PCR_KERNEL_CMDLINE, err) ||
	    pcr_measure_update(t->measure, p->cmdline, strlen(p->cmdline), err))
		return -1;
	return pcr_measure_section(t->measure, PCR_RAMDISK, err);
}

static int lay_out(struct build_job *job, struct tree *tree, struct tee *t, struct diff_side *s, struct err *err)
{
	struct layout_app app = {.tree = tree, .config = &job->input.config, .cmd_override = job->input.cmd_override};
	_cleanup_free_ struct layout_file *modules = NULL;
	struct layout_bootstrap boot;

	if (measure_kernel(t, job->platform, err))
		return -1;
	if (job->platform && (platform_bootstrap(job->platform, &boot, &modules, err) ||
			      layout_write_bootstrap(&job->input.layout, &boot, (struct sink){tee_write, t}, err)))
		return -1;
	s->extents[0].size = t->written;
	s->extents[1].offset = t->written;
	if (pcr_measure_section(t->measure, PCR_RAMDISK, err) ||
	    layout_write_app(&job->input.layout, &app, (struct sink){tee_write, t}, err))
		return -1;
	s->extents[1].size = t->written - s->extents[1].offset;
	s->ramdisk_count = 2;
	return build_job_check(job, err);
}

static int set_registers(struct tee *t, struct diff_side *s, bool all, struct err *err)
{
	struct pcr_values v = {.has_pcr8 = false};

	if (pcr_measure_final(t->measure, &v, err) || diff_side_set_pcrs(s, &v, err))
		return -1;
	for (int i = 0; !all && i < 2; i++) {
		free(s->pcr[i]);
		s->pcr[i] = NULL;
	}
	return 0;
}

// The layer of every entry below rootfs/, from the tree that the layout has added to and not renamed.
static int set_layers(struct listing *l, const struct tree *tree, struct err *err)
{
	for (size_t i = 0; i < l->count; i++) {
		struct listing_entry *e = &l->entries[i];
		struct node *n = NULL;

		if (e->path_len > 7 && !memcmp(e->path, "rootfs/", 7) &&
		    tree_lookup(tree, e->path + 7, e->path_len - 7, false, &n, err))
			return -1;
		if (n)
			e->layer = n->inode->layer;
	}
	return 0;
}

static int set_layer_names(struct diff_side *s, const struct image *img, struct err *err)
{
	size_t n = image_layer_count(img);

	s->layers = mem_zalloc(n, sizeof(*s->layers), err);
	if (!s->layers)
		return -1;
	for (; s->layer_count < n; s->layer_count++) {
		s->layers[s->layer_count] = mem_strdup(image_layer(img, s->layer_count)->digest, err);
		if (!s->layers[s->layer_count])
			return -1;
	}
	return 0;
}

static int add_facts(struct diff_side *s, const struct build_job *job, struct err *err)
{
	const struct record_source src = {.input = &job->input, .epoch = &job->epoch};
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_json_ cJSON *doc = NULL;

	if (!job->platform)
		return diff_side_add_fact(s, "layout", layout_name(job->input.layout.id), err);
	if (record_write(&src, &text, err) || json_parse(text.data, text.len, RECORD_FILE_MAX, &doc, err))
		return -1;
	return diff_side_add_record_facts(s, doc, err);
}

static int fill(struct build_job *job, struct diff_side *s, struct tee *t, struct tree **tree, struct err *err)
{
	if (build_tree(&job->input, &job->output, tree, err) || lay_out(job, *tree, t, s, err) ||
	    set_registers(t, s, job->platform != NULL, err))
		return -1;
	for (size_t i = job->platform ? 0 : 1; i < 2; i++)
		if (listing_read(s->fd, s->extents[i].offset, s->extents[i].size, &s->ramdisks[i], err))
			return -1;
	return set_layers(s->ramdisks[1], *tree, err) || set_layer_names(s, job->image, err) || add_facts(s, job, err)
		   ? -1
		   : 0;
}

// A default directory that happens to be there does not count: the same command would say other things elsewhere.
static bool platform_is_named(const struct platform_options *p)
{
	return p->dir || p->kernel || p->cmdline || p->init;
}

struct image_try {
	struct build_job *job;
	const char *ref;
	struct diff_side *side; // made by the try that succeeded
};

static int lay_out_once(void *ctx, struct err *err)
{
	struct image_try *x = ctx;
	_cleanup_(diff_side_freep) struct diff_side *s = diff_side_new(DIFF_SIDE_IMAGE, x->ref, err);
	struct tee t = {.fd = -1, .dir = x->job->input.layers.tmpdir};
	struct tree *tree = NULL;
	int rc;

	if (!s)
		return -1;
	t.fd = s->fd = spool_open_unnamed(t.dir, err);
	t.measure = s->fd >= 0 ? pcr_measure_new(err) : NULL;
	rc = t.measure ? fill(x->job, s, &t, &tree, err) : -1;
	pcr_measure_free(t.measure);
	tree_free(tree);
	if (!rc)
		x->side = steal_ptr(&s);
	return rc;
}

int diff_side_of_image(const struct build_options *opt, const char *ref, struct diff_side **out, struct err *err)
{
	_cleanup_(build_job_clear) struct build_job job = {0};
	struct image_try x = {.job = &job, .ref = ref};
	int rc;

	if (platform_is_named(&opt->platform) ? build_job_open(&job, opt, ref, err)
					      : build_job_open_config(&job, opt, ref, err))
		return -1;
	build_job_hold(&job);
	rc = build_retry(&job.input, &job.output, lay_out_once, &x, -1, err);
	build_job_release(&job);
	*out = x.side;
	return rc;
}
