// SPDX-License-Identifier: Apache-2.0
//
// Write, then rename. The temporary name's randomness never reaches a measured byte.
//
// The names in the making stand in a list, for a signal's handler to unlink: one place a file that is open, taken again
// when it is free and never given back to the system, so the handler may walk the list at any moment. It sets `ending`
// first and reads the names then; who takes a name out of its place looks at `ending` behind that, and if it is set,
// leaves the name's memory to the handler; who is about to make a file says so in its place (`making`) and looks at
// `ending` behind that, so either the handler waits for the name or the file is not made. Both rest on one order of all
// these accesses (memory_order_seq_cst). A thread takes no signal while it is between the file and its name.
#include "base/atomic_file.h"

#include "base/cleanup.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	QUOTE_MAX = 512,   // of a path in a message
	STATUS_MAX = 1024, // the umask stands in the second line of the process's status
	WAIT_TRIES = 200,  // milliseconds that the handler gives a file system to make a file
};

struct atomic_place {
	_Atomic(const char *) name;	// borrowed from the atomic_file; NULL: none
	struct atomic_place *next;	// in the list of all; never changes
	struct atomic_place *next_free; // under places_lock
};

static _Atomic(struct atomic_place *) places;
static struct atomic_place *free_places;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool ending;
static const char making[] = ""; // by its address: a file is being made, its name comes

static int sys_path(struct err *err, int errnum, const char *verb, const char *path)
{
	char q[QUOTE_MAX];

	return err_sys(err, errnum, "%s %s", verb, err_quote(path, strlen(path), q, sizeof(q)));
}

// ---- names for the handler -----------------------------------------------------------------------------------------

static struct atomic_place *place_take(struct err *err)
{
	struct atomic_place *p;

	pthread_mutex_lock(&places_lock);
	p = free_places;
	if (p) {
		free_places = p->next_free;
	} else if ((p = mem_zalloc(1, sizeof(*p), err))) {
		p->next = atomic_load(&places);
		atomic_store(&places, p);
	}
	pthread_mutex_unlock(&places_lock);
	return p;
}

static void place_give_back(struct atomic_place *p)
{
	pthread_mutex_lock(&places_lock);
	p->next_free = free_places;
	free_places = p;
	pthread_mutex_unlock(&places_lock);
}

void atomic_files_abandon(void)
{
	atomic_store(&ending, true);
	for (struct atomic_place *p = atomic_load(&places); p; p = p->next) {
		const char *name = atomic_load(&p->name);

		for (int i = 0; name == making && i < WAIT_TRIES; i++) {
			poll(NULL, 0, 1);
			name = atomic_load(&p->name);
		}
		if (name && name != making)
			unlink(name);
	}
}

// Makes the file and lets the handler know it. Gives errno's value, 0 if all is well.
static int make_file(struct atomic_file *f)
{
	sigset_t all, before;
	int e = EINTR;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_store(&f->place->name, making);
	if (!atomic_load(&ending)) {
		f->fd = mkostemp(f->tmp, O_CLOEXEC);
		e = f->fd < 0 ? errno : 0;
	}
	atomic_store(&f->place->name, e ? NULL : f->tmp);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

// The temporary name is no more.
static void forget_name(struct atomic_file *f)
{
	atomic_store(&f->place->name, NULL);
	if (!atomic_load(&ending))
		free(f->tmp);
	f->tmp = NULL;
}

// ---- the file ------------------------------------------------------------------------------------------------------

// "dir/name.tmp-XXXXXX", of a long name only as much as fits a directory's entry.
static char *temporary_name(const char *path, struct err *err)
{
	static const char tail[] = ".tmp-XXXXXX";
	const char *slash = strrchr(path, '/');
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0, name = strlen(path + dir);

	if (name > NAME_MAX - (sizeof(tail) - 1) && name <= NAME_MAX)
		name = NAME_MAX - (sizeof(tail) - 1);
	return mem_printf(err, "%.*s%s", (int)(dir + name), path, tail);
}

int atomic_file_open(struct atomic_file *f, const char *path, struct err *err)
{
	struct stat st;
	int e;

	*f = (struct atomic_file)ATOMIC_FILE_INIT;
	if (!*path)
		return err_set(err, ERR_USAGE, "the output's name is empty");
	// stat follows: a rename over /dev/stdout would take that symlink from everyone.
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		char q[QUOTE_MAX];
		return err_set(err, ERR_INPUT, "%s exists and is no regular file",
			       err_quote(path, strlen(path), q, sizeof(q)));
	}
	f->path = mem_strdup(path, err);
	f->tmp = f->path ? temporary_name(path, err) : NULL;
	f->place = f->tmp ? place_take(err) : NULL;
	e = f->place ? make_file(f) : 0;
	if (f->fd >= 0)
		return 0;
	free(f->tmp); // the name was never made, so there is nothing to unlink
	f->tmp = NULL;
	atomic_file_discard(f);
	return e ? sys_path(err, e, "create", path) : -1;
}

// "Umask:\t0022" out of the process's status: to ask umask(2) is to change it, for every thread.
static int read_umask(mode_t *mask)
{
	static const char key[] = "\nUmask:\t";
	char text[STATUS_MAX], *at;
	_cleanup_close_ int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return -1;
	text[n] = '\0';
	at = strstr(text, key);
	return at && sscanf(at + sizeof(key) - 1, "%o", mask) == 1 ? 0 : -1;
}

// Without /proc the umask is 0 for a moment; one thread at a time, so that none takes that for what it was.
static mode_t umask_now(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	mode_t mask;

	if (!read_umask(&mask))
		return mask;
	pthread_mutex_lock(&lock);
	mask = umask(0);
	base_delay();
	umask(mask);
	pthread_mutex_unlock(&lock);
	return mask;
}

static mode_t mode_of(const struct atomic_file *f)
{
	struct stat st;

	if (f->owner_only)
		return 0600;
	if (f->keep_mode && !stat(f->path, &st))
		return st.st_mode & 0777;
	return 0666 & ~umask_now();
}

// What a file system has kept for the end of a file, it says at each close.
static int close_copy(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -1 : close(copy);
}

int atomic_file_prepare(struct atomic_file *f, struct err *err)
{
	mode_t mode = mode_of(f);

	errno = EIO; // what an ordered failure is; a call of the system that fails says its own
	if (base_fault_hit(FAULT_WRITE) || fchmod(f->fd, mode) || (f->lazy ? close_copy(f->fd) : fsync(f->fd)))
		return sys_path(err, errno, "write", f->path);
	f->ready = true;
	return 0;
}

int atomic_file_commit(struct atomic_file *f, struct err *err)
{
	int rc = f->ready ? 0 : atomic_file_prepare(f, err);

	if (!rc && rename(f->tmp, f->path))
		rc = sys_path(err, errno, "write", f->path);
	else if (!rc)
		forget_name(f);
	atomic_file_discard(f);
	return rc;
}

void atomic_file_discard(struct atomic_file *f)
{
	int saved = errno;

	if (f->tmp) {
		unlink(f->tmp);
		forget_name(f);
	}
	if (f->place)
		place_give_back(f->place);
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	*f = (struct atomic_file)ATOMIC_FILE_INIT;
	errno = saved;
}
