// SPDX-License-Identifier: Apache-2.0
//
// Times as text from strangers: an image's `created`, SOURCE_DATE_EPOCH, a path inside a repository. What is taken as a
// time must come back from its own text; a path must never keep a `..` or begin with `/`.
#include "epoch/epoch.h"
#include "epoch/internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_time(const char *text)
{
	struct epoch e, again;
	struct err err = ERR_INIT;
	char printed[21];

	if (epoch_from_text(text, EPOCH_FROM_ENV, &e, &err) && epoch_from_created(text, &e, &err))
		return;
	if (epoch_from_created(epoch_rfc3339(e.seconds, printed), &again, &err) || again.seconds != e.seconds)
		abort();
}

static void check_path(const char *text)
{
	struct err err = ERR_INIT;
	char *path = epoch_tree_path("a/b", text, &err);

	if (path && (*path == '/' || !strcmp(path, "..") || !strncmp(path, "../", 3) || strstr(path, "/../")))
		abort();
	free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_time(text);
	check_path(text);
	free(text);
	return 0;
}
