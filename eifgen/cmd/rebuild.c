// SPDX-License-Identifier: Apache-2.0
//
// `eifgen rebuild`: everything again from a record's pins, and whether the same came out. Where image and platform are
// to be found is the caller's to say; what they must be is the record's. SOURCE_DATE_EPOCH is not looked at.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/explain.h"
#include "eifgen/cmd/rebuild.h"
#include "layerfs/spool.h"

#include <string.h>

enum { OPT_IMAGE = 1 };

static const struct option longs[] = {BUILD_IMAGE_LONGS,
				      BUILD_PLATFORM_LONGS,
				      BUILD_SIGN_LONGS,
				      BUILD_CAGE_LONGS,
				      {"image", required_argument, NULL, OPT_IMAGE},
				      {"output", required_argument, NULL, 'o'},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	const char *path, *image, *out;
	struct record *record;
	struct rebuild_pins pins;
};

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
	rebuild_pins_clear(&r->pins);
	record_free(r->record);
}

static int take(void *ctx, int o)
{
	struct request *r = ctx;

	if (o == 'o')
		r->out = optarg;
	else if (o == OPT_IMAGE)
		r->image = optarg;
	else if (o == BUILD_OPT_CMDLINE || o == BUILD_OPT_ARCH)
		return cmd_usage_error("rebuild", "the command line and the architecture are the record's");
	else
		return build_option_take(&r->opt, o, "rebuild");
	return 0;
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int rc = cmd_options(argc, argv, "o:", longs, take, r);

	if (rc)
		return rc;
	if (optind + 1 != argc)
		return 1 + cmd_usage_error("rebuild", "one record is needed");
	r->path = argv[optind];
	return build_options_check_key(&r->opt, "rebuild") ? 1 + EXIT_TROUBLE : 0;
}

static int open_all(struct request *r, struct build_job *job, struct err *err)
{
	struct record_source src;

	if (record_load(r->path, &r->record, err) || rebuild_pin_options(r->record, &r->opt, &r->pins, err))
		return -1;
	if (rebuild_open(job, &r->opt, r->record, r->image, err))
		return -1;
	src = build_job_source(job);
	src.ignore_signature = !rebuild_is_whole(r->record, job);
	return record_check_inputs(r->record, &src, err);
}

// Whether the file that is written takes no more, in the writer's words, before which the section's may stand.
static bool is_output(const struct err *err)
{
	return err->class == ERR_IO && strstr(err->msg, "output file: ");
}

// Into the output, or into a file without a name.
static int build(const struct request *r, struct build_job *job, struct atomic_file *file, int *unnamed, struct err *err)
{
	const char *dir = job->input.layers.tmpdir;

	if (r->out)
		return atomic_file_open(file, r->out, err) || build_job_run(job, file->fd, err) ? -1 : 0;
	*unnamed = spool_open_unnamed(dir, err);
	if (*unnamed < 0)
		return -1;
	if (!build_job_run(job, *unnamed, err))
		return 0;
	return is_output(err) ? io_fail_temporary(dir, err) : -1;
}

// Why it differs. The file has no name, or not its own yet.
static int explain(const struct request *r, int fd, struct err *err)
{
	return explain_open_eif(r->record, fd, r->out ? r->out : "the rebuilt EIF", err);
}

static int run(int argc, char **argv)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	_cleanup_close_ int unnamed = -1;
	_cleanup_(request_clear) struct request r = {0};
	_cleanup_(build_job_clear) struct build_job job = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	char digest[DIGEST_TEXT_MAX];
	struct err err = ERR_INIT;
	const char *text;
	int rc, differs;

	build_options_init(&r.opt);
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	job.input.want_sections = job.input.want_digest = true;
	if (open_all(&r, &job, &err) || build(&r, &job, &file, &unnamed, &err) ||
	    build_job_digests(&job, r.out ? file.fd : unnamed, digest, NULL, &err))
		return cmd_fail("rebuild", r.path, &err);
	jout_open(&o, NULL, '{');
	build_job_report(&job, &o);
	jout_str(&o, "Sha256", digest + sizeof("sha256:") - 1);
	jout_bool(&o, "SignatureCompared", rebuild_is_whole(r.record, &job));
	differs = rebuild_compare(r.record, &job, digest, &o);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	if (!text || (differs && !cmd_quiet && explain(&r, r.out ? file.fd : unnamed, &err)) ||
	    (r.out && atomic_file_prepare(&file, &err)))
		return cmd_fail("rebuild", r.path, &err);
	if (cmd_print(text))
		return EXIT_TROUBLE;
	if (r.out && atomic_file_commit(&file, &err))
		return cmd_fail("write", r.out, &err);
	build_job_summary(&job);
	return differs ? EXIT_NO : EXIT_YES;
}

const struct cmd cmd_rebuild = {
	"rebuild",
	"everything again from a record, and whether the same comes out",
	"Usage: eifgen rebuild RECORD [--image REF] [--blobs DIR] [options]\n"
	"Build again from the record's pinned inputs and compare EIF and PCRs. An input of another digest is refused (exit\n"
	"status 2); exit status 1 if something else came out, with the reason on standard error.\n\n"
	"      --image REF           where the image is now (default: the record's reference); it must be the same image\n"
	"  -o, --output FILE         keep the rebuilt EIF\n"
	"Platform (the command line is the record's):\n" BUILD_PLATFORM_HELP "Image:\n" BUILD_IMAGE_HELP
	BUILD_CAGE_HELP BUILD_SIGN_HELP
	"                            without them a signed build is compared but for its signature\n"
	CMD_COMMON_HELP,
	run,
};
