// SPDX-License-Identifier: Apache-2.0
//
// The small texts that init reads, taken apart without a system call, so that every rule can be tested on any machine.
// The formats are the canonical layout's (`cmd`, `env`, `user`, `workdir`, `modules`) and the kernel's (/proc/cmdline,
// /proc/cgroups). A function that can refuse its input returns -1 and points *why at a constant sentence.
#ifndef RUNTIME_INIT_WORDS_H
#define RUNTIME_INIT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Caps: the kernel refuses longer argument lists (ARG_MAX counts cmd and env together) and group lists anyway.
enum { INIT_FILE_MAX = 2 << 20, INIT_LINES_MAX = 65536, INIT_GROUPS_MAX = 65536 };

// Lines of a text that is changed in place: each LF becomes the NUL that ends a line.
struct init_lines {
	char **line; // `count` pointers into the text, then NULL: an argv or an envp as it stands; owned
	size_t count;
};

// Splits text (len bytes, text[len] writable) at each LF. A last line without LF counts, a NUL inside is refused.
// -1 also when memory is out.
int init_lines_split(char *text, size_t len, struct init_lines *out, const char **why);
void init_lines_free(struct init_lines *lines);

// The value of NAME in an envp; NULL if it has none.
const char *init_env_get(char *const *env, const char *name);

// Who the service runs as: `UID:GID:G1,G2,…` with an optional LF, decimal, the list possibly empty.
struct init_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups; // owned; supplementary groups
	size_t group_count;
};

int init_user_parse(const char *text, size_t len, struct init_user *out, const char **why);
void init_user_free(struct init_user *user);

// True if one of the blank-separated words of the kernel's command line is `word`.
bool init_cmdline_has(const char *cmdline, const char *word);

// A module's name may reach only into /modules.d: no `/`, not empty, not `.` or `..`.
bool init_module_name_ok(const char *name);
// True if the name ends as a compressed module's does (.xz .gz .zst), which the kernel must be told.
bool init_module_compressed(const char *name);

// The n-th (from 0) place where a program is looked for: DIR/NAME for the n-th part of `path`, an empty part being the
// working directory; a name with a `/` in it has one place, itself. Written into out (cap bytes).
// 1: out is filled; 0: no such part; -1: it does not fit (skip it).
int init_path_candidate(const char *path, const char *name, size_t n, char *out, size_t cap);

// One line of /proc/cgroups (`name hierarchy count enabled`, tabs between). Copies an enabled controller's name into
// out and returns true; a comment, a disabled controller or a malformed line gives false.
bool init_cgroup_line(const char *line, char *out, size_t cap);

#endif
