// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage build`: Dockerfile and context in; EIF, record and PCRs out, and the PCRs into cage.json.
//
//   cage.json ─ check ─┐
//   git ─ epoch ───────┼─ builder ─► OUT.eif.oci.new ─► tree ─► overlay ─► EIF, record, cage.json's new text
//   runtime bundle ────┘                │                          │ all whole, the answer printed
//                                       └──────► OUT.eif.oci       └──────► OUT.eif, OUT.eif.record.json, cage.json
//
// The image is kept beside the EIF: the record names it, so that what was built can be looked into and built again.
// Until everything is ready nothing has its name, an earlier build's image included.
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cmd/build_record.h"
#include "eifgen/cmd/cage.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPT_BUILDER = 1, OPT_NO_CACHE, OPT_IMAGE, OPT_NO_WRITE, OPT_RECORD, OPT_NO_RECORD };
enum output_kind { OUT_EIF, OUT_RECORD, OUT_CONFIG, OUTPUTS };

static const struct option longs[] = {BUILD_LONGS,
				      CAGE_LONGS,
				      {"output", required_argument, NULL, 'o'},
				      {"builder", required_argument, NULL, OPT_BUILDER},
				      {"no-cache", no_argument, NULL, OPT_NO_CACHE},
				      {"image", required_argument, NULL, OPT_IMAGE},
				      {"no-write", no_argument, NULL, OPT_NO_WRITE},
				      {"record", required_argument, NULL, OPT_RECORD},
				      {"no-record", no_argument, NULL, OPT_NO_RECORD},
				      {NULL, 0, NULL, 0}};

static const char usage[] =
	"Usage: eifgen cage build [-f Dockerfile] [CONTEXT] --runtime DIR [options]\n"
	"Build the Dockerfile, lay the runtime over the image, and write the EIF, its record and, into cage.json, its PCRs.\n\n"
	CAGE_HELP
	"  -o, --output FILE         the EIF (default: NAME.eif)\n"
	"      --builder NAME        buildah, podman or docker (default: the first that is installed)\n"
	"      --no-cache            build every step anew\n"
	"      --image REF           take this image instead of building the Dockerfile\n"
	"      --no-write            leave cage.json as it is\n"
	"      --record FILE, --no-record\n"
	"                            where the record goes (default: OUT.eif.record.json)\n"
	"The image is kept as an OCI layout in OUT.eif.oci. The epoch is, without --epoch: SOURCE_DATE_EPOCH; else the last commit\n"
	"of the context's git repository that changed more than cage.json; else 315532801.\n" BUILD_HELP
	CMD_COMMON_HELP;

struct request {
	struct cage_options cage;
	struct build_options opt;
	const char *out, *builder, *image, *record;
	bool no_cache, no_write, no_record;
	struct epoch epoch;
	char *dockerfile, *image_dir, *fresh_dir, *ref, *cert, *key; // owned
	char *paths[OUTPUTS]; // owned; NULL: not wanted
	struct atomic_file files[OUTPUTS];
	mode_t config_mode;   // cage.json's
	bool holds_itself;    // the image holds cage.json
	struct build_job job; // its cage and bundle are loaded first of all
};

static void request_init(struct request *r)
{
	*r = (struct request){.job = {.cage = {NULL, BUF_INIT(0), NULL}}};
	build_options_init(&r->opt);
	for (int i = 0; i < OUTPUTS; i++)
		r->files[i] = (struct atomic_file)ATOMIC_FILE_INIT;
}

static void request_clear(struct request *r)
{
	build_job_clear(&r->job);
	build_options_clear(&r->opt);
	epoch_clear(&r->epoch);
	for (int i = 0; i < OUTPUTS; i++) {
		atomic_file_discard(&r->files[i]);
		free(r->paths[i]);
	}
	if (r->fresh_dir)
		cage_image_drop(r->fresh_dir);
	free(r->dockerfile);
	free(r->image_dir);
	free(r->fresh_dir);
	free(r->ref);
	free(r->cert);
	free(r->key);
}

