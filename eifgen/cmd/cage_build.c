// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage build`: Dockerfile and context in; EIF, record and PCRs out, and the PCRs into cage.json.
//
//   cage.json ─ check ─┐
//   git ─ epoch ───────┼─ builder ─► oci: directory ─► tree ─► overlay ─► EIF, record ─► cage.json
//   runtime bundle ────┘                                        (signed, if cage.json says so)
//
// The image is kept beside the EIF: the record names it, so that what was built can be looked into and built again.
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cage_overlay.h"
#include "eifgen/cmd/build_record.h"
#include "eifgen/cmd/cage.h"
#include "layerfs/json.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPT_CONFIG = 1, OPT_RUNTIME, OPT_BUILDER, OPT_NO_CACHE, OPT_BUILD_ARG, OPT_IMAGE, OPT_NO_WRITE, OPT_RECORD, OPT_NO_RECORD };
enum { BUILD_ARGS_MAX = 256 };

static const struct option longs[] = {BUILD_LONGS,
				      {"file", required_argument, NULL, 'f'},
				      {"output", required_argument, NULL, 'o'},
				      {"config", required_argument, NULL, OPT_CONFIG},
				      {"runtime", required_argument, NULL, OPT_RUNTIME},
				      {"builder", required_argument, NULL, OPT_BUILDER},
				      {"no-cache", no_argument, NULL, OPT_NO_CACHE},
				      {"build-arg", required_argument, NULL, OPT_BUILD_ARG},
				      {"image", required_argument, NULL, OPT_IMAGE},
				      {"no-write", no_argument, NULL, OPT_NO_WRITE},
				      {"record", required_argument, NULL, OPT_RECORD},
				      {"no-record", no_argument, NULL, OPT_NO_RECORD},
				      {NULL, 0, NULL, 0}};

static const char usage[] =
	"Usage: eifgen cage build [-f Dockerfile] [CONTEXT] --runtime DIR [options]\n"
	"Build the Dockerfile, lay the runtime over the image, and write the EIF, its record and, into cage.json, its PCRs.\n\n"
	"  -f, --file FILE           the Dockerfile (default: cage.json's, in CONTEXT)\n"
	"  -o, --output FILE         the EIF (default: NAME.eif)\n"
	"      --config FILE         default: CONTEXT/cage.json\n"
	"      --runtime DIR         the bundle of `make bundle`\n"
	"      --builder NAME        buildah, podman or docker (default: the first that is installed)\n"
	"      --no-cache            build every step anew\n"
	"      --build-arg NAME=VALUE\n"
	"                            for the builder; repeat it\n"
	"      --image REF           take this image instead of building the Dockerfile\n"
	"      --no-write            leave cage.json as it is\n"
	"      --record FILE, --no-record\n"
	"                            where the record goes (default: OUT.eif.record.json)\n"
	"The image is kept as an OCI layout in OUT.eif.oci. The epoch is, without --epoch: SOURCE_DATE_EPOCH; else the last commit\n"
	"of the context's git repository that changed more than cage.json; else 315532801.\n" BUILD_HELP
	"  -q, --quiet               no warnings\n"
	"  -h, --help                this text\n";

struct request {
	struct build_options opt;
	const char *context, *file, *out, *config_path, *runtime, *builder, *image, *record;
	const char *build_args[BUILD_ARGS_MAX];
	size_t build_arg_count;
	bool no_cache, no_write, no_record;
	struct cage_file cage;
	struct cage_bundle *bundle;
	struct epoch epoch;
	char *out_path, *record_path, *image_dir, *ref, *cert, *key; // owned
	char overlay_digest[DIGEST_TEXT_MAX];
	struct cage_overlay overlay;
	bool holds_itself; // the image holds cage.json
};

