// SPDX-License-Identifier: Apache-2.0
//
// The mounts, as a table, in the order in which they nest. A mount point that the image lacks is made: the canonical
// layout brings them all, other builders' trees may not.
#include "runtime/init/root.h"
#include "runtime/init/boot.h"
#include "runtime/init/console.h"
#include "runtime/init/words.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct point {
	const char *type, *path, *data;
	unsigned long flags;
};

static const struct point points[] = {
	{"devtmpfs", "/dev", NULL, MS_NOSUID | MS_NOEXEC},
	{"proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
	{"tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV},
	{"tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV},
	{"tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV},
	{"devpts", "/dev/pts", "mode=0620,ptmxmode=0666", MS_NOSUID | MS_NOEXEC},
	{"sysfs", "/sys", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
};

static const struct {
	const char *target, *path;
} links[] = {
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
};

void init_switch_root(void)
{
	if (mount("/rootfs", "/rootfs", NULL, MS_BIND, NULL))
		init_fatal("bind /rootfs: %s%s", init_reason(errno),
			   errno == ENOENT
			       ? " (the application ramdisk holds none, or memory was too small to unpack it)"
			       : "");
	if (chdir("/rootfs"))
		init_fatal("enter /rootfs: %s", init_reason(errno));
	if (mount(".", "/", NULL, MS_MOVE, NULL))
		init_fatal("move /rootfs onto /: %s", init_reason(errno));
	if (chroot(".") || chdir("/"))
		init_fatal("change the root to /rootfs: %s", init_reason(errno));
}

// Mounts every enabled cgroup v1 controller below /sys/fs/cgroup, as container images of the v1 era expect.
static void mount_cgroups(void)
{
	static const char top[] = "/sys/fs/cgroup";
	struct init_lines lines;
	const char *why;
	char *text, name[64], path[128];
	size_t len;

	if (init_read_file("/proc/cgroups", &text, &len))
		return; // a kernel built without cgroups: nothing to offer
	if (init_lines_split(text, len, &lines, &why)) {
		init_say("no cgroups: /proc/cgroups: %s", why);
		free(text);
		return;
	}
	if (mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755")) {
		init_say("no cgroups: unable to mount a tmpfs on %s: %s", top, init_reason(errno));
	} else {
		for (size_t i = 0; i < lines.count; i++) {
			if (!init_cgroup_line(lines.line[i], name, sizeof(name)))
				continue;
			snprintf(path, sizeof(path), "%s/%s", top, name);
			mkdir(path, 0755);
			if (mount("cgroup", path, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, name)) {
				init_say("no cgroup v1 controller %s: %s", name, init_reason(errno));
				rmdir(path);
			}
		}
	}
	init_lines_free(&lines);
	free(text);
}

void init_mount_all(void)
{
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		const struct point *p = &points[i];

		mkdir(p->path, 0755); // there already, or the mount says what is wrong
		if (mount(p->type, p->path, p->type, p->flags, p->data))
			init_fatal("mount %s on %s: %s", p->type, p->path, init_reason(errno));
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].target, links[i].path) && errno != EEXIST)
			init_fatal("make the link %s: %s", links[i].path, init_reason(errno));
	mount_cgroups();
}

void init_loopback_up(void)
{
	struct ifreq req = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req)) {
		init_say("no loopback interface: %s", init_reason(errno));
	} else {
		req.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &req))
			init_say("unable to bring lo up: %s", init_reason(errno));
	}
	if (fd >= 0)
		close(fd);
}
