// SPDX-License-Identifier: Apache-2.0
//
// `eifgen build`: a container image into an EIF, the record of how it came to be, and on demand a provenance statement
// and a list of the image's packages. All appear together when complete: whatever can fail, a closed stdout too, is
// done before the first file gets its name.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/build_record.h"
#include "eifgen/provenance.h"

#include <string.h>

enum { OPT_RECORD = 1, OPT_NO_RECORD, OPT_LOCKED, OPT_PROVENANCE, OPT_SBOM };
enum output_kind { OUT_EIF, OUT_RECORD, OUT_PROVENANCE, OUT_SBOM, OUTPUTS };

static const struct option longs[] = {BUILD_LONGS, BUILD_CAGE_LONGS,
				      {"output", required_argument, NULL, 'o'},
				      {"record", required_argument, NULL, OPT_RECORD},
				      {"no-record", no_argument, NULL, OPT_NO_RECORD},
				      {"locked", required_argument, NULL, OPT_LOCKED},
				      {"provenance", required_argument, NULL, OPT_PROVENANCE},
				      {"sbom", required_argument, NULL, OPT_SBOM},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	const char *image, *locked;
	const char *paths[OUTPUTS]; // NULL: not wanted
	bool no_record;
	char *record_path; // owned: the record's default path
	struct record *lock;
	char epoch[24];
	struct buf record, provenance, sbom; // the texts
	struct atomic_file files[OUTPUTS];
};

static void request_init(struct request *r)
{
	*r = (struct request){.record = BUF_INIT(0), .provenance = BUF_INIT(0), .sbom = BUF_INIT(0)};
	build_options_init(&r->opt);
	for (int i = 0; i < OUTPUTS; i++)
		r->files[i] = (struct atomic_file)ATOMIC_FILE_INIT;
}

static void request_clear(struct request *r)
{
	for (int i = 0; i < OUTPUTS; i++)
		atomic_file_discard(&r->files[i]);
	build_options_clear(&r->opt);
	free(r->record_path);
	record_free(r->lock);
	buf_free(&r->record);
	buf_free(&r->provenance);
	buf_free(&r->sbom);
}

static int take(void *ctx, int o)
{
	struct request *r = ctx;

	switch (o) {
	case 'o':
		r->paths[OUT_EIF] = optarg;
		return 0;
	case OPT_RECORD:
		r->paths[OUT_RECORD] = optarg;
		return 0;
	case OPT_NO_RECORD:
		r->no_record = true;
		return 0;
	case OPT_LOCKED:
		r->locked = optarg;
		return 0;
	case OPT_PROVENANCE:
		r->paths[OUT_PROVENANCE] = optarg;
		return 0;
	case OPT_SBOM:
		r->paths[OUT_SBOM] = optarg;
		return 0;
	default:
		return build_option_take(&r->opt, o, "build");
	}
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int rc = cmd_options(argc, argv, "o:", longs, take, r);

	if (rc)
		return rc;
	if (optind + 1 != argc || !r->paths[OUT_EIF])
		return 1 + cmd_usage_error("build", "one image and -o OUT.eif are needed");
	r->image = argv[optind];
	return build_options_check_key(&r->opt, "build") ? 1 + EXIT_TROUBLE : 0;
}

