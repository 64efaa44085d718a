// SPDX-License-Identifier: Apache-2.0
//
// The builders that exist, behind one call. Each is told the epoch, the platform, and to add nothing of its own
// (provenance, times); none is given a shell. What they differ in is two rows of a table and how the image comes out:
// buildah and podman keep it in their store, from where it is pushed into an oci: directory; docker buildx writes an
// archive at once.
#include "base/mem.h"
#include "eifgen/cmd/cage.h"
#include "eifgen/cmd/cmd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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

// While a builder runs, what would end us ends it: then we tidy up and say what happened. The terminal's own signals
// reach it anyway.
static volatile sig_atomic_t builder_pid;

static void pass_on(int sig)
{
	if (builder_pid > 0)
		kill((pid_t)builder_pid, sig);
}

enum { SIGNALS = 4 };
static const int ending[SIGNALS] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

static void catch_signals(struct sigaction old[SIGNALS])
{
	const struct sigaction catch = {.sa_handler = pass_on};

	for (size_t i = 0; i < SIGNALS; i++) {
		sigaction(ending[i], NULL, &old[i]);
		if (old[i].sa_handler != SIG_IGN)
			sigaction(ending[i], &catch, NULL);
	}
}

static void restore_signals(const struct sigaction old[SIGNALS])
{
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(ending[i], &old[i], NULL);
}

