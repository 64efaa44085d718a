// SPDX-License-Identifier: Apache-2.0
//
// The gate's three moves; see the header for why they cannot miss each other.
#include "runtime/service/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *at(const char *dir, const char *name, char *out)
{
	snprintf(out, PATH_MAX, "%s/%s", dir, name);
	return out;
}

int gate_make(const char *dir)
{
	char path[PATH_MAX];

	if (mkdir(dir, 0755) && errno != EEXIST)
		return -1;
	return mkfifo(at(dir, "ready", path), 0600) && errno != EEXIST ? -1 : 0;
}

int gate_close(const char *dir)
{
	char path[PATH_MAX], drain[64];
	int fd, there;

	if (unlink(at(dir, "up", path)) && errno != ENOENT)
		return -1;
	fd = open(at(dir, "ready", path), O_RDWR | O_NONBLOCK);
	if (fd < 0)
		return -1;
	while (read(fd, drain, sizeof(drain)) > 0)
		;
	there = fcntl(fd, F_SETFL, O_RDWR) ? -1 : dup2(fd, GATE_FD);
	if (fd != GATE_FD)
		close(fd);
	return there < 0 ? -1 : 0;
}

int gate_wait(const char *dir)
{
	char path[PATH_MAX], byte;
	ssize_t n;
	int fd;

	if (access(at(dir, "up", path), F_OK) == 0)
		return 0;
	fd = open(at(dir, "ready", path), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	close(fd);
	if (n != 1)
		return -1;
	fd = open(at(dir, "up", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}
