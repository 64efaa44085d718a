// SPDX-License-Identifier: Apache-2.0
//
// A look at four bytes; a file that cannot be read is left to whoever opens it next, whose message is better.
#include "eifgen/cmd/input_kind.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <string.h>
#include <sys/stat.h>

bool input_is_eif(const char *arg)
{
	struct err ignored = ERR_INIT;
	struct stat st;
	char magic[4];
	_cleanup_close_ int fd = -1;

	if (stat(arg, &st) || !S_ISREG(st.st_mode))
		return false;
	fd = io_open(arg, &ignored);
	return fd >= 0 && io_read(fd, magic, sizeof(magic), &ignored) == 4 && !memcmp(magic, ".eif", 4);
}
