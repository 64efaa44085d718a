// SPDX-License-Identifier: Apache-2.0
//
// mlock may fail where RLIMIT_MEMLOCK is small (an unprivileged local run): the memory is then merely not locked. In an
// enclave there is no swap.
#include "runtime/common/secret.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int secret_new(struct secret *s, size_t n, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (n / page + 1) * page;
	void *p;

	*s = (struct secret)SECRET_INIT;
	if (n > SECRET_MAX)
		return err_set(err, ERR_LIMIT, "a secret of more than %d bytes", SECRET_MAX);
	p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return err_nomem(err);
	(void)mlock(p, room);
	(void)madvise(p, room, MADV_DONTDUMP);
	(void)madvise(p, room, MADV_WIPEONFORK);
	*s = (struct secret){.data = p, .len = n, .room = room};
	return 0;
}

void secret_free(struct secret *s)
{
	if (!s->data)
		return;
	explicit_bzero(s->data, s->room);
	munmap(s->data, s->room);
	*s = (struct secret)SECRET_INIT;
}

int secret_read_file(struct secret *s, const char *path, struct err *err)
{
	_cleanup_close_ int fd = io_open(path, err);
	char q[256];
	ssize_t n;

	*s = (struct secret)SECRET_INIT;
	if (fd < 0 || secret_new(s, SECRET_MAX, err))
		return -1;
	n = io_read(fd, s->data, SECRET_MAX, err);
	if (n < 0 || n == SECRET_MAX) {
		secret_free(s);
		if (n == SECRET_MAX)
			err_set(err, ERR_LIMIT, "more than %d bytes", SECRET_MAX - 1);
		return err_prefix(err, "%s: ", err_quote(path, strlen(path), q, sizeof(q)));
	}
	s->len = (size_t)n;
	return 0;
}

void secret_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
