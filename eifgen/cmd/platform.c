// SPDX-License-Identifier: Apache-2.0
//
// `eifgen platform DIR`: what a platform directory holds. Each file's sha256, the PCR1 that the platform gives in each
// layout (kernel, command line and bootstrap ramdisk alone decide it), the AWS release that this PCR1 belongs to, and
// the memory that nitro-cli will ask for.
//
// Releases are told by PCR1 in the nitro-cli layout, which everyone who ever built with that release has published.
#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/cmd/epoch_option.h"
#include "eifgen/json_out.h"
#include "eifgen/platform.h"
#include "pcr/pcr.h"

#include <string.h>

static const char usage[] =
	"Usage: eifgen platform DIR [OPTION]...\n"
	"Print what a platform directory (bzImage or Image, its .config, cmdline, init, nsm.ko) holds, as JSON: each\n"
	"file's sha256, the PCR1 it gives in each layout, the AWS release it is if it is one, and the memory needed.\n\n"
	"      --arch ARCH           x86_64 (default) or aarch64\n"
	"      --cmdline TEXT        this kernel command line instead of the directory's\n"
	"      --no-nsm              leave nsm.ko out\n"
	"      --module FILE         an extra kernel module, in load order (canonical layout; repeatable)\n"
	"      --eif FILE            also say what memory this EIF needs\n"
	EPOCH_OPTION_HELP
	CMD_COMMON_HELP
	"\nPCR1 of the canonical layout depends on the epoch; that of nitro-cli does not.\n";

enum { MODULES_LIMIT = 64, MIB = 1 << 20, MEMORY_FACTOR = 4, MEMORY_LEAST_MIB = 64 };

struct request {
	struct platform_options platform;
	const char *modules[MODULES_LIMIT];
	const char *eif, *epoch;
};

// facts/build.md 2.9.
static const struct release {
	const char *name, *pcr1;
} releases[] = {
	{"aws-nitro-enclaves-cli, current blobs (Linux 4.14.256), x86_64",
	 "0343b056cd8485ca7890ddd833476d78460aed2aa161548e4e26bedf321726696257d623e8805f3f605946b3d8b0c6aa"},
	{"aws-nitro-enclaves-cli, current blobs (Linux 4.14.256), aarch64",
	 "745004eab9a0fb4a67973b261c6e7fa5418dc870292927591574385649338e54686cdeb659f3c6c2e72ba11aba2158a8"},
	{"aws-nitro-enclaves-cli, blobs of 2022, x86_64",
	 "bcdf05fefccaa8e55bf2c8d6dee9e79bbff31e34bf28a99aa19e6b29c37ee80b214a414b7607236edf26fcb78654e63f"},
	{"aws-nitro-enclaves-cli, blobs of 2021, x86_64",
	 "aca6e62ffbf5f7deccac452d7f8cee1b94048faf62afc16c8ab68c9fed8c38010c73a669f9a36e596032f0b973d21895"},
};

static const char *release_of(const char *pcr1)
{
	for (size_t i = 0; i < sizeof(releases) / sizeof(*releases); i++)
		if (!strcmp(releases[i].pcr1, pcr1))
			return releases[i].name;
	return NULL;
}

// nitro-cli run-enclave refuses less than four times the EIF's size, and less than 64 MiB.
static uint64_t memory_mib(uint64_t eif_size)
{
	uint64_t mib = (eif_size / MIB + 1) * MEMORY_FACTOR;

	return mib < MEMORY_LEAST_MIB ? MEMORY_LEAST_MIB : mib;
}

// PCR1 in one layout, in hex, and the size of what it measures.
static int measure(struct platform *p, enum layout_id id, uint32_t epoch, char hex[2 * PCR_SIZE + 1],
		   uint64_t *size, struct err *err)
{
	struct layout_options opt = {.id = id, .mtime = MTIME_SET, .epoch = epoch};
	struct layout_bootstrap b;
	_cleanup_free_ struct layout_file *modules = NULL;
	struct eif_writer *w = NULL;
	struct pcr_values v;
	int rc = platform_bootstrap(p, &b, &modules, err);

	if (!rc && !(w = eif_writer_new(-1, p->arch, err)))
		rc = -1;
	rc = rc || eif_writer_section(w, EIF_SECTION_KERNEL, err) ||
	     platform_kernel_pass(p, eif_writer_sink(w), false, err) ||
	     eif_writer_section(w, EIF_SECTION_CMDLINE, err) ||
	     eif_writer_write(w, p->cmdline, strlen(p->cmdline), err) ||
	     eif_writer_section(w, EIF_SECTION_RAMDISK, err) ||
	     layout_write_bootstrap(&opt, &b, eif_writer_sink(w), err) || eif_writer_measure(w, &v, err);
	if (!rc) {
		hex_encode(v.pcr1, PCR_SIZE, hex);
		*size = eif_writer_size(w);
	}
	eif_writer_free(w);
	return rc ? -1 : 0;
}

static void report_file(struct jout *o, const struct platform_file *f, const char *role)
{
	if (!f->path)
		return;
	jout_open(o, NULL, '{');
	jout_str(o, "Role", role);
	jout_str(o, "Path", f->path);
	jout_uint(o, "Size", f->size);
	jout_str(o, "Sha256", strchr(f->digest, ':') + 1);
	jout_close(o, '}');
}

