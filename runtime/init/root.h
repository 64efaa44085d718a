// SPDX-License-Identifier: Apache-2.0
//
// The second half of a boot: the image's tree becomes the root, gets the file systems that programs expect, and a
// loopback interface.
#ifndef RUNTIME_INIT_ROOT_H
#define RUNTIME_INIT_ROOT_H

// Makes /rootfs the root of this process and of all it starts: bind, move onto /, chroot. (pivot_root(2) does not work
// on the kernel's first file system.) Fatal when it cannot.
void init_switch_root(void);

// devtmpfs, proc, the /dev/fd links, tmpfs on /run and /tmp, /dev/shm, devpts, sysfs: fatal when one cannot be mounted.
// cgroup v1, one mount a controller: kernels drop those, so a failure is said and the boot goes on.
void init_mount_all(void);

// Brings lo up; the kernel gives it 127.0.0.1 and ::1. A kernel without it is told of, not refused.
void init_loopback_up(void);

#endif
