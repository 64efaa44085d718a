// SPDX-License-Identifier: Apache-2.0
//
// `eifgen cage init`: writes a small cage.json beside a Dockerfile, with what the Dockerfile tells, and a .dockerignore
// that keeps what a build writes out of the next one's image. Nothing that is there is changed.
#include "base/io.h"
#include "base/mem.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/dockerfile.h"
#include "eifgen/json_out.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option longs[] = {{"file", required_argument, NULL, 'f'},
				      {"name", required_argument, NULL, 1},
				      {"destination", required_argument, NULL, 2},
				      {NULL, 0, NULL, 0}};

static const char usage[] =
	"Usage: eifgen cage init [-f Dockerfile] [DIR]\n"
	"Write DIR/cage.json (default: here), asking DIR's Dockerfile, and DIR/.dockerignore if there is none.\n\n"
	"  -f, --file FILE           the Dockerfile, relative to DIR (default: Dockerfile)\n"
	"      --name NAME           the service's name (default: DIR's)\n"
	"      --destination HOST[:PORT]\n"
	"                            lets the service out to it; repeat it\n"
	CMD_COMMON_HELP
	"\nIts keys are described in cage.json(5); the schema is cage.schema.json.\n";

enum { DESTINATIONS_MAX = 256 };

struct request {
	const char *dir, *file, *name;
	const char *destinations[DESTINATIONS_MAX];
	size_t count;
	char label[64];
	uint32_t port;
};

// 0, or the exit status plus 1.
static int parse(int argc, char **argv, struct request *r)
{
	int o;

	while ((o = cmd_getopt(argc, argv, "f:", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (o == 'f')
			r->file = optarg;
		else if (o == 1)
			r->name = optarg;
		else if (r->count == DESTINATIONS_MAX)
			return 1 + cmd_usage_error("cage", "more than %d --destination", DESTINATIONS_MAX);
		else
			r->destinations[r->count++] = optarg;
	}
	if (optind + 1 < argc)
		return 1 + cmd_usage_error("cage", "one directory at most");
	r->dir = optind < argc ? argv[optind] : ".";
	return 0;
}

// A DNS label from a directory's name: lower case, everything else a hyphen.
static void make_label(const char *from, char out[64])
{
	size_t n = 0;

	for (; *from && n < 63; from++) {
		char c = *from >= 'A' && *from <= 'Z' ? (char)(*from | 32) : *from;
		bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

		if (fits || (n > 0 && out[n - 1] != '-'))
			out[n++] = fits ? c : '-';
	}
	while (n > 0 && out[n - 1] == '-')
		n--;
	out[n] = 0;
	if (n == 0)
		strcpy(out, "service");
}

static int find_name(struct request *r, struct err *err)
{
	_cleanup_free_ char *real = realpath(r->dir, NULL);

	if (r->name) {
		snprintf(r->label, sizeof(r->label), "%s", r->name); // judged when the file is parsed
		return strlen(r->name) < sizeof(r->label) ? 0
							  : err_set(err, ERR_USAGE, "the name is longer than 63 bytes");
	}
	if (!real)
		return err_sys(err, errno, "find %s", r->dir);
	make_label(strrchr(real, '/') + 1, r->label);
	return 0;
}

// The one TCP port that the Dockerfile exposes; 0 if there is none or more than one.
static int ask_dockerfile(struct request *r, const char *path, struct err *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	_cleanup_(dockerfile_freep) struct dockerfile *d = NULL;
	_cleanup_(docker_image_clear) struct docker_image image = {.stages = 0};
	const struct docker_build build = {.arch = "amd64"};

	if (io_slurp(path, DOCKERFILE_MAX, &text, err))
		return -1;
	if (dockerfile_parse(text.data, text.len, &d, err) || dockerfile_evaluate(d, &build, &image, err))
		return err_prefix(err, "%s: ", path);
	r->port = cage_port_of(image.expose.item, image.expose.count);
	if (!r->port)
		cmd_warn(NULL, "the Dockerfile exposes no TCP port, or several: set service.port in cage.json");
	if (image.onbuild)
		cmd_warn(NULL, "ONBUILD acts in other builds than this one");
	return 0;
}

static char *make_text(const struct request *r, struct err *err)
{
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	const char *text;

	jout_open(&o, NULL, '{');
	jout_str(&o, "name", r->label);
	jout_str(&o, "dockerfile", r->file);
	jout_open(&o, "service", '{');
	if (r->port)
		jout_uint(&o, "port", r->port);
	jout_close(&o, '}');
	jout_open(&o, "egress", '{');
	jout_bool(&o, "enabled", r->count > 0);
	jout_open(&o, "destinations", '[');
	for (size_t i = 0; i < r->count; i++)
		jout_str(&o, NULL, r->destinations[i]);
	jout_close(&o, ']');
	jout_close(&o, '}');
	jout_bool(&o, "tls_termination", true);
	jout_close(&o, '}');
	text = jout_text(&o, err);
	return text ? mem_strdup(text, err) : NULL;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0; // a link to nothing, too
}

static int write_part(struct atomic_file *f, const char *path, const char *text, struct err *err)
{
	return atomic_file_open(f, path, err) || io_write(f->fd, text, strlen(text), err) ? -1 : 0;
}

// cage.json comes last: with it there, nothing is begun anew.
static int write_both(const char *path, const char *text, const char *ignore, struct err *err)
{
	_cleanup_atomic_file_ struct atomic_file project = ATOMIC_FILE_INIT, builds = ATOMIC_FILE_INIT;

	if (!is_there(ignore) && write_part(&builds, ignore, "cage.json\n.git\n*.eif\n*.eif.*\n", err))
		return -1;
	if (write_part(&project, path, text, err))
		return -1;
	return cmd_finish((struct atomic_file *[]){&builds, &project}, 2, text);
}

static int init(struct request *r, struct err *err)
{
	_cleanup_free_ char *docker = mem_printf(err, "%s/%s", r->dir, r->file), *text = NULL;
	_cleanup_free_ char *path = mem_printf(err, "%s/cage.json", r->dir);
	_cleanup_free_ char *ignore = mem_printf(err, "%s/.dockerignore", r->dir);
	_cleanup_(cage_config_freep) struct cage_config *check = NULL;

	if (r->file[0] == '/')
		return err_set(err, ERR_USAGE, "--file wants a path relative to %s, as cage.json will have it", r->dir);
	if (!docker || !path || !ignore || find_name(r, err) || ask_dockerfile(r, docker, err))
		return -1;
	text = make_text(r, err);
	if (!text || cage_config_parse(text, strlen(text), &check, err))
		return -1;
	if (is_there(path))
		return err_set(err, ERR_USAGE, "%s is there already: it was not changed", path);
	return write_both(path, text, ignore, err);
}

int cage_init_run(int argc, char **argv)
{
	struct request r = {.file = "Dockerfile"};
	struct err err = ERR_INIT;
	int rc;

	cmd_usage_text = usage;
	rc = parse(argc, argv, &r);
	if (rc)
		return rc - 1;
	rc = init(&r, &err);
	return rc < 0 ? cmd_fail("set up", r.dir, &err) : rc;
}
