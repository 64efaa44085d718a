// SPDX-License-Identifier: Apache-2.0
//
// `eifgen assemble`: the low-level writer. Ready-made kernel, command line and ramdisks in, EIF out; nothing is looked
// into and nothing is added. Inputs are read once, from front to back, so pipes will do.
#include "base/cleanup.h"
#include "base/io.h"
#include "base/utf8.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/eif.h"
#include "eifgen/report.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum {
	RAMDISKS_MAX = EIF_MAX_SECTIONS - 3, // beside kernel, cmdline and metadata
	COPY_BLOCK = 128 * 1024,
	CUSTOM_FILE_MAX = 4096, // as the reference's writer; the metadata writer says so too
};

#define PIPE_MAX (UINT64_C(1) << 32) // a ramdisk that the layouts write by default is no larger

struct assembly {
	const char *out, *kernel, *cmdline, *metadata_file;
	const char *ramdisks[RAMDISKS_MAX];
	size_t ramdisk_count;
	enum eif_arch arch;
	struct eif_metadata metadata;
};

enum {
	OPT_KERNEL = 256,
	OPT_CMDLINE,
	OPT_RAMDISK,
	OPT_ARCH,
	OPT_NAME,
	OPT_VERSION,
	OPT_TIME,
	OPT_TOOL,
	OPT_TOOL_VERSION,
	OPT_OS,
	OPT_KERNEL_VERSION,
	OPT_METADATA
};

static const struct option longs[] = {{"output", required_argument, NULL, 'o'},
				      {"kernel", required_argument, NULL, OPT_KERNEL},
				      {"cmdline", required_argument, NULL, OPT_CMDLINE},
				      {"ramdisk", required_argument, NULL, OPT_RAMDISK},
				      {"arch", required_argument, NULL, OPT_ARCH},
				      {"name", required_argument, NULL, OPT_NAME},
				      {"image-version", required_argument, NULL, OPT_VERSION},
				      {"build-time", required_argument, NULL, OPT_TIME},
				      {"build-tool", required_argument, NULL, OPT_TOOL},
				      {"build-tool-version", required_argument, NULL, OPT_TOOL_VERSION},
				      {"os", required_argument, NULL, OPT_OS},
				      {"kernel-version", required_argument, NULL, OPT_KERNEL_VERSION},
				      {"metadata", required_argument, NULL, OPT_METADATA},
				      {NULL, 0, NULL, 0}};

static int set_arch(struct assembly *a)
{
	if (!strcmp(optarg, "x86_64"))
		a->arch = EIF_X86_64;
	else if (!strcmp(optarg, "aarch64"))
		a->arch = EIF_AARCH64;
	else
		return cmd_usage_error("assemble", "--arch is x86_64 or aarch64, not %s", optarg);
	return 0;
}

// Where an option's text goes; NULL for the options that are more than a text.
static const char **text_of(struct assembly *a, int option)
{
	switch (option) {
	case 'o':
		return &a->out;
	case OPT_KERNEL:
		return &a->kernel;
	case OPT_CMDLINE:
		return &a->cmdline;
	case OPT_NAME:
		return &a->metadata.image_name;
	case OPT_VERSION:
		return &a->metadata.image_version;
	case OPT_TIME:
		return &a->metadata.build_time;
	case OPT_TOOL:
		return &a->metadata.build_tool;
	case OPT_TOOL_VERSION:
		return &a->metadata.build_tool_version;
	case OPT_OS:
		return &a->metadata.operating_system;
	case OPT_KERNEL_VERSION:
		return &a->metadata.kernel_version;
	case OPT_METADATA:
		return &a->metadata_file;
	default:
		return NULL;
	}
}

// 0, or the exit status plus 1 (so that --help, which ends with 0, stops too).
static int parse(int argc, char **argv, struct assembly *a)
{
	int o;

	while ((o = cmd_getopt(argc, argv, "o:", longs)) != -1) {
		const char **text = text_of(a, o);

		if (o == CMD_OPT_STOP)
			return cmd_opt_status + 1;
		if (text) {
			*text = optarg;
		} else if (o == OPT_RAMDISK) {
			if (a->ramdisk_count == RAMDISKS_MAX)
				return 1 + cmd_usage_error("assemble",
							   "more than %d ramdisks: an EIF holds %d sections",
							   RAMDISKS_MAX, EIF_MAX_SECTIONS);
			a->ramdisks[a->ramdisk_count++] = optarg;
		} else if (set_arch(a)) {
			return 1 + EXIT_TROUBLE;
		}
	}
	if (optind < argc)
		return 1 + cmd_usage_error("assemble", "no place for %s", argv[optind]);
	if (!a->out || !a->kernel || !a->cmdline || !a->ramdisk_count)
		return 1 + cmd_usage_error("assemble", "-o, --kernel, --cmdline and --ramdisk are needed");
	return 0;
}

static void set_defaults(struct assembly *a)
{
	const char *slash = strrchr(a->kernel, '/');
	struct eif_metadata *m = &a->metadata;

	m->image_name = m->image_name ? m->image_name : slash ? slash + 1 : a->kernel;
	m->image_version = m->image_version ? m->image_version : "1.0";
	m->build_time = m->build_time ? m->build_time : "1980-01-01T00:00:01Z";
	m->build_tool = m->build_tool ? m->build_tool : "eifgen";
	m->build_tool_version = m->build_tool_version ? m->build_tool_version : EIFGEN_VERSION;
	m->operating_system = m->operating_system ? m->operating_system : "Unknown";
	m->kernel_version = m->kernel_version ? m->kernel_version : "Unknown";
}