static int prepare(struct request *r, struct err *err)
{
	if (r->no_record) {
		r->paths[OUT_RECORD] = NULL;
	} else if (!r->paths[OUT_RECORD]) {
		r->record_path = mem_printf(err, "%s.record.json", r->paths[OUT_EIF]);
		if (!r->record_path)
			return -1;
		r->paths[OUT_RECORD] = r->record_path;
	}
	for (int i = 0; i < OUTPUTS; i++)
		for (int k = 0; k < i; k++)
			if (r->paths[i] && r->paths[k] && io_same_place(r->paths[i], r->paths[k]))
				return err_set(err, ERR_USAGE, "two outputs are named %s", r->paths[i]);
	if (!r->locked)
		return 0;
	if (record_load(r->locked, &r->lock, err))
		return -1;
	return build_job_lock_epoch(&r->opt, r->lock, r->epoch, err);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int write_record(struct request *r, const struct build_job *job, char digest[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_free_ char *name = NULL;
	struct record_source src = build_job_source(job);
	char listing[DIGEST_TEXT_MAX];

	if (!r->paths[OUT_RECORD] && !r->paths[OUT_PROVENANCE])
		return 0;
	if (build_job_digests(job, r->files[OUT_EIF].fd, digest, listing, err))
		return -1;
	src.eif_digest = digest;
	src.listing_digest = listing;
	if (record_write(&src, &r->record, err))
		return -1;
	if (!r->paths[OUT_PROVENANCE])
		return 0;
	name = mem_printf(err, "%s.record.json", base_name(r->paths[OUT_EIF]));
	if (!name)
		return -1;
	return provenance_write(r->record.data, r->record.len, base_name(r->paths[OUT_EIF]),
				r->paths[OUT_RECORD] ? base_name(r->paths[OUT_RECORD]) : name, &r->provenance, err);
}

// Everything up to the renames.
static int make(struct request *r, struct build_job *job, char digest[DIGEST_TEXT_MAX], struct err *err)
{
	const struct buf *texts[OUTPUTS] = {NULL, &r->record, &r->provenance, &r->sbom};
	struct record_source src;

	r->opt.platform.pin_later = !r->lock && !cmd_verbose; // beside the layers, for the record
	if (build_job_open(job, &r->opt, r->image, err))
		return -1;
	src = build_job_source(job);
	if (r->lock && record_check_inputs(r->lock, &src, err))
		return err_prefix(err, "locked: ");
	for (int i = 0; i < OUTPUTS; i++)
		if (r->paths[i] && atomic_file_open(&r->files[i], r->paths[i], err))
			return -1;
	// Gigabytes, and made again at will; what speaks of them is worth nothing without them, and to wait for it
	// would be to wait for what the system has begun to write of them (atomic_file.h). The man page says so.
	for (int i = 0; i < OUTPUTS; i++)
		r->files[i].lazy = true;
	job->input.want_sections = r->paths[OUT_RECORD] || r->paths[OUT_PROVENANCE];
	job->input.want_digest = job->input.want_listing = job->input.want_sections;
	job->input.sbom = r->paths[OUT_SBOM] ? &r->sbom : NULL;
	if (build_job_run(job, r->files[OUT_EIF].fd, err) || write_record(r, job, digest, err))
		return -1;
	for (int i = OUT_RECORD; i < OUTPUTS; i++)
		if (r->paths[i] && io_write(r->files[i].fd, texts[i]->data, texts[i]->len, err))
			return -1;
	return 0;
}

// The answer's text, borrowed from o.
static const char *compose(const struct request *r, const struct build_job *job, const char *digest, struct jout *o,
			   struct err *err)
{
	static const char *const keys[OUTPUTS] = {"File", "Record", "Provenance", "Sbom"};

	jout_open(o, NULL, '{');
	build_job_report(job, o);
	if (*digest)
		jout_str(o, "Sha256", digest + sizeof("sha256:") - 1);
	for (int i = 0; i < OUTPUTS; i++)
		if (r->paths[i])
			jout_str(o, keys[i], r->paths[i]);
	jout_close(o, '}');
	return jout_text(o, err);
}

static int prepare_files(struct request *r, struct err *err)
{
	for (int i = 0; i < OUTPUTS; i++)
		if (r->paths[i] && atomic_file_prepare(&r->files[i], err))
			return -1;
	return 0;
}

static int commit_files(struct request *r, struct err *err)
{
	for (int i = 0; i < OUTPUTS; i++)
		if (r->paths[i] && atomic_file_commit(&r->files[i], err))
			return -1;
	return 0;
}

static int run(int argc, char **argv)
{
	_cleanup_(request_clear) struct request r;
	_cleanup_(build_job_clear) struct build_job job = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	char digest[DIGEST_TEXT_MAX] = "";
	struct err err = ERR_INIT;
	const char *text;
	int rc;

	request_init(&r);
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (prepare(&r, &err))
		return cmd_fail("read", r.locked ? r.locked : "the options", &err);
	if (make(&r, &job, digest, &err))
		return cmd_fail("build", r.image, &err);
	text = compose(&r, &job, digest, &o, &err);
	if (!text || prepare_files(&r, &err))
		return cmd_fail("write", r.paths[OUT_EIF], &err);
	if (cmd_print(text))
		return EXIT_TROUBLE;
	if (commit_files(&r, &err))
		return cmd_fail("write", r.paths[OUT_EIF], &err);
	build_job_summary(&job);
	return EXIT_YES;
}

const struct cmd cmd_build = {
	"build",
	"a container image into an EIF, its PCRs and its record",
	"Usage: eifgen build IMAGE -o OUT.eif [options]\n"
	"Turn an image into an EIF and print its PCRs. IMAGE is oci:DIR[:TAG], oci-archive:FILE[:TAG],\n"
	"docker-archive:FILE[:NAME:TAG], docker://HOST/REPO[:TAG|@DIGEST], docker-daemon:NAME[:TAG] or a path.\n"
	"The same inputs give the same file, anywhere.\n\n"
	"  -o, --output FILE         the EIF; appears when complete\n"
	"      --record FILE         its record (default: OUT.eif.record.json)\n"
	"      --no-record           none\n"
	"      --provenance FILE     an in-toto statement of the build (SLSA provenance v1)\n"
	"      --sbom FILE           the image's packages as SPDX 2.3\n"
	"      --locked RECORD       refuse any input that is not the record's; its epoch is taken unless --epoch is\n"
	"                            given\n" BUILD_HELP BUILD_CAGE_HELP
	CMD_COMMON_HELP,
	run,
};
