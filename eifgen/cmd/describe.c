// SPDX-License-Identifier: Apache-2.0
//
// `eifgen describe`: what an EIF says of itself, in the words of nitro-cli's describe-eif, and what is wrong with it.
#include "eifgen/cmd/cmd.h"
#include "eifgen/eif_reader.h"
#include "eifgen/report.h"

static int run(int argc, char **argv)
{
	static const struct option longs[] = {{NULL, 0, NULL, 0}};
	_cleanup_eif_file_ struct eif_file *f = NULL;
	_cleanup_jout_ struct jout o = JOUT_INIT(true);
	struct err err = ERR_INIT;
	const char *text;

	while (cmd_getopt(argc, argv, "", longs) != -1)
		return cmd_opt_status; // it has no option of its own
	if (argc - optind != 1)
		return cmd_usage_error("describe", "one EIF is needed");
	if (eif_file_open(argv[optind], &f, &err))
		return cmd_fail("describe", argv[optind], &err);
	jout_open(&o, NULL, '{');
	if (report_describe(&o, f, &err))
		return cmd_fail("describe", argv[optind], &err);
	report_anomalies(&o, "Anomalies", f, REPORT_ALL);
	jout_close(&o, '}');
	text = jout_text(&o, &err);
	return text ? cmd_print(text) : cmd_fail("describe", argv[optind], &err);
}

const struct cmd cmd_describe = {
	"describe",
	"what an EIF holds, and what is wrong with it",
	"Usage: eifgen describe FILE.eif\n"
	"Prints what nitro-cli's describe-eif prints, and `Anomalies`: a list of what no writer, or only an old one, would\n"
	"have written; empty for a sound file. Exit status 0 even with anomalies, 2 if the file is no EIF at all.\n"
	"\n" CMD_COMMON_HELP,
	run,
};
