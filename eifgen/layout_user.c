// SPDX-License-Identifier: Apache-2.0
//
// USER of an image config (`user`, `uid`, `user:group`, `uid:gid` and mixtures) to numbers, from the image's own files:
//
//   /etc/passwd   name:password:uid:gid:gecos:home:shell     /etc/group   name:password:gid:member,member
//
// A line counts if it has a name and the ids, decimal and up to 2^32 - 2 (later fields may be missing); others are
// skipped. A part is matched by name or, if it is all digits, by number; the first line that matches in either way is
// taken. A number needs no line; a name does. An empty group part is none. What is missing or no file has no lines.
#include "base/cleanup.h"
#include "base/mem.h"
#include "eifgen/layout_out.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { PASSWD_FIELDS = 7, PASSWD_LEAST = 4, GROUP_FIELDS = 4, GROUP_LEAST = 3, QUOTE_MAX = 256 };

struct field {
	const char *p;
	size_t n;
};

static bool field_is(struct field f, const char *s, size_t n)
{
	return f.n == n && !memcmp(f.p, s, n);
}

// All digits, up to 2^32 - 2: true, and the value.
static bool parse_id(const char *p, size_t n, uint32_t *id)
{
	uint64_t v = 0;

	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(p[i] - '0');
		if (v >= UINT32_MAX)
			return false;
	}
	*id = (uint32_t)v;
	return true;
}

static bool all_digits(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n > 0;
}

static int read_file(const struct tree *tree, const char *path, struct buf *out, struct err *err)
{
	struct err why = ERR_INIT;
	const struct node *n = tree_resolve(tree, path, strlen(path), true, &why);
	const struct inode *inode = n ? n->inode : NULL;
	ssize_t got;

	if (!n && (why.errnum == ENOENT || why.errnum == ENOTDIR))
		return 0;
	if (!n)
		return err_set(err, why.class, "entry \"%s\": %s", path, why.msg);
	if (!S_ISREG(inode->mode))
		return 0;
	if (inode->size > out->max)
		return err_set(err, ERR_LIMIT, "entry \"%s\": larger than %zu bytes", path, out->max);
	if (buf_reserve(out, (size_t)inode->size, err))
		return -1;
	while (out->len < inode->size) {
		got =
		    tree_content_read(tree, inode, out->len, out->data + out->len, (size_t)inode->size - out->len, err);
		if (got <= 0)
			return got ? -1 : err_set(err, ERR_IO, "entry \"%s\": content ends early", path);
		out->len += (size_t)got;
	}
	return 0;
}

// The next line with a name and at least `least` fields; up to `want` of them in f, empty where missing. False at the
// end.
static bool next_line(const struct buf *text, size_t *at, struct field *f, size_t least, size_t want)
{
	while (*at < text->len) {
		const char *line = (const char *)text->data + *at;
		const char *end = memchr(line, '\n', text->len - *at);
		size_t n = end ? (size_t)(end - line) : text->len - *at, count = 0;

		*at += n + (end ? 1 : 0);
		memset(f, 0, want * sizeof(*f));
		for (;;) {
			const char *colon = memchr(line, ':', n);
			size_t len = colon ? (size_t)(colon - line) : n;

			if (count < want)
				f[count] = (struct field){line, len};
			count++;
			if (!colon)
				break;
			line += len + 1;
			n -= len + 1;
		}
		if (count >= least && f[0].n)
			return true;
	}
	return false;
}

// First passwd line that matches `part` by name or number.
static bool find_user(const struct buf *passwd, const char *part, size_t n, struct field *line, uint32_t *uid,
		      uint32_t *gid)
{
	uint32_t number = 0;
	bool is_number = parse_id(part, n, &number);
	size_t at = 0;

	while (next_line(passwd, &at, line, PASSWD_LEAST, PASSWD_FIELDS)) {
		if (!parse_id(line[2].p, line[2].n, uid) || !parse_id(line[3].p, line[3].n, gid))
			continue;
		if (field_is(line[0], part, n) || (is_number && *uid == number))
			return true;
	}
	return false;
}

