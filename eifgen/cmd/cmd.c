// SPDX-License-Identifier: Apache-2.0
//
// What the sub-commands share: their words on stderr, their answer on stdout, and the walk over their options.
//
// Every message is one line of text whatever it was made from: control characters that came in with a name become `?`,
// so that a file called "x\neifgen: all is well" cannot speak for us, nor one with an escape sequence to the terminal.
#include "eifgen/cmd/cmd.h"

#include "base/io.h"
#include "base/utf8.h"
#include "eifgen/cmd/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	LINE_MAX_BYTES = 2 * ERR_MSG_MAX, // verb, object and reason of one message
	OPTIONS_MAX = 96,		  // long options of one sub-command, ours included
};

bool cmd_quiet, cmd_verbose;
int cmd_opt_status;
const char *cmd_usage_text;

// ASCII's controls, Unicode's (an 8-bit terminal obeys them), and bytes that are no UTF-8.
static void make_plain(char *line, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		uint32_t c = 0;

		n = utf8_next(line + i, len - i, &c);
		if (n && c >= 0x20 && (c < 0x7f || c > 0x9f))
			continue;
		n = n ? n : 1;
		memset(line + i, '?', n);
	}
}

// One write(2) for the whole line, so that lines of several processes do not mix.
static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	struct err ignored = ERR_INIT;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;

	size_t len = strlen(line);
	make_plain(line, len);
	line[len++] = '\n';
	progress_hold();
	io_write(STDERR_FILENO, line, len, &ignored); // nowhere left to complain
	progress_release();
}

int cmd_fail(const char *verb, const char *object, const struct err *err)
{
	say("eifgen: unable to %s %s: %s", verb, object, err->msg);
	return EXIT_TROUBLE;
}

int cmd_usage_error(const char *name, const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("eifgen: unable to run %s: %s (try eifgen %s%s--help)", *name ? name : "a command", text, name,
	    *name ? " " : "");
	return EXIT_TROUBLE;
}

void cmd_warn(void *ctx, const char *text)
{
	(void)ctx;
	if (!cmd_quiet)
		say("eifgen: warning: %s", text);
}

void cmd_explain(const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	if (!cmd_verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("eifgen: %s", text);
}

void cmd_say(const char *fmt, ...)
{
	char text[ERR_MSG_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say("eifgen: %s", text);
}

int cmd_print(const char *text)
{
	struct err err = ERR_INIT;

	if (io_write(STDOUT_FILENO, text, strlen(text), &err))
		return cmd_fail("write", "standard output", &err);
	return EXIT_YES;
}

int cmd_finish(struct atomic_file *const *files, size_t n, const char *text)
{
	struct err err = ERR_INIT;
	int status;

	for (size_t i = 0; i < n; i++)
		if (files[i]->fd >= 0 && atomic_file_prepare(files[i], &err))
			return cmd_fail("write", files[i]->path, &err);
	status = cmd_print(text);
	for (size_t i = 0; i < n && status == EXIT_YES; i++)
		if (files[i]->fd >= 0 && atomic_file_commit(files[i], &err))
			status = cmd_fail("write", "the output", &err);
	return status;
}

static const struct cmd *find_cmd(const char *name)
{
	for (const struct cmd *const *c = cmd_table; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

static int stop(int status)
{
	cmd_opt_status = status;
	return CMD_OPT_STOP;
}

// The command's own rows first, then the common ones; a row of its own with a common name wins.
static size_t join_options(const struct option *longs, struct option *all)
{
	static const struct option common[] = {
	    {"quiet", no_argument, NULL, 'q'}, {"verbose", no_argument, NULL, 'v'}, {"help", no_argument, NULL, 'h'}};
	size_t n = 0;

	while (longs[n].name && n < OPTIONS_MAX - 4) {
		all[n] = longs[n];
		n++;
	}
	memcpy(all + n, common, sizeof(common));
	memset(all + n + 3, 0, sizeof(*all));
	return n + 3;
}

int cmd_getopt(int argc, char **argv, const char *shorts, const struct option *longs)
{
	struct option all[OPTIONS_MAX];
	char letters[128];
	const struct cmd *c = find_cmd(argv[0]);

	join_options(longs, all);
	snprintf(letters, sizeof(letters), ":qvh%s", shorts); // ':' first: a missing value is told apart
	opterr = 0;
	for (;;) {
		int at = optind > 0 ? optind : 1;
		int o = getopt_long(argc, argv, letters, all, NULL);

		if (o == 'q') {
			cmd_quiet = true;
		} else if (o == 'v') {
			cmd_verbose = true;
		} else if (o == 'h') {
			return stop(cmd_print(cmd_usage_text ? cmd_usage_text : c ? c->usage : ""));
		} else if (o == ':') {
			return stop(cmd_usage_error(argv[0], "option %s needs a value", argv[optind - 1]));
		} else if (o == '?') {
			const char *word = optind - 1 >= at ? argv[optind - 1] : argv[at];

			if (optopt > 0 && optopt < 0x80 && strncmp(word, "--", 2))
				return stop(cmd_usage_error(argv[0], "unknown option -%c", optopt));
			return stop(cmd_usage_error(argv[0], "%s option %s",
						    optopt ? "no value goes with" : "unknown", word));
		} else {
			return o;
		}
	}
}

int cmd_options(int argc, char **argv, const char *shorts, const struct option *longs,
		int (*take)(void *ctx, int option), void *ctx)
{
	int o;

	while ((o = cmd_getopt(argc, argv, shorts, longs)) != -1) {
		if (o == CMD_OPT_STOP)
			return 1 + cmd_opt_status;
		if (take(ctx, o))
			return 1 + EXIT_TROUBLE;
	}
	return 0;
}
