// SPDX-License-Identifier: Apache-2.0
//
// The sub-commands: one file each, a row each in main.c's table. A sub-command parses its options, calls the library,
// prints one JSON object on stdout, and returns the process's exit status: 0 done / yes, 1 no, 2 trouble.
#ifndef EIFGEN_CMD_H
#define EIFGEN_CMD_H

#include "base/err.h"
#include "base/io.h"

#include <getopt.h>
#include <stdbool.h>

enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_TROUBLE = 2 };

struct cmd {
	const char *name;
	const char *summary; // one line for `eifgen --help`
	const char *usage;   // the whole text of `eifgen NAME --help`, one line an option
	int (*run)(int argc, char **argv); // argv[0] is the sub-command's name
};

extern const struct cmd *const cmd_table[]; // NULL-terminated, in main.c, in the order of --help
extern const struct cmd cmd_build;
extern const struct cmd cmd_build_enclave;
extern const struct cmd cmd_cage;
extern const struct cmd cmd_pcr;
extern const struct cmd cmd_rebuild;
extern const struct cmd cmd_policy;
extern const struct cmd cmd_ls;
extern const struct cmd cmd_diff;
extern const struct cmd cmd_scan;
extern const struct cmd cmd_assemble;
extern const struct cmd cmd_attest;
extern const struct cmd cmd_audit;
extern const struct cmd cmd_cert;
extern const struct cmd cmd_describe;
extern const struct cmd cmd_describe_eif;
extern const struct cmd cmd_epoch;
extern const struct cmd cmd_cache;
extern const struct cmd cmd_platform;
extern const struct cmd cmd_extract;
extern const struct cmd cmd_sign;
extern const struct cmd cmd_sign_eif;
extern const struct cmd cmd_pull;
extern const struct cmd cmd_push;
extern const struct cmd cmd_verify;

// What cmd_getopt prints for --help in place of the command's usage, for a command that has commands of its own; or
// NULL.
extern const char *cmd_usage_text;

// The options that all have, for the end of a usage's list.
#define CMD_COMMON_HELP                                                                                                \
	"  -q, --quiet               no warnings, no progress\n"                                                       \
	"  -v, --verbose             say what is done and why\n"                                                       \
	"  -h, --help                this text\n"

extern bool cmd_quiet, cmd_verbose; // -q, -v: global, set by main before run and by cmd_getopt

// Steps through a sub-command's options as getopt_long does (optarg, optind), with what all have in common done here:
// -q/--quiet, -v/--verbose, -h/--help; an unknown option, a missing or a surplus value is said on stderr in one line.
// `shorts` is getopt's string of the command's own short options ("o:C:", may be ""), `longs` its own long ones, ended
// by a zero row; flag must be NULL. Returns an option's value, -1 at the end, or CMD_OPT_STOP, upon which the command
// returns cmd_opt_status (0 after --help). Environment (POSIXLY_CORRECT) does not change what it does.
enum { CMD_OPT_STOP = -2 };
extern int cmd_opt_status;
int cmd_getopt(int argc, char **argv, const char *shorts, const struct option *longs);

// All of a command's options: each is handed to take, which returns 0, or EXIT_TROUBLE with the usage error said. 0
// when they are at their end (optind is the first operand), or the status to end with plus 1.
int cmd_options(int argc, char **argv, const char *shorts, const struct option *longs, int (*take)(void *ctx, int option),
		void *ctx);

// `eifgen: unable to <verb> <object>: <reason>` on stderr. Returns EXIT_TROUBLE, so that `return cmd_fail(…)` reads
// well.
int cmd_fail(const char *verb, const char *object, const struct err *err);
// `eifgen: <text>` for a usage error, with `(try eifgen NAME --help)`. Returns EXIT_TROUBLE.
int cmd_usage_error(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// `eifgen: warning: <text>` on stderr unless quiet. The signature fits the warn callbacks of the libraries (ctx
// unused).
void cmd_warn(void *ctx, const char *text);
// `eifgen: <text>` on stderr, always: for what a command owes its user there whatever -q says.
void cmd_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// `eifgen: <text>` on stderr with -v only: what the command does and why.
void cmd_explain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
// Writes text to stdout and flushes. EXIT_YES, or EXIT_TROUBLE with one line said (a full disk, a closed pipe).
int cmd_print(const char *text);
// The end of a command that writes files and gives an answer. First all files reach the disk, then the answer is
// printed, and only then do the files appear, in their order: a full disk or a closed pipe leaves none behind. A file
// that is not open is passed over. EXIT_YES, or EXIT_TROUBLE with one line said.
int cmd_finish(struct atomic_file *const *files, size_t n, const char *text);

#endif
