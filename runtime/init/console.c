// SPDX-License-Identifier: Apache-2.0
//
// Messages go out with one write(2) each, so that they do not mix with the service's or the kernel's lines.
#include "runtime/init/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

enum { LINE = 512 };

const char *init_program = "cage-init: ";

__attribute__((format(printf, 2, 0))) static void say(const char *kind, const char *fmt, va_list ap)
{
	char line[LINE];
	size_t n = (size_t)snprintf(line, sizeof(line), "%s%s", init_program, kind);

	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	n = strlen(line);
	line[n++] = '\n';
	for (size_t at = 0; at < n;) {
		ssize_t w = write(STDERR_FILENO, line + at, n - at);

		if (w <= 0)
			return; // no console: nobody to tell
		at += (size_t)w;
	}
}

void init_say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

const char *init_reason(int errnum)
{
	const char *text = strerrordesc_np(errnum);

	return text ? text : "unknown error";
}

_Noreturn void init_fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("fatal: unable to ", fmt, ap);
	va_end(ap);
	init_halt();
}

_Noreturn void init_halt(void)
{
	tcdrain(STDERR_FILENO);
	sync();
	reboot(RB_AUTOBOOT);
	_exit(1); // the kernel refused: it panics now, and restarts if its command line says panic=N
}
