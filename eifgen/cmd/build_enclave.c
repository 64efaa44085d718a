// SPDX-License-Identifier: Apache-2.0
//
// `eifgen build-enclave`: nitro-cli's command of that name, its flags, its JSON, its layout, so that a script changes
// one word. What differs is what made nitro-cli's file differ from run to run: the clock (BuildTime is the epoch here)
// and docker-inspect's output (DockerInfo is null). PCRs are the same.
//
// --docker-uri takes every reference of ours, and Docker names: those are looked for in the Docker daemon's store
// first, as nitro-cli does, and pulled from their registry, with a warning, if they are not there (or no daemon is); a
// daemon that cannot be asked is an error. --docker-dir builds
// as `cage build` does, every time in the image being the epoch: nitro-cli leaves those to Docker, and to the clock.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/build_options.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/nitro.h"
#include "eifgen/report.h"
#include "layerfs/image.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { OPT_URI = 256, OPT_DIR, OPT_OUT, OPT_CERT, OPT_KEY, OPT_NAME, OPT_VERSION, OPT_METADATA };

static const struct option longs[] = {{"docker-uri", required_argument, NULL, OPT_URI},
				      {"docker-dir", required_argument, NULL, OPT_DIR},
				      {"output-file", required_argument, NULL, OPT_OUT},
				      {"signing-certificate", required_argument, NULL, OPT_CERT},
				      {"private-key", required_argument, NULL, OPT_KEY},
				      {"name", required_argument, NULL, OPT_NAME},
				      {"version", required_argument, NULL, OPT_VERSION},
				      {"metadata", required_argument, NULL, OPT_METADATA},
				      {NULL, 0, NULL, 0}};

