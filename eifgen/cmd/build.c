// SPDX-License-Identifier: Apache-2.0
//
// `eifgen build`: a container image into an EIF and the record of how it came to be. Both appear when complete.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/build_record.h"

#include <string.h>

enum { OPT_RECORD = 1, OPT_NO_RECORD, OPT_LOCKED };

static const struct option longs[] = {BUILD_LONGS,
				      {"output", required_argument, NULL, 'o'},
				      {"record", required_argument, NULL, OPT_RECORD},
				      {"no-record", no_argument, NULL, OPT_NO_RECORD},
				      {"locked", required_argument, NULL, OPT_LOCKED},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	const char *image, *out, *record, *locked;
	bool no_record;
	char *record_path; // owned: `record`, or OUT.record.json; NULL under --no-record
	struct record *lock;
	char epoch[24];
};

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
	free(r->record_path);
	record_free(r->lock);
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int o;

	while ((o = cmd_getopt(argc, argv, "o:", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (o == 'o')
			r->out = optarg;
		else if (o == OPT_RECORD)
			r->record = optarg;
		else if (o == OPT_NO_RECORD)
			r->no_record = true;
		else if (o == OPT_LOCKED)
			r->locked = optarg;
		else if (build_option_take(&r->opt, o, "build"))
			return 1 + EXIT_TROUBLE;
	}
	if (optind + 1 != argc || !r->out)
		return 1 + cmd_usage_error("build", "one image and -o OUT.eif are needed");
	if (r->opt.signer.cert && !r->opt.signer.key)
		return 1 + cmd_usage_error("build", "--sign-cert goes with --sign-key");
	r->image = argv[optind];
	return 0;
}

static int prepare(struct request *r, struct err *err)
{
	if (!r->no_record) {
		r->record_path = r->record ? mem_strdup(r->record, err) : mem_printf(err, "%s.record.json", r->out);
		if (!r->record_path)
			return -1;
	}
	if (!r->locked)
		return 0;
	if (record_load(r->locked, &r->lock, err))
		return -1;
	return build_job_lock_epoch(&r->opt, r->lock, r->epoch, err);
}

static int write_record(const struct build_job *job, int eif_fd, int fd, char eif[DIGEST_TEXT_MAX], struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	struct record_source src = build_job_source(job);
	char listing[DIGEST_TEXT_MAX];

	if (build_job_digests(job, eif_fd, eif, listing, err))
		return -1;
	src.eif_digest = eif;
	src.listing_digest = listing;
	if (record_write(&src, &text, err))
		return -1;
	return io_write(fd, text.data, text.len, err);
}

// Everything up to the two renames.
static int make(struct request *r, struct build_job *job, struct atomic_file *eif, struct atomic_file *record,
		char digest[DIGEST_TEXT_MAX], struct err *err)
{
	struct record_source src;

	if (build_job_open(job, &r->opt, r->image, err))
		return -1;
	src = build_job_source(job);
	if (r->lock && record_check_inputs(r->lock, &src, err))
		return err_prefix(err, "locked: ");
	if (atomic_file_open(eif, r->out, err) || (r->record_path && atomic_file_open(record, r->record_path, err)))
		return -1;
	job->input.want_sections = r->record_path != NULL;
	if (build_job_run(job, eif->fd, err))
		return -1;
	return r->record_path ? write_record(job, eif->fd, record->fd, digest, err) : 0;
}

// The answer's text, borrowed from o.
static const char *compose(const struct request *r, const struct build_job *job, const char *digest, struct jout *o,
			   struct err *err)
{
	jout_open(o, NULL, '{');
	build_job_report(job, o);
	jout_str(o, "File", r->out);
	if (r->record_path) {
		jout_str(o, "Sha256", digest + sizeof("sha256:") - 1);
		jout_str(o, "Record", r->record_path);
	}
	jout_close(o, '}');
	return jout_text(o, err);
}

// Whatever can fail, a closed stdout too, is done before the first file appears: then only renames are left.
static int prepare_files(const struct request *r, struct atomic_file *eif, struct atomic_file *record, struct err *err)
{
	return atomic_file_prepare(eif, err) || (r->record_path && atomic_file_prepare(record, err)) ? -1 : 0;
}

static int commit_files(const struct request *r, struct atomic_file *eif, struct atomic_file *record, struct err *err)
{
	return atomic_file_commit(eif, err) || (r->record_path && atomic_file_commit(record, err)) ? -1 : 0;
}

static int run(int argc, char **argv)
{
	_cleanup_atomic_file_ struct atomic_file eif = ATOMIC_FILE_INIT, record = ATOMIC_FILE_INIT;
	_cleanup_(request_clear) struct request r = {0};
	_cleanup_(build_job_clear) struct build_job job = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	char digest[DIGEST_TEXT_MAX] = "";
	struct err err = ERR_INIT;
	const char *text;
	int rc;

	build_options_init(&r.opt);
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (prepare(&r, &err))
		return cmd_fail("read", r.locked ? r.locked : "the options", &err);
	if (make(&r, &job, &eif, &record, digest, &err))
		return cmd_fail("build", r.image, &err);
	text = compose(&r, &job, digest, &o, &err);
	if (!text || prepare_files(&r, &eif, &record, &err))
		return cmd_fail("write", r.out, &err);
	if (cmd_print(text))
		return EXIT_TROUBLE;
	return commit_files(&r, &eif, &record, &err) ? cmd_fail("write", r.out, &err) : EXIT_YES;
}

const struct cmd cmd_build = {
	"build",
	"a container image into an EIF, its PCRs and its record",
	"Usage: eifgen build IMAGE -o OUT.eif [options]\n"
	"Turn an image into an EIF and print its PCRs. IMAGE is oci:DIR[:TAG], oci-archive:FILE[:TAG],\n"
	"docker-archive:FILE[:NAME:TAG] or a path. The same inputs give the same file, anywhere.\n\n"
	"  -o, --output FILE         the EIF; appears when complete\n"
	"      --record FILE         its record (default: OUT.eif.record.json)\n"
	"      --no-record           none\n"
	"      --locked RECORD       refuse any input that is not the record's; its epoch is taken unless --epoch is\n"
	"                            given\n" BUILD_HELP
	"  -q, --quiet               no warnings\n"
	"  -h, --help                this text\n",
	run,
};