static int take_option(void *ctx, int o)
{
	struct request *r = ctx;
	int rc = cage_option_take(&r->cage, o);

	if (rc >= 0)
		return rc;
	switch (o) {
	case 'o':
		r->out = optarg;
		return 0;
	case OPT_BUILDER:
		r->builder = optarg;
		return 0;
	case OPT_NO_CACHE:
		r->no_cache = true;
		return 0;
	case OPT_IMAGE:
		r->image = optarg;
		return 0;
	case OPT_NO_WRITE:
		r->no_write = true;
		return 0;
	case OPT_RECORD:
		r->record = optarg;
		return 0;
	case OPT_NO_RECORD:
		r->no_record = true;
		return 0;
	default:
		return build_option_take(&r->opt, o, "cage");
	}
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int rc = cmd_options(argc, argv, CAGE_SHORTS "o:", longs, take_option, r);

	if (rc)
		return rc;
	return cage_options_end(&r->cage, argc, argv) || build_options_check_key(&r->opt, "cage") ? 1 + EXIT_TROUBLE
												  : 0;
}

// ---- before the image -----------------------------------------------------------------------------------------------
static int find_epoch(struct request *r, struct err *err)
{
	bool git = !r->opt.epoch && !getenv("SOURCE_DATE_EPOCH") && epoch_git_holds(r->cage.context);
	_cleanup_free_ char *file = realpath(r->job.cage.path, NULL);

	if (epoch_option_is_image(r->opt.epoch))
		return err_set(err, ERR_USAGE, "--epoch image: the image is yet to be built with an epoch");
	if (git) {
		if (!file)
			return err_sys(err, errno, "find %s", r->job.cage.path);
		if (epoch_from_git_but(r->cage.context, file, &r->epoch, err))
			return -1;
	} else if (epoch_option_resolve(r->opt.epoch, NULL, NULL, NULL, &r->epoch, err)) {
		return -1;
	}
	epoch_option_warn(&r->epoch);
	return 0;
}

// cage.json's signing, unless the command line says otherwise: the job opens it with the other options.
static int take_signing(struct request *r, struct err *err)
{
	const struct cage_config *c = r->job.cage.config;
	const char *file = r->job.cage.path;

	if (!c->signing.cert || r->opt.signer.key || r->opt.signer.cert)
		return 0;
	r->cert = cage_path_beside(file, c->signing.cert, err);
	r->key = strncmp(c->signing.key, "pkcs11:", 7) ? cage_path_beside(file, c->signing.key, err)
						       : mem_strdup(c->signing.key, err);
	r->opt.signer.cert = r->cert;
	r->opt.signer.key = r->key;
	return r->cert && r->key ? 0 : -1;
}

static int name_outputs(struct request *r, struct err *err)
{
	r->paths[OUT_EIF] = r->out ? mem_strdup(r->out, err) : mem_printf(err, "%s.eif", r->job.cage.config->name);
	if (!r->paths[OUT_EIF])
		return -1;
	if (!r->no_record) {
		r->paths[OUT_RECORD] =
			r->record ? mem_strdup(r->record, err) : mem_printf(err, "%s.record.json", r->paths[OUT_EIF]);
		if (!r->paths[OUT_RECORD])
			return -1;
	}
	if (r->image)
		return 0;
	r->image_dir = mem_printf(err, "%s.oci", r->paths[OUT_EIF]);
	r->fresh_dir = r->image_dir ? mem_printf(err, "%s.new", r->image_dir) : NULL;
	return r->fresh_dir ? 0 : -1;
}

