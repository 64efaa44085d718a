// SPDX-License-Identifier: Apache-2.0
//
// The list is what one-threaded, event-driven network code of glibc, libevent and OpenSSL needs, found by reading and
// by running the tests under it. Arguments are checked where a call has a dangerous half: socket by family, openat by
// flags, prctl and ioctl hardly at all since nothing of them is needed after start-up.
#include "runtime/common/sandbox.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

CLEANUP_DEFINE(void, filter, seccomp_release)

static uint64_t read_number(const char *path)
{
	char text[32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	return strtoull(text, NULL, 10);
}

uint64_t sandbox_prepare(struct err *err)
{
	struct rlimit core = {0, 0}, files;
	uint64_t open_max = read_number("/proc/sys/fs/nr_open");

	if (setrlimit(RLIMIT_CORE, &core) || prctl(PR_SET_DUMPABLE, 0)) {
		err_sys(err, errno, "unable to switch core dumps off");
		return 0;
	}
	if (getrlimit(RLIMIT_NOFILE, &files)) {
		err_sys(err, errno, "unable to read the descriptor limit");
		return 0;
	}
	if (open_max > files.rlim_max) {
		struct rlimit more = {open_max, open_max};

		if (!setrlimit(RLIMIT_NOFILE, &more))
			return open_max;
	}
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files)) {
		err_sys(err, errno, "unable to raise the descriptor limit");
		return 0;
	}
	return files.rlim_cur;
}

static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};

	// Without CAP_SETPCAP there is no bounding set to narrow; no_new_privs then does the work.
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none))
		return err_sys(err, errno, "unable to drop capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return err_sys(err, errno, "unable to set no_new_privs");
	return 0;
}

static const int always[] = {
    SCMP_SYS(read),          SCMP_SYS(write),           SCMP_SYS(readv),           SCMP_SYS(writev),
    SCMP_SYS(close),         SCMP_SYS(recvfrom),        SCMP_SYS(sendto),          SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),       SCMP_SYS(shutdown),        SCMP_SYS(splice),          SCMP_SYS(pipe2),
    SCMP_SYS(epoll_wait),    SCMP_SYS(epoll_pwait),     SCMP_SYS(epoll_ctl),       SCMP_SYS(poll),
    SCMP_SYS(ppoll),         SCMP_SYS(timerfd_settime), SCMP_SYS(eventfd2),        SCMP_SYS(mmap),
    SCMP_SYS(munmap),        SCMP_SYS(mremap),          SCMP_SYS(mprotect),        SCMP_SYS(madvise),
    SCMP_SYS(brk),           SCMP_SYS(mlock),           SCMP_SYS(futex),           SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(gettimeofday),    SCMP_SYS(getpid),
    SCMP_SYS(gettid),        SCMP_SYS(tgkill),          SCMP_SYS(rt_sigaction),    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),  SCMP_SYS(sigaltstack),     SCMP_SYS(restart_syscall), SCMP_SYS(exit),
    SCMP_SYS(exit_group),    SCMP_SYS(fstat),           SCMP_SYS(newfstatat),      SCMP_SYS(lseek),
    SCMP_SYS(sysinfo),       SCMP_SYS(getrusage),       SCMP_SYS(fcntl),           SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),    SCMP_SYS(getsockname),     SCMP_SYS(getpeername),     SCMP_SYS(accept4),
    SCMP_SYS(sched_getaffinity), // how glibc counts processors where there is neither /sys nor /proc
};
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_VSOCK};

// Adds rules until one fails; then all later calls do nothing and the first failure stays.
struct rules {
	scmp_filter_ctx ctx;
	int rc;
};

static void allow_plain(struct rules *r, int nr)
{
	if (r->rc == 0)
		r->rc = seccomp_rule_add(r->ctx, SCMP_ACT_ALLOW, nr, 0);
}

static void allow_if(struct rules *r, int nr, struct scmp_arg_cmp cmp)
{
	if (r->rc == 0)
		r->rc = seccomp_rule_add(r->ctx, SCMP_ACT_ALLOW, nr, 1, cmp);
}

static void add_rules(struct rules *r, unsigned allow)
{
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		allow_plain(r, always[i]);
	if (allow & SANDBOX_SOCKETS) {
		for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
			allow_if(r, SCMP_SYS(socket),
				 SCMP_A0_32(SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)families[i]));
		allow_plain(r, SCMP_SYS(connect));
	}
	if (allow & SANDBOX_LISTEN) {
		allow_plain(r, SCMP_SYS(bind));
		allow_plain(r, SCMP_SYS(listen));
	}
	if (allow & SANDBOX_READ_FILES) {
		allow_if(r, SCMP_SYS(openat), SCMP_A2_32(SCMP_CMP_MASKED_EQ, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
		allow_plain(r, SCMP_SYS(getdents64));
	}
}

static int install(unsigned allow, struct err *err)
{
	_cleanup_(filterp) void *ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	struct rules r = {.ctx = ctx};

	if (!ctx)
		return err_nomem(err);
	add_rules(&r, allow);
	// A file that may not be opened is an error to the caller, not an attack: libraries try.
	if (r.rc == 0 && !(allow & SANDBOX_READ_FILES))
		r.rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 0);
	if (r.rc == 0)
		r.rc = seccomp_load(ctx);
	return r.rc ? err_sys(err, -r.rc, "unable to install the seccomp list") : 0;
}

int sandbox_enter(unsigned allow, bool *enforced, struct err *err)
{
	if (drop_capabilities(err))
		return -1;
#if defined(__SANITIZE_ADDRESS__)
	*enforced = false;
	(void)allow;
	(void)install;
	return 0;
#else
	*enforced = true;
	return install(allow, err);
#endif
}