static void request_clear(struct request *r)
{
	cage_overlay_clear(&r->overlay);
	build_options_clear(&r->opt);
	cage_file_clear(&r->cage);
	cage_bundle_free(r->bundle);
	epoch_clear(&r->epoch);
	free(r->out_path);
	free(r->record_path);
	free(r->image_dir);
	free(r->ref);
	free(r->cert);
	free(r->key);
}

static int take_option(struct request *r, int o)
{
	switch (o) {
	case 'f':
		r->file = optarg;
		return 0;
	case 'o':
		r->out = optarg;
		return 0;
	case OPT_CONFIG:
		r->config_path = optarg;
		return 0;
	case OPT_RUNTIME:
		r->runtime = optarg;
		return 0;
	case OPT_BUILDER:
		r->builder = optarg;
		return 0;
	case OPT_NO_CACHE:
		r->no_cache = true;
		return 0;
	case OPT_BUILD_ARG:
		if (r->build_arg_count == BUILD_ARGS_MAX)
			return cmd_usage_error("cage", "more than %d --build-arg", BUILD_ARGS_MAX);
		r->build_args[r->build_arg_count++] = optarg;
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
	int o;

	while ((o = cmd_getopt(argc, argv, "f:o:", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (take_option(r, o))
			return 1 + EXIT_TROUBLE;
	}
	if (optind + 1 < argc)
		return 1 + cmd_usage_error("cage", "one context directory at most");
	if (!r->runtime)
		return 1 + cmd_usage_error("cage", "--runtime DIR is needed: the directory that `make bundle` makes");
	r->context = optind < argc ? argv[optind] : ".";
	return 0;
}

// ---- before the image ------------------------------------------------------------------------------------------------
// The directory of a path, as a fresh text.
static char *dir_of(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');

	return slash ? mem_dup(path, slash == path ? 1 : (size_t)(slash - path), err) : mem_strdup(".", err);
}

static int find_epoch(struct request *r, struct err *err)
{
	bool git = !r->opt.epoch && !getenv("SOURCE_DATE_EPOCH") && epoch_git_holds(r->context);
	_cleanup_free_ char *file = realpath(r->cage.path, NULL);

	if (epoch_option_is_image(r->opt.epoch))
		return err_set(err, ERR_USAGE, "--epoch image: the image is yet to be built with an epoch");
	if (git) {
		if (!file)
			return err_sys(err, errno, "find %s", r->cage.path);
		if (epoch_from_git_but(r->context, file, &r->epoch, err))
			return -1;
	} else if (epoch_option_resolve(r->opt.epoch, NULL, NULL, NULL, &r->epoch, err)) {
		return -1;
	}
	epoch_option_warn(&r->epoch);
	return 0;
}

// cage.json's signing, unless the command line says otherwise: the job opens it with the other options.
static int take_signing(struct request *r, const char *dir, struct err *err)
{
	const struct cage_config *c = r->cage.config;

	if (!c->signing.cert || r->opt.signer.key || r->opt.signer.cert)
		return 0;
	r->cert = cage_path(dir, c->signing.cert, err);
	r->key = strncmp(c->signing.key, "pkcs11:", 7) ? cage_path(dir, c->signing.key, err) : mem_strdup(c->signing.key, err);
	r->opt.signer.cert = r->cert;
	r->opt.signer.key = r->key;
	return r->cert && r->key ? 0 : -1;
}

static int prepare(struct request *r, struct err *err)
{
	_cleanup_free_ char *path = r->config_path ? mem_strdup(r->config_path, err) : mem_printf(err, "%s/cage.json", r->context);
	_cleanup_free_ char *dir = path ? dir_of(path, err) : NULL;

	if (!dir || cage_file_load(path, &r->cage, err))
		return -1;
	const struct cage_config *c = r->cage.config;

	r->out_path = r->out ? mem_strdup(r->out, err) : mem_printf(err, "%s.eif", c->name);
	r->image_dir = r->out_path ? mem_printf(err, "%s.oci", r->out_path) : NULL;
	if (!r->image_dir)
		return -1;
	if (!r->no_record) {
		r->record_path = r->record ? mem_strdup(r->record, err) : mem_printf(err, "%s.record.json", r->out_path);
		if (!r->record_path)
			return -1;
	}
	return cage_bundle_load(r->runtime, c->egress.enabled, c->runtime_bundle, &r->bundle, err) || find_epoch(r, err) ||
	       take_signing(r, dir, err) ? -1 : 0;
}

// Makes the image, or takes the one that was named.
static int make_image(struct request *r, struct err *err)
{
	_cleanup_free_ char *file = r->file ? mem_strdup(r->file, err) : cage_path(r->context, r->cage.config->dockerfile, err);
	struct cage_build_request b = {.builder = r->builder, .dockerfile = file, .context = r->context,
				       .arch = platform_oci_arch(r->opt.arch), .epoch = r->epoch.seconds, .no_cache = r->no_cache,
				       .build_args = r->build_args, .build_arg_count = r->build_arg_count, .work = r->image_dir};

	if (!file)
		return -1;
	if (r->image) {
		r->ref = mem_strdup(r->image, err);
		return r->ref ? 0 : -1;
	}
	if (access(file, R_OK))
		return err_sys(err, errno, "read %s", file);
	return cage_builder_run(&b, &r->ref, err);
}

// ---- the image -------------------------------------------------------------------------------------------------------
// The service's port: cage.json's, or the image's one EXPOSE.
static int find_port(struct request *r, const struct image *image, struct err *err)
{
	const char *hex = strchr(image_config_digest(image), ':') + 1;
	_cleanup_free_ char *path = mem_printf(err, "%s/blobs/sha256/%s", r->image_dir, hex);
	_cleanup_json_ cJSON *doc = NULL;
	const cJSON *config = NULL, *ports = NULL;
	unsigned port = 0;
	char protocol[8] = "tcp", rest;

	r->overlay.port = r->cage.config->service_port;
	if (r->overlay.port)
		return 0;
	if (!path)
		return -1;
	if (r->image)
		return err_set(err, ERR_INPUT, "cage.json: service.port: missing (--image was given)");
	if (json_parse_file(path, 16 << 20, &doc, err) || json_get_object(doc, "config", JSON_OPTIONAL, &config, err) ||
	    (config && json_get_object(config, "ExposedPorts", JSON_OPTIONAL, &ports, err)))
		return -1;
	if (!ports || cJSON_GetArraySize(ports) != 1)
		return err_set(err, ERR_INPUT, "cage.json: service.port: missing, and the image exposes %d ports",
			       ports ? cJSON_GetArraySize(ports) : 0);
	if (sscanf(ports->child->string, "%5u/%7[a-z]%c", &port, protocol, &rest) > 2 || strcmp(protocol, "tcp") || port < 1 ||
	    port > 65535)
		return err_set(err, ERR_INPUT, "cage.json: service.port: missing, and the image exposes no TCP port");
	r->overlay.port = port;
	return 0;
}

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
		if (is_cage_json(tree, n, &r->cage.text))
			r->holds_itself = true;
	return cage_overlay_apply(&r->overlay, tree, config, err);
}

static void report_tools(const void *ctx, struct jout *o)
{
	const struct request *r = ctx;

	cage_overlay_report(&r->overlay, o);
}

static int open_job(struct request *r, struct build_job *job, struct err *err)
{
	if (!r->opt.name)
		r->opt.name = r->cage.config->name;
	if (build_job_open(job, &r->opt, r->ref, err))
		return -1;
	epoch_clear(&job->epoch);
	job->epoch = r->epoch;
	r->epoch = (struct epoch){.seconds = 0};
	job->input.layout.epoch = job->epoch.seconds;
	r->overlay.config = r->cage.config;
	r->overlay.bundle = r->bundle;
	r->overlay.layout = &job->input.layout;
	r->overlay.cmd_override = job->input.cmd_override;
	job->input.cmd_override = false; // the overlay's command is what runs
	if (find_port(r, job->image, err) || cage_overlay_digest(&r->overlay, r->overlay_digest, err))
		return -1;
	job->input.overlay = overlay;
	job->input.overlay_ctx = r;
	job->input.overlay_digest = r->overlay_digest;
	job->input.overlay_report = report_tools;
	job->input.want_sections = r->record_path != NULL;
	return 0;
}

// ---- after the image -------------------------------------------------------------------------------------------------
static int write_record(const struct build_job *job, int eif_fd, int fd, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	struct record_source src = build_job_source(job);
	char eif[DIGEST_TEXT_MAX], listing[DIGEST_TEXT_MAX];

	if (build_job_digests(job, eif_fd, eif, listing, err))
		return -1;
	src.eif_digest = eif;
	src.listing_digest = listing;
	return record_write(&src, &text, err) || io_write(fd, text.data, text.len, err) ? -1 : 0;
}

static int make(struct request *r, struct build_job *job, struct atomic_file *eif, struct atomic_file *record, struct err *err)
{
	if (make_image(r, err) || open_job(r, job, err) || atomic_file_open(eif, r->out_path, err) ||
	    (r->record_path && atomic_file_open(record, r->record_path, err)) || build_job_run(job, eif->fd, err))
		return -1;
	return r->record_path ? write_record(job, eif->fd, record->fd, err) : 0;
}

static int write_pcrs(struct request *r, const struct build_job *job, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);

	if (r->no_write)
		return 0;
	if (cage_config_set_pcrs(r->cage.text.data, r->cage.text.len, &job->output.pcrs, &text, err))
		return -1;
	if (text.len == r->cage.text.len && !memcmp(text.data, r->cage.text.data, text.len))
		return 0;
	if (r->holds_itself)
		cmd_warn(NULL, "the image holds this cage.json, whose PCRs change now, and with it the next build's: list it in "
			       ".dockerignore");
	return io_write_file(r->cage.path, text.data, text.len, err);
}

static int answer(const struct request *r, const struct build_job *job)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	jout_open(&o, NULL, '{');
	build_job_report(job, &o);
	jout_str(&o, "File", r->out_path);
	if (r->record_path)
		jout_str(&o, "Record", r->record_path);
	jout_str(&o, "Image", r->ref);
	jout_open(&o, "Cage", '{');
	jout_str(&o, "Service", r->cage.config->name);
	jout_uint(&o, "Port", r->overlay.port);
	jout_str(&o, "Runtime", r->bundle->digest);
	jout_open(&o, "Tools", '[');
	cage_overlay_report(&r->overlay, &o);
	jout_close(&o, ']');
	jout_close(&o, '}');
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("print", "the measurements", &err);
}

int cage_build_run(int argc, char **argv)
{
	_cleanup_atomic_file_ struct atomic_file eif = ATOMIC_FILE_INIT, record = ATOMIC_FILE_INIT;
	_cleanup_(request_clear) struct request r = {.cage = {NULL, BUF_INIT(0), NULL}};
	_cleanup_(build_job_clear) struct build_job job = {0};
	struct err err = ERR_INIT;
	int rc;

	build_options_init(&r.opt);
	cmd_usage_text = usage;
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (prepare(&r, &err))
		return cmd_fail("prepare", r.context, &err);
	if (make(&r, &job, &eif, &record, &err))
		return cmd_fail("build", r.ref ? r.ref : r.context, &err);
	if (atomic_file_commit(&eif, &err))
		return cmd_fail("write", r.out_path, &err);
	if (r.record_path && atomic_file_commit(&record, &err))
		return cmd_fail("write", r.record_path, &err);
	if (write_pcrs(&r, &job, &err))
		return cmd_fail("write", r.cage.path, &err);
	return answer(&r, &job);
}
