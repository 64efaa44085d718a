// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage dockerfile`: prints the processed Dockerfile. Its product is that text, so nothing else goes to stdout.
#include "eifgen/cage_dockerfile.h"
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/platform.h"

#include <string.h>

enum { OPT_FROM = 1, OPT_BASE, OPT_ARCH };
enum { BASE_MAX = 16 << 20 };

static const struct option longs[] = {CAGE_LONGS,
				      {"runtime-from", required_argument, NULL, OPT_FROM},
				      {"base-config", required_argument, NULL, OPT_BASE},
				      {"arch", required_argument, NULL, OPT_ARCH},
				      {NULL, 0, NULL, 0}};

static const char usage[] =
	"Usage: eifgen cage dockerfile [-f Dockerfile] [CONTEXT] --runtime DIR [options]\n"
	"Print the Dockerfile that makes the image of a cage, for Docker and nitro-cli: the project's own text, then the runtime.\n\n"
	CAGE_HELP
	"      --runtime-from WHERE  where the builder finds the runtime: a directory of the context (default: cage-runtime), or\n"
	"                            an https:// address (ADD --checksum, which BuildKit knows)\n"
	"      --base-config FILE    the base image's config (skopeo inspect --config), for what it sets and the text does not\n"
	"      --arch x86_64|aarch64 what TARGETARCH and its kin stand for in the text (default: x86_64)\n"
	CMD_COMMON_HELP;

struct request {
	struct cage_options opt;
	const char *from, *base_path;
	enum eif_arch arch;
	struct cage_file cage;
	struct cage_bundle *bundle;
	char *path; // the Dockerfile's
	struct buf text;
	struct dockerfile *dockerfile;
	struct docker_image base, image;
};

static void request_clear(struct request *r)
{
	cage_file_clear(&r->cage);
	cage_bundle_free(r->bundle);
	free(r->path);
	buf_free(&r->text);
	dockerfile_free(r->dockerfile);
	docker_image_clear(&r->base);
	docker_image_clear(&r->image);
}

// WHERE stands in instructions as it is: bytes that a builder reads otherwise would make another instruction of them.
static bool is_place(const char *where)
{
	size_t n = strlen(where);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)where[i] <= ' ' || (unsigned char)where[i] >= 0x7f ||
		    strchr("\"'`$\\<*?[#", where[i]))
			return false;
	return n > 0 && where[0] != '-' && (!strstr(where, "://") || !strncmp(where, "https://", 8));
}

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int o;

	while ((o = cmd_getopt(argc, argv, CAGE_SHORTS, longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (o == OPT_FROM)
			r->from = optarg;
		else if (o == OPT_BASE)
			r->base_path = optarg;
		else if (o == OPT_ARCH && !platform_arch_parse(optarg, &r->arch))
			return 1 + cmd_usage_error("cage", "--arch takes x86_64 or aarch64");
		else if (o != OPT_ARCH && cage_option_take(&r->opt, o))
			return 1 + EXIT_TROUBLE;
	}
	if (r->from && !is_place(r->from))
		return 1 + cmd_usage_error("cage",
					   "--runtime-from takes a plain path in the context or an https:// address");
	return cage_options_end(&r->opt, argc, argv) ? 1 + EXIT_TROUBLE : 0;
}

static int read_all(struct request *r, struct err *err)
{
	_cleanup_buf_ struct buf base = BUF_INIT(0);

	if (cage_options_load(&r->opt, &r->cage, &r->path, &r->bundle, err) ||
	    io_slurp(r->path, DOCKERFILE_MAX, &r->text, err))
		return -1;
	if (r->base_path && (io_slurp(r->base_path, BASE_MAX, &base, err) ||
			     cage_dockerfile_base(base.data, base.len, &r->base, err)))
		return err_prefix(err, "%s: ", r->base_path);
	const struct docker_build build = {.args = r->opt.build_args, .arg_count = r->opt.build_arg_count,
					   .arch = platform_oci_arch(r->arch), .base = r->base_path ? &r->base : NULL};

	if (dockerfile_parse(r->text.data, r->text.len, &r->dockerfile, err) ||
	    dockerfile_evaluate(r->dockerfile, &build, &r->image, err))
		return err_prefix(err, "%s: ", r->path);
	if (r->dockerfile->open)
		return err_set(err, ERR_INPUT,
			       "%s: the last line ends with a continuation mark: nothing can be put behind it",
			       r->path);
	return 0;
}

static int print(struct request *r, struct err *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(0);
	struct cage_dockerfile c = {.text = r->text.data,
				    .n = r->text.len,
				    .image = &r->image,
				    .config = r->cage.config,
				    .bundle = r->bundle,
				    .runtime = r->from ? r->from : "cage-runtime"};
	const char *text;

	if (cage_config_port(c.config, r->image.expose.item, r->image.expose.count, &c.port, err))
		return err_prefix(err, "%s: ", r->cage.path);
	if (cage_dockerfile_print(&c, &out, err))
		return -1;
	if (!r->base_path && strcmp(r->image.base, "scratch"))
		cmd_warn(
		    NULL,
		    "what the base image sets (ENV, USER, WORKDIR, ENTRYPOINT, CMD) is not known: give --base-config");
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
		return cmd_fail("read", r.opt.context, &err);
	rc = print(&r, &err);
	return rc < 0 ? cmd_fail("print", "the Dockerfile", &err) : rc;
}
