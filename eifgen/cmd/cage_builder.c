// SPDX-License-Identifier: Apache-2.0
//
// The builders that exist, behind one call. Each is told the epoch, the platform, and to add nothing of its own
// (provenance, times); none is given a shell. What they differ in is two rows of a table and how the image comes out:
// buildah and podman keep it in their store, from where it is pushed into an oci: directory; docker buildx writes an
// archive at once.
#include "base/mem.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/cmd.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 512 };

// An argument list; every text is owned.
struct args {
	char *v[ARGS_MAX + 1];
	size_t n;
};

static int add(struct args *a, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int add(struct args *a, struct err *err, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;

	if (a->n == ARGS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d arguments for the builder", ARGS_MAX);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text)
		return err_nomem(err);
	a->v[a->n++] = text;
	return 0;
}

static void args_clear(struct args *a)
{
	while (a->n)
		free(a->v[--a->n]);
}

static bool in_path(const char *program)
{
	const char *path = getenv("PATH");
	char place[4096];

	for (const char *dir = path ? path : ""; *dir; dir += strspn(dir, ":")) {
		size_t n = strcspn(dir, ":");

		if (n && (size_t)snprintf(place, sizeof(place), "%.*s/%s", (int)n, dir, program) < sizeof(place) &&
		    access(place, X_OK) == 0)
			return true;
		dir += n;
	}
	return false;
}

static const char *pick(const char *wanted, struct err *err)
{
	static const char *const known[] = {"buildah", "podman", "docker"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (wanted ? !strcmp(wanted, known[i]) : in_path(known[i]))
			return known[i];
	if (wanted)
		err_set(err, ERR_USAGE, "the builder is one of buildah, podman, docker");
	else
		err_set(err, ERR_USAGE, "no builder is installed: install buildah, podman or docker");
	return NULL;
}

// Runs the program, its stdout on our stderr (ours is for the answer). 0 if it ended with 0.
static int run(struct args *a, uint32_t epoch, struct err *err)
{
	char text[16];
	int status;
	pid_t pid = fork();

	a->v[a->n] = NULL;
	if (pid < 0)
		return err_sys(err, errno, "start %s", a->v[0]);
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		snprintf(text, sizeof(text), "%u", epoch);
		setenv("SOURCE_DATE_EPOCH", text, 1);
		execvp(a->v[0], a->v);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, errno, "wait for %s", a->v[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, ERR_INPUT, "%s %s was killed by signal %d", a->v[0], a->v[1], WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(err, ERR_USAGE, "%s cannot be run: is it installed?", a->v[0]);
	return err_set(err, ERR_INPUT, "%s %s ended with status %d", a->v[0], a->v[1], WEXITSTATUS(status));
}

// Buildah sets these limits for what it runs, and where raising is not allowed (containers) fails at it. It lowers its own
// to 1048576, and of processes to the kernel's pid_max; what is asked for here is never more than both.
enum { LIMIT_CAP = 1048576 };

static unsigned long long pid_max(void)
{
	unsigned long long max = LIMIT_CAP;
	FILE *f = fopen("/proc/sys/kernel/pid_max", "re");

	if (f && fscanf(f, "%llu", &max) != 1)
		max = LIMIT_CAP;
	if (f)
		fclose(f);
	return max < LIMIT_CAP ? max : LIMIT_CAP;
}

static int add_limit(struct args *a, const char *name, int which, unsigned long long cap, struct err *err)
{
	struct rlimit l;

	if (getrlimit(which, &l))
		return 0;
	if (l.rlim_max < cap) // RLIM_INFINITY is the largest value there is
		cap = l.rlim_max;
	return add(a, err, "--ulimit=%s=%llu:%llu", name, cap, cap);
}

static int add_common(struct args *a, const struct cage_build_request *r, struct err *err)
{
	if (add(a, err, "--platform=linux/%s", r->arch) || add(a, err, "--build-arg=SOURCE_DATE_EPOCH=%u", r->epoch) ||
	    add(a, err, "--file=%s", r->dockerfile) || (r->no_cache && add(a, err, "--no-cache")))
		return -1;
	for (size_t i = 0; i < r->build_arg_count; i++)
		if (add(a, err, "--build-arg=%s", r->build_args[i]))
			return -1;
	return 0;
}

// buildah build … ; buildah push ID oci:WORK/image:cage ; buildah rmi ID
static int build_in_store(const char *builder, const struct cage_build_request *r, char **ref, struct err *err)
{
	_cleanup_(args_clear) struct args build = {.n = 0}, push = {.n = 0}, drop = {.n = 0};
	char name[64];

	snprintf(name, sizeof(name), "localhost/eifgen-cage-%ld", (long)getpid());
	if (add(&build, err, "%s", builder) || add(&build, err, "build") || add(&build, err, "--timestamp=%u", r->epoch) ||
	    add(&build, err, "--tag=%s", name))
		return -1;
	if (!strcmp(builder, "buildah") &&
	    (add(&build, err, "--isolation=chroot") || add_limit(&build, "nofile", RLIMIT_NOFILE, LIMIT_CAP, err) ||
	     add_limit(&build, "nproc", RLIMIT_NPROC, pid_max(), err)))
		return -1;
	if (add_common(&build, r, err) || add(&build, err, "%s", r->context) || run(&build, r->epoch, err))
		return -1;
	*ref = mem_printf(err, "oci:%s:cage", r->work);
	if (!*ref || add(&push, err, "%s", builder) || add(&push, err, "push") || add(&push, err, "%s", name) ||
	    add(&push, err, "%s", *ref) || run(&push, r->epoch, err))
		return -1;
	if (add(&drop, err, "%s", builder) || add(&drop, err, "rmi") || add(&drop, err, "%s", name))
		return -1;
	return run(&drop, r->epoch, err);
}

// docker buildx build …; the archive is unpacked into WORK, so that every builder leaves the same thing.
static int build_with_buildx(const struct cage_build_request *r, char **ref, struct err *err)
{
	_cleanup_(args_clear) struct args a = {.n = 0}, unpack = {.n = 0};
	_cleanup_free_ char *archive = mem_printf(err, "%s.tar", r->work);
	int rc;

	*ref = mem_printf(err, "oci:%s", r->work);
	if (!archive || !*ref || add(&a, err, "docker") || add(&a, err, "buildx") || add(&a, err, "build") ||
	    add(&a, err, "--provenance=false") || add(&a, err, "--sbom=false") ||
	    add(&a, err, "--output=type=oci,dest=%s.tar,rewrite-timestamp=true", r->work) || add_common(&a, r, err) ||
	    add(&a, err, "%s", r->context) || run(&a, r->epoch, err))
		return -1;
	if (mkdir(r->work, 0777))
		return err_sys(err, errno, "make %s", r->work);
	rc = add(&unpack, err, "tar") || add(&unpack, err, "-xf") || add(&unpack, err, "%s", archive) ||
	     add(&unpack, err, "-C") || add(&unpack, err, "%s", r->work) || run(&unpack, r->epoch, err);
	unlink(archive);
	return rc ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

// An OCI layout that an earlier build left is removed; anything else in that place is not ours.
static int clear_work(const char *work, struct err *err)
{
	_cleanup_free_ char *mark = mem_printf(err, "%s/oci-layout", work);
	struct stat st;

	if (!mark)
		return -1;
	if (lstat(work, &st))
		return errno == ENOENT ? 0 : err_sys(err, errno, "look at %s", work);
	if (access(mark, F_OK))
		return err_set(err, ERR_USAGE, "%s is there and is no OCI layout: move it away", work);
	return nftw(work, remove_one, 16, FTW_DEPTH | FTW_PHYS) ? err_sys(err, errno, "remove %s", work) : 0;
}

int cage_builder_run(const struct cage_build_request *r, char **ref, struct err *err)
{
	const char *builder = pick(r->builder, err);

	if (!builder || clear_work(r->work, err))
		return -1;
	cmd_explain("building %s with %s", r->dockerfile, builder);
	if (!strcmp(builder, "docker") ? build_with_buildx(r, ref, err) : build_in_store(builder, r, ref, err)) {
		free(steal_ptr(ref));
		return -1;
	}
	return 0;
}
