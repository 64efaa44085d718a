// SPDX-License-Identifier: Apache-2.0
//
// From a job to its record. The digests of the EIF and of its listing come out of the build; only where the file's
// could not be taken on the way (a signed one; build.c) is it read once more.
#include "eifgen/cmd/build_record.h"

#include "eifgen/report.h"
#include "layerfs/digest.h"

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

int build_job_digests(const struct build_job *job, int fd, char *eif, char *listing, struct err *err)
{
	const struct build_output *out = &job->output;

	if (listing)
		memcpy(listing, out->listing, DIGEST_TEXT_MAX);
	if (!*out->digest) {
		cmd_explain("the finished EIF is read once more for its digest");
		return digest_of_range(fd, 0, out->size, eif, err);
	}
	memcpy(eif, out->digest, DIGEST_TEXT_MAX);
	return 0;
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
