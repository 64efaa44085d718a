// SPDX-License-Identifier: Apache-2.0
//
// The eifgen command: global options, then the sub-command's name, then what is the sub-command's own business.
//
//   eifgen [-q|-v] NAME …        eifgen --help        eifgen --version        eifgen NAME --help
//
// Before a sub-command runs, main makes the process the same wherever it is started: descriptors 0 to 2 are open (or an
// output file could become our stderr), a closed pipe or a limit on file sizes is an error and not a death, getopt
// ignores POSIXLY_CORRECT. No locale is set, so it is C. A program built for tests (-DEIFGEN_FAULTS) also reads
// EIFGEN_FAIL=alloc:N, read:N or write:N and makes that one call of our own code fail.
#include "base/buf.h"
#include "base/fault.h"
#include "base/io.h"
#include "eifgen/cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cmd *const cmd_table[] = {
	&cmd_build,
	&cmd_pcr,
	&cmd_rebuild,
	&cmd_policy,
	&cmd_assemble,
	&cmd_ls,
	&cmd_diff,
	&cmd_scan,
	&cmd_describe,
	&cmd_verify,
	&cmd_attest,
	&cmd_audit,
	&cmd_sign,
	&cmd_cert,
	&cmd_extract,
	&cmd_epoch,
	&cmd_platform,
	&cmd_cache,
	&cmd_push,
	&cmd_pull,
	&cmd_cage,
	&cmd_build_enclave,
	&cmd_describe_eif,
	&cmd_sign_eif,
	NULL,
};

#ifdef EIFGEN_FAULTS
static enum fault_point fault_at;
static atomic_ulong fault_left; // calls of that kind until the one that fails; 0: it has failed

static bool fail_nth(enum fault_point point)
{
	return point == fault_at && atomic_load(&fault_left) && atomic_fetch_sub(&fault_left, 1) == 1;
}

static void arm_fault(const char *text)
{
	static const char *const names[FAULT_POINTS] = {[FAULT_ALLOC] = "alloc:", [FAULT_READ] = "read:",
							[FAULT_WRITE] = "write:"};

	for (int i = 0; text && i < FAULT_POINTS; i++) {
		size_t n = strlen(names[i]);

		if (strncmp(text, names[i], n))
			continue;
		fault_at = (enum fault_point)i;
		atomic_store(&fault_left, strtoul(text + n, NULL, 10));
		base_fault_hook = fail_nth;
	}
}

// Up to a millisecond at one hand-over in eight: which ones is the scheduler's and the seed's affair.
static atomic_uint delay_state;

static void delay_some(void)
{
	unsigned x = atomic_fetch_add(&delay_state, 2654435761u) * 2246822519u;

	x ^= x >> 15;
	if (x % 8 == 0)
		usleep(x >> 22);
}

static void arm_delay(const char *seed)
{
	if (!seed)
		return;
	atomic_store(&delay_state, (unsigned)strtoul(seed, NULL, 10));
	base_delay_hook = delay_some;
}
#endif

// A closed standard output takes nothing, so that an answer which nobody gets does not end with 0.
static int open_standard_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF &&
		    open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_RDWR) != fd)
			return -1;
	return 0;
}

static int print_help(void)
{
	_cleanup_buf_ struct buf b = BUF_INIT(0);
	struct err err = ERR_INIT;
	const char *text;

	buf_add_str(&b,
		    "Usage: eifgen [-q|-v] COMMAND …\n"
		    "Reproducible Enclave Image Files for AWS Nitro Enclaves, and proof of what runs.\n\n",
		    &err);
	for (const struct cmd *const *c = cmd_table; *c; c++)
		buf_printf(&b, &err, "  %-14s %s\n", (*c)->name, (*c)->summary);
	buf_add_str(&b,
		    "\n"
		    "  -q, --quiet    no warnings, no progress\n"
		    "  -v, --verbose  say what is done and why\n"
		    "      --version  print the version\n"
		    "`eifgen COMMAND --help` lists a command's options. Exit status: 0 done or yes, 1 no, 2 trouble.\n",
		    &err);
	text = err.class == ERR_NONE ? buf_cstr(&b, &err) : NULL;
	return text ? cmd_print(text) : cmd_fail("print", "help", &err);
}

// Global options stand before the sub-command's name. Returns its place in argv, 0 when all is said, -1 on an error.
static int parse_globals(int argc, char **argv, int *status)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "-q") || !strcmp(argv[i], "--quiet")) {
			cmd_quiet = true;
		} else if (!strcmp(argv[i], "-v") || !strcmp(argv[i], "--verbose")) {
			cmd_verbose = true;
		} else if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			*status = print_help();
			return 0;
		} else if (!strcmp(argv[i], "--version")) {
			*status = cmd_print("eifgen " EIFGEN_VERSION "\n");
			return 0;
		} else {
			*status = cmd_usage_error("", "unknown option %s", argv[i]);
			return 0;
		}
	}
	if (i == argc) {
		*status = cmd_usage_error("", "no command given");
		return 0;
	}
	return i;
}

// What is half-written goes with us; then the signal does what it would have done.
static void end_by_signal(int sig)
{
	atomic_files_abandon();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void catch_signals(void)
{
	static const int fatal[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU};

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); // the write that is one too many fails instead
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		if (signal(fatal[i], end_by_signal) == SIG_IGN) // nohup's wish
			signal(fatal[i], SIG_IGN);
}

int main(int argc, char **argv)
{
	int status = EXIT_TROUBLE, at;

	if (open_standard_fds())
		return EXIT_TROUBLE;
	catch_signals();
	unsetenv("POSIXLY_CORRECT");
#ifdef EIFGEN_FAULTS
	arm_fault(getenv("EIFGEN_FAIL"));
	arm_delay(getenv("EIFGEN_DELAY"));
#endif
	at = parse_globals(argc, argv, &status);
	if (at == 0)
		return status;
	for (const struct cmd *const *c = cmd_table; *c; c++)
		if (!strcmp((*c)->name, argv[at]))
			return (*c)->run(argc - at, argv + at);
	return cmd_usage_error("", "unknown command %s", argv[at]);
}
