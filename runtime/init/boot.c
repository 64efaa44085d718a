// SPDX-License-Identifier: Apache-2.0
//
// Everything here runs as the machine's only process, as root, on paths that the measured ramdisks own; so there is no
// race and no hostile neighbour, only missing or broken pieces, each of which gets its own sentence on the console.
#include "runtime/init/boot.h"
#include "runtime/init/console.h"
#include "runtime/init/words.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// linux/module.h's MODULE_INIT_COMPRESSED_FILE, newer than some of the headers we build with.
enum { COMPRESSED_FILE = 4 };

void init_open_console(void)
{
	mkdir("/dev", 0755);
	if (mount("dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, NULL) && errno != EBUSY)
		init_fatal("mount devtmpfs on /dev: %s", init_reason(errno));
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0) // a machine without one: what is opened next must not become our standard error
		fd = open("/dev/null", O_RDWR);
	if (fd < 0)
		return;
	for (int i = 0; i < 3; i++)
		dup2(fd, i);
	if (fd > 2)
		close(fd);
}

int init_read_file(const char *path, char **data, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved = 0;
	char *p = NULL;
	size_t n = 0, cap = 0;

	if (fd < 0)
		return -1;
	for (;;) {
		if (cap - n < 2) {
			char *more = cap < INIT_FILE_MAX ? realloc(p, cap ? cap * 2 : 4096) : NULL;

			if (!more) {
				saved = cap < INIT_FILE_MAX ? ENOMEM : EFBIG;
				break;
			}
			p = more;
			cap = cap ? cap * 2 : 4096;
		}
		ssize_t r = read(fd, p + n, cap - n - 1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			saved = r < 0 ? errno : 0;
			break;
		}
		n += (size_t)r;
	}
	close(fd);
	if (saved) {
		free(p);
		errno = saved;
		return -1;
	}
	p[n] = 0;
	*data = p;
	*len = n;
	return 0;
}

// Loads one module file, and removes it: its memory is better used by the service. `optional`: absent is fine.
static void load(const char *path, bool optional)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && optional && errno == ENOENT)
		return;
	if (fd < 0)
		init_fatal("open the kernel module %s: %s", path, init_reason(errno));
	if (syscall(SYS_finit_module, fd, "", init_module_compressed(path) ? COMPRESSED_FILE : 0) && errno != EEXIST)
		init_fatal("load the kernel module %s: %s%s", path, init_reason(errno),
			   errno == ENOEXEC ? " (it was built for another kernel)" :
			   errno == ENOENT  ? " (a module that it needs is not loaded)" :
					      "");
	close(fd);
	unlink(path);
}

void init_load_modules(void)
{
	struct init_lines names;
	const char *why;
	char *text, path[PATH_MAX];
	size_t len;

	load("/nsm.ko", true);
	if (init_read_file("/modules", &text, &len)) {
		if (errno != ENOENT)
			init_fatal("read /modules: %s", init_reason(errno));
		return;
	}
	if (init_lines_split(text, len, &names, &why))
		init_fatal("read /modules: %s", why);
	for (size_t i = 0; i < names.count; i++) {
		if (!init_module_name_ok(names.line[i]))
			init_fatal("read /modules: line %zu is no file name", i + 1);
		snprintf(path, sizeof(path), "/modules.d/%s", names.line[i]);
		load(path, false);
	}
	init_lines_free(&names);
	free(text);
}

bool init_boot_option(const char *word)
{
	bool found = false;
	char *text;
	size_t len;

	mkdir("/proc", 0555);
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)) {
		init_say("unable to mount /proc to read the kernel's command line: %s", init_reason(errno));
		return false;
	}
	if (init_read_file("/proc/cmdline", &text, &len)) {
		init_say("unable to read /proc/cmdline: %s", init_reason(errno));
	} else {
		found = init_cmdline_has(text, word);
		free(text);
	}
	umount2("/proc", MNT_DETACH);
	return found;
}
