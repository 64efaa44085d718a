// SPDX-License-Identifier: Apache-2.0
//
// `eifgen extract`: an EIF's sections as files: kernel, cmdline, metadata.json, ramdisk-N.cpio, signature.cbor. A
// second section of a kind that should stand once gets a number (kernel-2), so that nothing is lost from an odd file.
// All are written before the first gets its name.
#include "base/mem.h"
#include "eifgen/cmd/cmd.h"
#include "eifgen/eif_reader.h"
#include "eifgen/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The section's file name, made from its type and how many of that type came before; in out (64 bytes).
static void name_of(uint16_t type, size_t before, char out[64])
{
	static const char *const suffix[] = {[EIF_SECTION_KERNEL] = "",
					     [EIF_SECTION_CMDLINE] = "",
					     [EIF_SECTION_RAMDISK] = ".cpio",
					     [EIF_SECTION_SIGNATURE] = ".cbor",
					     [EIF_SECTION_METADATA] = ".json"};

	if (type == EIF_SECTION_RAMDISK || before)
		snprintf(out, 64, "%s-%zu%s", eif_section_name(type), before + 1, suffix[type]);
	else
		snprintf(out, 64, "%s%s", eif_section_name(type), suffix[type]);
}

struct files {
	struct atomic_file *file; // one a section; owned
	size_t count;
};

static void files_discard(struct files *s)
{
	for (size_t i = 0; i < s->count; i++)
		atomic_file_discard(&s->file[i]);
	free(s->file);
}

static int extract_section(const struct eif_file *f, const struct eif_section *s, const char *dir, const char *name,
			   struct atomic_file *file, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "%s/%s", dir, name);

	if (!path || atomic_file_open(file, path, err) || eif_file_copy(f, s, sink_fd(&file->fd), err) ||
	    atomic_file_prepare(file, err))
		return -1;
	close(steal_fd(&file->fd)); // an odd file has more sections than we may have descriptors
	return 0;
}

static int extract_all(const struct eif_file *f, const char *dir, struct files *to, struct jout *o, struct err *err)
{
	size_t seen[EIF_SECTION_METADATA + 1] = {0};
	char name[64], q[300];

	if (f->lacks)
		return err_set(err, ERR_INPUT, "the file is not whole: %s", f->lacks);
	if (mkdir(dir, 0777) && errno != EEXIST)
		return err_sys(err, errno, "create %s", err_quote(dir, strlen(dir), q, sizeof(q)));
	to->file = mem_zalloc(f->section_count, sizeof(*to->file), err);
	if (!to->file)
		return -1;
	jout_open(o, NULL, '{');
	jout_open(o, "Sections", '[');
	for (size_t i = 0; i < f->section_count; i++) {
		const struct eif_section *s = &f->sections[i];

		name_of(s->type, seen[s->type]++, name);
		to->file[to->count++] = (struct atomic_file)ATOMIC_FILE_INIT;
		if (extract_section(f, s, dir, name, &to->file[i], err))
			return -1;
		jout_open(o, NULL, '{');
		jout_str(o, "File", name);
		jout_str(o, "Type", eif_section_name(s->type));
		jout_uint(o, "Size", s->size);
		jout_close(o, '}');
	}
	jout_close(o, ']');
	report_anomalies(o, "Anomalies", f, REPORT_ALL);
	jout_close(o, '}');
	return 0;
}

static int commit_all(struct files *s, struct err *err)
{
	for (size_t i = 0; i < s->count; i++)
		if (atomic_file_commit(&s->file[i], err))
			return -1;
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {{"directory", required_argument, NULL, 'C'}, {NULL, 0, NULL, 0}};
	_cleanup_eif_file_ struct eif_file *f = NULL;
	_cleanup_(files_discard) struct files files = {NULL, 0};
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *dir = NULL, *text;
	int option;

	while ((option = cmd_getopt(argc, argv, "C:", longs)) != -1) {
		if (option == CMD_OPT_STOP)
			return cmd_opt_status;
		dir = optarg;
	}
	if (argc - optind != 1 || !dir)
		return cmd_usage_error("extract", "one EIF and -C DIR are needed");
	if (eif_file_open(argv[optind], &f, &err) || extract_all(f, dir, &files, &o, &err))
		return cmd_fail("extract", argv[optind], &err);
	text = jout_text(&o, &err);
	if (text && cmd_print(text))
		return EXIT_TROUBLE;
	return text && !commit_all(&files, &err) ? EXIT_YES : cmd_fail("extract", argv[optind], &err);
}

const struct cmd cmd_extract = {
	"extract",
	"an EIF's kernel, command line, metadata, ramdisks and signature as files",
	"Usage: eifgen extract FILE.eif -C DIR\n"
	"Writes kernel, cmdline, metadata.json, ramdisk-1.cpio …, signature.cbor into DIR (made if it is not there) and prints\n"
	"their list. Sections are written as they stand, whatever they hold; of a file that was cut, none.\n\n"
	"  -C, --directory DIR   where to\n"
	CMD_COMMON_HELP,
	run,
};
