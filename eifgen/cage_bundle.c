// SPDX-License-Identifier: Apache-2.0
//
// The archive's reader knows just what installer/build writes: ustar headers of 512 bytes, regular files, directories
// and symlinks below runtime-dependencies/, names of less than 100 bytes. Anything else is an error, not a guess.
#include "eifgen/cage_bundle.h"
#include "base/checked.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/mem.h"
#include "layerfs/digest.h"
#include "layerfs/json.h"

#include <stdio.h>
#include <string.h>

#define TOP "runtime-dependencies/"
enum { BLOCK = 512, NAME_AT = 0, NAME_SIZE = 100, SIZE_AT = 124, TYPE_AT = 156, LINK_AT = 157, MAGIC_AT = 257 };

// ---- the archive ----------------------------------------------------------------------------------------------------
struct member {
	char name[NAME_SIZE + 1], link[NAME_SIZE + 1];
	char type;
	const uint8_t *data;
	size_t size;
};

static int parse_octal(const uint8_t *p, size_t n, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < n && p[i] && p[i] != ' '; i++) {
		if (p[i] < '0' || p[i] > '7')
			return -1;
		*v = *v * 8 + (uint64_t)(p[i] - '0');
	}
	return 0;
}

// The member at *at, which moves behind it. 1, 0 at the end of the archive, -1.
static int next_member(const uint8_t *tar, size_t n, size_t *at, struct member *m, struct err *err)
{
	const uint8_t *h = tar + *at;
	uint64_t size, room;

	if (n - *at < BLOCK || h[0] == 0)
		return 0;
	if (memcmp(h + MAGIC_AT, "ustar", 6) || h[345] || parse_octal(h + SIZE_AT, 12, &size))
		return err_set(err, ERR_INPUT, "header at offset %zu is not as installer/build writes it", *at);
	*at += BLOCK;
	room = (size + BLOCK - 1) / BLOCK * BLOCK;
	if (room < size || room > n - *at)
		return err_set(err, ERR_INPUT, "the archive ends within a file at offset %zu", *at);
	memcpy(m->name, h + NAME_AT, NAME_SIZE);
	memcpy(m->link, h + LINK_AT, NAME_SIZE);
	m->name[NAME_SIZE] = m->link[NAME_SIZE] = 0;
	m->type = (char)h[TYPE_AT];
	m->data = tar + *at;
	m->size = (size_t)size;
	*at += (size_t)room;
	return 1;
}

