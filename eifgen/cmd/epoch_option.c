// SPDX-License-Identifier: Apache-2.0
//
// --epoch N | git[:DIR[:PATH]] | image. DIR ends at the first colon behind it, so a directory with a colon in its name
// is given from elsewhere (`cd` there and `git`); PATH may hold colons.
#include "eifgen/cmd/epoch_option.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/cmd/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool epoch_option_is_image(const char *option)
{
	return option && !strcmp(option, "image");
}

static int from_git_option(const char *rest, struct epoch *out, struct err *err)
{
	const char *colon = strchr(rest, ':');
	_cleanup_free_ char *dir = mem_dup(rest, colon ? (size_t)(colon - rest) : strlen(rest), err);

	if (!dir)
		return -1;
	return epoch_from_git(*dir ? dir : ".", colon && colon[1] ? colon + 1 : NULL, out, err);
}

static int from_option(const char *option, const char *created, struct epoch *out, struct err *err)
{
	if (epoch_option_is_image(option))
		return epoch_from_created(created, out, err);
	if (!strcmp(option, "git"))
		return epoch_from_git(".", NULL, out, err);
	if (!strncmp(option, "git:", 4))
		return from_git_option(option + 4, out, err);
	return epoch_from_text(option, EPOCH_FROM_NUMBER, out, err);
}

int epoch_option_resolve(const char *option, const char *context, const char *path, const char *created,
			 struct epoch *out, struct err *err)
{
	const char *env = getenv("SOURCE_DATE_EPOCH");

	if (option)
		return from_option(option, created, out, err) ? err_prefix(err, "--epoch %.200s: ", option) : 0;
	if (env)
		return epoch_from_text(env, EPOCH_FROM_ENV, out, err) ? err_prefix(err, "SOURCE_DATE_EPOCH: ") : 0;
	if (context)
		return epoch_from_git(context, path, out, err);
	*out = (struct epoch){.seconds = EPOCH_DEFAULT, .source = EPOCH_FROM_DEFAULT};
	return 0;
}

void epoch_option_warn(const struct epoch *e)
{
	char text[200];

	if (!e->dirty)
		return;
	snprintf(text, sizeof(text), "the work tree differs from HEAD, but the epoch is that of commit %s", e->commit);
	cmd_warn(NULL, text);
}