// A pipe has no size to be known beforehand, and a device that never ends would fill the disk.
static int stream_limit(int fd, const char *path, uint64_t *limit, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(err, errno, "%s: stat", path);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return err_set(err, ERR_INPUT, "%s is neither a file nor a pipe", path);
	*limit = S_ISREG(st.st_mode) ? UINT64_MAX : PIPE_MAX;
	return 0;
}

static int add_file(struct eif_writer *w, enum eif_section_type type, const char *path, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, err);
	uint8_t block[COPY_BLOCK];
	uint64_t left = 0;
	ssize_t n;

	if (fd < 0 || stream_limit(fd, path, &left, err) || eif_writer_section(w, type, err))
		return -1;
	while ((n = io_read(fd, block, sizeof(block), err)) > 0) {
		if ((uint64_t)n > left)
			return err_set(err, ERR_LIMIT, "%s: a pipe gave more than %llu bytes", path,
				       (unsigned long long)PIPE_MAX);
		left -= (uint64_t)n;
		if (eif_writer_write(w, block, (size_t)n, err))
			return -1;
	}
	return n < 0 ? err_prefix(err, "%s: ", path) : 0;
}

static int add_bytes(struct eif_writer *w, enum eif_section_type type, const void *p, size_t n, struct err *err)
{
	return eif_writer_section(w, type, err) || eif_writer_write(w, p, n, err) ? -1 : 0;
}

static int add_metadata(struct eif_writer *w, struct assembly *a, struct err *err)
{
	_cleanup_buf_ struct buf custom = BUF_INIT(0), text = BUF_INIT(0);

	if (a->metadata_file) {
		if (io_slurp(a->metadata_file, CUSTOM_FILE_MAX, &custom, err))
			return -1;
		a->metadata.custom_json = custom.data ? (const char *)custom.data : "";
		a->metadata.custom_json_len = custom.len;
	}
	if (eif_metadata_write(&a->metadata, &text, err))
		return -1;
	return add_bytes(w, EIF_SECTION_METADATA, text.data, text.len, err);
}

static int write_eif(struct assembly *a, struct eif_writer *w, struct pcr_values *pcrs, struct err *err)
{
	if (!utf8_valid(a->cmdline, strlen(a->cmdline)))
		return err_set(err, ERR_INPUT, "the kernel command line is not UTF-8");
	if (add_file(w, EIF_SECTION_KERNEL, a->kernel, err) ||
	    add_bytes(w, EIF_SECTION_CMDLINE, a->cmdline, strlen(a->cmdline), err) || add_metadata(w, a, err))
		return -1;
	for (size_t i = 0; i < a->ramdisk_count; i++)
		if (add_file(w, EIF_SECTION_RAMDISK, a->ramdisks[i], err))
			return -1;
	return eif_writer_measure(w, pcrs, err) || eif_writer_finish(w, err) ? -1 : 0;
}

static int run(int argc, char **argv)
{
	_cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct assembly a = {.arch = EIF_X86_64};
	struct pcr_values pcrs = {.has_pcr8 = false};
	struct err err = ERR_INIT;
	struct eif_writer *w;
	int rc = parse(argc, argv, &a);

	if (rc)
		return rc - 1;
	set_defaults(&a);
	if (atomic_file_open(&file, a.out, &err))
		return cmd_fail("write", a.out, &err);
	w = eif_writer_new(file.fd, a.arch, &err);
	rc = w ? write_eif(&a, w, &pcrs, &err) : -1;
	eif_writer_free(w);
	if (rc)
		return cmd_fail("assemble", a.out, &err);

	jout_open(&o, NULL, '{');
	report_measurements(&o, &pcrs);
	jout_close(&o, '}');
	const char *text = jout_text(&o, &err);
	return text ? cmd_finish(&(struct atomic_file *){&file}, 1, text) : cmd_fail("write", a.out, &err);
}

const struct cmd cmd_assemble = {
	"assemble",
	"ready-made kernel, command line and ramdisks into an EIF",
	"Usage: eifgen assemble -o OUT.eif --kernel FILE --cmdline TEXT --ramdisk FILE…\n"
	"Writes an EIF from parts and prints its PCRs. Nothing is looked into; files are read once.\n\n"
	"  -o, --output FILE           the EIF; appears when complete\n"
	"      --kernel FILE           bzImage, or Image for aarch64\n"
	"      --cmdline TEXT          kernel command line, stored and measured as it is\n"
	"      --ramdisk FILE          repeat it, at most 29 times; the first is in PCR1, the others in PCR2\n"
	"      --arch ARCH             x86_64 (default) or aarch64\n"
	"      --name TEXT             ImageName (default: the kernel's file name)\n"
	"      --image-version TEXT    ImageVersion (default: 1.0)\n"
	"      --build-time TEXT       BuildTime, not looked into (default: 1980-01-01T00:00:01Z)\n"
	"      --build-tool TEXT       BuildTool (default: eifgen)\n"
	"      --build-tool-version TEXT  (default: this program's)\n"
	"      --os TEXT               OperatingSystem (default: Unknown)\n"
	"      --kernel-version TEXT   KernelVersion (default: Unknown)\n"
	"      --metadata FILE         JSON of at most 4096 bytes: CustomMetadata\n"
	CMD_COMMON_HELP,
	run,
};