static bool is_plain(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

// A file or link of bin/, among b->files for now.
static int take_file(struct cage_bundle *b, const struct member *m, struct err *err)
{
	const char *name = m->name + strlen(TOP "bin/");
	struct cage_tool *t = &b->files[b->file_count];

	if (b->file_count == CAGE_TOOLS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d files in bin/", CAGE_TOOLS_MAX);
	if (!is_plain(name) || (m->type == '2' && !is_plain(m->link)))
		return err_set(err, ERR_INPUT, "a name in bin/ that is no plain one");
	t->name = mem_strdup(name, err);
	t->target = m->type == '2' ? mem_strdup(m->link, err) : NULL;
	t->data = m->data;
	t->size = m->size;
	b->file_count++;
	return !t->name || (m->type == '2' && !t->target) ? -1 : 0;
}

// PROVENANCE: `TOOL SOURCE VERSION` a line. Moves the named tools from b->files to b->tools.
static int take_provenance(struct cage_bundle *b, const struct member *m, struct err *err)
{
	_cleanup_free_ char *text = mem_dup(m->data, m->size, err);
	char *save = NULL;

	if (!text)
		return -1;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(line, " "), i = 0;

		while (i < b->file_count && (strlen(b->files[i].name) != n || memcmp(b->files[i].name, line, n)))
			i++;
		if (!line[n] || i == b->file_count || b->tool_count == CAGE_TOOLS_MAX)
			return err_set(err, ERR_INPUT, "PROVENANCE names a tool that is not in bin/");
		b->files[i].source = mem_strdup(line + n + 1, err);
		if (!b->files[i].source)
			return -1;
		b->tools[b->tool_count++] = b->files[i];
		b->files[i] = b->files[--b->file_count];
	}
	return 0;
}

const struct cage_tool *cage_bundle_file(const struct cage_bundle *b, const char *name)
{
	for (size_t i = 0; i < b->file_count; i++)
		if (!strcmp(b->files[i].name, name) && !b->files[i].target)
			return &b->files[i];
	return NULL;
}

int cage_bundle_read_tools(const void *tar, size_t n, struct cage_bundle *b, struct err *err)
{
	struct member m, provenance = {.data = NULL};
	size_t at = 0;
	int more;

	while ((more = next_member(tar, n, &at, &m, err)) > 0) {
		if (strncmp(m.name, TOP, strlen(TOP)))
			return err_set(err, ERR_INPUT, "an entry outside of " TOP);
		if (!strcmp(m.name, TOP "PROVENANCE"))
			provenance = m;
		if ((m.type == '0' || m.type == '2') && !strncmp(m.name, TOP "bin/", strlen(TOP "bin/")) &&
		    take_file(b, &m, err))
			return -1;
	}
	if (more < 0)
		return -1;
	if (!provenance.data)
		return err_set(err, ERR_INPUT, "it has no PROVENANCE");
	if (take_provenance(b, &provenance, err))
		return -1;
	for (size_t i = 0; i < b->tool_count; i++)
		if (b->tools[i].target && !cage_bundle_file(b, b->tools[i].target))
			return err_set(err, ERR_INPUT, "tool %s is a link to nothing", b->tools[i].name);
	return 0;
}

// ---- the directory --------------------------------------------------------------------------------------------------
// One file of the bundle, held against its digest in bundle.json.
static int load_file(const char *dir, const cJSON *files, const char *name, struct buf *out, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "%s/%s", dir, name);
	char digest[DIGEST_TEXT_MAX];
	const char *want;

	if (!path || json_get_string(files, name, JSON_OPTIONAL, (want = NULL, &want), err))
		return -1;
	if (!want)
		return err_set(err, ERR_INPUT, "bundle.json has no %s: was the bundle made by `make bundle`?", name);
	if (io_slurp(path, CAGE_PROGRAM_MAX, out, err) || digest_of(out->data, out->len, digest, err))
		return -1;
	if (strcmp(digest + strlen("sha256:"), want))
		return err_set(err, ERR_MISMATCH, "%s is not what bundle.json says", name);
	return 0;
}

static int load(const char *dir, bool egress, const char *digest, struct cage_bundle *b, struct err *err)
{
	_cleanup_free_ char *path = mem_printf(err, "%s/bundle.json", dir);
	_cleanup_json_ cJSON *root = NULL;
	const cJSON *files;

	if (!path || io_slurp(path, 1 << 20, &b->json, err) || digest_of(b->json.data, b->json.len, b->digest, err))
		return -1;
	if (digest && strcmp(digest, b->digest))
		return err_set(err, ERR_MISMATCH, "bundle.json has %s, runtime.bundle wants %s", b->digest, digest);
	if (json_parse(b->json.data, b->json.len, 1 << 20, &root, err) ||
	    json_get_object(root, "files", JSON_REQUIRED, &files, err))
		return err_prefix(err, "bundle.json: ");
	if (load_file(dir, files, "cage-service", &b->service, err) ||
	    load_file(dir, files, egress ? "cage-data-plane" : "cage-data-plane-no-egress", &b->data_plane, err) ||
	    load_file(dir, files, "runtime-dependencies.tar", &b->dependencies, err))
		return -1;
	if (cage_bundle_read_tools(b->dependencies.data, b->dependencies.len, b, err))
		return err_prefix(err, "runtime-dependencies.tar: ");
	return 0;
}

int cage_bundle_load(const char *dir, bool egress, const char *digest, struct cage_bundle **out, struct err *err)
{
	_cleanup_(cage_bundle_freep) struct cage_bundle *b = mem_zalloc(1, sizeof(*b), err);
	char quoted[512];

	if (!b)
		return -1;
	if (load(dir, egress, digest, b, err))
		return err_prefix(err, "runtime %s: ", err_quote(dir, strlen(dir), quoted, sizeof(quoted)));
	*out = steal_ptr(&b);
	return 0;
}

static void tools_free(struct cage_tool *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(t[i].name);
		free(t[i].source);
		free(t[i].target);
	}
}

void cage_bundle_free(struct cage_bundle *b)
{
	if (!b)
		return;
	tools_free(b->tools, b->tool_count);
	tools_free(b->files, b->file_count);
	buf_free(&b->json);
	buf_free(&b->service);
	buf_free(&b->data_plane);
	buf_free(&b->dependencies);
	free(b);
}