struct request {
	struct build_options opt;
	const char *uri, *dir, *out;
	char *name;		// owned: the default ImageName
	char *ref;		// owned: what the image is opened by
	char *work;		// owned: of --docker-dir, a temporary directory that exists, or NULL
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void request_clear(struct request *r)
{
	build_options_clear(&r->opt);
	free(r->name);
	free(r->ref);
	if (r->work)
		nftw(r->work, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(r->work);
}

static const char **text_of(struct request *r, int option)
{
	switch (option) {
	case OPT_URI:
		return &r->uri;
	case OPT_DIR:
		return &r->dir;
	case OPT_OUT:
		return &r->out;
	case OPT_CERT:
		return &r->opt.signer.cert;
	case OPT_KEY:
		return &r->opt.signer.key;
	case OPT_NAME:
		return &r->opt.name;
	case OPT_VERSION:
		return &r->opt.image_version;
	default:
		return &r->opt.metadata_file;
	}
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int option;

	while ((option = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (nitro_take_once("build-enclave", longs, option, text_of(r, option)))
			return 1 + EXIT_TROUBLE;
	}
	if (optind < argc)
		return 1 + cmd_usage_error("build-enclave", "no place for %s", argv[optind]);
	if (!r->uri || !r->out)
		return 1 + cmd_usage_error("build-enclave", "--docker-uri and --output-file are needed");
	if (!r->opt.signer.cert != !r->opt.signer.key)
		return 1 + cmd_usage_error("build-enclave", "--signing-certificate and --private-key go together");
	return nitro_check_key("build-enclave", r->opt.signer.key) ? 1 + EXIT_TROUBLE : 0;
}

// nitro-cli takes the kernel of the machine it runs on; the blobs' directory may be named in the environment.
static void set_defaults(struct request *r)
{
	const char *blobs = getenv("NITRO_CLI_BLOBS");
	struct utsname machine;

	if (!uname(&machine) && platform_arch_parse(machine.machine, &r->opt.arch))
		r->opt.platform.arch = r->opt.arch;
	if (blobs && *blobs)
		r->opt.platform.dir = blobs;
	r->opt.layout = LAYOUT_NITRO_CLI;
}

// A reference of ours says its form, or is a path by its first character; anything else is a Docker name.
static bool is_docker_name(const char *uri)
{
	static const char *const forms[] = {"oci:",	      "oci-archive:", "docker-archive:", "docker://",
					    "docker-daemon:", "/",	      "./",		 "../"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (!strncmp(uri, forms[i], strlen(forms[i])))
			return false;
	return true;
}

static int set_name(struct request *r, struct err *err)
{
	if (r->opt.name || !is_docker_name(r->uri))
		return 0;
	r->name = mem_strdup(r->uri, err);
	if (!r->name)
		return -1;
	r->name[strcspn(r->name, ":")] = '\0'; // nitro-cli's rule, for registry:5000/x too
	r->opt.name = r->name;
	return 0;
}

static int make_work(struct request *r, struct err *err)
{
	const char *dir = getenv("TMPDIR");
	_cleanup_free_ char *work = mem_printf(err, "%s/eifgen-XXXXXX", dir && *dir ? dir : "/var/tmp");

	if (!work)
		return -1;
	if (!mkdtemp(work))
		return err_sys(err, errno, "make a directory like %s", work);
	r->work = steal_ptr(&work);
	return 0;
}

static int build_dockerfile(struct request *r, struct err *err)
{
	_cleanup_free_ char *dockerfile = mem_printf(err, "%s/Dockerfile", r->dir);
	_cleanup_free_ char *layout = NULL;
	struct cage_build_request b = {.dockerfile = dockerfile,
				       .context = r->dir,
				       .arch = platform_oci_arch(r->opt.arch),
				       .epoch = EPOCH_DEFAULT};
	const char *tag;

	if (!dockerfile)
		return -1;
	if (access(dockerfile, R_OK)) // said by us, in one line, and not by a builder
		return err_sys(err, errno, "read %s", dockerfile);
	if (make_work(r, err))
		return -1;
	layout = mem_printf(err, "%s/image", r->work);
	if (!layout)
		return -1;
	b.work = layout;
	if (cage_builder_run(&b, &tag, err))
		return -1;
	r->ref = mem_printf(err, "oci:%s%s", layout, tag);
	return r->ref ? 0 : -1;
}

static int set_ref(struct request *r, const char *form, struct err *err)
{
	free(r->ref);
	r->ref = mem_printf(err, "%s%s", form, r->uri);
	return r->ref ? 0 : -1;
}

// Once the daemon has the image, or may have it, it is that one or an error: what a registry has under the same name
// may be another. So whoever gets that one is told.
static int find_docker_name(struct request *r, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	struct err why = ERR_INIT;
	int there;

	if (strchr(r->uri, '@')) // by digest it is the same image wherever it comes from
		return set_ref(r, "docker://", err);
	if (set_ref(r, "docker-daemon:", err))
		return -1;
	there = image_in_daemon(r->ref, r->opt.registry.daemon_socket, &why);
	if (there < 0) {
		*err = why;
		return -1;
	}
	if (there)
		return 0;
	text = mem_printf(err, "%s comes from its registry: %s", r->uri, why.msg);
	if (!text)
		return -1;
	cmd_warn(NULL, text);
	return set_ref(r, "docker://", err);
}

static int open_job(struct request *r, struct build_job *job, struct err *err)
{
	int rc;

	if (r->dir)
		rc = build_dockerfile(r, err);
	else if (is_docker_name(r->uri))
		rc = find_docker_name(r, err);
	else
		rc = set_ref(r, "", err);
	return rc ? -1 : build_job_open(job, &r->opt, r->ref, err);
}

static int make(struct request *r, struct build_job *job, struct atomic_file *out, struct err *err)
{
	if (set_name(r, err) || open_job(r, job, err) || atomic_file_open(out, r->out, err))
		return -1;
	return build_job_run(job, out->fd, err);
}

static int run(int argc, char **argv)
{
	_cleanup_atomic_file_ struct atomic_file out = ATOMIC_FILE_INIT;
	_cleanup_(request_clear) struct request r = {0};
	_cleanup_(build_job_clear) struct build_job job = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;
	int rc;

	build_options_init(&r.opt);
	set_defaults(&r);
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (make(&r, &job, &out, &err))
		return cmd_fail("build", r.uri, &err);
	jout_open(&o, NULL, '{');
	report_measurements(&o, &job.output.pcrs);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	if (!text)
		return cmd_fail("write", r.out, &err);
	rc = cmd_finish(&(struct atomic_file *){&out}, 1, text);
	if (!rc)
		build_job_summary(&job);
	return rc;
}

const struct cmd cmd_build_enclave = {
	"build-enclave",
	"nitro-cli's build-enclave: its flags, its JSON, its PCRs",
	"Usage: eifgen build-enclave --docker-uri NAME --output-file FILE [OPTION…]\n"
	"As nitro-cli build-enclave, without Docker or root: the nitro-cli layout, and Measurements on standard output.\n\n"
	"      --docker-uri NAME          a Docker name (daemon first, then its registry), or any reference of `build`\n"
	"      --docker-dir DIR           build DIR/Dockerfile first, with buildah, podman or docker\n"
	"      --output-file FILE         the EIF; appears when complete\n"
	"      --signing-certificate FILE, --private-key FILE|pkcs11:URI\n"
	"                                 sign it\n"
	"      --name TEXT                ImageName (default: NAME up to its first colon)\n"
	"      --version TEXT             ImageVersion (default: the image's id)\n"
	"      --metadata FILE            JSON of at most 4096 bytes: CustomMetadata\n"
	CMD_COMMON_HELP
	"Blobs are taken from NITRO_CLI_BLOBS, else " PLATFORM_DEFAULT_DIR ".\n",
	run,
};
