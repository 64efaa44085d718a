// SPDX-License-Identifier: Apache-2.0
//
// libgit2 changes structs and prototypes from one minor version to the next, and its SONAME with them (libgit2.so.1.5):
// only that of the header may be opened, and it is asked whether it is what its name says.
#include "epoch/git_api.h"

#define SONAME "libgit2.so." LIBGIT2_SOVERSION

static struct git_api table;
const struct git_api *const git = &table;

static int check_version(struct err *err)
{
	int major = 0, minor = 0, revision = 0;

	git->libgit2_version(&major, &minor, &revision);
	if (major == LIBGIT2_VER_MAJOR && minor == LIBGIT2_VER_MINOR)
		return 0;
	return err_set(err, ERR_UNSUPPORTED, "library " SONAME " is version %d.%d.%d; %d.%d is needed", major, minor,
		       revision, LIBGIT2_VER_MAJOR, LIBGIT2_VER_MINOR);
}

int git_load(struct err *err)
{
#define GIT_API_SYMBOL(f) "git_" #f,
	static const char *const symbols[] = {GIT_API(GIT_API_SYMBOL)};
	static const struct dynlib lib = {SONAME, symbols, sizeof(symbols) / sizeof(*symbols), sizeof(table),
					  check_version};
	static struct dynlib_state state = DYNLIB_STATE_INIT;

	return dynlib_need(&lib, &state, &table, err);
}
