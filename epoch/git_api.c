// SPDX-License-Identifier: Apache-2.0
//
// libgit2 changes structs and prototypes from one minor version to the next, and its SONAME with them (libgit2.so.1.5):
// only that of the header may be opened, and it is asked whether it is what its name says.
#include "epoch/git_api.h"

#include <pthread.h>

#define SONAME "libgit2.so." LIBGIT2_SOVERSION

static struct git_api table;
const struct git_api *const git = &table;

static struct err failure = ERR_INIT; // of the only try

static int check_version(struct err *err)
{
	int major = 0, minor = 0, revision = 0;

	git->libgit2_version(&major, &minor, &revision);
	if (major == LIBGIT2_VER_MAJOR && minor == LIBGIT2_VER_MINOR)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "library " SONAME " is version %d.%d.%d; %d.%d is needed", major, minor,
		       revision, LIBGIT2_VER_MAJOR, LIBGIT2_VER_MINOR);
}

static void load(void)
{
#define GIT_API_SYMBOL(f) "git_" #f,
	static const char *const symbols[] = {GIT_API(GIT_API_SYMBOL)};
	static const struct dynlib lib = {SONAME, symbols, sizeof(symbols) / sizeof(*symbols), sizeof(table),
					  check_version};

	dynlib_load(&lib, &table, &failure);
}

int git_load(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	if (failure.class == ERR_NONE)
		return 0;
	if (err)
		*err = failure;
	return -1;
}