static bool same_file(const char *output, const char *input)
{
	struct stat a, b;

	return io_same_place(output, input) ||
	       (stat(output, &a) == 0 && stat(input, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

// An output that would replace what the build reads, or another output, is a slip of the hand.
static int check_outputs(const struct request *r, struct err *err)
{
	const struct platform_options *p = &r->opt.platform;
	const char *inputs[] = {r->job.cage.path,
				r->dockerfile,
				r->opt.signer.cert,
				r->opt.signer.key,
				r->opt.metadata_file,
				p->kernel,
				p->config,
				p->init,
				p->nsm};

	if (r->paths[OUT_RECORD] && same_file(r->paths[OUT_RECORD], r->paths[OUT_EIF]))
		return err_set(err, ERR_USAGE, "two outputs are named %s", r->paths[OUT_EIF]);
	for (int o = OUT_EIF; o <= OUT_RECORD; o++) {
		for (size_t i = 0; r->paths[o] && i < sizeof(inputs) / sizeof(inputs[0]); i++)
			if (inputs[i] && same_file(r->paths[o], inputs[i]))
				return err_set(err, ERR_USAGE, "the output %s is an input, too", r->paths[o]);
		for (size_t i = 0; r->paths[o] && i < p->module_count; i++)
			if (same_file(r->paths[o], p->modules[i]))
				return err_set(err, ERR_USAGE, "the output %s is an input, too", r->paths[o]);
	}
	return 0;
}

static int prepare(struct request *r, struct err *err)
{
	if (cage_options_load(&r->cage, &r->job.cage, &r->dockerfile, &r->job.bundle, err) || name_outputs(r, err) ||
	    find_epoch(r, err) || take_signing(r, err))
		return -1;
	return check_outputs(r, err);
}

// Makes the image, or takes the one that was named. *from is where it is now, r->ref where it will be found.
static int make_image(struct request *r, char **from, struct err *err)
{
	struct cage_build_request b = {.builder = r->builder,
				       .dockerfile = r->dockerfile,
				       .context = r->cage.context,
				       .arch = platform_oci_arch(r->opt.arch),
				       .epoch = r->epoch.seconds,
				       .no_cache = r->no_cache,
				       .build_args = r->cage.build_args,
				       .build_arg_count = r->cage.build_arg_count,
				       .work = r->fresh_dir};
	const char *tag;

	if (r->image) {
		r->ref = mem_strdup(r->image, err);
		*from = mem_strdup(r->image, err);
		return r->ref && *from ? 0 : -1;
	}
	if (access(r->dockerfile, R_OK))
		return err_sys(err, errno, "read %s", r->dockerfile);
	if (cage_builder_run(&b, &tag, err))
		return -1;
	r->ref = mem_printf(err, "oci:%s%s", r->image_dir, tag);
	*from = mem_printf(err, "oci:%s%s", r->fresh_dir, tag);
	return r->ref && *from ? 0 : -1;
}

// ---- the image ------------------------------------------------------------------------------------------------------
// True if the file's content is cage.json's own: then writing the PCRs there would change what was measured.
static bool is_cage_json(const struct tree *tree, const struct node *n, const struct buf *text)
{
	_cleanup_free_ uint8_t *data = NULL;
	struct err ignored = ERR_INIT;

	if (!S_ISREG(n->inode->mode) || n->inode->size != text->len)
		return false;
	data = mem_alloc(text->len, &ignored);
	return data && tree_content_read(tree, n->inode, 0, data, text->len, &ignored) == (ssize_t)text->len &&
	       !memcmp(data, text->data, text->len);
}

static int overlay(void *ctx, struct tree *tree, struct image_config *config, struct err *err)
{
	struct request *r = ctx;

	for (struct node *n = tree_root(tree); n; n = tree_next(tree_root(tree), n))
		if (is_cage_json(tree, n, &r->job.cage.text))
			r->holds_itself = true;
	return cage_overlay_apply(&r->job.overlay, tree, config, err);
}

static void report_tools(const void *ctx, struct jout *o)
{
	const struct request *r = ctx;

	cage_overlay_report(&r->job.overlay, o);
}

static int open_job(struct request *r, const char *from, struct err *err)
{
	struct build_job *job = &r->job;

	r->opt.cage = job->cage.path;
	r->opt.runtime = r->cage.runtime;
	if (build_job_open(job, &r->opt, from, err))
		return -1;
	epoch_clear(&job->epoch);
	job->epoch = r->epoch;
	r->epoch = (struct epoch){.seconds = 0};
	job->input.layout.epoch = job->epoch.seconds;
	job->input.overlay = overlay;
	job->input.overlay_ctx = r;
	job->input.overlay_report = report_tools;
	job->input.want_sections = r->paths[OUT_RECORD] != NULL;
	job->input.want_digest = job->input.want_listing = job->input.want_sections;
	return 0;
}

// ---- after the image ------------------------------------------------------------------------------------------------
static int write_record(struct request *r, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	struct record_source src = build_job_source(&r->job);
	char eif[DIGEST_TEXT_MAX], listing[DIGEST_TEXT_MAX];

	if (!r->paths[OUT_RECORD])
		return 0;
	if (build_job_digests(&r->job, r->files[OUT_EIF].fd, eif, listing, err))
		return -1;
	src.image_reference = r->ref;
	src.eif_digest = eif;
	src.listing_digest = listing;
	return atomic_file_open(&r->files[OUT_RECORD], r->paths[OUT_RECORD], err) || record_write(&src, &text, err) ||
	       io_write(r->files[OUT_RECORD].fd, text.data, text.len, err) ? -1 : 0;
}

// cage.json's new text, through a symlink to where the file is.
static int write_config(struct request *r, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	const struct cage_file *cage = &r->job.cage;
	struct atomic_file *f = &r->files[OUT_CONFIG];
	struct stat st;

	if (r->no_write)
		return 0;
	if (cage_config_set_pcrs(cage->text.data, cage->text.len, &r->job.output.pcrs, &text, err))
		return -1;
	if (text.len == cage->text.len && !memcmp(text.data, cage->text.data, text.len))
		return 0;
	if (r->holds_itself)
		cmd_warn(
		    NULL,
		    "the image holds this cage.json, whose PCRs change now, and with it the next build's: list it in "
		    ".dockerignore");
	r->paths[OUT_CONFIG] = realpath(cage->path, NULL);
	if (!r->paths[OUT_CONFIG] || stat(r->paths[OUT_CONFIG], &st))
		return err_sys(err, errno, "find %s", cage->path);
	r->config_mode = st.st_mode & 07777;
	return atomic_file_open(f, r->paths[OUT_CONFIG], err) || io_write(f->fd, text.data, text.len, err) ? -1 : 0;
}

// Everything up to the renames.
static int make(struct request *r, struct err *err)
{
	_cleanup_free_ char *from = NULL;

	if (make_image(r, &from, err) || open_job(r, from, err) ||
	    atomic_file_open(&r->files[OUT_EIF], r->paths[OUT_EIF], err))
		return -1;
	r->files[OUT_EIF].lazy = true; // gigabytes, and made again at will
	return build_job_run(&r->job, r->files[OUT_EIF].fd, err) || write_record(r, err) || write_config(r, err) ? -1
														 : 0;
}

// The answer's text, borrowed from o.
static const char *compose(const struct request *r, struct jout *o, struct err *err)
{
	jout_open(o, NULL, '{');
	build_job_report(&r->job, o);
	jout_str(o, "File", r->paths[OUT_EIF]);
	if (r->paths[OUT_RECORD])
		jout_str(o, "Record", r->paths[OUT_RECORD]);
	jout_str(o, "Image", r->ref);
	jout_open(o, "Cage", '{');
	jout_str(o, "Service", r->job.cage.config->name);
	jout_uint(o, "Port", r->job.overlay.port);
	jout_str(o, "Runtime", r->job.bundle->digest);
	jout_open(o, "Tools", '[');
	cage_overlay_report(&r->job.overlay, o);
	jout_close(o, ']');
	jout_close(o, '}');
	jout_close(o, '}');
	return jout_text(o, err);
}

// The image first: it goes back to where it was if the files do not come.
static int finish(struct request *r, const char *text)
{
	struct atomic_file *files[OUTPUTS];
	struct err err = ERR_INIT;
	int status;

	for (int i = 0; i < OUTPUTS; i++)
		files[i] = &r->files[i];
	if (r->image_dir && cage_image_swap(r->fresh_dir, r->image_dir, &err))
		return cmd_fail("write", r->image_dir, &err);
	status = cmd_finish(files, OUTPUTS, text);
	if (status && r->image_dir && cage_image_swap(r->image_dir, r->fresh_dir, &err))
		return cmd_fail("take back", r->image_dir, &err);
	if (!status && r->paths[OUT_CONFIG] && chmod(r->paths[OUT_CONFIG], r->config_mode))
		cmd_warn(NULL, "cage.json could not be given the permissions that it had");
	if (!status)
		build_job_summary(&r->job);
	return status;
}

int cage_build_run(int argc, char **argv)
{
	_cleanup_(request_clear) struct request r;
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;
	int rc;

	request_init(&r);
	cmd_usage_text = usage;
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (prepare(&r, &err))
		return cmd_fail("prepare", r.cage.context, &err);
	if (make(&r, &err))
		return cmd_fail("build", r.ref ? r.ref : r.cage.context, &err);
	text = compose(&r, &o, &err);
	return text ? finish(&r, text) : cmd_fail("print", "the measurements", &err);
}
