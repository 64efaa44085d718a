// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage dockerfile`: prints the processed Dockerfile. Its product is that text, so nothing else goes to stdout.
#include "eifgen/cage_dockerfile.h"
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/cmd.h"

#include <stdio.h>
#include <string.h>

enum { OPT_CONFIG = 1, OPT_RUNTIME, OPT_FROM, OPT_BASE, OPT_BUILD_ARG };
enum { BUILD_ARGS_MAX = 256, BASE_MAX = 16 << 20 };

static const struct option longs[] = {{"file", required_argument, NULL, 'f'},
				      {"config", required_argument, NULL, OPT_CONFIG},
				      {"runtime", required_argument, NULL, OPT_RUNTIME},
				      {"runtime-from", required_argument, NULL, OPT_FROM},
				      {"base-config", required_argument, NULL, OPT_BASE},
				      {"build-arg", required_argument, NULL, OPT_BUILD_ARG},
				      {NULL, 0, NULL, 0}};

static const char usage[] =
	"Usage: eifgen cage dockerfile [-f Dockerfile] [CONTEXT] --runtime DIR [options]\n"
	"Print the Dockerfile that makes the image of a cage, for Docker and nitro-cli: the project's own text, then the runtime.\n\n"
	"  -f, --file FILE           the Dockerfile (default: cage.json's, in CONTEXT)\n"
	"      --config FILE         default: CONTEXT/cage.json\n"
	"      --runtime DIR         the bundle of `make bundle`, whose digests are written down\n"
	"      --runtime-from WHERE  where the builder finds it: a directory of the context (default: cage-runtime), or an\n"
	"                            https:// address (ADD --checksum, which BuildKit knows)\n"
	"      --base-config FILE    the base image's config (skopeo inspect --config), for what it sets and the text does not\n"
	"      --build-arg NAME=VALUE\n"
	"                            as for the builder; repeat it\n"
	"  -q, --quiet               no warnings\n"
	"  -h, --help                this text\n";

struct request {
	const char *context, *file, *config_path, *runtime, *from, *base_path;
	const char *build_args[BUILD_ARGS_MAX];
	size_t build_arg_count;
	struct cage_file cage;
	struct cage_bundle *bundle;
	struct buf text;
	struct dockerfile *dockerfile;
	struct docker_image base, image;
};

static void request_clear(struct request *r)
{
	cage_file_clear(&r->cage);
	cage_bundle_free(r->bundle);
	buf_free(&r->text);
	dockerfile_free(r->dockerfile);
	docker_image_clear(&r->base);
	docker_image_clear(&r->image);
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int o;

	while ((o = cmd_getopt(argc, argv, "f:", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (o == 'f')
			r->file = optarg;
		else if (o == OPT_CONFIG)
			r->config_path = optarg;
		else if (o == OPT_RUNTIME)
			r->runtime = optarg;
		else if (o == OPT_FROM)
			r->from = optarg;
		else if (o == OPT_BASE)
			r->base_path = optarg;
		else if (r->build_arg_count == BUILD_ARGS_MAX)
			return 1 + cmd_usage_error("cage", "more than %d --build-arg", BUILD_ARGS_MAX);
		else
			r->build_args[r->build_arg_count++] = optarg;
	}
	if (optind + 1 < argc)
		return 1 + cmd_usage_error("cage", "one context directory at most");
	if (!r->runtime)
		return 1 + cmd_usage_error("cage", "--runtime DIR is needed: the directory that `make bundle` makes");
	r->context = optind < argc ? argv[optind] : ".";
	return 0;
}

static int read_all(struct request *r, struct err *err)
{
	_cleanup_free_ char *config = r->config_path ? mem_strdup(r->config_path, err) : mem_printf(err, "%s/cage.json", r->context);
	_cleanup_free_ char *file = NULL;
	_cleanup_buf_ struct buf base = BUF_INIT(0);

	if (!config || cage_file_load(config, &r->cage, err))
		return -1;
	file = r->file ? mem_strdup(r->file, err) : cage_path(r->context, r->cage.config->dockerfile, err);
	if (!file || io_slurp(file, DOCKERFILE_MAX, &r->text, err))
		return -1;
	if (cage_bundle_load(r->runtime, r->cage.config->egress.enabled, r->cage.config->runtime_bundle, &r->bundle, err))
		return -1;
	if (r->base_path && (io_slurp(r->base_path, BASE_MAX, &base, err) ||
			     cage_dockerfile_base(base.data, base.len, &r->base, err)))
		return err_prefix(err, "%s: ", r->base_path);
	if (dockerfile_parse(r->text.data, r->text.len, &r->dockerfile, err) ||
	    dockerfile_evaluate(r->dockerfile, r->build_args, r->build_arg_count, r->base_path ? &r->base : NULL, &r->image, err))
		return err_prefix(err, "%s: ", file);
	return 0;
}

static int find_port(const struct request *r, uint32_t *port, struct err *err)
{
	char protocol[8];

	*port = r->cage.config->service_port;
	if (*port)
		return 0;
	if (r->image.expose.count == 1 && sscanf(r->image.expose.item[0], "%5u/%7s", port, protocol) == 2 &&
	    !strcmp(protocol, "tcp") && *port > 0 && *port < 65536)
		return 0;
	return err_set(err, ERR_INPUT, "cage.json: service.port: missing, and the Dockerfile exposes no single TCP port");
}

static int print(struct request *r, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct cage_dockerfile c = {.text = r->text.data, .n = r->text.len, .image = &r->image, .config = r->cage.config,
				    .bundle = r->bundle, .runtime = r->from ? r->from : "cage-runtime"};
	const char *text;

	if (find_port(r, &c.port, err) || cage_dockerfile_print(&c, &out, err))
		return -1;
	if (!r->base_path && strcmp(r->image.base, "scratch"))
		cmd_warn(NULL, "what the base image sets (ENV, USER, WORKDIR, ENTRYPOINT, CMD) is not known: give --base-config");
	if (r->image.onbuild)
		cmd_warn(NULL, "ONBUILD acts in other builds than this one");
	text = buf_cstr(&out, err);
	return text ? cmd_print(text) : -1;
}

int cage_dockerfile_run(int argc, char **argv)
{
	_cleanup_(request_clear) struct request r = {.text = BUF_INIT(0)};
	struct err err = ERR_INIT;
	int rc;

	cmd_usage_text = usage;
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	if (read_all(&r, &err))
		return cmd_fail("read", r.context, &err);
	rc = print(&r, &err);
	return rc < 0 ? cmd_fail("print", "the Dockerfile", &err) : rc;
}
