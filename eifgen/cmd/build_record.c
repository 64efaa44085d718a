// SPDX-License-Identifier: Apache-2.0
//
// From a job to its record. The EIF is read once more for its own digest and for that of its listing: the file that was
// written is what is described, not the stream that was meant. The two read it beside each other, the listing on a thread
// of its own: the header, which a digest begins with, holds the CRC of all behind it, so neither could run while the file
// was being written.
#include "eifgen/cmd/build_record.h"

#include "eifgen/entries.h"
#include "eifgen/report.h"
#include "layerfs/digest.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct record_source build_job_source(const struct build_job *job)
{
	const struct build_options *opt = job->opt;

	return (struct record_source){.input = &job->input,
				      .output = &job->output,
				      .epoch = &job->epoch,
				      .cmd = opt->cmd_json ? job->cmd : NULL,
				      .cmd_count = job->cmd_count,
				      .env = opt->env,
				      .env_count = opt->env_count,
				      .user = opt->user,
				      .workdir = opt->workdir,
				      .unpredictable = job->unpredictable,
				      .unpredictable_count = job->unpredictable_count};
}

static int digest_sink(void *ctx, const void *p, size_t n, struct err *err)
{
	return digester_add(ctx, p, n, err);
}

struct listing {
	const struct build_output *out;
	int fd;
	char *digest;
	struct err err;
	int rc;
};

static int digest_listing(const struct build_output *out, int fd, char digest[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_digester_ struct digester *d = digester_new(err);
	struct eif_section sections[BUILD_SECTIONS_MAX];
	struct eif_file eif = {.fd = fd, .size = out->size, .sections = sections, .section_count = out->section_count};

	if (!d)
		return -1;
	for (size_t i = 0; i < out->section_count; i++)
		sections[i] = (struct eif_section){(uint16_t)out->sections[i].type, 0, out->sections[i].offset,
						   out->sections[i].size};
	if (entries_of_eif(&eif, ENTRIES_JSON, (struct sink){digest_sink, d}, err))
		return -1;
	return digester_end(d, digest, err);
}

static void *run_listing(void *ctx)
{
	struct listing *l = ctx;

	l->rc = digest_listing(l->out, l->fd, l->digest, &l->err);
	return NULL;
}

int build_job_digests(const struct build_job *job, int fd, char *eif, char *listing, struct err *err)
{
	struct listing l = {.out = &job->output, .fd = fd, .digest = listing, .err = ERR_INIT};
	bool beside = false;
	pthread_t thread;
	int rc;

	if (listing && job->opt->threads != 1)
		beside = !pthread_create(&thread, NULL, run_listing, &l);
	rc = digest_of_range(fd, 0, job->output.size, eif, err);
	if (beside)
		pthread_join(thread, NULL);
	else if (listing && !rc)
		run_listing(&l);
	if (!rc && l.rc)
		*err = l.err;
	return rc || l.rc ? -1 : 0;
}

void build_job_report(const struct build_job *job, struct jout *o)
{
	const struct layout_options *l = &job->input.layout;

	report_measurements(o, &job->output.pcrs);
	jout_str(o, "Layout", layout_name(l->id));
	jout_uint(o, "LayoutVersion", layout_version(l->id));
	jout_uint(o, "Epoch", l->epoch);
	jout_str(o, "EpochSource", epoch_source_name(job->epoch.source));
	jout_str(o, "ImageConfig", image_config_digest(job->image));
	jout_uint(o, "Size", job->output.size);
	jout_open(o, "Unpredictable", '[');
	for (size_t i = 0; i < job->unpredictable_count; i++)
		jout_str(o, NULL, job->unpredictable[i]);
	jout_close(o, ']');
	if (!job->output.scrubbed)
		return;
	jout_open(o, "Scrubbed", '[');
	for (size_t i = 0; i < job->output.scrubbed->count; i++)
		jout_str(o, NULL, job->output.scrubbed->findings[i].path);
	jout_close(o, ']');
}

int build_job_lock_epoch(struct build_options *opt, const struct record *r, char epoch[24], struct err *err)
{
	uint64_t seconds;

	if (opt->epoch)
		return 0;
	if (record_number(r, "Epoch.Seconds", &seconds, err))
		return -1;
	snprintf(epoch, 24, "%llu", (unsigned long long)seconds);
	opt->epoch = epoch;
	return 0;
}
