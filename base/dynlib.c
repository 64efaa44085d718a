// SPDX-License-Identifier: Apache-2.0
//
// dlopen, a dlsym for each slot of the table, mprotect. A function's address and a pointer to data have one size and
// one representation here (POSIX, dlsym), so slots are filled in order, as bytes.
#include "base/dynlib.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { QUOTE_MAX = 600 };

// The loader's words may hold what LD_LIBRARY_PATH or a strange file brought in.
static int refused(const char *soname, const char *verb, struct err *err)
{
	const char *text = dlerror();
	char q[QUOTE_MAX];

	if (!text)
		text = "unknown error";
	return err_set(err, ERR_UNSUPPORTED, "library %s, which this needs, %s: %s", soname, verb,
		       err_quote(text, strlen(text), q, sizeof(q)));
}

int dynlib_load(const struct dynlib *lib, void *table, struct err *err)
{
	void *handle = dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);
	char *slot = table;

	if (!handle)
		return refused(lib->soname, "cannot be opened", err);
	for (size_t i = 0; i < lib->count; i++, slot += sizeof(void *)) {
		void *symbol = dlsym(handle, lib->symbols[i]);

		if (!symbol)
			return refused(lib->soname, "is another than the one known", err);
		memcpy(slot, &symbol, sizeof(symbol));
	}
	if (lib->start && lib->start(err))
		return -1;
	if (mprotect(table, lib->size, PROT_READ))
		return err_sys(err, errno, "library %s: cannot protect its table", lib->soname);
	return 0;
}

int dynlib_need(const struct dynlib *lib, struct dynlib_state *state, void *table, struct err *err)
{
	int rc;

	pthread_mutex_lock(&state->lock);
	if (!state->tried)
		dynlib_load(lib, table, &state->failure);
	state->tried = true;
	rc = state->failure.class == ERR_NONE ? 0 : -1;
	if (rc && err)
		*err = state->failure;
	pthread_mutex_unlock(&state->lock);
	return rc;
}