static void report_files(struct jout *o, const struct platform *p)
{
	jout_open(o, "Files", '[');
	report_file(o, &p->kernel, "kernel");
	report_file(o, &p->config, "kernel-config");
	report_file(o, &p->cmdline_file, "cmdline");
	report_file(o, &p->init, "init");
	report_file(o, &p->nsm, "nsm");
	for (size_t i = 0; i < p->module_count; i++)
		report_file(o, &p->modules[i], "module");
	jout_close(o, ']');
}

static int eif_size(const char *path, uint64_t *size, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, err);

	return fd < 0 || io_file_size(fd, size, err) ? -1 : 0;
}

static int report(struct jout *o, const struct request *r, struct platform *p, uint32_t epoch, struct err *err)
{
	char canonical[2 * PCR_SIZE + 1], nitro[2 * PCR_SIZE + 1] = "";
	uint64_t size, ignored, of_eif = 0;

	if (measure(p, LAYOUT_CANONICAL, epoch, canonical, &size, err) ||
	    (!p->module_count && measure(p, LAYOUT_NITRO_CLI, epoch, nitro, &ignored, err)) ||
	    (r->eif && eif_size(r->eif, &of_eif, err)))
		return -1;
	jout_open(o, NULL, '{');
	jout_str(o, "Arch", platform_arch_name(p->arch));
	jout_str(o, "OperatingSystem", p->os);
	jout_str(o, "KernelVersion", p->kernel_version);
	jout_bool(o, "KernelBootable", p->kernel_is_bootable);
	jout_str(o, "Cmdline", p->cmdline);
	jout_bool(o, "HonoursUserAndWorkdir", p->init_is_ours);
	report_files(o, p);
	jout_uint(o, "Epoch", epoch);
	jout_open(o, "PCR1", '{');
	jout_str(o, layout_name(LAYOUT_CANONICAL), canonical);
	jout_str(o, layout_name(LAYOUT_NITRO_CLI), *nitro ? nitro : NULL);
	jout_close(o, '}');
	jout_str(o, "Release", release_of(nitro));
	jout_open(o, "Memory", '{');
	jout_uint(o, "PlatformBytes", size);
	jout_uint(o, "LeastMiB", memory_mib(r->eif ? of_eif : size));
	jout_str(o, "For", r->eif ? r->eif : "the platform alone; add four times the root file system's size");
	jout_close(o, '}');
	jout_close(o, '}');
	return 0;
}

enum { OPT_ARCH = 256, OPT_CMDLINE, OPT_NO_NSM, OPT_MODULE, OPT_EIF, OPT_EPOCH };

static const struct option longs[] = {{"arch", required_argument, NULL, OPT_ARCH},
				      {"cmdline", required_argument, NULL, OPT_CMDLINE},
				      {"no-nsm", no_argument, NULL, OPT_NO_NSM},
				      {"module", required_argument, NULL, OPT_MODULE},
				      {"eif", required_argument, NULL, OPT_EIF},
				      {"epoch", required_argument, NULL, OPT_EPOCH},
				      {0}};

static int take_option(struct request *r, int option)
{
	switch (option) {
	case OPT_ARCH:
		if (!platform_arch_parse(optarg, &r->platform.arch))
			return cmd_usage_error("platform", "--arch is x86_64 or aarch64, not %s", optarg);
		break;
	case OPT_CMDLINE:
		r->platform.cmdline = optarg;
		break;
	case OPT_NO_NSM:
		r->platform.no_nsm = true;
		break;
	case OPT_MODULE:
		if (r->platform.module_count == MODULES_LIMIT)
			return cmd_usage_error("platform", "more than %d modules", MODULES_LIMIT);
		r->modules[r->platform.module_count++] = optarg;
		break;
	case OPT_EIF:
		r->eif = optarg;
		break;
	default:
		r->epoch = optarg;
	}
	return 0;
}

static int answer(struct request *r, const char *dir)
{
	_cleanup_(platform_freep) struct platform *p = NULL;
	_cleanup_(epoch_clear) struct epoch e = {0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	if (epoch_option_is_image(r->epoch))
		return cmd_usage_error("platform", "--epoch image needs an image: it goes with build and pcr");
	if (epoch_option_resolve(r->epoch, NULL, NULL, NULL, &e, &err))
		return cmd_fail("find", "the epoch", &err);
	r->platform.dir = dir;
	r->platform.modules = r->modules;
	if (platform_load(&r->platform, &p, &err) || report(&o, r, p, e.seconds, &err) || !(text = jout_text(&o, &err)))
		return cmd_fail("read platform", dir, &err);
	epoch_option_warn(&e);
	return cmd_print(text);
}

static int run(int argc, char **argv)
{
	struct request r = {.platform = {.arch = EIF_X86_64}};
	int o, rc;

	while ((o = cmd_getopt(argc, argv, "", longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return cmd_opt_status;
		rc = take_option(&r, o);
		if (rc)
			return rc;
	}
	if (argc - optind != 1)
		return cmd_usage_error("platform", "one directory is needed");
	return answer(&r, argv[optind]);
}

const struct cmd cmd_platform = {"platform", "what a platform directory holds, and the PCR1 it gives", usage, run};