// Runs the program, its stdout on our stderr (ours is for the answer). 0 if it ended with 0.
static int run(struct args *a, uint32_t epoch, struct err *err)
{
	char text[16];
	struct sigaction old[SIGNALS];
	int status, rc = 0;
	pid_t pid;

	a->v[a->n] = NULL;
	builder_pid = 0;
	catch_signals(old);
	pid = fork();
	if (pid < 0) {
		restore_signals(old);
		return err_sys(err, errno, "start %s", a->v[0]);
	}
	if (pid == 0) {
		restore_signals(old);
		signal(SIGPIPE, SIG_DFL);
		signal(SIGXFSZ, SIG_DFL);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		snprintf(text, sizeof(text), "%u", epoch);
		setenv("SOURCE_DATE_EPOCH", text, 1);
		execvp(a->v[0], a->v);
		_exit(127);
	}
	builder_pid = pid;
	while ((rc = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	builder_pid = 0;
	restore_signals(old);
	if (rc < 0)
		return err_sys(err, errno, "wait for %s", a->v[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, ERR_INPUT, "%s %s was killed by signal %d", a->v[0], a->v[1], WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(err, ERR_USAGE, "%s cannot be run: is it installed?", a->v[0]);
	return err_set(err, ERR_INPUT, "%s %s ended with status %d", a->v[0], a->v[1], WEXITSTATUS(status));
}

// Buildah sets these limits for what it runs, and where raising is not allowed (containers) fails at it. It lowers its
// own to 1048576, and of processes to the kernel's pid_max; what is asked for here is never more than both.
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

// buildah build … ; buildah push ID oci:WORK:cage ; buildah rmi ID. Podman's flags are the same ones. One layer a build
// is said aloud: podman's default is one an instruction, and then a WORKDIR behind a USER belongs to root and not to
// that user.
static int build_in_store(const char *builder, const struct cage_build_request *r, struct err *err)
{
	_cleanup_(args_clear) struct args build = {.n = 0}, push = {.n = 0}, drop = {.n = 0};
	char name[64];
	int rc;

	snprintf(name, sizeof(name), "localhost/eifgen-cage-%ld", (long)getpid());
	if (add(&build, err, "%s", builder) || add(&build, err, "build") ||
	    add(&build, err, "--timestamp=%u", r->epoch) || add(&build, err, "--tag=%s", name) ||
	    add(&build, err, "--isolation=chroot") || add(&build, err, "--layers=false") ||
	    add_limit(&build, "nofile", RLIMIT_NOFILE, LIMIT_CAP, err) ||
	    add_limit(&build, "nproc", RLIMIT_NPROC, pid_max(), err))
		return -1;
	if (add_common(&build, r, err) || add(&build, err, "%s", r->context) || run(&build, r->epoch, err))
		return -1;
	rc = add(&push, err, "%s", builder) || add(&push, err, "push") || add(&push, err, "%s", name) ||
	     add(&push, err, "oci:%s:cage", r->work) || run(&push, r->epoch, err);
	if (add(&drop, rc ? NULL : err, "%s", builder) || add(&drop, rc ? NULL : err, "rmi") ||
	    add(&drop, rc ? NULL : err, "%s", name))
		return -1;
	return run(&drop, r->epoch, rc ? NULL : err) || rc ? -1 : 0;
}

// docker buildx build …; the archive is unpacked into WORK, so that every builder leaves the same thing.
static int build_with_buildx(const struct cage_build_request *r, struct err *err)
{
	_cleanup_(args_clear) struct args a = {.n = 0}, unpack = {.n = 0};
	_cleanup_free_ char *archive = mem_printf(err, "%s.tar", r->work);
	int rc;

	if (!archive || add(&a, err, "docker") || add(&a, err, "buildx") || add(&a, err, "build") ||
	    add(&a, err, "--provenance=false") || add(&a, err, "--sbom=false") ||
	    add(&a, err, "--output=type=oci,dest=%s,rewrite-timestamp=true", archive) || add_common(&a, r, err) ||
	    add(&a, err, "%s", r->context))
		return -1;
	rc = run(&a, r->epoch, err);
	if (!rc && mkdir(r->work, 0777))
		rc = err_sys(err, errno, "make %s", r->work);
	rc = rc || add(&unpack, err, "tar") || add(&unpack, err, "-xf") || add(&unpack, err, "%s", archive) ||
	     add(&unpack, err, "-C") || add(&unpack, err, "%s", r->work) || run(&unpack, r->epoch, err);
	unlink(archive);
	return rc ? -1 : 0;
}

int cage_builder_run(const struct cage_build_request *r, const char **tag, struct err *err)
{
	const char *builder = pick(r->builder, err);
	struct stat st;

	if (!builder)
		return -1;
	cage_image_drop(r->work);
	if (lstat(r->work, &st) == 0)
		return err_set(err, ERR_USAGE, "%s is there and is no OCI layout: move it away", r->work);
	cmd_explain("building %s with %s", r->dockerfile, builder);
	*tag = !strcmp(builder, "docker") ? "" : ":cage";
	return **tag ? build_in_store(builder, r, err) : build_with_buildx(r, err);
}

// ---- the image's directory ------------------------------------------------------------------------------------------
// An OCI layout, whole or cut short: a directory that holds nothing but a layout's three names. True also for what is
// not there.
static bool is_layout(const char *dir)
{
	DIR *d = opendir(dir);
	bool ours = d || errno == ENOENT;

	for (struct dirent *e; d && ours && (e = readdir(d));)
		ours = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, "blobs") ||
		       !strcmp(e->d_name, "index.json") || !strcmp(e->d_name, "oci-layout") ||
		       !strcmp(e->d_name, "ingest") || !strcmp(e->d_name, "manifest.json"); // the last two are buildx's
	if (d)
		closedir(d);
	return ours;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void cage_image_drop(const char *dir)
{
	struct stat st;

	if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && is_layout(dir))
		(void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int cage_image_swap(const char *fresh, const char *place, struct err *err)
{
	if (!is_layout(place))
		return err_set(err, ERR_USAGE, "%s is there and is no OCI layout: move it away", place);
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RENAME_EXCHANGE) == 0)
		return 0;
	if (errno != ENOENT) // a file system that cannot exchange
		cage_image_drop(place);
	return rename(fresh, place) ? err_sys(err, errno, "write %s", place) : 0;
}
