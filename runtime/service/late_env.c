// SPDX-License-Identifier: Apache-2.0
//
// Merging one list of NAME=VALUE words into another, the later word winning.
#include "runtime/service/late_env.h"
#include "runtime/init/boot.h"
#include "runtime/init/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int put(struct init_lines *env, char *word, size_t name_len)
{
	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->line[i], word, name_len + 1)) { // the name and its `=`
			env->line[i] = word;
			return 0;
		}
	char **more = realloc(env->line, (env->count + 2) * sizeof(*more));

	if (!more)
		return -1;
	more[env->count++] = word;
	more[env->count] = NULL;
	env->line = more;
	return 0;
}

int late_env_merge_text(char *text, size_t len, struct init_lines *env, const char **why)
{
	if (len > 0 && text[len - 1]) {
		*why = "the last word has no NUL behind it";
		return -1;
	}
	for (char *word = text; word < text + len; word += strlen(word) + 1) {
		const char *equals = strchr(word, '=');

		if (!equals || equals == word) {
			*why = "a word is not NAME=VALUE";
			return -1;
		}
		if (env->count >= INIT_LINES_MAX || put(env, word, (size_t)(equals - word))) {
			*why = "out of memory, or more than 65536 words";
			return -1;
		}
	}
	return 0;
}

int late_env_merge(const char *path, struct init_lines *env, const char **why)
{
	char *text;
	size_t len;

	if (init_read_file(path, &text, &len)) {
		*why = init_reason(errno);
		return errno == ENOENT ? 0 : -1;
	}
	return late_env_merge_text(text, len, env, why);
}