static int resolve_group(const struct buf *group, const char *part, size_t n, uint32_t *gid, struct err *err)
{
	struct field line[GROUP_FIELDS];
	uint32_t number = 0;
	bool is_number = parse_id(part, n, &number);
	char q[QUOTE_MAX];
	size_t at = 0;

	while (next_line(group, &at, line, GROUP_LEAST, GROUP_FIELDS)) {
		if (!parse_id(line[2].p, line[2].n, gid))
			continue;
		if (field_is(line[0], part, n) || (is_number && *gid == number))
			return 0;
	}
	if (!is_number)
		return err_set(err, ERR_INPUT,
			       all_digits(part, n) ? "group %s is past 2^32 - 2"
						   : "group %s has no entry in /etc/group",
			       err_quote(part, n, q, sizeof(q)));
	*gid = number;
	return 0;
}

static bool has_member(struct field members, struct field name)
{
	while (members.n) {
		const char *comma = memchr(members.p, ',', members.n);
		size_t n = comma ? (size_t)(comma - members.p) : members.n;

		if (field_is(name, members.p, n))
			return true;
		members.p += comma ? n + 1 : n;
		members.n -= comma ? n + 1 : n;
	}
	return false;
}

static int compare_ids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int add_groups(const struct buf *group, struct field name, struct layout_user *u, struct err *err)
{
	struct field line[GROUP_FIELDS];
	size_t at = 0, cap = 0, kept = 0;
	uint32_t gid;

	while (next_line(group, &at, line, GROUP_LEAST, GROUP_FIELDS)) {
		if (!parse_id(line[2].p, line[2].n, &gid) || gid == u->gid || !has_member(line[3], name))
			continue;
		if (mem_grow(&u->groups, &cap, u->group_count, sizeof(*u->groups), err))
			return -1;
		u->groups[u->group_count++] = gid;
	}
	if (u->group_count)
		qsort(u->groups, u->group_count, sizeof(*u->groups), compare_ids);
	for (size_t i = 0; i < u->group_count; i++)
		if (i == 0 || u->groups[i] != u->groups[i - 1])
			u->groups[kept++] = u->groups[i];
	u->group_count = kept;
	return 0;
}

static int resolve(const struct buf *passwd, const struct buf *group, const char *user, struct layout_user *u,
		   struct err *err)
{
	const char *colon = strchr(user, ':');
	size_t n = colon ? (size_t)(colon - user) : strlen(user);
	struct field line[PASSWD_FIELDS];
	char q[QUOTE_MAX];
	bool found = find_user(passwd, user, n, line, &u->uid, &u->gid);

	if (!found && !parse_id(user, n, &u->uid))
		return err_set(err, ERR_INPUT,
			       all_digits(user, n) ? "user %s is past 2^32 - 2" : "user %s has no entry in /etc/passwd",
			       err_quote(user, n, q, sizeof(q)));
	if (found && line[5].n) {
		u->home_len = line[5].n;
		u->home = mem_dup(line[5].p, line[5].n, err);
		if (!u->home)
			return -1;
	}
	if (!found)
		u->gid = 0;
	if (colon && colon[1])
		return resolve_group(group, colon + 1, strlen(colon + 1), &u->gid, err);
	return found ? add_groups(group, line[0], u, err) : 0;
}

int layout_user_resolve(const struct tree *tree, const char *user, struct layout_user *out, struct err *err)
{
	_cleanup_buf_ struct buf passwd = BUF_INIT(LAYOUT_FILE_MAX), group = BUF_INIT(LAYOUT_FILE_MAX);

	*out = (struct layout_user){0};
	if (read_file(tree, "etc/passwd", &passwd, err) || read_file(tree, "etc/group", &group, err) ||
	    resolve(&passwd, &group, *user ? user : "0", out, err)) {
		layout_user_clear(out);
		return -1;
	}
	return 0;
}

void layout_user_clear(struct layout_user *u)
{
	free(u->groups);
	free(u->home);
	*u = (struct layout_user){0};
}

int layout_user_home(const struct layout_user *u, struct buf *env, struct err *err)
{
	if (u->home && memchr(u->home, 0, u->home_len))
		return err_set(err, ERR_UNSUPPORTED, "the user's home directory in /etc/passwd holds a NUL");
	return buf_printf(env, err, "HOME=%s\n", u->home ? u->home : "/");
}

int layout_user_text(const struct layout_user *u, struct buf *out, struct err *err)
{
	if (buf_printf(out, err, "%u:%u:", u->uid, u->gid))
		return -1;
	for (size_t i = 0; i < u->group_count; i++)
		if (buf_printf(out, err, i ? ",%u" : "%u", u->groups[i]))
			return -1;
	return buf_add_byte(out, '\n', err);
}
