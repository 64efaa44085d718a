// SPDX-License-Identifier: Apache-2.0
//
// A look at four bytes; a file that cannot be read is left to whoever opens it next, whose message is better.
#include "eifgen/cmd/input_kind.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <string.h>
#include <sys/stat.h>

// The first `n` bytes of a regular file; false if there is none or it is shorter.
static bool begins(const char *path, char *p, size_t n)
{
	struct err ignored = ERR_INIT;
	struct stat st;
	_cleanup_close_ int fd = -1;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	fd = io_open(path, &ignored);
	return fd >= 0 && io_read(fd, p, n, &ignored) == (ssize_t)n;
}

bool input_is_eif(const char *arg)
{
	char magic[4];

	return begins(arg, magic, sizeof(magic)) && !memcmp(magic, ".eif", 4);
}

bool input_is_record(const char *arg)
{
	char first;

	return begins(arg, &first, 1) && first == '{';
}
